//! Makes the compact tables of `schema/fhir/` from HL7's definitions.
//!
//! The tables are what the program carries; a newer release of the standard is a matter of running this again and
//! reading the difference. One row a line, columns divided by tabs, rows sorted (elements stand in their order within
//! their type), lists divided by `|`:
//!
//! ```text
//! types.tsv              name  sort  base  status
//! elements.tsv           path  min  max  types  flags  system
//! search-parameters.tsv  url  code  type  bases  targets  comparators  modifiers  multiple  expression  components
//! compartments.tsv       code  resource  parameters
//! ```
//!
//! * sort: `primitive`, `complex`, `any` (Resource, DomainResource) or `resource`.
//! * status: of the type's definition, `draft` or `active`.
//! * path: with `[x]` for a choice. Only where it is defined; what a type inherits is not repeated.
//! * types: `Reference(Patient,Group)` with targets; `#Path` is the content of another element.
//! * system: of a code with a required binding, the system all codes of the value set come from, where that is one.
//! * flags: `S` belongs to the summary, `M` modifies.
//! * targets: `*` where the definition lists every type of record.
//! * multiple: `or`, `-or`, `and`, `-and`: what the definition says about several values; empty where it is silent.
//! * components: `definition=expression`, divided by ` ; `.
//!
//! The tables of rules are described in `compact_rules.rs`, the pack of HL7's terminology and operations in
//! `compact_records.rs`, the table of words in `compact_words.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use fhir::tree::Tree;

use crate::compact_records::Records;
use crate::compact_rules::Rules;
use crate::compact_terms::ValueSets;
use crate::compact_words::Words;

/// How many rows were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Types, backbone elements not counted.
    pub types: usize,
    /// Elements.
    pub elements: usize,
    /// Search parameters.
    pub search_parameters: usize,
    /// Compartments with the resource types in them.
    pub compartments: usize,
    /// Value sets.
    pub value_sets: usize,
}

