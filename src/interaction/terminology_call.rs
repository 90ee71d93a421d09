//! What all operations of terminology have in common: the records they need, what came along, and how they answer.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind};
use fhir::moment;
use fhir::parse::Limits;
use fhir::tree::Tree;
use terminology::validate::Coding;
use terminology::{Finding, Languages, Pins, Records, Session, Unable, Unread, ValueSet, outcome, version};

use crate::bound;
use crate::canonical::Found;
use crate::closure;
use crate::engine::{Engine, now};
use crate::generations::House;
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::Request;

/// The id in an address that is a literal reference to a record of a kind, as in `ValueSet/17`.
fn literal(kind: &Kind, address: &str) -> Option<Id> {
    Id::new(address.strip_prefix(kind.as_str())?.strip_prefix('/')?)
}

/// The terminology records of an engine; where they cannot be read, why.
pub(crate) struct OfEngine<'a> {
    engine: &'a Engine,
    /// Whether they may be read at all; else only what the library has kept is known.
    reads: bool,
    why: RefCell<Option<Refusal>>,
}

impl<'a> OfEngine<'a> {
    pub(crate) fn new(engine: &'a Engine) -> OfEngine<'a> {
        OfEngine {
            engine,
            reads: true,
            why: RefCell::new(None),
        }
    }

    /// As [`OfEngine::new`], for a request that is answered on the spot or not at all.
    fn of(engine: &'a Engine, request: &Request<'_>) -> OfEngine<'a> {
        OfEngine {
            reads: !request.at_hand,
            ..OfEngine::new(engine)
        }
    }

    /// Refuses to read where nothing may be read.
    fn may_read(&self) -> Result<(), Unread> {
        if self.reads { Ok(()) } else { Err(Unread) }
    }

    fn by_id(&self, kind: &Kind, id: &Id) -> Result<Found, Refusal> {
        match self.engine.record(kind, id) {
            Ok(record) => Ok(Arc::from([Arc::new(Document::parse(&record.json, Limits::default())?)])),
            Err(refusal) if matches!(refusal.status, 404 | 410) => Ok(Arc::from([])),
            Err(refusal) => Err(refusal),
        }
    }

    fn or_why<T>(&self, read: Result<T, Refusal>) -> Result<T, Unread> {
        read.map_err(|refusal| {
            self.why.replace(Some(refusal));
            Unread
        })
    }
}

impl Records for OfEngine<'_> {
    fn versions(&self, kind: &str, url: &str) -> Result<Vec<Arc<Document>>, Unread> {
        self.may_read()?;
        let read = self.engine.kind(kind).and_then(|kind| match literal(&kind, url) {
            Some(id) => self.by_id(&kind, &id),
            None => self.engine.definitions_of(&kind, url),
        });
        Ok(self.or_why(read)?.to_vec())
    }

    fn maps(&self) -> Result<Vec<Arc<Document>>, Unread> {
        self.may_read()?;
        let kind = self.engine.kind("ConceptMap");
        let read = kind.and_then(|kind| self.engine.all_definitions(&kind));
        let maps = self.or_why(read)?;
        // The tables of `$closure` are kept as maps, but translate nothing.
        Ok(maps.iter().filter(|map| !closure::is_table(map)).cloned().collect())
    }

    fn systems(&self) -> Result<Vec<Arc<Document>>, Unread> {
        self.may_read()?;
        let kind = self.engine.kind("CodeSystem");
        let read = kind.and_then(|kind| self.engine.all_definitions(&kind));
        Ok(self.or_why(read)?.to_vec())
    }

    fn generation(&self) -> u64 {
        self.engine.definitions_written()
    }
}

/// The records of whichever engine answers now, for searches, which begin before there is one.
#[derive(Clone, Default)]
pub(crate) struct OfHouse(Arc<OnceLock<Weak<House>>>);

impl OfHouse {
    /// Says whose records they are.
    pub(crate) fn settle(&self, house: &Arc<House>) {
        // Once: a house is settled where it is built.
        let _ = self.0.set(Arc::downgrade(house));
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        Some(self.0.get()?.upgrade()?.engine())
    }
}

impl Records for OfHouse {
    fn versions(&self, kind: &str, url: &str) -> Result<Vec<Arc<Document>>, Unread> {
        self.engine()
            .map_or(Ok(Vec::new()), |engine| OfEngine::new(&engine).versions(kind, url))
    }

