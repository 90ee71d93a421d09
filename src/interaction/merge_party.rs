//! The two patients of a merge, or of its undoing: found by reference or identifiers, read, and ready to be written.

use fhir::document::{Document, Node};
use fhir::identity::{Id, Reference, VersionId};
use fhir::outcome::{Code, Issue};
use fhir::parse::Limits;
use fhir::tree::Tree;
use query::{Total, replaced};
use search_index::{Hit, Place, Query};
use store::{Expect, Operation, Write};

use crate::engine::{Engine, now, spliced};
use crate::find::reference;
use crate::inputs::Inputs;
use crate::refusal::{Reason, Refusal};

/// Records that are looked at where identifiers find several.
const CANDIDATES_MAX: usize = 10;
/// Records that replace each other, followed from one to the next.
const STEPS_MAX: usize = 1_000;

/// A patient who takes part, as she is now.
pub(crate) struct Party {
    pub(crate) id: Id,
    pub(crate) version: VersionId,
    pub(crate) record: Tree,
    /// The record that replaces this one.
    pub(crate) replaced_by: Option<Id>,
}

impl Party {
    /// The patient that the parameter `name`, or `name-identifier`, means; `but` is not meant where there are several.
    ///
    /// # Errors
    /// 400 where neither is given or can be read; 422 where it is no Patient, is not here or was deleted, where
    /// identifiers find none or several, and where one given beside a reference is not the record's.
    pub(crate) fn named(engine: &Engine, inputs: &Inputs, name: &str, but: Option<&Id>) -> Result<Party, Refusal> {
        let by_identifier = format!("{name}-identifier");
        let mut identifiers: Vec<Node<'_>> = inputs
            .of(&by_identifier)
            .filter_map(|parameter| Some(parameter.value()?.1))
            .collect();
        let given = inputs.object(name);
        identifiers.extend(given.and_then(|given| given.get("identifier")));
        let reference = given
            .and_then(|given| given.string("reference"))
            .or_else(|| inputs.text(name));
        if let Some(reference) = reference {
            let party = Party::read(engine, &referred(inputs, name, &reference)?)?;
            party.has(&by_identifier, &identifiers)?;
            return Ok(party);
        }
        if identifiers.is_empty() {
            let text = format!("{name} is missing: give a reference to a Patient, or {by_identifier}.");
            return Err(Refusal::with(Reason::Invalid, vec![Issue::error(Code::Required, text)]).at(place(name)));
        }
        let found = identified(engine, &by_identifier, &identifiers, but)?;
        Party::read(engine, &found)
    }

    /// Reads a patient.
    ///
    /// # Errors
    /// 422 where there is none, or she was deleted.
    pub(crate) fn read(engine: &Engine, id: &Id) -> Result<Party, Refusal> {
        let gone = |code, text: String| Refusal::with(Reason::Unprocessable, vec![Issue::error(code, text)]);
        let Some(version) = engine.store.current(replaced::kind(), id)? else {
            return Err(gone(Code::NotFound, format!("There is no Patient/{id} here.")));
        };
        if !version.operation.is_live() {
            let text = format!("Patient/{id} was deleted; restore it by writing it again, or leave it as it is.");
            return Err(gone(Code::Deleted, text));
        }
        let document = Document::parse(&spliced(&version), Limits::default())
            .map_err(|e| Refusal::broken(format!("a stored record cannot be read. {e}")))?;
        let values = engine.registry.extract(replaced::kind(), document.root());
        let replaced_by = replaced::replacing(replaced::kind(), &values).next().cloned();
        Ok(Party {
            id: id.clone(),
            version: version.version,
            record: Tree::from_node(document.root()),
            replaced_by,
        })
    }

    /// The last of the records that replace this one, one after the other; itself where none does.
    ///
    /// # Errors
    /// Those of the store; 422 where they go round in a circle.
    pub(crate) fn survivor(&self, engine: &Engine) -> Result<Id, Refusal> {
        let mut last = self.id.clone();
        let mut next = self.replaced_by.clone();
        for _ in 0..STEPS_MAX {
            let Some(id) = next else {
                return Ok(last);
            };
            next = match engine.store.current(replaced::kind(), &id)? {
                Some(version) if version.operation.is_live() => Party::read(engine, &id)?.replaced_by,
                _ => None,
            };
            last = id;
        }
        let text = format!("The records that replace Patient/{} go round in a circle.", self.id);
        Err(refused(text))
    }

