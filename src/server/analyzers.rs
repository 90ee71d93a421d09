//! `epis analyzers`: the tables in force by which texts are broken into words, and what they make of a text.

use std::process::ExitCode;

use clap::Subcommand;
use interaction::analyzers;
use text::{Analyzer, Table};

use crate::command::Set;
use crate::engine::analyzers_folder;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Prints what a text is found by: a line for each word, with the tokens of which any finds it.
    ///
    /// Words that say nothing have no line. A token that begins with = is a concept, one with @ a name; another is a stem.
    Read {
        /// The text, as somebody asks for it.
        text: String,
        /// Print the tokens that a record keeps of it instead, where it stands as clinical text, name or mixed.
        #[arg(long = "as", value_name = "ANALYZER", value_parser = analyzer)]
        analyzer: Option<Analyzer>,
        #[command(flatten)]
        set: Set,
    },
    /// Prints a table in force: the built-in lines, and in their places those of the folder of your own.
    Show {
        /// names, synonyms, words or elements
        #[arg(value_parser = table)]
        table: Table,
        #[command(flatten)]
        set: Set,
    },
}

fn analyzer(name: &str) -> Result<Analyzer, String> {
    Analyzer::named(name).ok_or_else(|| "it can be clinical, name or mixed".to_owned())
}

fn table(name: &str) -> Result<Table, String> {
    Table::named(name).ok_or_else(|| "there is no such table; write names, synonyms, words or elements".to_owned())
}

/// Prints what is asked for.
///
/// # Errors
/// A sentence where a table of one's own cannot be used.
pub(crate) fn analyzers(what: What) -> Result<ExitCode, String> {
    match what {
        What::Read { text, analyzer, set } => {
            let analysis = analyzers::read(&analyzers_folder(&set.gather(&[])?))?;
            match analyzer {
                Some(analyzer) => analysis.tokens(&text, analyzer, &mut |token| println!("{token}")),
                None => analysis
                    .words(&text)
                    .iter()
                    .for_each(|word| println!("{}", word.join(" "))),
            }
        }
        What::Show { table, set } => {
            let folder = analyzers_folder(&set.gather(&[])?);
            let tables = analyzers::tables(&folder)?;
            tables.lines(table).for_each(|(word, said)| println!("{word}\t{said}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
