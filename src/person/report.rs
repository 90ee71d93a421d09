//! How well matching does where the truth is known: what is linked rightly and wrongly, at which threshold, and how fast.

use std::fmt::Write as _;

use crate::register::Found;
use crate::score::{CERTAIN, Grade, POSSIBLE};

/// So many candidates are looked at of everybody.
pub const LOOKED_AT: usize = 5;
/// Thresholds in the table, in bits.
const THRESHOLDS: [f64; 8] = [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0];
/// The curve goes over so many bits, from the first to the last.
const CURVE: (i32, i32) = (-10, 30);
/// Evidence is calibrated from so many bits to so many.
const CALIBRATED: (i32, i32) = (-10, 20);
/// In a stretch of evidence so many candidates have to be, or it tells nothing.
const STRETCH_LEAST: f64 = 50.0;
/// Bounds of the probabilities in the table of reliability: tenths, and where a match is possible and certain.
const BOUNDS: [f64; 12] = [0.0, POSSIBLE, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, CERTAIN];
/// Where the picture of reliability lies, and how wide and high it is.
const RELIABILITY: (f64, f64, f64) = (60.0, 490.0, 200.0);

/// Somebody who was looked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The record that is hers too; `None` where she was registered once.
    pub other: Option<&'a str>,
    /// How many people she stands for, where not everybody is looked for.
    pub stands_for: f64,
    /// How long finding her took, in microseconds.
    pub micros: u32,
}

/// One candidate.
#[derive(Clone, Copy, Debug)]
struct Seen {
    bits: f64,
    probability: f64,
    grade: Grade,
    /// Whether a rule held the grade down.
    held: bool,
    right: bool,
    stands_for: f64,
}

/// Candidates of about the same probability.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// The least and the highest probability.
    pub within: (f64, f64),
    /// How many there are.
    pub candidates: f64,
    /// Their probability on average.
    pub said: f64,
    /// The share of them who are the same person.
    pub was: f64,
}

/// What came of looking for many people.
#[derive(Default)]
pub struct Report {
    seen: Vec<Seen>,
    /// How many people were looked for who were registered twice, and once.
    asked: [f64; 2],
    /// Of those registered twice, how many stood first, second and so on.
    ranks: [f64; LOOKED_AT],
    micros: Vec<u32>,
}

impl Report {
    /// Takes what was found of somebody, the likeliest first, without her own record.
    pub fn take(&mut self, found: &[Found], asked: &Asked<'_>) {
        self.asked[usize::from(asked.other.is_none())] += asked.stands_for;
        self.micros.push(asked.micros);
        for (at, found) in found.iter().take(LOOKED_AT).enumerate() {
            let right = asked.other == Some(&found.id);
            if right {
                self.ranks[at] += asked.stands_for;
            }
            self.seen.push(Seen {
                bits: found.score.bits,
                probability: found.score.probability,
                grade: found.score.grade,
                held: found.score.held.is_some(),
                right,
                stands_for: asked.stands_for,
            });
        }
    }

    fn sum(&self, of: impl Fn(&Seen) -> bool) -> f64 {
        // Nothing adds up to nothing, not to minus nothing.
        let all = self.seen.iter().filter(|seen| of(seen));
        all.fold(0.0, |sum, seen| sum + seen.stands_for)
    }

    /// Of what would be linked, the share that is right; of what should be linked, the share that would be.
    fn precision_and_recall(&self, linked: impl Fn(&Seen) -> bool) -> (f64, f64) {
        let right = self.sum(|seen| seen.right && linked(seen));
        let wrong = self.sum(|seen| !seen.right && linked(seen));
        (right / (right + wrong).max(1e-9), right / self.asked[0].max(1e-9))
    }

    /// Precision and recall of what is linked without anybody looking.
    pub fn automatic(&self) -> (f64, f64) {
        self.precision_and_recall(|seen| seen.grade == Grade::Certain)
    }

    /// The share of those registered twice whose other record is among the first so many.
    pub fn among_first(&self, count: usize) -> f64 {
        self.ranks[..count.min(LOOKED_AT)].iter().sum::<f64>() / self.asked[0].max(1e-9)
    }

    /// A quantile of how long finding took, in milliseconds.
    pub fn milliseconds(&self, quantile: f64) -> f64 {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = (quantile * (sorted.len().max(1) - 1) as f64) as usize;
        sorted.get(at).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }

    /// Points of bits and the log-odds they turned out to be, of candidates that no rule holds down: rising, by joining
    /// neighbours that do not (isotonic regression).
    pub fn calibration(&self) -> Vec<(f64, f64)> {
        // Of each stretch of bits: the bits together, who was right, everybody.
        let mut stretches: Vec<[f64; 3]> = Vec::new();
        for from in (CALIBRATED.0..CALIBRATED.1).step_by(2) {
            let (low, high) = (f64::from(from), f64::from(from + 2));
            let within = self
                .seen
                .iter()
                .filter(|seen| !seen.held && seen.bits >= low && seen.bits < high);
            let mut sum = [0.0; 3];
            for seen in within {
                let right = if seen.right { seen.stands_for } else { 0.0 };
                sum = [
                    sum[0] + seen.bits * seen.stands_for,
                    sum[1] + right,
                    sum[2] + seen.stands_for,
                ];
            }
            if sum[2] < STRETCH_LEAST {
                continue;
            }
            stretches.push(sum);
            while let [.., a, b] = stretches[..]
                && a[1] / a[2] >= b[1] / b[2]
            {
                stretches.truncate(stretches.len() - 2);
                stretches.push([a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
            }
        }
        let point = |[bits, right, all]: &[f64; 3]| {
            // Half a person more on either side: what was never seen is rare, not impossible.
            let odds = ((right + 0.5) / (all - right + 0.5)).log2();
            ((bits / all * 100.0).round() / 100.0, (odds * 100.0).round() / 100.0)
        };
        let mut points: Vec<(f64, f64)> = stretches.iter().map(point).collect();
        points.dedup_by(|next, kept| next.0 <= kept.0 || next.1 < kept.1);
        points
    }

    /// The tables of the page.
    pub fn tables(&self) -> String {
        let mut out = String::new();
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let (precision, recall) = self.automatic();
        let _ = writeln!(out, "| what | figure | goal |\n|---|---|---|");
        let _ = writeln!(
            out,
            "| people looked for who were registered twice | {:.0} | |",
            self.asked[0]
        );
        let _ = writeln!(
            out,
            "| people looked for who were registered once | {:.0} | |",
            self.asked[1]
        );
        let _ = writeln!(
            out,
            "| automatic links that are right | {:.3} % | at least 99.9 % |",
            100.0 * precision
        );
        let _ = writeln!(
            out,
            "| second registrations that are linked automatically | {} | at least 95 % |",
            percent(recall)
        );
        let _ = writeln!(
            out,
            "| the other record is the first candidate | {} | |",
            percent(self.among_first(1))
        );
        let _ = writeln!(
            out,
            "| the other record is among five candidates | {} | at least 99.5 % |",
            percent(self.among_first(5))
        );
        let times = [0.5, 0.95, 0.99].map(|quantile| format!("{:.1}", self.milliseconds(quantile)));
        let _ = writeln!(
            out,
            "| finding somebody, median, p95, p99 | {} ms | |\n",
            times.join(", ")
        );
        self.confusion(&mut out);
        let _ = writeln!(
            out,
            "Linked from so many bits on, where no rule holds the grade down:\n"
        );
        let _ = writeln!(out, "| bits | right | linked |\n|---|---|---|");
        for threshold in THRESHOLDS {
            let (precision, recall) = self.precision_and_recall(|seen| !seen.held && seen.bits >= threshold);
            let _ = writeln!(
                out,
                "| {threshold:.0} | {:.3} % | {} |",
                100.0 * precision,
                percent(recall)
            );
        }
        self.reliability_table(&mut out);
        out
    }

    fn confusion(&self, out: &mut String) {
        let _ = writeln!(out, "What candidates are, and how they are graded:\n");
        let _ = writeln!(
            out,
            "| | certain | probable | possible | not among five |\n|---|---|---|---|---|"
        );
        let grades = [Grade::Certain, Grade::Probable, Grade::Possible];
        let row = |right: bool| grades.map(|grade| self.sum(|seen| seen.right == right && seen.grade == grade));
        let ([a, b, c], [d, e, f]) = (row(true), row(false));
        let missed = self.asked[0] - a - b - c;
        let _ = writeln!(out, "| the same person | {a:.0} | {b:.0} | {c:.0} | {missed:.0} |");
        let _ = writeln!(out, "| somebody else | {d:.0} | {e:.0} | {f:.0} | |\n");
    }

    /// What the probability says and how often it was so, of candidates that no rule holds down.
    pub fn reliability(&self) -> Vec<Stretch> {
        let ends = BOUNDS.iter().skip(1).chain([&1.0]);
        let stretch = |(from, to): (&f64, &f64)| {
            let within =
                |seen: &Seen| !seen.held && seen.probability >= *from && (seen.probability < *to || *to == 1.0);
            let all = self.seen.iter().filter(|seen| within(seen));
            let said = all.fold(0.0, |sum, seen| sum + seen.probability * seen.stands_for);
            let (candidates, right) = (self.sum(within), self.sum(|seen| within(seen) && seen.right));
            Stretch {
                within: (*from, *to),
                candidates,
                said: said / candidates.max(1e-9),
                was: right / candidates.max(1e-9),
            }
        };
        BOUNDS.iter().zip(ends).map(stretch).collect()
    }

    /// By how much the probability is off on average (the expected calibration error).
    pub fn calibration_error(&self) -> f64 {
        let stretches = self.reliability();
        let all: f64 = stretches.iter().map(|stretch| stretch.candidates).sum();
        let off = stretches
            .iter()
            .map(|stretch| stretch.candidates * (stretch.said - stretch.was).abs());
        off.sum::<f64>() / all.max(1e-9)
    }

    fn reliability_table(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\nWhat the probability says, and how often it was so (where no rule holds the grade down). On average it is off by \
             {:.4} (expected calibration error):\n",
            self.calibration_error()
        );
        let _ = writeln!(
            out,
            "| from | to | candidates | said on average | was so |\n|---|---|---|---|---|"
        );
        for Stretch {
            within: (from, to),
            candidates,
            said,
            was,
        } in self.reliability()
        {
            let _ = writeln!(out, "| {from} | {to} | {candidates:.0} | {said:.4} | {was:.4} |");
        }
    }

    /// Draws what the probability says, to the right, against how often it was so, upwards.
    fn draw_reliability(&self, out: &mut String) {
        let (left, top, size) = RELIABILITY;
        let bottom = top + size;
        let _ = writeln!(
            out,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{size}\" height=\"{size}\" fill=\"none\" stroke=\"black\"/>\n\
             <line x1=\"{left}\" y1=\"{bottom}\" x2=\"{}\" y2=\"{top}\" stroke=\"#999999\"/>",
            left + size
        );
        for stretch in self.reliability().iter().filter(|stretch| stretch.candidates >= 1.0) {
            let (x, y) = (left + size * stretch.said, bottom - size * stretch.was);
            let radius = 2.0 + stretch.candidates.log10();
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"#1f4e79\" fill-opacity=\"0.6\"/>"
            );
        }
        let texts = [
            (280.0, 520.0, "to the right: the probability that is said".to_owned()),
            (280.0, 538.0, "upwards: the share that was the same person".to_owned()),
            (
                280.0,
                556.0,
                "on the line they are the same; a larger spot is more candidates".to_owned(),
            ),
            (
                280.0,
                574.0,
                format!("off on average by {:.4}", self.calibration_error()),
            ),
        ];
        for (x, y, text) in texts {
            let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\">{text}</text>");
        }
    }

    /// The picture: how bits are spread among records of one person and among strangers, and precision and recall by
    /// threshold.
    pub fn picture(&self) -> String {
        let (low, high) = CURVE;
        let at = |bits: f64| 60.0 + 600.0 * (bits - f64::from(low)) / f64::from(high - low);
        let mut out = String::from(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 720\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"720\" height=\"720\" fill=\"white\"/>\n",
        );
        let count = |right: bool, from: i32| {
            let last = from == high - 1;
            let (from, to) = (f64::from(from), f64::from(from + 1));
            self.sum(|seen| seen.right == right && seen.bits >= from && (seen.bits < to || last))
        };
        // Counts go up by powers of ten: the wrong ones are few.
        let height = |count: f64| 28.0 * (1.0 + count).log10();
        for from in low..high {
            for (right, colour, shift) in [(true, "#2a7f62", 0.0), (false, "#c0392b", 7.0)] {
                let height = height(count(right, from));
                let (x, y) = (at(f64::from(from)) + shift, 200.0 - height);
                let _ = writeln!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"7\" height=\"{height:.1}\" fill=\"{colour}\"/>"
                );
            }
        }
        let mut lines = [String::new(), String::new()];
        for bits in low..=high {
            let (precision, recall) = self.precision_and_recall(|seen| !seen.held && seen.bits >= f64::from(bits));
            for (line, share) in lines.iter_mut().zip([precision, recall]) {
                let _ = write!(
                    line,
                    "{:.1},{:.1} ",
                    at(f64::from(bits)),
                    420.0 - 900.0 * (share - 0.8).max(0.0)
                );
            }
        }
        for (line, colour) in lines.iter().zip(["#1f4e79", "#b9770e"]) {
            let _ = writeln!(
                out,
                "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            );
        }
        axes(&mut out, &at);
        self.draw_reliability(&mut out);
        out.push_str("</svg>\n");
        out
    }
}

