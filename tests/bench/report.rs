//! The table that a run ends with.

use std::fmt;

/// One measured line.
struct Line {
    what: String,
    figure: String,
    ratio: String,
    goal: String,
}

/// The lines in the order they were measured.
#[derive(Default)]
pub struct Report(Vec<Line>);

impl Report {
    /// Adds a figure without a goal.
    pub fn note(&mut self, what: &str, figure: String) {
        eprintln!("  {what}: {figure}");
        self.0.push(Line {
            what: what.into(),
            figure,
            ratio: String::new(),
            goal: String::new(),
        });
    }

    /// Adds a figure, its ratio to the run's own yardstick, and the goal in words.
    pub fn goal(&mut self, what: &str, figure: String, ratio: f64, unit: &str, goal: &str) {
        let ratio = format!("{ratio:.2} {unit}");
        eprintln!("  {what}: {figure}; {ratio} (goal {goal})");
        self.0.push(Line {
            what: what.into(),
            figure,
            ratio,
            goal: goal.into(),
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | figure | ratio | goal |\n|---|---|---|---|")?;
        for Line {
            what,
            figure,
            ratio,
            goal,
        } in &self.0
        {
            writeln!(f, "| {what} | {figure} | {ratio} | {goal} |")?;
        }
        Ok(())
    }
}