/// Why the tables could not be made.
#[derive(Debug)]
pub enum Trouble {
    /// A file could not be read or written.
    File(PathBuf, io::Error),
    /// A definition is not as expected: the file, the line, and what is wrong.
    Definition(PathBuf, usize, String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::File(path, e) => write!(f, "{} cannot be read or written: {e}.", path.display()),
            Trouble::Definition(path, line, what) => {
                write!(
                    f,
                    "{}, line {line}, is no definition that can be used: {what}.",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for Trouble {}

/// Profiles of Quantity that FHIRPath and the definitions use like types.
const PROFILES_AS_TYPES: [&str; 2] = ["MoneyQuantity", "SimpleQuantity"];
/// The table of words.
const WORDS: &str = "words.tsv.gz";
/// Types whose value is any resource.
const ANY_RESOURCE: [&str; 2] = ["DomainResource", "Resource"];

/// Reads `StructureDefinition-resource`, `-type`, `-extension`, `-profile` and `-guide`, `SearchParameter`,
/// `CompartmentDefinition`, `OperationDefinition`, `CodeSystem`, `ValueSet` and `ConceptMap` (`.ndjson` or `.ndjson.gz`, one
/// resource a line) in `from` and writes the tables, the packs and the NOTICE into `to`.
///
/// # Errors
/// [`Trouble`], naming the file and, for a definition that is not as expected, the line.
pub fn write(from: &Path, to: &Path) -> Result<Written, Trouble> {
    let mut written = Written::default();
    let mut value_sets = ValueSets::default();
    each(from, "ValueSet", &mut |tree| value_sets.add(tree))?;
    let (mut types, mut rules, mut words) = (BTreeMap::new(), Rules::default(), Words::default());
    for name in ["StructureDefinition-type", "StructureDefinition-resource"] {
        each(from, name, &mut |tree| {
            rules.add_type(tree)?;
            words.add_type(tree)?;
            structure(tree, &value_sets, &mut types)
        })?;
    }
    for name in ["StructureDefinition-extension", "StructureDefinition-profile"] {
        each(from, name, &mut |tree| rules.add_structure(tree))?;
    }
    each(from, "StructureDefinition-guide", &mut |tree| rules.add_guide(tree))?;
    let quantity = |name: &&str| {
        (
            name.to_string(),
            (format!("{name}\tcomplex\tQuantity\tdraft\n"), Vec::new()),
        )
    };
    types.extend(PROFILES_AS_TYPES.iter().map(quantity));
    let mut parameters = BTreeMap::new();
    let any = any_target(&types);
    each(from, "SearchParameter", &mut |tree| {
        words.add_parameter(tree)?;
        parameter(tree, &any, &mut parameters)
    })?;
    pack(from, to)?;
    let mut compartments = BTreeMap::new();
    each(from, "CompartmentDefinition", &mut |tree| {
        compartment(tree, &mut compartments)
    })?;

    written.types = types.len();
    written.elements = types.values().map(|(_, elements)| elements.len()).sum();
    written.search_parameters = parameters.len();
    written.compartments = compartments.len();
    written.value_sets = value_sets.count();
    let type_rows: String = types.values().map(|(row, _)| row.as_str()).collect();
    let element_rows: String = types
        .values()
        .flat_map(|(_, rows)| rows.iter().map(String::as_str))
        .collect();
    save(to, "types.tsv", &type_rows)?;
    save(to, "elements.tsv", &element_rows)?;
    save(
        to,
        "search-parameters.tsv",
        &parameters.into_values().collect::<String>(),
    )?;
    save(to, "compartments.tsv", &compartments.into_values().collect::<String>())?;
    save_rules(to, rules)?;
    let packed = words.into_file().map_err(|e| Trouble::File(to.join(WORDS), e))?;
    save_bytes(to, WORDS, &packed)?;
    save(to, "NOTICE", NOTICE)?;
    Ok(written)
}

fn save_rules(to: &Path, rules: Rules) -> Result<(), Trouble> {
    let all = |rows: BTreeMap<String, String>| rows.into_values().collect::<String>();
    save(to, "bindings.tsv", &all(rules.bindings))?;
    save(
        to,
        "invariants.tsv",
        &rules.invariants.into_values().collect::<String>(),
    )?;
    save(to, "structures.ndjson", &all(rules.structures))?;
    save(to, "guides.ndjson", &all(rules.guides))
}

fn pack(from: &Path, to: &Path) -> Result<(), Trouble> {
    let mut records = Records::default();
    for name in ["CodeSystem", "ConceptMap", "OperationDefinition", "ValueSet"] {
        each(from, name, &mut |tree| records.add(tree))?;
    }
    let (pack, index) = records.into_files();
    save_bytes(to, "terminology.ndjson.gz", &pack)?;
    save(to, "terminology.tsv", &index)
}

const NOTICE: &str = "\
The tables in this directory are facts taken from HL7 FHIR R4, version 4.0.1 (https://hl7.org/fhir/R4/),
published by Health Level Seven International under Creative Commons CC0 1.0 (\"No Rights Reserved\").
FHIR is a registered trademark of Health Level Seven International.

guides.ndjson holds what rules in the profiles of two implementation guides of HL7 International, likewise under
Creative Commons CC0 1.0: the International Patient Summary 2.0.0 (hl7.fhir.uv.ips, http://hl7.org/fhir/uv/ips) and
International Patient Access 1.0.0 (hl7.fhir.uv.ipa, http://hl7.org/fhir/uv/ipa). Their value sets, which list codes of
SNOMED CT and LOINC, are left out.

The tables are made, not written. To make them again, from HL7's definitions as NDJSON files, one resource a line
(StructureDefinition-resource, -type, -extension and -profile, StructureDefinition-guide with the profiles of the
guides, SearchParameter, CompartmentDefinition, OperationDefinition, CodeSystem, ValueSet, ConceptMap; .ndjson or
.ndjson.gz):

    epis definitions FROM TO

What the columns mean stands at the top of src/conformance/compact.rs, compact_rules.rs, compact_records.rs
and compact_words.rs.
";

fn save(to: &Path, name: &str, text: &str) -> Result<(), Trouble> {
    save_bytes(to, name, text.as_bytes())
}

fn save_bytes(to: &Path, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
    let path = to.join(name);
    fs::write(&path, bytes).map_err(|e| Trouble::File(path, e))
}

fn open(from: &Path, name: &str) -> Result<(PathBuf, String), Trouble> {
    let plain = from.join(format!("{name}.ndjson"));
    if let Ok(text) = fs::read_to_string(&plain) {
        return Ok((plain, text));
    }
    let packed = from.join(format!("{name}.ndjson.gz"));
    let mut text = String::new();
    let file = fs::File::open(&packed).and_then(|f| flate2::read::MultiGzDecoder::new(f).read_to_string(&mut text));
    match file {
        Ok(_) => Ok((packed, text)),
        Err(e) => Err(Trouble::File(packed, e)),
    }
}

pub(crate) type Step = Result<(), String>;

fn each(from: &Path, name: &str, take: &mut dyn FnMut(&Tree) -> Step) -> Result<(), Trouble> {
    let (path, text) = open(from, name)?;
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let definition = Tree::parse(line.as_bytes()).map_err(|e| e.to_string());
        let taken = definition.and_then(|tree| take(&tree));
        taken.map_err(|what| Trouble::Definition(path.clone(), i + 1, what))?;
    }
    Ok(())
}

pub(crate) fn string<'t>(tree: &'t Tree, name: &str) -> Result<&'t str, String> {
    let text = tree.get(name).and_then(Tree::as_str);
    text.ok_or_else(|| format!("`{name}` is missing"))
}

pub(crate) fn optional<'t>(tree: &'t Tree, name: &str) -> &'t str {
    tree.get(name).and_then(Tree::as_str).unwrap_or_default()
}

pub(crate) fn items<'t>(tree: &'t Tree, name: &str) -> &'t [Tree] {
    tree.get(name).map(Tree::items).unwrap_or_default()
}

