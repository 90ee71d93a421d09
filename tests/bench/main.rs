//! The benchmark: every figure as a ratio inside one run, with CPU seconds and bytes beside it.

mod coded;
mod cores;
mod cramped;
mod judged;
mod phases;
mod report;
mod shapes;

use std::path::PathBuf;

use report::Report;

/// What to run on.
pub struct Plan {
    /// A folder of Synthea transaction bundles (`.json` or `.json.gz`).
    pub data: PathBuf,
    /// How many resources the store shall hold before searches are measured.
    pub resources: usize,
    /// Whether to measure on the PostgreSQL that `EPIS_TEST_POSTGRES` names, not the embedded store.
    pub postgres: bool,
    /// Seconds a measurement lasts.
    pub seconds: u64,
    /// Where the store's folder is made; the disk that is measured.
    pub place: PathBuf,
    /// Whether only what judging costs is measured: of codes, of an import, of a record in full.
    pub judging: bool,
    /// With how much memory counts are measured once more, page cache included.
    pub memory_mib: Option<u64>,
}

const USAGE: &str = "\
Measures a server of its own on real records and prints a table of ratios.

usage: cargo run --release -p tests --bin bench -- [options]
  --data FOLDER      Synthea transaction bundles, .json or .json.gz (default: the samples of the tests)
  --resources N      records in the store before searches are measured (default 100000)
  --postgres         measure on PostgreSQL; tests/bench/run starts one and calls this
  --seconds N        length of a measurement (default 5)
  --place FOLDER     where the store is made (default: the current folder)
  --judging          measure only what judging costs: questions about codes, an import, a record judged in full
  --memory MIB       measure counts once more in a control group with so much memory (as root, embedded store)";

fn plan() -> Result<Plan, String> {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/synthea/patients");
    let place = std::env::current_dir().map_err(|e| e.to_string())?;
    let mut plan = Plan {
        data: samples.into(),
        resources: 100_000,
        postgres: false,
        seconds: 5,
        place,
        judging: false,
        memory_mib: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value.\n\n{USAGE}"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number."));
        match name.as_str() {
            "--data" => plan.data = value()?.into(),
            "--resources" => plan.resources = number(value()?)? as usize,
            "--postgres" => plan.postgres = true,
            "--judging" => plan.judging = true,
            "--seconds" => plan.seconds = number(value()?)?.max(1),
            "--memory" => plan.memory_mib = Some(number(value()?)?),
            "--place" => plan.place = value()?.into(),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(plan)
}

fn main() {
    let plan = plan().unwrap_or_else(|words| {
        eprintln!("{words}");
        std::process::exit(2);
    });
    let mut report = Report::default();
    phases::run(&plan, &mut report);
    println!("{report}");
}
