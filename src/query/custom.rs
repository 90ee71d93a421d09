//! Search parameters that records of this server define: read, sorted into usable and not, written down.
//!
//! A SearchParameter record (<https://hl7.org/fhir/R4/searchparameter.html>) counts while it is live and its status is
//! `draft` or `active`. Draft counts too: nearly all of R4's own parameters are drafts, and whoever may write the record
//! has decided that it shall be tried. What R4 defines under the same address is R4's, whatever a record says.

use conformance::{Component, Definitions, ParameterType, SearchParameter};
use fhir::document::{Document, Node};
use fhir::identity::Kind;
use fhir::name::Name;
use fhir::parse::Limits;
use fhir::tree::Tree;
use fhirpath::model::Model;

use crate::registry::applies;

/// Custom parameters in use at once, at most: each is extracted from every record of its kinds.
pub const CUSTOM_MAX: usize = 100;
/// Characters of an expression, at most.
const EXPRESSION_MAX: usize = 4_000;
/// Characters of a code, at most.
const CODE_MAX: usize = 64;

/// A record's definition that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The definition's canonical address.
    pub url: String,
    /// Its code.
    pub code: String,
    /// The kinds it is unusable for; as the definition names them.
    pub base: Vec<String>,
    /// Why, the rest of a sentence that begins with the parameter: `has no expression`.
    pub why: String,
}

/// What a SearchParameter record defines; nothing where it is R4's own.
pub fn read(definitions: &Definitions, record: Node<'_>) -> Option<Result<SearchParameter, Unusable>> {
    let definition = definition(record);
    let r4 = definitions.search_parameters();
    if r4.iter().any(|known| known.url == definition.url) {
        return None;
    }
    let status = record.string("status").unwrap_or_default().into_owned();
    Some(match flaw(definitions, &definition, &status, record) {
        None => Ok(definition),
        Some(why) => Err(Unusable {
            url: definition.url,
            code: definition.code,
            base: definition.base,
            why,
        }),
    })
}

fn texts(record: Node<'_>, name: &str) -> Vec<String> {
    let items = record.get(name).into_iter().flat_map(|list| list.each());
    items
        .filter_map(|item| item.scalar().map(std::borrow::Cow::into_owned))
        .collect()
}

fn definition(record: Node<'_>) -> SearchParameter {
    let text = |name: &str| record.string(name).unwrap_or_default().into_owned();
    let component = |part: Node<'_>| {
        Some(Component {
            definition: part.string("definition")?.into_owned(),
            expression: part.string("expression")?.into_owned(),
        })
    };
    let components = record.get("component").into_iter().flat_map(|list| list.each());
    let flag = |name: &str| Some(record.get(name)?.scalar()? == "true");
    SearchParameter {
        url: text("url"),
        code: text("code"),
        base: texts(record, "base"),
        kind: ParameterType::from_code(&text("type")).unwrap_or(ParameterType::Special),
        expression: text("expression"),
        target: texts(record, "target"),
        comparators: texts(record, "comparator"),
        modifiers: texts(record, "modifier"),
        multiple_or: flag("multipleOr"),
        multiple_and: flag("multipleAnd"),
        components: components.filter_map(component).collect(),
    }
}