fn list(tree: &Tree, name: &str) -> String {
    let texts: Vec<&str> = items(tree, name).iter().filter_map(Tree::as_str).collect();
    texts.join("|")
}

fn last_part(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// One line's worth of text: no tabs, no line breaks.
pub(crate) fn flat(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

type Types = BTreeMap<String, (String, Vec<String>)>;

fn structure(tree: &Tree, sets: &ValueSets, types: &mut Types) -> Step {
    let (name, base) = (string(tree, "type")?, last_part(optional(tree, "baseDefinition")));
    let sort = match string(tree, "kind")? {
        "primitive-type" => "primitive",
        "resource" if ANY_RESOURCE.contains(&name) => "any",
        "resource" => "resource",
        _ => "complex",
    };
    let snapshot = tree.get("snapshot").ok_or("`snapshot` is missing")?;
    let mut rows = Vec::new();
    for element in items(snapshot, "element") {
        let path = string(element, "path")?;
        let defined_here = element.get("base").map(|b| optional(b, "path")) == Some(path);
        let value_of_primitive = sort == "primitive" && path.ends_with(".value");
        if path.contains('.') && defined_here && !value_of_primitive {
            rows.push(element_row(path, element, sets)?);
        }
    }
    let row = format!("{name}\t{sort}\t{base}\t{}\n", optional(tree, "status"));
    types.insert(name.to_owned(), (row, rows));
    Ok(())
}

fn element_row(path: &str, element: &Tree, sets: &ValueSets) -> Result<String, String> {
    let min = match element.get("min") {
        Some(Tree::Number(digits)) => digits.as_str(),
        _ => return Err(format!("`min` of {path} is missing")),
    };
    let max = string(element, "max")?;
    let mut types = Vec::new();
    for one in items(element, "type") {
        types.push(type_text(path, one)?);
    }
    if let Some(reference) = element.get("contentReference").and_then(Tree::as_str) {
        types.push(reference.to_owned());
    }
    let flag = |name: &str, letter: &'static str| match element.get(name) {
        Some(Tree::Bool(true)) => letter,
        _ => "",
    };
    let (summary, modifier) = (flag("isSummary", "S"), flag("isModifier", "M"));
    Ok(format!(
        "{path}\t{min}\t{max}\t{}\t{summary}{modifier}\t{}\n",
        types.join("|"),
        implied_system(element, &types, sets).unwrap_or_default()
    ))
}

/// The system that a code has without saying so: the one its required binding draws on
/// (<https://hl7.org/fhir/R4/search.html#token>, "the system is defined in the value set").
fn implied_system<'s>(element: &Tree, types: &[String], sets: &'s ValueSets) -> Option<&'s str> {
    let binding = element.get("binding").filter(|_| types == ["code"])?;
    let required = optional(binding, "strength") == "required";
    sets.system(optional(binding, "valueSet")).filter(|_| required)
}

