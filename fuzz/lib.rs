//! What each fuzz target does with bytes from anybody, and what must hold whatever they are.
//!
//! That nothing panics is the least: what is taken must also mean the same after it was written and read again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::parse::Limits;
use fhir::tree::Tree;
use fhirpath::evaluate::Context;
use fhirpath::expression::Expression;
use fhirpath::value::Element;
use query::{Handling, Registry};
use terminology::{Answers, Library};
use validation::{Asked, Given, Purpose, Validator};

/// A moment in November 2026, in microseconds since 1970: time is handed in, so that a run can be had again.
const NOW: i64 = 1_795_000_000_000_000;

/// The reader of JSON: what it takes, it takes again as it writes it.
pub fn json(data: &[u8]) {
    let Ok(document) = Document::parse(data, Limits::default()) else {
        return;
    };
    let mut compact = Vec::new();
    document.root().write_compact(&mut compact);
    let again = Document::parse(&compact, Limits::default()).expect("what was written is JSON");
    let mut twice = Vec::new();
    again.root().write_compact(&mut twice);
    assert!(compact == twice, "another text after it was read again");
    let tree = Tree::from_node(document.root()).to_bytes();
    let tree = Tree::parse(&tree).expect("what a tree writes is JSON");
    assert!(
        tree == Tree::from_node(document.root()),
        "another value after it was read again"
    );
}

/// The reader of XML: what it takes is JSON, and where that can be written as XML it means the same. The first line of
/// what is no XML may be a patch of a small record.
pub fn xml(data: &[u8]) {
    let definitions = Definitions::r4();
    let limits = xml::Limits {
        depth: 64,
        bytes: 1 << 20,
    };
    if let Ok(patch) = xml::patch::Patch::read(data, limits) {
        let record =
            "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"a\"/>\n<name><family value=\"b\"/></name></Patient>";
        if let Ok(patched) = patch.apply(record, limits) {
            xml::Document::parse(patched.as_bytes(), limits).expect("what a patch leaves is XML");
        }
    }
    let Ok(json) = xml::read(&definitions, data, limits) else {
        return;
    };
    let document = Document::parse(&json, Limits::default()).expect("what is read is JSON");
    let Ok(written) = xml::write(&definitions, document.root(), false) else {
        return;
    };
    // Elements that stood in another order stand in that of the definitions now; from here on nothing changes.
    let again = xml::read(&definitions, &written, xml::Limits::default()).expect("what is written is XML");
    let again = Document::parse(&again, Limits::default()).expect("what is read is JSON");
    let twice = xml::write(&definitions, again.root(), false).expect("what was written can be written again");
    assert!(written == twice, "another text after it was read again");
}

/// The parser and the evaluator of FHIRPath: the first line is the expression, the rest a record.
pub fn fhirpath(data: &[u8]) {
    const RECORD: &str = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"s",
        "code":"c"}],"text":"t"},"effectiveDateTime":"2020-02-29T10:00:00.5+06:00","valueQuantity":{"value":1.50,
        "unit":"mg","system":"http://unitsofmeasure.org","code":"mg"},"component":[{"code":{"text":"x"},
        "valueInteger":3},{"code":{"text":"y"},"valueString":"z"}],"_issued":{"id":"i"}}"#;
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (expression, record) = text.split_once('\n').unwrap_or((text, RECORD));
    let Ok(expression) = Expression::parse(expression) else {
        return;
    };
    let Ok(document) = Document::parse(record.as_bytes(), Limits::default()) else {
        return;
    };
    let definitions = Definitions::r4();
    let root = Element::resource(&*definitions, document.root());
    let mut context = Context::new(&*definitions, root, NOW);
    context.zone = 360;
    // A failure is an answer; what it must not do is take for ever.
    let _ = expression.evaluate(&context, root);
}

/// The parser of searches: a kind, a question mark and parameters.
pub fn search(data: &[u8]) {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let registry = REGISTRY.get_or_init(|| Registry::new(Arc::clone(&Definitions::r4()), 360));
    let (kind, query) = text.split_once('?').unwrap_or(("Patient", text));
    let kinds: Vec<Kind> = kind
        .split(',')
        .filter_map(|kind| registry.kind(kind).cloned())
        .collect();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    let parameters: Vec<(String, String)> = query.split('&').map(pair).collect();
    for strict in [false, true] {
        let handling = Handling {
            strict,
            now: NOW,
            base: "http://localhost/fhir",
        };
        match query::parse(registry, &kinds, &parameters, &handling) {
            Ok(_) => {}
            Err(issues) => assert!(!issues.is_empty(), "a refusal without a reason"),
        }
    }
}

/// The judge of records: a Bundle, whose first resource is judged by the others.
pub fn validate(data: &[u8]) {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    static RUN: AtomicU64 = AtomicU64::new(0);
    let Ok(bundle) = Document::parse(data, Limits::default()) else {
        return;
    };
    let entries = bundle.root().get("entry").filter(|entries| entries.is_array());
    let resources = entries.into_iter().flat_map(|entries| entries.items());
    let own = |entry: fhir::document::Node<'_>| {
        Document::parse(entry.get("resource")?.text().as_bytes(), Limits::default()).ok()
    };
    let mut resources = resources.filter_map(own).map(Arc::new);
    let Some(record) = resources.next() else { return };
    let others: Vec<Arc<Document>> = resources.collect();
    let url = |document: &Arc<Document>| document.root().string("url").map(|url| url.into_owned());
    let profiles: Vec<String> = others.iter().filter_map(url).collect();
    let given = Given::new(RUN.fetch_add(1, Ordering::Relaxed) + 1, others);
    let codes = Answers::new(Arc::new(Library::new(Vec::new())), given.clone());
    let kind = record.root().string("resourceType").and_then(|name| Kind::new(&name));
    let Some(kind) = kind else { return };
    let asked = Asked {
        profiles: &profiles,
        now: NOW,
        purpose: Purpose::Asking,
    };
    let validator = VALIDATOR.get_or_init(|| Validator::new(Definitions::r4()));
    for issue in validator.validate(&given, &codes, &kind, record.root(), &asked) {
        assert!(issue.text.ends_with('.'), "no sentence: {}", issue.text);
    }
}
