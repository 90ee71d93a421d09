//! Runs a view over one record: filters it, and gives its rows one by one.
//!
//! Rows are the combinations of what the parts of a select give, so they are made by one loop within another: each part
//! fills its cells of one row and calls what comes after it. No rows are kept.

use std::cell::Cell as Counter;
use std::fmt;

use fhir::document::Node;
use fhirpath::evaluate::{Context, Profiles, Resolver, Terminology};
use fhirpath::model::Model;
use fhirpath::value::{Element, Item};

use crate::names::ROW_INDEX;
use crate::row::Row;
use crate::view::{Over, Part, Path, Select, View};

/// The most rows that one record may give: what a hostile view would multiply without end is refused.
const ROWS_LIMIT: u64 = 1_000_000;
/// How deep `repeat` goes: records nest no deeper.
const REPEAT_DEPTH: usize = 100;
/// The steps that one path may take on one record: about a tenth of a second's work.
const STEPS: u64 = 500_000;

/// What is handed in with every record.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The definitions.
    pub model: &'a dyn Model,
    /// The moment of `now()`, in microseconds since 1970.
    pub now: i64,
    /// The zone of `now()` and `today()`, in minutes east of Greenwich.
    pub zone: i32,
    /// Finds referenced records, where somebody can.
    pub resolver: Option<&'a dyn Resolver>,
    /// Answers what paths ask of terminology, where somebody can.
    pub terminology: Option<&'a dyn Terminology>,
    /// Judges by profiles, where somebody can.
    pub profiles: Option<&'a dyn Profiles>,
}

/// Why a view gives no more rows.
#[derive(Debug)]
pub enum Fault {
    /// A path failed, or gave what doesn't fit: a sentence that names the path or the column.
    View(String),
    /// Whoever takes the rows could not take one.
    Taker(std::io::Error),
    /// The records cannot be read: a sentence.
    Store(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::View(sentence) | Fault::Store(sentence) => f.write_str(sentence),
            Fault::Taker(error) => write!(f, "The rows cannot be written: {error}."),
        }
    }
}

impl std::error::Error for Fault {}

/// Who takes rows.
pub type Taker<'t> = &'t mut dyn FnMut(&mut Row) -> Result<(), Fault>;

/// Who is shown the places of a repeat.
type Visit<'v> = &'v mut dyn FnMut(Place<'_>, &mut Row) -> Result<(), Fault>;

/// Runs a view over one record after another.
pub struct Runner<'a> {
    view: &'a View,
    surroundings: Surroundings<'a>,
    constants: Vec<(&'a str, Vec<Item<'a>>)>,
    row: Row,
}

impl<'a> Runner<'a> {
    /// A runner of a view.
    pub fn new(view: &'a View, surroundings: Surroundings<'a>) -> Runner<'a> {
        Runner {
            view,
            surroundings,
            constants: view.constants.variables(),
            row: Row::empty(view.columns.len()),
        }
    }

    /// Gives the rows of a record; none where it is of another kind, or a `where` isn't true.
    ///
    /// # Errors
    /// [`Fault`]: of a path, or of the taker.
    pub fn record(&mut self, record: Node<'_>, take: Taker<'_>) -> Result<(), Fault> {
        if record
            .string("resourceType")
            .is_none_or(|kind| kind != *self.view.resource)
        {
            return Ok(());
        }
        let model = self.surroundings.model;
        let resource = Element::resource(model, record);
        let mut context = Context::new(model, resource, self.surroundings.now);
        context.zone = self.surroundings.zone;
        context.resolver = self.surroundings.resolver;
        context.terminology = self.surroundings.terminology;
        context.profiles = self.surroundings.profiles;
        context.variables = &self.constants;
        context.steps = STEPS;
        let walk = Walk {
            view: self.view,
            context,
            rows: Counter::new(0),
        };
        let focus = [Item::Element(resource)];
        let at = Place {
            focus: &focus,
            index: 0,
        };
        if !walk.passes(at)? {
            return Ok(());
        }
        walk.parts(&self.view.parts, at, &mut self.row, take)
    }
}

/// Where a path is evaluated: at which item, and the number of that.
#[derive(Clone, Copy)]
struct Place<'p> {
    focus: &'p [Item<'p>],
    index: usize,
}

/// One record on its way through a view.
struct Walk<'r> {
    view: &'r View,
    context: Context<'r>,
    rows: Counter<u64>,
}

impl<'r> Walk<'r> {
    /// Whether every `where` is true.
    fn passes(&self, at: Place<'_>) -> Result<bool, Fault> {
        for path in &self.view.filters {
            let found = self.with(path, at, |found| match found {
                [] => Ok(false),
                [item] => match item.system(self.context.model) {
                    Item::Boolean(value) => Ok(value),
                    _ => Err("gave something else than true or false"),
                },
                _ => Err("gave more than one value"),
            })?;
            match found {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(what) => {
                    let source = path.expression.source();
                    let text = format!("The where \"{source}\" {what}; write a condition, such as {source}.exists().");
                    return Err(Fault::View(text));
                }
            }
        }
        Ok(true)
    }