fn type_text(path: &str, one: &Tree) -> Result<String, String> {
    let code = string(one, "code")?;
    if path == "Resource.id" {
        return Ok("id".to_owned());
    }
    if code.starts_with("http://hl7.org/fhirpath/") {
        let real = items(one, "extension").iter().find_map(|e| e.get("valueUrl"));
        let real = real
            .and_then(Tree::as_str)
            .ok_or_else(|| format!("the type of {path} is not said"))?;
        return Ok(real.to_owned());
    }
    let targets = items(one, "targetProfile").iter().filter_map(Tree::as_str);
    let targets: Vec<&str> = targets.map(last_part).collect();
    if targets.is_empty() || !matches!(code, "Reference" | "canonical") {
        return Ok(code.to_owned());
    }
    Ok(format!("{code}({})", targets.join(",")))
}

/// HL7 packs parameters on extensions along with the base standard's; they are not part of it, and several lack a base.
fn is_on_extension(url: &str) -> bool {
    url.contains("-extensions-")
}

/// The targets as a definition lists them that allows any: every resource but Parameters, which is never stored.
fn any_target(types: &Types) -> BTreeSet<&str> {
    let resources = types.iter().filter(|(_, (row, _))| row.contains("\tresource\t"));
    let names = resources.map(|(name, _)| name.as_str());
    names.filter(|name| *name != "Parameters").collect()
}

/// R4 says of this composite that `code` is compared as a reference and `target` as a token; it is the other way round.
const CROSSED: &str = "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship";

fn parameter(tree: &Tree, any: &BTreeSet<&str>, rows: &mut BTreeMap<String, String>) -> Step {
    let url = string(tree, "url")?;
    if is_on_extension(url) {
        return Ok(());
    }
    let said = |name: &str, word: &str| match tree.get(name) {
        Some(Tree::Bool(true)) => word.to_owned(),
        Some(Tree::Bool(false)) => format!("-{word}"),
        _ => String::new(),
    };
    let multiple = [said("multipleOr", "or"), said("multipleAnd", "and")];
    let multiple: Vec<String> = multiple.into_iter().filter(|word| !word.is_empty()).collect();
    let targets: BTreeSet<&str> = items(tree, "target").iter().filter_map(Tree::as_str).collect();
    let targets = match any.is_subset(&targets) {
        true if !targets.is_empty() => "*".to_owned(),
        _ => list(tree, "target"),
    };
    let mut parts = Vec::new();
    for part in items(tree, "component") {
        parts.push((string(part, "definition")?, flat(string(part, "expression")?)));
    }
    if let ([(first, _), (second, _)], CROSSED) = (&mut parts[..], url) {
        std::mem::swap(first, second);
    }
    let components = parts
        .iter()
        .map(|(definition, expression)| format!("{definition}={expression}"));
    let components: Vec<String> = components.collect();
    let mut row = String::new();
    let columns = [
        url,
        string(tree, "code")?,
        string(tree, "type")?,
        &list(tree, "base"),
        &targets,
        &list(tree, "comparator"),
        &list(tree, "modifier"),
        &multiple.join("|"),
        &flat(optional(tree, "expression")),
        &components.join(" ; "),
    ];
    writeln!(row, "{}", columns.join("\t")).expect("writing to a string does not fail");
    rows.insert(url.to_owned(), row);
    Ok(())
}

