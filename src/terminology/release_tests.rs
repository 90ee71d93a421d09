//! Releases under test: small files of each kind, read, kept, served, and heard of while the library is in use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ecl::pick;
use crate::library::{Library, NoRecords, Session};
use crate::members::Answers;
use crate::packed::Packed;
use crate::release::{Kind, load};
use crate::subsume::relation;
use crate::system::{Place, System};
use conformance::Terminology;

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("epis_terminology_{}_{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn loaded(kind: Kind, files: &[PathBuf], folder: &Path) -> Packed {
    let (path, _) = load(kind, files, None, folder, &mut |_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    Packed::open(&path).unwrap()
}

#[test]
fn releases_are_served_from_their_files() {
    let folder = Folder::new("releases");
    let icd10 = folder.file(
        "a.tsv",
        "code\ttype\tparent\ttitle\nI\tchapter\t\tFirst\nA00\tcategory\tI\tOne\nA00.1\tsubcategory\tA00\tOne, other\n",
    );
    let claml = folder.file(
        "b.xml",
        "<ClaML><Title name=\"x\" version=\"2019\"/><Class code=\"I\" kind=\"chapter\"><Rubric kind=\"preferred\"><Label>First</Label>\
         </Rubric></Class><Class code=\"A00\" kind=\"category\"><SuperClass code=\"I\"/><Rubric kind=\"preferred\"><Label \
         xml:lang=\"en\">One &amp; all</Label></Rubric></Class></ClaML>",
    );
    let icd11 = folder.file(
        "c.tsv",
        "code\ttitle\turi\n1A00\tOne\tu1\n1A00.0\tOne, first\tu2\n1A0Z\tOther\tu3\n",
    );
    let official = folder.file(
        "d.tsv",
        "Code\tBlockId\tTitle\tClassKind\tChapterNo\n\t\tFirst\tchapter\t01\n\tL1-1A0\t- Block\tblock\t01\n1A00\t\t- - One\tcategory\t01\n",
    );
    let loinc = folder.file(
        "Loinc.csv",
        "\"LOINC_NUM\",\"COMPONENT\",\"SHORTNAME\",\"STATUS\",\"VersionLastChanged\",\"LONG_COMMON_NAME\"\n\
         \"1-8\",\"a, \"\"b\"\"\",\"short\",\"DEPRECATED\",\"2.10\",\"Long\"\n",
    );
    // kind, file, codes, a code, its display, who is above it
    let table = [
        (Kind::Icd10, icd10, 3, "A00.1", "One, other", Some("A00")),
        (Kind::Icd10, claml, 2, "A00", "One & all", Some("I")),
        (Kind::Icd11, icd11, 3, "1A00.0", "One, first", Some("1A00")),
        (Kind::Icd11, official, 3, "1A00", "One", Some("L1-1A0")),
        (Kind::Loinc, loinc, 1, "1-8", "Long", None),
    ];
    for (kind, file, count, code, display, above) in table {
        let system = loaded(kind, &[file], &folder.0);
        assert_eq!(system.count(), Some(count), "{code}");
        let place = system.find(code).unwrap();
        assert_eq!(system.display(&place).as_deref(), Some(display));
        let Place::At(number) = place else { panic!("{code}") };
        let parents = system.parents(number);
        let above_found = parents
            .first()
            .map(|parent| system.code(&Place::At(*parent)).into_owned());
        assert_eq!(above_found.as_deref(), above, "{code}");
        assert!(system.find("none").is_none());
    }
    let loinc = loaded(Kind::Loinc, &[folder.0.join("Loinc.csv")], &folder.0);
    let place = loinc.find("1-8").unwrap();
    let details = loinc.details(&place);
    assert_eq!(
        (
            details.properties[0].text().as_ref(),
            details.designations[0].value.as_str()
        ),
        ("a, \"b\"", "short")
    );
    assert_eq!(
        (loinc.state(&place).status.as_deref(), loinc.facts().version.as_deref()),
        (Some("deprecated"), Some("2.10"))
    );
}

#[test]
fn a_snapshot_of_snomed_ct_is_read() {
    let folder = Folder::new("snomed");
    let concepts = "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId\n\
                    138875005\t20020131\t1\t900000000000207008\t900000000000074008\n\
                    64572001\t20260101\t1\t900000000000207008\t900000000000074008\n\
                    22298006\t20260101\t1\t900000000000207008\t900000000000073002\n\
                    1\t20260101\t0\t900000000000207008\t900000000000074008\n";
    let names = "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId\n\
                 10\t20260101\t1\t9\t22298006\ten\t900000000000003001\tMyocardial infarction (disorder)\t9\n\
                 11\t20260101\t1\t9\t22298006\ten\t900000000000013009\tHeart attack\t9\n\
                 12\t20260101\t1\t9\t22298006\ten\t900000000000013009\tMyocardial infarction\t9\n\
                 13\t20260101\t0\t9\t22298006\ten\t900000000000013009\tOld name\t9\n";
    let relations = "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId\n\
                     1\t20260101\t1\t9\t64572001\t138875005\t0\t116680003\t9\t9\n\
                     2\t20260101\t1\t9\t22298006\t64572001\t0\t116680003\t9\t9\n\
                     3\t20260101\t1\t9\t22298006\t1\t1\t363698007\t9\t9\n";
    let preferences = "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId\n\
                       1\t20260101\t1\t9\t9\t12\t900000000000548007\n";
    let files = [("r", relations), ("d", names), ("c", concepts), ("l", preferences)];
    let files: Vec<PathBuf> = files.iter().map(|(name, text)| folder.file(name, text)).collect();
    let system = loaded(Kind::Snomed, &files, &folder.0);
    assert_eq!(
        system.facts().version.as_deref(),
        Some("http://snomed.info/sct/900000000000207008/version/20260101")
    );
    let place = system.find("22298006").unwrap();
    assert_eq!(system.display(&place).as_deref(), Some("Myocardial infarction"));
    assert_eq!(relation(&system, "138875005", "22298006"), Ok("subsumes"));
    assert!(system.state(&system.find("1").unwrap()).inactive);
    let details = system.details(&place);
    assert!(
        details
            .properties
            .iter()
            .any(|p| p.code == "363698007" && p.text() == "1")
    );
    assert_eq!(details.designations.len(), 2);
    let broken = folder.file("x", "some\tother\tfile\n");
    let why = load(Kind::Snomed, &[broken], None, &folder.0, &mut |_, _| {}).unwrap_err();
    assert!(why.to_string().contains("its first line"), "{why}");
}

/// A small ontology: `5` below `3` and `4`, both below `2`; `9` is a reference set of `3` and `5`; `5` has site `7`, `4` has
/// site `8`, which is below `7`; `6` is a site; `1` is inactive; `4` and `5` have names.
fn ontology(folder: &Folder) -> Vec<PathBuf> {
    let concept = |id: u32| format!("{id}\t20260101\t{}\t900\t74\n", u8::from(id != 1));
    let concepts: String = (1..=9).map(concept).collect();
    let relation = |(source, kind, target): (u32, u64, u32)| related(source, target, 0, kind);
    let is_a = 116_680_003;
    let relations = [
        (3, is_a, 2),
        (4, is_a, 2),
        (5, is_a, 3),
        (5, is_a, 4),
        (8, is_a, 7),
        (5, 6, 7),
        (4, 6, 8),
    ];
    let relations: String = relations.map(relation).concat();
    let name = |(of, text): (u32, &str)| {
        format!(
            "{of}{}\t20260101\t1\t9\t{of}\ten\t900000000000013009\t{text}\t9\n",
            text.len()
        )
    };
    let names = [(4, "Pain of the heart"), (5, "Heart attack"), (5, "Painful arm")]
        .map(name)
        .concat();
    let member = |of: u32| format!("1\t20260101\t1\t900\t9\t{of}\n");
    let members = [3, 5, 77].map(member).concat() + "1\t20260101\t0\t900\t9\t4\n";
    let texts = [
        (
            "concepts",
            "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId\n",
            concepts,
        ),
        (
            "names",
            "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId\n",
            names,
        ),
        (
            "relations",
            "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tc\tm\n",
            relations,
        ),
        (
            "members",
            "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\n",
            members,
        ),
    ];
    let file = |(name, head, rows): &(&str, &str, String)| folder.file(name, &format!("{head}{rows}"));
    texts.iter().map(file).collect()
}

/// A row of a file of relationships.
fn related(source: u32, target: impl std::fmt::Display, group: u32, kind: u64) -> String {
    format!("1\t20260101\t1\t9\t{source}\t{target}\t{group}\t{kind}\t9\t9\n")
}

/// As [`ontology`]; `3` has two groups more, of site `7` with strength 5 and of site `8` with strength 2.5, and says `x`;
/// `4` has strength 5. Strengths are told by `9`, texts by `8`.
fn grouped(folder: &Folder) -> Vec<PathBuf> {
    let head = |value: &str| {
        format!("id\teffectiveTime\tactive\tmoduleId\tsourceId\t{value}\trelationshipGroup\ttypeId\tc\tm\n")
    };
    let sites = [related(3, 7, 1, 6), related(3, 8, 2, 6)].concat();
    let values = [
        related(3, "#5", 1, 9),
        related(3, "#2.5", 2, 9),
        related(3, "\"x\"", 0, 8),
        related(4, "#5", 0, 9),
    ];
    let mut files = ontology(folder);
    files.push(folder.file("more", &(head("destinationId") + &sites)));
    files.push(folder.file("values", &(head("value") + &values.concat())));
    files
}

#[test]
fn expression_constraints_tell_groups_and_values_apart() {
    let folder = Folder::new("ecl-groups");
    let system = loaded(Kind::Snomed, &grouped(&folder), &folder.0);
    pick_all(
        &system,
        &[
            ("<<2: 6 = 7, 9 = #2.5", "3"),
            ("<<2: { 6 = 7, 9 = #5 }", "3"),
            ("<<2: { 6 = 7, 9 = #2.5 }", ""),
            ("<<2: { 6 = 8 }", "3,4"),
            ("<<2: [2..2] { 6 = <<7 }", "3"),
            ("<<2: [0..0] { 6 = <<7 }", "2"),
            ("<<2: { 6 = 7 } OR { 9 = #5 }", "3,4,5"),
            ("<<2: (6 = 7 AND 9 = #5) OR 6 = 8", "3,4"),
            ("<<2: (6 OR 9) = 8", "3,4"),
            ("<<2: 9 >= #5", "3,4"),
            ("<<2: 9 < #5", "3"),
            ("<<2: 9 != #5", "3"),
            ("<<2: [2..*] 9 > #-1", "3"),
            (r#"<<2: 8 = "x""#, "3"),
            (r#"<<2: 8 != "x""#, ""),
            ("<<2 {{ C active = 1 }}", "2,3,4,5"),
            ("<<2 {{ C active = false }}", ""),
            ("<<2 {{ C definitionStatus = primitive, moduleId = 900 }}", "2,3,4,5"),
            ("<<2 {{ C moduleId != 900 }}", ""),
            (r#"<<2 {{ C effectiveTime > "20251231" }}: 8 = "x""#, "3"),
            (r#"<<2 {{ C effectiveTime <= "20251231" }}"#, ""),
        ],
    );
}

#[test]
fn expression_constraints_pick_what_they_say() {
    let folder = Folder::new("ecl");
    let system = loaded(Kind::Snomed, &ontology(&folder), &folder.0);
    let table = [
        ("2", "2"),
        ("<2", "3,4,5"),
        ("<< 2 |Anything|", "2,3,4,5"),
        ("<! 2", "3,4"),
        (">>5", "2,3,4,5"),
        ("> 5", "2,3,4"),
        (">!5", "3,4"),
        ("^ 9", "3,5"),
        ("^*", "3,5"),
        ("*", "2,3,4,5,6,7,8,9"),
        ("<<3 AND <<4", "5"),
        ("<<3, <<4", "5"),
        ("3 or 4 OR 6", "3,4,6"),
        ("<<2 MINUS ^9", "2,4"),
        ("(<<2 MINUS ^9) AND <2", "4"),
        ("<<(3 OR 7)", "3,5,7,8"),
        ("<<2: 6 = 7", "5"),
        ("<<2: 6 = <<7", "4,5"),
        ("<<2: 6 != 7", "4"),
        ("<<2: * = *", "4,5"),
        ("<<2: 6 = <<7, 6 = 8", "4"),
        ("<<2: 6 = 7 OR 6 = 8", "4,5"),
        ("<<!2", "2,3,4"),
        (">>! 5", "3,4,5"),
        ("<<2: [0..0] 6 = *", "2,3"),
        ("<<2: [1..1] 6 = 7", "5"),
        ("<<2: [2..*] * = *", ""),
        ("<<7: R 6 = <<2", "7,8"),
        ("<<7: R 6 = 5", "7"),
        ("4 . 6", "8"),
        ("<<2 . *", "7,8"),
        ("(<<2 . 6) AND <7", "8"),
        (r#"<<2 {{ term = "heart" }}"#, "4,5"),
        (r#"<<2 {{ D term = "HEA pain" }}"#, "4"),
        (r#"<<2 {{ term = "pain" }} {{ term = "attack" }}: 6 = *"#, "5"),
        (r#"<<2 {{ term = "art" }}"#, ""),
        (r#"<<2 {{ term = match:"HEA pain" }}"#, "4"),
        (r#"<<2 {{ term = ("pain" "attack") }}"#, "4,5"),
        (r#"<<2 {{ term = wild:"HEA*" }}"#, "5"),
        (r#"<<2 {{ term = wild:"*heart" }}"#, "4"),
        (r#"<<2 {{ term = wild:"p*ar*" }}"#, "4,5"),
        (r#"<<2 {{ term = wild:"ea*" }}"#, ""),
        (r#"<<2 {{ D term = "heart", language = en, type = (syn fsn) }}"#, "4,5"),
        (r#"<<2 {{ term = "heart", language = fr }}"#, ""),
        (r#"<<2 {{ term = "heart", language != (fr de) }}"#, "4,5"),
        (r#"<<2 {{ term = "heart", type = def }}"#, ""),
        ("123456", ""),
        ("<< 123456", ""),
    ];
    pick_all(&system, &table);
}

/// Tries expressions, each with the codes that it picks.
fn pick_all(system: &Packed, table: &[(&str, &str)]) {
    for (expression, expected) in table {
        let picked = pick(system, expression).unwrap_or_else(|why| panic!("{expression}: {why}"));
        let mut codes: Vec<String> = picked
            .iter()
            .map(|number| system.code(&Place::At(*number)).into_owned())
            .collect();
        codes.sort_unstable();
        assert_eq!(codes.join(","), *expected, "{expression}");
    }
}

#[test]
fn expression_constraints_that_are_not_understood_say_why() {
    let folder = Folder::new("ecl-refused");
    let system = loaded(Kind::Snomed, &ontology(&folder), &folder.0);
    let deep = "(".repeat(100) + "2" + &")".repeat(100);
    for (expression, why) in [
        ("", "expected"),
        ("<<", "expected"),
        ("2 3", "`3`"),
        ("(2", "never closed"),
        ("2 |x", "never closed"),
        ("2 AND 3 OR 4", "brackets"),
        ("2 MINUS 3 MINUS 4", "brackets"),
        ("2: {6 = 7", "never closed"),
        ("2: 6 < 7", "only numbers"),
        (r#"2 {{ C semanticTag = "x" }}"#, "only active"),
        ("2: [x..1] 6 = 7", "cardinality"),
        ("2: [0.1] 6 = 7", "cardinality"),
        ("2: [0..0] R 6 = 7", "reversed"),
        ("2: 6 = #x", "no number"),
        ("2 {{ active = 1 }}", "only"),
        (r#"2 {{ term = "a"#, "never closed"),
        (r#"2 {{ term = "a", active = 1 }}"#, "only"),
        (r#"2 {{ term = a }}"#, "quotes"),
        (r#"2 {{ term > "a" }}"#, "= or !="),
        ("2 {{ language = eng }}", "two letters"),
        ("2 {{ type = x }}", "fsn"),
        ("2: 6", "="),
        (deep.as_str(), "deep"),
    ] {
        let said = pick(&system, expression).unwrap_err();
        assert!(said.contains(why), "{expression}: {said}");
    }
}

#[test]
fn systems_imply_value_sets_by_their_addresses() {
    let folder = Folder::new("implied");
    let snomed = loaded(Kind::Snomed, &ontology(&folder), &folder.0);
    let codes = folder.file(
        "Loinc.csv",
        "LOINC_NUM,LONG_COMMON_NAME,VersionLastChanged\n1-8,Long,2.80\n2-9,Other,2.80\n",
    );
    let answers = folder.file(
        "AnswerList.csv",
        "AnswerListId,AnswerListName,AnswerStringId,DisplayText\nLL1-1,Yes or no,LA1-1,Yes\nLL1-1,Yes or no,LA2-2,No\nLL2-2,Elsewhere,,\n",
    );
    let parts = folder.file(
        "Part.csv",
        "PartNumber,PartTypeName,PartName,PartDisplayName,Status\nLP7-1,COMPONENT,a,A part,ACTIVE\n",
    );
    let hierarchy = folder.file(
        "ComponentHierarchyBySystem.csv",
        "PATH_TO_ROOT,SEQUENCE,IMMEDIATE_PARENT,CODE,CODE_TEXT\n,1,,LP7-1,A\nLP7-1,1,LP7-1,1-8,Long\n",
    );
    let loinc = loaded(Kind::Loinc, &[answers, codes, parts, hierarchy], &folder.0);
    let place = loinc.find("LP7-1").unwrap();
    assert_eq!(loinc.display(&place).as_deref(), Some("A part"));
    assert_eq!(relation(&loinc, "LP7-1", "1-8"), Ok("subsumes"));
    let systems: Vec<Arc<dyn System>> = vec![Arc::new(snomed), Arc::new(loinc)];
    let answers = Answers::new(Arc::new(Library::new(systems)), NoRecords);
    let table = [
        ("http://snomed.info/sct?fhir_vs", "1,2,3,4,5,6,7,8,9"),
        ("http://snomed.info/sct?fhir_vs=isa/3", "3,5"),
        ("http://snomed.info/sct?fhir_vs=refset", "9"),
        ("http://snomed.info/sct?fhir_vs=refset/9", "3,5"),
        ("http://snomed.info/sct?fhir_vs=ecl/%3C%3C3%20OR%206", "3,5,6"),
        ("http://snomed.info/sct/900/version/20260101?fhir_vs=isa/3", "3,5"),
        ("http://loinc.org/vs/LL1-1", "LA1-1,LA2-2"),
        ("http://loinc.org/vs/LP7-1", "1-8,LP7-1"),
        ("http://loinc.org/vs", "1-8,2-9,LA1-1,LA2-2,LL1-1,LL2-2,LP7-1"),
    ];
    for (address, expected) in table {
        let members = answers
            .members(address)
            .unwrap_or_else(|why| panic!("{address}: {why}"));
        let codes: Vec<&str> = members.codes.iter().map(|(_, code)| &**code).collect();
        assert_eq!(codes.join(","), expected, "{address}");
    }
    for (address, why) in [
        ("http://snomed.info/sct?fhir_vs=ecl/%3C%3C", "expected"),
        ("http://snomed.info/sct?fhir_vs=other", "not known"),
        ("http://loinc.org/vs/1-8", "not known"),
    ] {
        let said = answers.members(address).unwrap_err().to_string();
        assert!(said.contains(why), "{address}: {said}");
    }
}

#[test]
fn files_of_the_first_form_are_still_read() {
    let packed = Packed::open(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/golden/form-1.terminology"
    )))
    .unwrap();
    let place = packed.find("A00.1").unwrap();
    assert_eq!(packed.display(&place).as_deref(), Some("One, other"));
    assert_eq!(relation(&packed, "I", "A00.1"), Ok("subsumes"));
    assert!(packed.members(0).is_empty() && packed.state(&Place::At(0)).is_abstract);
}

#[test]
fn codes_are_found_by_the_beginnings_of_their_names() {
    let folder = Folder::new("names");
    let table = "LOINC_NUM,COMPONENT,PROPERTY,STATUS,SHORTNAME,LONG_COMMON_NAME,CONSUMER_NAME\n\
                 8302-2,Body height,Len,ACTIVE,Bdy height,Body height,Tallness\n\
                 29463-7,Body weight,Mass,ACTIVE,Weight,Body weight,\n";
    let file = folder.file("Loinc.csv", table);
    // The second form keeps no names in order.
    let second = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/form-2.terminology"));
    for packed in [loaded(Kind::Loinc, &[file], &folder.0), Packed::open(second).unwrap()] {
        for (start, expected) in [
            ("body", "29463-7,8302-2"),
            ("body h", "8302-2"),
            ("tall", "8302-2"),
            ("weight", "29463-7"),
            ("height", ""),
            ("bdz", ""),
        ] {
            let found = packed.starting(start, 10).unwrap();
            let mut codes: Vec<String> = found
                .into_iter()
                .map(|place| packed.code(&Place::At(place)).into_owned())
                .collect();
            codes.sort();
            assert_eq!(codes.join(","), expected, "{start}");
        }
        assert!(
            !packed.starting("body", 0).unwrap().is_empty(),
            "some, to tell that there are more"
        );
    }
}

#[test]
fn a_release_is_heard_of_while_the_library_is_in_use() {
    let folder = Folder::new("heard");
    let library = Library::watching(&folder.0.join("loaded"), |_| {});
    let known = || {
        // What was seen is believed for a moment.
        std::thread::sleep(std::time::Duration::from_millis(600));
        let session = Session::new(&library, &NoRecords);
        let systems = session.systems("http://hl7.org/fhir/sid/icd-10").unwrap();
        systems
            .iter()
            .filter_map(|system| system.facts().version.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(known(), Vec::<String>::new());
    let file = folder.file("a.tsv", "code\ttype\tparent\ttitle\nA00\tcategory\t\tOne\n");
    let (first, _) = load(
        Kind::Icd10,
        std::slice::from_ref(&file),
        Some("1"),
        &folder.0.join("loaded"),
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(known(), ["1"]);
    load(
        Kind::Icd10,
        &[file],
        Some("2"),
        &folder.0.join("loaded"),
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(known(), ["2", "1"]);
    std::fs::remove_file(first).unwrap();
    assert_eq!(known(), ["2"]);
}
