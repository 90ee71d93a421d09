//! The demonstration comes as it tells: the walk is taken unattended, with the program as it is shipped.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tests::world::binary;

/// A demonstration that runs, and the folder it was given; both go when this is dropped.
struct Demo {
    child: Child,
    folder: PathBuf,
}

impl Demo {
    fn begin(folder: PathBuf) -> Demo {
        let mut command = Command::new(binary());
        command
            .args(["demo", "--unattended", "--listen", "127.0.0.1:0", "--data"])
            .arg(&folder);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Demo {
            child: piped.expect("epis starts"),
            folder,
        }
    }

    /// What it says, line by line.
    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        let lines = BufReader::new(self.child.stdout.take().expect("piped")).lines();
        lines.map(|line| line.expect("text"))
    }

    /// Whether it ended well, and what it complained of.
    fn end(&mut self) -> (bool, String) {
        let mut trouble = String::new();
        let errors = self.child.stderr.take().expect("piped").read_to_string(&mut trouble);
        errors.expect("text");
        (self.child.wait().expect("it ends").success(), trouble)
    }
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("epis_demo_{name}_{}", std::process::id()))
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_walk_comes_as_told_and_the_page_shows_it() {
    let mut demo = Demo::begin(folder("walk"));
    let (mut said, mut shown) = (Vec::new(), Vec::new());
    let mut board = String::new();
    for line in demo.lines() {
        if let Some((_, url)) = line.split_once("All three, side by side") {
            board = url.trim().to_owned();
        }
        // The page is looked at while each step goes on.
        if line.starts_with("Step ") {
            let page = ureq::get(&board).call().expect("the page").body_mut().read_to_string();
            shown.push(page.expect("text"));
        }
        said.push(line);
    }
    let (is_well, trouble) = demo.end();
    let said = said.join("\n");
    assert!(is_well, "{said}\n{trouble}");
    assert_eq!(
        trouble.lines().filter(|line| !line.starts_with("Loading")).count(),
        0,
        "{trouble}"
    );
    let told = [
        "Step 9 of 9: All three are alike",
        "epis node invite",
        "epis node enrol",
        "curl -s -X PATCH",
        "Laya BHU says: 2 not sent, since ",
        "Lunana BHU says: 7 not sent, since ",
        "Laya wrote 1987-03-14, Lunana wrote 1987-04-13",
        "The data stays for the next run.",
    ];
    for text in told {
        assert!(said.contains(text), "{text}:\n{said}");
    }
    assert_eq!(shown.len(), 9);
    for text in ["Laya BHU", "Lunana BHU", "The centre", "viewport", "Step "] {
        assert!(shown.iter().all(|page| page.contains(text)), "{text}: {shown:?}");
    }
    assert!(shown.iter().any(|page| page.contains("17 65 43 21")), "{shown:?}");
    assert!(!shown.iter().any(|page| page.contains("<script")), "{shown:?}");
}

#[test]
fn a_demonstration_that_cannot_begin_says_why_and_fails() {
    let folder = folder("refused");
    std::fs::create_dir_all(folder.join("centre")).expect("a folder");
    std::fs::write(folder.join("centre/log.sqlite"), "no database").expect("a log that is none");
    let mut demo = Demo::begin(folder);
    let said: Vec<String> = demo.lines().collect();
    let (is_well, trouble) = demo.end();
    assert!(!is_well && trouble.starts_with("epis: "), "{said:?} {trouble}");
    assert!(!said.iter().any(|line| line.starts_with("Step ")), "{said:?}");
}
