//! What the viewer sees of the walk, on the terminal and on the page, and how she goes on.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long something may take to happen.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked at whether it has, and from when on it is said that it has not yet.
const LOOK: Duration = Duration::from_millis(100);
const QUIET: Duration = Duration::from_secs(2);

/// A line of what has happened in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A sentence.
    Said(String),
    /// A command that does the same.
    Done(String),
    /// Something to look at, and its address.
    Look(String, String),
}

/// What is on at the moment.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The number of the step, from 1; 0 before the first.
    pub step: usize,
    /// How many there are.
    pub of: usize,
    /// The step's name.
    pub title: &'static str,
    /// What is going to happen, or has.
    pub before: &'static str,
    /// What has happened; while the viewer is waited for, in the step before.
    pub lines: Vec<Line>,
    /// Whether the viewer is waited for.
    pub waits: bool,
    /// Whether all steps are over.
    pub is_over: bool,
}

/// The terminal, and what the page shows.
pub struct Stage {
    is_unattended: bool,
    is_terminal: bool,
    scene: Mutex<Scene>,
    gone_on: Condvar,
}

impl Stage {
    /// An empty stage; where a viewer attends, Enter on the terminal goes on.
    pub fn new(is_unattended: bool) -> Stage {
        Stage {
            is_unattended,
            is_terminal: std::io::stdout().is_terminal(),
            scene: Mutex::default(),
            gone_on: Condvar::new(),
        }
    }

    /// What is on.
    pub fn scene(&self) -> Scene {
        self.held().clone()
    }

    /// Takes Enter from the terminal, as long as there is one.
    pub fn listen(&self) {
        if self.is_unattended {
            return;
        }
        for line in std::io::stdin().lock().lines() {
            match line {
                Ok(_) => self.go_on(self.scene().step),
                Err(_) => return,
            }
        }
    }

    /// Goes on, where the step is waited for.
    pub fn go_on(&self, step: usize) {
        let mut scene = self.held();
        if scene.step == step {
            scene.waits = false;
            self.gone_on.notify_all();
        }
    }

    /// Begins a step: says what is going to happen, and waits for the viewer.
    pub fn begin(&self, (step, of): (usize, usize), title: &'static str, before: &'static str) {
        let mut scene = self.held();
        (scene.step, scene.of) = (step, of);
        (scene.title, scene.before) = (title, before);
        scene.waits = !self.is_unattended;
        // After what the page shows, so that whoever reads of a step finds it there.
        println!("\n{}", self.bold(&format!("Step {step} of {of}: {title}")));
        println!("{}", wrapped(before));
        if scene.waits {
            print!("\n  Press Enter (or Continue on the page) ");
            let _ = std::io::stdout().flush();
        }
        while scene.waits {
            scene = self.gone_on.wait(scene).unwrap_or_else(PoisonError::into_inner);
        }
        scene.lines.clear();
        println!();
    }

    /// Ends the walk.
    pub fn end(&self, title: &'static str, before: &'static str) {
        let mut scene = self.held();
        (scene.title, scene.before, scene.is_over) = (title, before, true);
        println!("\n{}\n{}", self.bold(title), wrapped(before));
    }

    /// A sentence.
    pub fn say(&self, text: &str) {
        println!("  {}", wrapped(text).replace('\n', "\n  "));
        self.held().lines.push(Line::Said(text.to_owned()));
    }

    /// A command that does what was done.
    pub fn done(&self, command: &str) {
        println!("    $ {command}");
        self.held().lines.push(Line::Done(command.to_owned()));
    }

    /// Something to look at.
    pub fn look(&self, what: &str, url: &str) {
        println!("    {what:<28} {url}");
        self.held().lines.push(Line::Look(what.to_owned(), url.to_owned()));
    }

    /// Waits until something holds, and shows that it does; what is waited for is a part of a sentence, as `both have it`.
    ///
    /// # Errors
    /// What the question failed with; a sentence where it does not hold within two minutes.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
        let (start, mut shown) = (Instant::now(), 0);
        while !holds()? {
            let waited = start.elapsed();
            if waited > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(format!(
                    "It was waited {seconds} seconds until {what}, and it did not happen."
                ));
            }
            if self.is_terminal && waited > QUIET && waited.as_secs() > shown {
                shown = waited.as_secs();
                print!("\r  Waiting until {what}: {shown} s");
                let _ = std::io::stdout().flush();
            }
            std::thread::sleep(LOOK);
        }
        if shown > 0 {
            print!("\r\x1b[K");
        }
        Ok(())
    }

    fn bold(&self, text: &str) -> String {
        match self.is_terminal {
            true => format!("\x1b[1m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text in lines that are pleasant to read.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 96;
    let (mut out, mut width) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_waits_for_who_sees_it_and_only_for_that_step() {
        let stage = Stage::new(false);
        std::thread::scope(|scope| {
            let walk = scope.spawn(|| stage.begin((1, 2), "One", "It begins."));
            while !stage.scene().waits {
                std::thread::yield_now();
            }
            stage.go_on(2);
            assert!(stage.scene().waits && !walk.is_finished());
            stage.go_on(1);
            walk.join().unwrap();
        });
        stage.say("Done.");
        assert_eq!(stage.scene().lines, [Line::Said("Done.".to_owned())]);
        let failed = stage.until("it breaks", || Err("It broke.".to_owned()));
        assert_eq!(failed, Err("It broke.".to_owned()));
    }

    #[test]
    fn texts_are_broken_between_words() {
        let text = "snow ".repeat(40);
        let broken = wrapped(text.trim());
        assert!(broken.lines().count() == 3 && broken.lines().all(|line| line.len() <= 96));
        assert_eq!(broken.replace('\n', " "), text.trim());
    }
}