fn compartment(tree: &Tree, rows: &mut BTreeMap<(String, String), String>) -> Step {
    let code = string(tree, "code")?;
    for resource in items(tree, "resource") {
        let name = string(resource, "code")?;
        let parameters = items(resource, "param").iter().filter_map(Tree::as_str);
        // `{def}` stands for the record the compartment is made around, which is in it without saying.
        let parameters: Vec<&str> = parameters.filter(|p| *p != "{def}").collect();
        if !parameters.is_empty() {
            let row = format!("{code}\t{name}\t{}\n", parameters.join("|"));
            rows.insert((code.to_owned(), name.to_owned()), row);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = r#"{"type":"Element","kind":"complex-type","status":"active","snapshot":{"element":[{"path":"Element","short":"Base"},
        {"path":"Element.id","base":{"path":"Element.id"},"min":0,"max":"1","type":[{"code":
        "http://hl7.org/fhirpath/System.String","extension":[{"valueUrl":"string"}]}]}]}}"#;
    const RESOURCE: &str = r##"{"type":"X","kind":"resource","baseDefinition":"http://a/Resource","snapshot":{"element":[
        {"path":"X.id","base":{"path":"Resource.id"},"min":0,"max":"1","type":[{"code":"id"}]},
        {"path":"X.a","base":{"path":"X.a"},"min":1,"max":"*","isSummary":true,"isModifier":true,
         "type":[{"code":"Reference","targetProfile":["http://a/Patient","http://a/Group"]},{"code":"code"}]},
        {"path":"X.b","base":{"path":"X.b"},"min":0,"max":"1","contentReference":"#X.a"},
        {"path":"X.c","base":{"path":"X.c"},"min":0,"max":"1","type":[{"code":"code"}],
         "binding":{"strength":"required","valueSet":"http://a/vs|1"}}]},"differential":{"element":[{"path":"X.c",
         "binding":{"strength":"required","valueSet":"http://a/vs|1"},"constraint":[{"key":"x-1","severity":"error",
         "human":"Say  it.","expression":"a.matches('b')"}]}]}}"##;
    const EXTENSION: &str = r#"{"url":"http://a/e","type":"Extension","text":{},"differential":{"element":[{"path":
        "Extension","short":"x","max":"1"}]}}"#;
    const GUIDE: &str = r#"{"url":"http://a/g","type":"X","differential":{"element":[{"id":"X.a","path":"X.a","min":1,
        "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/obligation"}]}]}}"#;
    const CODE_SYSTEM: &str = r#"{"resourceType":"CodeSystem","id":"cs","url":"http://a/cs","version":"1","content":"complete","caseSensitive":true,"concept":[
        {"code":"a","display":"A","concept":[{"code":"b"}]},{"code":"c","property":[{"code":"child","valueCode":"b"}]}]}"#;
    const VALUE_SET: &str = r#"{"resourceType":"ValueSet","id":"vs","url":"http://a/vs","compose":{"include":[{"system":"http://a/cs","filter":[
        {"property":"concept","op":"is-a","value":"a"}]},{"valueSet":["http://a/vs"]}],
        "exclude":[{"system":"http://a/cs","version":"1","concept":[{"code":"b"},{"code":"c"}]}]}}"#;
    const PARAMETER: &str = r#"{"url":"u","code":"c","type":"token","base":["X","Y"],"target":["X"],"expression":"X.a\n | Y.a",
        "multipleOr":false,"component":[{"definition":"d","expression":"e"}]}"#;
    const COMPARTMENT: &str =
        r#"{"code":"X","resource":[{"code":"X","param":["{def}"]},{"code":"Y","param":["p","q"]}]}"#;

    fn packs_hold_what_was_written(at: &Path) {
        let unpacked = |name: &str| open(at, name).unwrap().1;
        fs::rename(at.join(WORDS), at.join("words.ndjson.gz")).unwrap();
        assert_eq!(
            unpacked("words"),
            "Element\tBase\t\nElement.id\t\t\nX.a\t\t\nX.b\t\t\nX.c\t\t\nu\t\t\n"
        );
        let operation =
            "{\"resourceType\":\"OperationDefinition\",\"id\":\"op\",\"url\":\"http://a/op\",\"description\":\"d\"}";
        assert!(unpacked("terminology").contains(operation));
    }

    fn what_cannot_be_read_is_named(at: &Path) {
        fs::write(at.join("SearchParameter.ndjson"), "{}").unwrap();
        let trouble = write(at, at).unwrap_err().to_string();
        assert!(
            trouble.contains("SearchParameter.ndjson, line 1") && trouble.contains("`url` is missing"),
            "{trouble}"
        );
        fs::remove_file(at.join("SearchParameter.ndjson")).unwrap();
        assert!(
            write(at, at)
                .unwrap_err()
                .to_string()
                .contains("SearchParameter.ndjson.gz")
        );
    }

    #[test]
    fn writes_a_row_for_each_fact() {
        let at = std::env::temp_dir().join(format!("conformance-compact-{}", std::process::id()));
        fs::create_dir_all(&at).unwrap();
        for (name, text) in [
            ("StructureDefinition-type", TYPE),
            ("StructureDefinition-resource", RESOURCE),
            ("StructureDefinition-extension", EXTENSION),
            ("StructureDefinition-profile", ""),
            ("StructureDefinition-guide", GUIDE),
            ("SearchParameter", PARAMETER),
            ("CompartmentDefinition", COMPARTMENT),
            ("CodeSystem", CODE_SYSTEM),
            ("ValueSet", VALUE_SET),
            (
                "ConceptMap",
                r#"{"resourceType":"ConceptMap","id":"cm","url":"http://a/cm","status":"active"}"#,
            ),
            (
                "OperationDefinition",
                r#"{"resourceType":"OperationDefinition","id":"op","url":"http://a/op","description":"d","purpose":"p"}"#,
            ),
        ] {
            fs::write(at.join(format!("{name}.ndjson")), text.replace('\n', " ")).unwrap();
        }
        let written = write(&at, &at).unwrap();
        assert_eq!((written.types, written.elements, written.value_sets), (4, 4, 1));
        for (name, rows) in [
            (
                "types.tsv",
                "Element\tcomplex\t\tactive\nMoneyQuantity\tcomplex\tQuantity\tdraft\nSimpleQuantity\tcomplex\tQuantity\tdraft\nX\tresource\tResource\t\n",
            ),
            (
                "elements.tsv",
                "Element.id\t0\t1\tstring\t\t\nX.a\t1\t*\tReference(Patient,Group)|code\tSM\t\nX.b\t0\t1\t#X.a\t\t\n\
                 X.c\t0\t1\tcode\t\thttp://a/cs\n",
            ),
            (
                "search-parameters.tsv",
                "u\tc\ttoken\tX|Y\t*\t\t\t-or\tX.a | Y.a\td=e\n",
            ),
            ("compartments.tsv", "X\tY\tp|q\n"),
            ("bindings.tsv", "X.c\trequired\thttp://a/vs|1\t\n"),
            ("invariants.tsv", "X.c\tx-1\terror\ta.matches('^(b)$')\tSay it.\n"),
            (
                "structures.ndjson",
                "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://a/e\",\"type\":\"Extension\",\
                 \"differential\":{\"element\":[{\"path\":\"Extension\",\"max\":\"1\"}]}}\n",
            ),
            (
                "guides.ndjson",
                "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://a/g\",\"type\":\"X\",\
                 \"differential\":{\"element\":[{\"path\":\"X.a\",\"min\":1}]}}\n",
            ),
        ] {
            assert_eq!(fs::read_to_string(at.join(name)).unwrap(), rows, "{name}");
        }
        packs_hold_what_was_written(&at);
        what_cannot_be_read_is_named(&at);
        fs::remove_dir_all(&at).unwrap();
    }

    #[test]
    fn the_notice_is_the_one_in_the_tree() {
        assert_eq!(include_str!("../../schema/fhir/NOTICE"), NOTICE);
    }
}