    /// What a path gives, looked at.
    fn with<T>(&self, path: &Path, at: Place<'_>, look: impl FnOnce(&[Item<'_>]) -> T) -> Result<T, Fault> {
        let indexed;
        let mut context = self.context;
        if path.indexed {
            indexed = self.indexed(at.index);
            context.variables = &indexed;
        }
        let mut found = Vec::new();
        let evaluated = path.expression.append_at(&context, at.focus, &mut found);
        evaluated.map_err(|failure| {
            let text = format!("The path \"{}\" failed: {failure}.", path.expression.source());
            Fault::View(text)
        })?;
        Ok(look(&found))
    }

    /// The variables, with the row's number.
    fn indexed(&self, index: usize) -> Vec<(&str, Vec<Item<'_>>)> {
        let mut variables: Vec<(&str, Vec<Item<'_>>)> = self.context.variables.to_vec();
        variables.push((ROW_INDEX, vec![Item::Integer(index as i64)]));
        variables
    }

    /// Every combination of what the parts give.
    fn parts(&self, parts: &[Part], at: Place<'_>, row: &mut Row, take: Taker<'_>) -> Result<(), Fault> {
        let Some((part, rest)) = parts.split_first() else {
            return take(row);
        };
        match part {
            Part::Columns(columns) => {
                for (column, path) in columns {
                    self.cell(*column, path, at, row)?;
                }
                self.parts(rest, at, row, take)
            }
            Part::Select(select) => self.select(select, at, row, &mut |row| self.parts(rest, at, row, take)),
            Part::Union(branches) => branches
                .iter()
                .try_for_each(|branch| self.select(branch, at, row, &mut |row| self.parts(rest, at, row, take))),
        }
    }

    fn select(&self, select: &Select, at: Place<'_>, row: &mut Row, take: Taker<'_>) -> Result<(), Fault> {
        let each = |found: &[Item<'_>], row: &mut Row, take: Taker<'_>| {
            for (index, item) in found.iter().enumerate() {
                self.count()?;
                let focus = std::slice::from_ref(item);
                self.parts(&select.parts, Place { focus, index }, row, take)?;
            }
            Ok(())
        };
        match &select.over {
            Over::Here => self.parts(&select.parts, at, row, take),
            Over::Each(path, or_null) => self.with(path, at, |found| match found {
                [] if *or_null => {
                    self.blank(&select.parts, row)?;
                    take(row)
                }
                found => each(found, row, take),
            })?,
            Over::Repeat(paths) => {
                let visit: Visit<'_> = &mut |at, row| self.parts(&select.parts, at, row, take);
                self.repeat(paths, (at, 0), &Counter::new(0), row, visit)
            }
        }
    }

    /// Visits what paths lead to, and what they lead to from there, each before what is below it.
    fn repeat(
        &self,
        paths: &[Path],
        (at, depth): (Place<'_>, usize),
        visited: &Counter<usize>,
        row: &mut Row,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        if depth > REPEAT_DEPTH {
            let text = format!("A repeat goes more than {REPEAT_DEPTH} deep: its path leads back to where it was.");
            return Err(Fault::View(text));
        }
        for path in paths {
            self.with(path, at, |found| -> Result<(), Fault> {
                for item in found {
                    self.count()?;
                    let focus = std::slice::from_ref(item);
                    let index = visited.replace(visited.get() + 1);
                    let below = Place { focus, index };
                    visit(below, row)?;
                    self.repeat(paths, (below, depth + 1), visited, row, visit)?;
                }
                Ok(())
            })??;
        }
        Ok(())
    }

    fn count(&self) -> Result<(), Fault> {
        self.rows.set(self.rows.get() + 1);
        if self.rows.get() > ROWS_LIMIT {
            let text = format!("The view makes more than {ROWS_LIMIT} rows of one record.");
            return Err(Fault::View(text));
        }
        Ok(())
    }

    /// Fills the cells of a select that found nothing to go over: with what their paths make of nothing.
    fn blank(&self, parts: &[Part], row: &mut Row) -> Result<(), Fault> {
        let at = Place { focus: &[], index: 0 };
        for part in parts {
            match part {
                Part::Columns(columns) => {
                    for (column, path) in columns {
                        self.cell(*column, path, at, row)?;
                    }
                }
                Part::Select(select) => self.blank(&select.parts, row)?,
                // All branches fill the same cells.
                Part::Union(branches) => {
                    if let Some(branch) = branches.first() {
                        self.blank(&branch.parts, row)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn cell(&self, column: usize, path: &Path, at: Place<'_>, row: &mut Row) -> Result<(), Fault> {
        let model = self.context.model;
        let of = &self.view.columns[column];
        let cell = &mut row.cells[column];
        let fits = self.with(path, at, |found| {
            match found {
                found if of.collection => cell.set_list(model, found),
                [] => cell.clear(),
                [item] => cell.set(model, item),
                _ => return Err(found.len()),
            }
            Ok(())
        })?;
        fits.map_err(|count| {
            let text = format!(
                "The column {} has {count} values in one row: take one of them with first(), or say \"collection\": true.",
                of.name
            );
            Fault::View(text)
        })
    }
}