    fn has(&self, name: &str, identifiers: &[Node<'_>]) -> Result<(), Refusal> {
        let own = self.record.get("identifier").map_or(&[][..], Tree::items);
        let lacking = identifiers.iter().find(|given| {
            let is_it = |part: &str, own: &Tree| {
                let given = given.string(part);
                given.is_none() || own.get(part).and_then(Tree::as_str) == given.as_deref()
            };
            !own.iter().any(|own| is_it("system", own) && is_it("value", own))
        });
        match lacking {
            None => Ok(()),
            Some(_) => {
                Err(refused(format!("Patient/{} lacks an identifier that {name} names.", self.id)).at(place(name)))
            }
        }
    }

    /// The write that makes the record this, as long as nobody wrote it in between.
    ///
    /// # Errors
    /// 422 where it would not conform.
    pub(crate) fn write(&self, engine: &Engine, record: &Tree) -> Result<Write, Refusal> {
        let document = document(record)?;
        let prepared = engine.prepare(replaced::kind(), document.root(), false)?;
        let (kind, id) = (replaced::kind().clone(), self.id.clone());
        Ok(prepared.into_write(kind, id, Operation::Update, Expect::Version(self.version)))
    }

    /// A reference to the version that this is.
    pub(crate) fn versioned(&self) -> Tree {
        reference(&format!("Patient/{}/_history/{}", self.id, self.version))
    }
}

/// What was built here, as what is parsed.
pub(crate) fn document(record: &Tree) -> Result<Document, Refusal> {
    Document::parse(&record.to_bytes(), Limits::default())
        .map_err(|e| Refusal::broken(format!("a record cannot be read. {e}")))
}

/// A rule that forbids it: 422.
pub(crate) fn refused(text: impl Into<String>) -> Refusal {
    Refusal::because(Reason::Unprocessable, text)
}

/// Where a parameter stands.
fn place(name: &str) -> String {
    format!("Parameters.parameter.where(name='{name}')")
}

fn referred(inputs: &Inputs, name: &str, reference: &str) -> Result<Id, Refusal> {
    match Reference::parse(reference) {
        Reference::Literal { base, .. } if !inputs.is_here(base) => {
            let text = format!(
                "{name} is {reference}, a record of another server; name one that is here, such as Patient/17."
            );
            Err(refused(text).at(place(name)))
        }
        Reference::Literal { kind, id, .. } if kind == replaced::KIND => {
            Id::new(id).ok_or_else(|| refused(format!("{name} is \"{reference}\", which has no id.")))
        }
        Reference::Literal { .. } => {
            let text = format!("{name} is {reference}: only patients are merged, one Patient into another.");
            Err(refused(text).at(place(name)))
        }
        _ => {
            let text = format!("{name} is \"{reference}\"; write a reference such as Patient/17.");
            Err(Refusal::because(Reason::Invalid, text).at(place(name)))
        }
    }
}

/// The one patient that has all the identifiers. Where several have, one that is replaced by another does not count.
fn identified(engine: &Engine, name: &str, identifiers: &[Node<'_>], but: Option<&Id>) -> Result<Id, Refusal> {
    let criteria: Result<Vec<_>, _> = identifiers
        .iter()
        .map(|identifier| criterion(name, *identifier))
        .collect();
    let criteria = criteria?;
    let mut hits = search(engine, &criteria)?;
    if hits.len() > 1 {
        hits.retain(|hit| Some(&hit.id) != but);
    }
    if hits.len() > 1 {
        hits = search(
            engine,
            &[&criteria[..], &[("replaced-by:missing".to_owned(), "true".to_owned())]].concat(),
        )?;
    }
    match &hits[..] {
        [hit] => Ok(hit.id.clone()),
        [] => Err(refused(format!("No patient has what {name} names.")).at(place(name))),
        _ => Err(refused(format!(
            "Several patients have what {name} names; give a reference to one."
        ))
        .at(place(name))),
    }
}

fn criterion(name: &str, identifier: Node<'_>) -> Result<(String, String), Refusal> {
    let escaped = |part: &str| identifier.string(part).map(|text| escape(&text));
    let Some(value) = escaped("value") else {
        let text = format!("{name} needs a valueIdentifier with a value.");
        return Err(Refusal::because(Reason::Invalid, text).at(place(name)));
    };
    let token = match escaped("system") {
        Some(system) => format!("{system}|{value}"),
        None => value,
    };
    Ok(("identifier".to_owned(), token))
}

/// A text as a search value, in which `\ , $ |` mean themselves (<https://hl7.org/fhir/R4/search.html#escaping>).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '\\' | ',' | '$' | '|') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

fn search(engine: &Engine, criteria: &[(String, String)]) -> Result<Vec<Hit>, Refusal> {
    let handling = query::Handling {
        strict: true,
        now: now(),
        base: "",
    };
    let kinds = std::slice::from_ref(replaced::kind());
    let search = query::parse(&engine.registry, kinds, criteria, &handling).map_err(Refusal::of_search)?;
    let query = Query {
        kinds: kinds.to_vec(),
        predicate: search.predicate,
        sort: Vec::new(),
        limit: CANDIDATES_MAX,
        place: Place::First,
        at: None,
        under: false,
        total: Total::None,
        clock: engine.clock(false),
    };
    Ok(engine.index.find(&query)?.hits)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_means_something_in_a_search_is_escaped() {
        assert_eq!(super::escape(r"a,b|c$d\e"), r"a\,b\|c\$d\\e");
    }
}