    fn maps(&self) -> Result<Vec<Arc<Document>>, Unread> {
        self.engine()
            .map_or(Ok(Vec::new()), |engine| OfEngine::new(&engine).maps())
    }

    fn systems(&self) -> Result<Vec<Arc<Document>>, Unread> {
        self.engine()
            .map_or(Ok(Vec::new()), |engine| OfEngine::new(&engine).systems())
    }

    fn generation(&self) -> u64 {
        self.engine().map_or(0, |engine| engine.definitions_written())
    }
}

/// One question of terminology.
pub(crate) struct Asked<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) request: &'a Request<'a>,
    pub(crate) call: &'a Call<'a>,
    pub(crate) inputs: Inputs,
}

/// Why a question is not answered: the request is not acceptable, or terminology cannot say.
pub(crate) enum No {
    Refused(Refusal),
    Unable(Unable),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::Refused(refusal)
    }
}

impl From<Unable> for No {
    fn from(unable: Unable) -> No {
        No::Unable(unable)
    }
}

impl From<Unread> for No {
    fn from(_: Unread) -> No {
        No::Unable(Unable::Unread)
    }
}

/// Answers a question: with what `work` makes of it, or with the findings that say why there is no answer.
///
/// # Errors
/// Those of reading the inputs and the records.
pub(crate) fn answer(
    engine: &Engine,
    request: &Request<'_>,
    call: &Call<'_>,
    work: impl FnOnce(&Asked<'_>, &mut Session<'_>) -> Result<Tree, No>,
) -> Result<Reply, Refusal> {
    let asked = Asked {
        engine,
        request,
        call,
        inputs: Inputs::read(engine, request, call)?,
    };
    let records = OfEngine::of(engine, request);
    let mut session = Session::new(&engine.library, &records);
    match asked.prepare(&mut session).and_then(|()| work(&asked, &mut session)) {
        Ok(tree) => Ok(Reply::json(200, tree.to_bytes())),
        Err(No::Refused(refusal)) => Err(refusal),
        Err(No::Unable(Unable::Refused(status, findings))) => Ok(Reply::json(status, outcome(&findings).to_bytes())),
        Err(No::Unable(Unable::Unread)) => {
            let why = records.why.take();
            Err(why.unwrap_or_else(|| Refusal::broken("terminology records could not be read")))
        }
    }
}

/// Answers one question of several, with inputs of its own, in the session of all: with what `work` makes of it, or with
/// an OperationOutcome.
///
/// # Errors
/// Those of reading the records.
pub(crate) fn answer_part(
    asked: &Asked<'_>,
    session: &Session<'_>,
    inputs: Inputs,
    work: impl FnOnce(&Asked<'_>, &mut Session<'_>) -> Result<Tree, No>,
) -> Result<Tree, No> {
    let part = Asked { inputs, ..*asked };
    let mut session = session.clone();
    match part.prepare(&mut session).and_then(|()| work(&part, &mut session)) {
        Err(No::Unable(Unable::Refused(_, findings))) => Ok(outcome(&findings)),
        Err(No::Refused(refusal)) if refusal.status < 500 => {
            let text = Reply::from(refusal);
            Ok(Tree::parse(text.body.bytes()).map_err(Refusal::broken)?)
        }
        other => other,
    }
}