/// What is wrong with a definition, seen by itself.
fn flaw(definitions: &Definitions, of: &SearchParameter, status: &str, record: Node<'_>) -> Option<String> {
    if !matches!(status, "draft" | "active") {
        return Some(format!("has the status {status}; only draft and active ones are used"));
    }
    let word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !of.code.starts_with(|c: char| c.is_ascii_alphabetic()) || !word(&of.code) || of.code.len() > CODE_MAX {
        return Some(format!(
            "has the code \"{}\"; a code is a letter and up to {} letters, digits, - and _",
            of.code,
            CODE_MAX - 1
        ));
    }
    let known =
        |base: &&String| definitions.is_resource(base) || matches!(base.as_str(), "Resource" | "DomainResource");
    match of.base.iter().find(|base| !known(base)) {
        Some(base) => return Some(format!("is for {base}, which is no kind of record")),
        None if of.base.is_empty() => return Some("names no kind of record it is for (base)".to_owned()),
        None => {}
    }
    let kind = record.string("type").unwrap_or_default().into_owned();
    if of.kind == ParameterType::Special {
        return Some(format!("is of type {kind}, whose values no expression gives"));
    }
    if of.kind == ParameterType::Composite && of.components.len() < 2 {
        return Some("is a composite of fewer than two components with definition and expression".to_owned());
    }
    if of.expression.trim().is_empty() {
        return Some("has no expression".to_owned());
    }
    if of.expression.len() > EXPRESSION_MAX {
        return Some(format!("has an expression of more than {EXPRESSION_MAX} characters"));
    }
    None
}

/// The definitions that can be used together, in the order given, and those that cannot: what is defined earlier stands.
pub fn settle(
    definitions: &Definitions,
    read: impl Iterator<Item = Result<SearchParameter, Unusable>>,
) -> (Vec<SearchParameter>, Vec<Unusable>) {
    let kinds: Vec<Kind> = definitions.resources().filter_map(Kind::new).collect();
    let (mut usable, mut unusable) = (Vec::<SearchParameter>::new(), Vec::new());
    for read in read {
        let definition = match read {
            Ok(definition) => definition,
            Err(because) => {
                unusable.push(because);
                continue;
            }
        };
        let meets = |other: &SearchParameter| {
            let both = |kind: &&Kind| applies(&other.base, kind) && applies(&definition.base, kind);
            let kind = kinds.iter().find(|kind| other.code == definition.code && both(kind))?;
            Some((kind.clone(), other.url.clone()))
        };
        let clash = definitions.search_parameters().iter().chain(&usable).find_map(meets);
        let why = match clash {
            Some((kind, url)) => Some(format!("has the code of another parameter of {kind}, {url}")),
            None if usable.iter().any(|other| other.url == definition.url) => {
                Some("has the address of another parameter".to_owned())
            }
            None if usable.len() == CUSTOM_MAX => Some(format!("is one too many: {CUSTOM_MAX} are in use")),
            None => None,
        };
        match why {
            None => usable.push(definition),
            Some(why) => unusable.push(Unusable {
                url: definition.url,
                code: definition.code,
                base: definition.base,
                why,
            }),
        }
    }
    (usable, unusable)
}

/// Definitions as text, one a line, so that an index can say what it was built from.
pub fn write(definitions: &[SearchParameter]) -> String {
    let mut text = String::new();
    for definition in definitions {
        text.push_str(&String::from_utf8_lossy(&record(definition).to_bytes()));
        text.push('\n');
    }
    text
}

/// The definitions that [`write`] wrote; `None` where the text is damaged.
pub fn parse(text: &str) -> Option<Vec<SearchParameter>> {
    let read = |line: &str| {
        let document = Document::parse(line.as_bytes(), Limits::default()).ok()?;
        Some(definition(document.root()))
    };
    text.lines().map(read).collect()
}

fn record(of: &SearchParameter) -> Tree {
    let list = |texts: &[String]| Tree::Array(texts.iter().map(Tree::string).collect());
    let component = |part: &Component| {
        Tree::object([
            ("definition", Tree::string(&part.definition)),
            ("expression", Tree::string(&part.expression)),
        ])
    };
    let mut record = Tree::object([
        ("resourceType", Tree::string("SearchParameter")),
        ("url", Tree::string(&of.url)),
        ("code", Tree::string(&of.code)),
        ("base", list(&of.base)),
        ("type", Tree::string(of.kind.as_str())),
        ("expression", Tree::string(&of.expression)),
        ("target", list(&of.target)),
        ("comparator", list(&of.comparators)),
        ("modifier", list(&of.modifiers)),
        ("component", Tree::Array(of.components.iter().map(component).collect())),
    ]);
    for (name, flag) in [("multipleOr", of.multiple_or), ("multipleAnd", of.multiple_and)] {
        if let Some(flag) = flag {
            record.set(name, Tree::Bool(flag));
        }
    }
    record
}