fn axes(out: &mut String, at: &dyn Fn(f64) -> f64) {
    for y in [200, 420] {
        let _ = writeln!(
            out,
            "<line x1=\"60\" x2=\"660\" y1=\"{y}\" y2=\"{y}\" stroke=\"black\"/>"
        );
    }
    for bits in (CURVE.0..=CURVE.1).step_by(10) {
        for y in [215, 435] {
            let _ = writeln!(
                out,
                "<text x=\"{:.0}\" y=\"{y}\" text-anchor=\"middle\">{bits}</text>",
                at(f64::from(bits))
            );
        }
    }
    for (share, y) in [("80 %", 424), ("90 %", 334), ("100 %", 244)] {
        let _ = writeln!(out, "<text x=\"54\" y=\"{y}\" text-anchor=\"end\">{share}</text>");
    }
    for (power, y) in [("1", 192), ("100", 144), ("10 000", 88)] {
        let _ = writeln!(out, "<text x=\"54\" y=\"{y}\" text-anchor=\"end\">{power}</text>");
    }
    for (x, y, colour, text) in [
        (
            70,
            20,
            "#2a7f62",
            "candidates who are the same person, by bits of evidence",
        ),
        (70, 36, "#c0392b", "candidates who are somebody else"),
        (190, 380, "#1f4e79", "linked from here on: the share that is right"),
        (
            190,
            396,
            "#b9770e",
            "linked from here on: the share of second registrations",
        ),
        (300, 460, "black", "bits of evidence"),
    ] {
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{text}</text>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Score;

    fn found(id: &str, bits: f64, grade: Grade) -> Found {
        let probability = 1.0 / (1.0 + (-bits).exp2());
        let score = Score {
            bits,
            probability,
            grade,
            held: None,
            before: 0.0,
            parts: Vec::new(),
        };
        Found { id: id.into(), score }
    }

    #[test]
    fn right_and_wrong_are_told_apart() {
        let mut report = Report::default();
        let asked = |other: Option<&'static str>| Asked {
            other,
            stands_for: 1.0,
            micros: 1_000,
        };
        report.take(
            &[found("a", 20.0, Grade::Certain), found("x", 3.0, Grade::Probable)],
            &asked(Some("a")),
        );
        report.take(
            &[found("x", 12.0, Grade::Certain), found("b", 2.0, Grade::Possible)],
            &asked(Some("b")),
        );
        report.take(&[], &asked(Some("c")));
        report.take(
            &[found("x", 1.0, Grade::Possible)],
            &Asked {
                stands_for: 10.0,
                ..asked(None)
            },
        );
        assert_eq!(report.automatic(), (0.5, 1.0 / 3.0));
        assert_eq!((report.among_first(1), report.among_first(5)), (1.0 / 3.0, 2.0 / 3.0));
        assert_eq!(report.milliseconds(0.95), 1.0);
        let tables = report.tables();
        for row in [
            "| the same person | 1 | 0 | 1 | 1 |",
            "| somebody else | 1 | 1 | 10 | |",
            "| 16 | 100.000 % | 33.33 % |",
        ] {
            assert!(tables.contains(row), "{row} in {tables}");
        }
        assert!(report.picture().ends_with("</svg>\n"));
    }

    #[test]
    fn calibration_finds_by_how_much_bits_exaggerate() {
        let mut report = Report::default();
        for at in 0..4_000_u32 {
            // Bits that say twice as much as they should, and two too many.
            let real = f64::from(at % 17) - 8.0;
            let probability = 1.0 / (1.0 + (-real).exp2());
            let right = f64::from(at / 17 % 100) / 100.0 < probability;
            let other = if right { Some("a") } else { None };
            report.take(
                &[found("a", 2.0 * real + 2.0, Grade::Possible)],
                &Asked {
                    other,
                    stands_for: 1.0,
                    micros: 0,
                },
            );
        }
        let points = report.calibration();
        assert!(points.len() > 4, "{points:?}");
        for (bits, odds) in points.into_iter().filter(|(_, odds)| odds.abs() < 5.0) {
            let real = (bits - 2.0) / 2.0;
            assert!((odds - real).abs() < 1.0, "{bits} turned out to be {odds}, not {real}");
        }
    }
}
