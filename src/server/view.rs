//! `epis view run`: runs a view over the records of a data folder, or over files, and prints its rows.

use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use analytics::{Fault, Format, Row, Runner, Surroundings, Table, View, each_record};
use conformance::asked::Asked;
use fhir::document::Node;
use fhir::identity::Kind;
use fhir::outcome::Issue;

use crate::fhirpath::{parsed, read, resources};
use crate::load::TEXT_MAX;
use crate::offline::Offline;
use crate::settings::Settings;
use crate::source::Source;

/// What to run.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The file with the ViewDefinition.
    pub view: PathBuf,
    /// `csv`, `ndjson` or `json`.
    pub format: String,
    /// Whether CSV begins without the line of names.
    pub no_header: bool,
    /// Rows at most.
    pub limit: Option<u64>,
    /// Files and folders to read records from; none for the data folder.
    pub inputs: Vec<PathBuf>,
}

type Out = Table<BufWriter<std::io::StdoutLock<'static>>>;

/// A run under way.
struct Run<'a> {
    runner: Runner<'a>,
    table: Out,
    left: u64,
}

/// Runs the view and prints its rows as they come.
///
/// # Errors
/// A sentence where the view cannot be run, with every fault, or something cannot be read or written.
pub fn run(settings: &Settings, wish: &Wish) -> Result<ExitCode, String> {
    let format = Format::named(&wish.format).ok_or_else(|| {
        format!(
            "\"{}\" is no format of a table; write csv, ndjson or json.",
            wish.format
        )
    })?;
    let definition = read(&wish.view)?;
    let offline = Offline::new();
    let view = View::compile(&*offline.model, definition.root()).map_err(|faults| told(&faults))?;
    let asked = Asked(&*offline.terminology);
    let judging = offline.judging();
    let surroundings = Surroundings {
        model: &*offline.model,
        now: offline.now,
        zone: settings.zone.0,
        resolver: None,
        terminology: Some(&asked),
        profiles: Some(&judging),
    };
    let out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let table = Table::begin(format, view.columns(), !wish.no_header, out).map_err(unwritable)?;
    let mut run = Run {
        runner: Runner::new(&view, surroundings),
        table,
        left: wish.limit.unwrap_or(u64::MAX),
    };
    let over = match wish.inputs.is_empty() {
        true => run.over_data(settings, view.resource()),
        false => wish.inputs.iter().try_for_each(|input| run.over_files(input)),
    };
    // What was found before a fault is printed whole.
    run.table.end().map_err(unwritable)?;
    over?;
    Ok(ExitCode::SUCCESS)
}

fn told(faults: &[Issue]) -> String {
    let lines = faults
        .iter()
        .map(|fault| format!("{}: {}", fault.expression, fault.text));
    lines.collect::<Vec<_>>().join("\n")
}

fn unwritable(error: std::io::Error) -> String {
    format!("The rows cannot be written: {error}.")
}

impl Run<'_> {
    /// Writes the rows of a record; `false` where no more are wanted.
    fn record(&mut self, record: Node<'_>) -> Result<bool, Fault> {
        let Run { runner, table, left } = self;
        let mut take = |row: &mut Row| {
            if *left > 0 {
                *left -= 1;
                table.row(row).map_err(Fault::Taker)?;
            }
            Ok(())
        };
        runner.record(record, &mut take)?;
        Ok(self.left > 0)
    }

    fn over_data(&mut self, settings: &Settings, resource: &str) -> Result<(), String> {
        let store = crate::engine::log(settings)?;
        let Some(kind) = Kind::new(resource) else {
            return Err(format!("\"{resource}\" is no kind of record."));
        };
        let head = store.head();
        let found = each_record(&store, &kind, head, None, &mut |record| self.record(record));
        found.map_err(|fault| fault.to_string())
    }

    fn over_files(&mut self, input: &std::path::Path) -> Result<(), String> {
        for source in Source::find(input)?.iter().flatten() {
            let mut trouble = None;
            source.read(0, TEXT_MAX, &mut |piece| {
                let texts = piece.texts.iter();
                let done = texts.map(|(at, text)| self.text(text).map_err(|what| (*at, what)));
                let done = done.collect::<Result<Vec<bool>, _>>();
                match done {
                    Ok(wanted) => wanted.last().copied().unwrap_or(true),
                    Err((at, what)) => {
                        trouble = Some(format!("{}, byte {at}: {what}", source.key.path));
                        false
                    }
                }
            })?;
            if let Some(trouble) = trouble {
                return Err(trouble);
            }
        }
        Ok(())
    }

    /// Writes the rows of a text: a record, or a Bundle of them.
    fn text(&mut self, text: &[u8]) -> Result<bool, String> {
        let document = parsed(text)?;
        for record in resources(document.root()) {
            if !self.record(record).map_err(|fault| fault.to_string())? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