/// The elements directly below a kind that an expression's part begins with, where the kind has no such element.
pub(crate) fn unknown_element<'a>(definitions: &Definitions, kind: &Kind, path: &'a str) -> Option<&'a str> {
    let mut names = path.split('.').skip(1);
    let first = names.next()?;
    let of = definitions.type_id(kind.as_str())?;
    let mut at = Some(of);
    while let Some(kind) = at {
        if definitions.child(kind, &Name::of(first)).is_some() {
            return None;
        }
        at = definitions.base(kind);
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: &str) -> Option<Result<SearchParameter, Unusable>> {
        let json = format!(r#"{{"resourceType":"SearchParameter",{members}}}"#);
        let document = Document::parse(json.as_bytes(), Limits::default()).unwrap();
        read(&Definitions::r4(), document.root())
    }

    const GOOD: &str = r#""url":"http://a.bt/x","status":"draft","code":"shoe-size","base":["Patient"],"type":"number","expression":"Patient.extension('http://a.bt/shoe').value""#;

    #[test]
    fn a_definition_is_read_and_its_flaws_named() {
        let good = of(GOOD).unwrap().unwrap();
        assert_eq!((good.code.as_str(), good.kind), ("shoe-size", ParameterType::Number));
        let table = [
            ("\"draft\"", "\"retired\"", "has the status retired"),
            ("shoe-size", "_size", "has the code \"_size\""),
            ("shoe-size", "shoe:size", "has the code"),
            ("[\"Patient\"]", "[\"Shoe\"]", "is for Shoe"),
            ("[\"Patient\"]", "[]", "names no kind"),
            ("\"number\"", "\"special\"", "is of type special"),
            ("\"number\"", "\"composite\"", "fewer than two components"),
            ("Patient.extension('http://a.bt/shoe').value", " ", "has no expression"),
        ];
        for (good, bad, expected) in table {
            let unusable = of(&GOOD.replace(good, bad)).unwrap().unwrap_err();
            assert!(unusable.why.contains(expected), "{bad}: {unusable:?}");
        }
        let r4 = GOOD.replace("http://a.bt/x", "http://hl7.org/fhir/SearchParameter/Patient-active");
        assert!(of(&r4).is_none());
    }

    #[test]
    fn clashes_are_settled_in_order() {
        let definitions = Definitions::r4();
        let read = |from: &str, to: &str| of(&GOOD.replace(from, to)).unwrap();
        let given = [
            read("", ""),
            read("shoe-size", "name"),
            read("http://a.bt/x", "http://a.bt/y"),
            read("shoe-size", "hat-size"),
            read("\"draft\"", "\"unknown\""),
        ];
        let (usable, unusable) = settle(&definitions, given.into_iter());
        assert_eq!(usable.len(), 1);
        let whys: Vec<&str> = unusable.iter().map(|unusable| unusable.why.as_str()).collect();
        assert!(
            whys[0].contains("another parameter of Patient, http://hl7.org"),
            "{whys:?}"
        );
        assert!(
            whys[1].contains("http://a.bt/x") && whys[2].contains("address of another"),
            "{whys:?}"
        );
        assert!(whys[3].contains("status"), "{whys:?}");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut one = of(GOOD).unwrap().unwrap();
        one.target = vec!["Group".into()];
        one.multiple_or = Some(false);
        one.components = vec![Component {
            definition: "http://a.bt/z".into(),
            expression: "a \"b\"".into(),
        }];
        let all = vec![
            one.clone(),
            SearchParameter {
                code: "other".into(),
                ..one
            },
        ];
        assert_eq!(parse(&write(&all)), Some(all));
        assert_eq!(parse("{"), None);
        assert_eq!(parse(""), Some(Vec::new()));
    }
}