impl Asked<'_> {
    /// Takes in what came along: resources, supplements, versions.
    fn prepare(&self, session: &mut Session<'_>) -> Result<(), No> {
        self.is_of_now()?;
        for parameter in self.inputs.of("tx-resource") {
            if let Some(resource) = parameter.resource() {
                session.add(own(resource)?);
            }
        }
        let pins = |name: &str| self.inputs.texts(name).filter_map(|text| Pins::read(&text)).collect();
        session.pins = Pins {
            default: pins("system-version"),
            check: pins("check-system-version"),
            force: pins("force-system-version"),
            sets: pins("default-valueset-version"),
        };
        for supplement in self.inputs.texts("useSupplement") {
            session.supplement(&supplement)?;
        }
        Ok(())
    }

    /// Refuses to answer as of another date: "the server should use the value set / code system definitions as they were on
    /// that date, or return an error if this is not possible" (R4, `$expand`).
    fn is_of_now(&self) -> Result<(), Refusal> {
        let Some(date) = self.inputs.text("date") else {
            return Ok(());
        };
        let refused = |reason, text: String| Err(Refusal::because(reason, text).at("http.date"));
        let Some(asked) = moment::stretch(&date, self.engine.zone) else {
            return refused(Reason::Invalid, format!("date is \"{date}\"; write a date or a time."));
        };
        if asked.end >= now() - moment::DAY && asked.start <= now() + moment::DAY {
            return Ok(());
        }
        let text = format!(
            "Definitions as they were on {date} cannot be asked for; leave date out, and name the versions that are meant by \
             system-version or valueSetVersion."
        );
        refused(Reason::NotSupported, text)
    }

    /// The record in the address, where there is one.
    pub(crate) fn record(&self) -> Result<Option<Arc<Document>>, No> {
        let (Some(kind), Some(id)) = (self.call.kind, self.call.id) else {
            return Ok(None);
        };
        let record = self.engine.record(kind, id)?;
        let parsed = Document::parse(&record.json, Limits::default()).map_err(Refusal::from)?;
        Ok(Some(Arc::new(parsed)))
    }

    /// The value set that is meant: the record in the address, a resource that came along, or that of an address.
    ///
    /// # Errors
    /// 404 where it is not known, 400 where none is named.
    pub(crate) fn value_set(&self, session: &Session<'_>) -> Result<Option<Arc<ValueSet>>, No> {
        if let Some(record) = self.record()? {
            return Ok(Some(Arc::new(ValueSet::read(record))));
        }
        if let Some(resource) = self.inputs.resource("valueSet", "valueSet") {
            return Ok(Some(Arc::new(ValueSet::read(own(resource)?))));
        }
        let context = self
            .inputs
            .text("context")
            .filter(|_| self.inputs.text("url").is_none());
        let bound = context
            .map(|context| bound::value_set(self.engine, &context))
            .transpose()?;
        let Some(url) = bound.map(Cow::Owned).or_else(|| self.inputs.text("url")) else {
            return Ok(None);
        };
        let wanted = self.inputs.text("valueSetVersion");
        let canonical = match (&wanted, version::split(&url)) {
            (Some(version), (url, _)) => version::join(url, Some(version)),
            (None, (_, None)) => session.pins.set(&url).0,
            (None, _) => url.into_owned(),
        };
        match session.set(&canonical)? {
            Some(set) => Ok(Some(set)),
            None => {
                let text = format!("A definition for the value Set '{canonical}' could not be found");
                Err(Unable::missing_as("Unable_to_resolve_value_Set_", text).into())
            }
        }
    }

    /// The languages displays are wanted in: those asked for, those the value set says, those of the header.
    pub(crate) fn languages(&self, set: Option<&ValueSet>) -> Languages {
        let asked = self.inputs.text("displayLanguage");
        let said = set.and_then(|set| set.parameter("displayLanguage"));
        let header = self.request.accept_language;
        let own = set.and_then(|set| set.language.as_deref());
        let text = asked.as_deref().or(said).or(header).or(own);
        text.map(Languages::parse).unwrap_or_default()
    }
}

/// A resource within another document, as one of its own.
pub(crate) fn own(node: Node<'_>) -> Result<Arc<Document>, Refusal> {
    Ok(Arc::new(Document::parse(node.text().as_bytes(), Limits::default())?))
}

/// A Coding as it is given.
pub(crate) fn coding(node: Node<'_>) -> Coding {
    let text = |name: &str| {
        node.string(name)
            .map(|text| text.into_owned())
            .filter(|text| !text.is_empty())
    };
    Coding {
        system: text("system"),
        version: text("version"),
        code: text("code").unwrap_or_default(),
        display: text("display"),
    }
}

/// The refusal of a question without what it needs.
pub(crate) fn needs(what: &str) -> No {
    No::Refused(Refusal::because(
        Reason::Invalid,
        format!("The operation needs {what}."),
    ))
}

/// A name of its own, of the form of a UUID: from the clock and a count.
pub(crate) fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    use std::hash::{BuildHasher as _, RandomState};
    let seed = (now(), COUNT.fetch_add(1, Ordering::Relaxed));
    let half = || RandomState::new().hash_one(seed);
    let (a, b) = (half(), half());
    format!(
        "urn:uuid:{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        (b >> 48) & 0xfff,
        b & 0xffff_ffff_ffff
    )
}

/// A finding that a parameter is wrong.
pub(crate) fn wrong(text: impl Into<String>) -> No {
    No::Unable(Unable::Refused(
        400,
        vec![Finding::error("invalid", "invalid-data", text)],
    ))
}
