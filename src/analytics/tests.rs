//! Views tried on records: the cases of SQL on FHIR, and what those leave open.

use std::fs;

use conformance::Definitions;
use fhir::document::{Document, Node};
use fhir::parse::Limits;
use fhir::tree::Tree;

use crate::{Fault, Format, Runner, Surroundings, Table, View};

const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sql-on-fhir");

fn parsed(text: &str) -> Document {
    Document::parse(text.as_bytes(), Limits::default()).expect(text)
}

/// The rows as NDJSON, or a sentence that says why there are none.
fn table(view: Node<'_>, records: &[Node<'_>], format: Format) -> Result<String, String> {
    let model = Definitions::r4();
    let view = View::compile(&*model, view).map_err(|issues| {
        let lines = issues
            .iter()
            .map(|issue| format!("{}: {}", issue.expression, issue.text));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    let surroundings = Surroundings {
        model: &*model,
        now: 0,
        zone: 360,
        resolver: None,
        terminology: None,
        profiles: None,
    };
    let mut table = Table::begin(format, view.columns(), true, Vec::new()).expect("memory takes everything");
    let mut runner = Runner::new(&view, surroundings);
    for record in records {
        let taken = runner.record(*record, &mut |row| table.row(row).map_err(Fault::Taker));
        taken.map_err(|fault| fault.to_string())?;
    }
    let (bytes, _) = table.end().expect("memory takes everything");
    Ok(String::from_utf8(bytes).expect("text"))
}

fn sorted(mut rows: Vec<Tree>) -> Vec<Tree> {
    rows.iter_mut().for_each(|row| {
        if let Tree::Object(members) = row {
            members.sort_by(|a, b| a.0.cmp(&b.0));
        }
    });
    rows.sort_by_key(Tree::to_bytes);
    rows
}

/// Whether a case comes out as it should; otherwise what came out.
fn tried(case: Node<'_>, records: &[Node<'_>]) -> Result<(), String> {
    let view = case.get("view").expect("a view");
    let found = table(view, records, Format::Ndjson);
    if case.get("expectError").is_some() {
        return found.map_or(Ok(()), |rows| Err(format!("no error: {rows}")));
    }
    let rows: Vec<Tree> = found?
        .lines()
        .map(|line| Tree::parse(line.as_bytes()).expect(line))
        .collect();
    if let Some(count) = case.get("expectCount") {
        return (count.text() == rows.len().to_string())
            .then_some(())
            .ok_or_else(|| format!("{} rows", rows.len()));
    }
    if let (Some(columns), Some(Tree::Object(row))) = (case.get("expectColumns"), rows.first()) {
        let expected: Vec<_> = columns.items().filter_map(|name| name.as_str()).collect();
        if !row.iter().map(|(name, _)| name).eq(expected.iter()) {
            return Err(format!("columns {row:?}"));
        }
    }
    let expected = case.get("expect").expect("rows").items().map(Tree::from_node).collect();
    let same = sorted(rows.clone()) == sorted(expected);
    same.then_some(()).ok_or_else(|| format!("{rows:?}"))
}

#[test]
fn the_cases_of_sql_on_fhir_come_out() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in fs::read_dir(SUITE).expect("the suite").flatten() {
        if file.path().extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let document = parsed(&fs::read_to_string(file.path()).expect("text"));
        let root = document.root();
        let records: Vec<Node<'_>> = root.get("resources").expect("resources").items().collect();
        for case in root.get("tests").expect("tests").items() {
            count += 1;
            if let Err(found) = tried(case, &records) {
                let title = case.string("title").unwrap_or_default();
                wrong.push(format!("{} {title}: {found}", file.file_name().display()));
            }
        }
    }
    assert!(count >= 91 && wrong.is_empty(), "{count} cases\n{}", wrong.join("\n"));
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","active":true,"birthDate":"1974-12-25",
"name":[{"use":"official","family":"Dorji","given":["Karma","Pema"]},{"given":["K\"D"]}],
"_gender":{"extension":[{"url":"http://x","valueCode":"y"}]},
"link":[{"other":{"reference":"Patient/p1"},"type":"seealso"}]}"#;

/// A view of patients with one select.
fn view(select: &str) -> String {
    format!(r#"{{"resource":"Patient","constant":[{{"name":"use","valueCode":"official"}}],"select":[{select}]}}"#)
}

#[test]
fn rows_come_of_selects() {
    let id = r#"{"name":"id","path":"id"}"#;
    let cases = [
        (format!(r#"{{"column":[{id}]}}"#), "id\np1\n"),
        (
            format!(r#"{{"column":[{id},{{"name":"name","path":"name.where(use = %use)"}}]}}"#),
            "id,name\np1,\"{\"\"use\"\":\"\"official\"\",\"\"family\"\":\"\"Dorji\"\",\"\"given\"\":[\"\"Karma\"\",\"\"Pema\"\"]}\"\n",
        ),
        (r#"{"column":[{"name":"gender","path":"gender"},{"name":"b","path":"birthDate + 1 day"}]}"#.into(), "gender,b\n,1974-12-26\n"),
        (r#"{"forEach":"name","column":[{"name":"n","path":"given","collection":true},{"name":"i","path":"%rowIndex"}]}"#.into(),
            "n,i\n\"[\"\"Karma\"\",\"\"Pema\"\"]\",0\n\"[\"\"K\\\"\"D\"\"]\",1\n"),
        (r#"{"forEach":"name.given","column":[{"name":"g","path":"$this & '!'"}]}"#.into(), "g\nKarma!\nPema!\n\"K\"\"D!\"\n"),
        (r#"{"forEach":"1 | 2","column":[{"name":"n","path":"$this + 1"}]}"#.into(), "n\n2\n3\n"),
        (r#"{"forEachOrNull":"contact","column":[{"name":"i","path":"%rowIndex"}],"select":[{"forEach":"name","column":[{"name":"f","path":"family"}]}]}"#.into(), "i,f\n0,\n"),
        (r#"{"forEach":"name","select":[{"forEach":"given","column":[{"name":"g","path":"%context"},{"name":"i","path":"%rowIndex"}]}]}"#.into(),
            "g,i\nKarma,0\nPema,1\n\"K\"\"D\",0\n"),
        (r#"{"column":[{"name":"same","path":"getResourceKey() = link.other.getReferenceKey(Patient)"}]}"#.into(), "same\ntrue\n"),
        (r#"{"unionAll":[{"column":[{"name":"a","path":"'x'"}]},{"forEach":"name","unionAll":[{"column":[{"name":"a","path":"family"}]}]}]}"#.into(), "a\nx\nDorji\n\n"),
    ];
    let patient = parsed(PATIENT);
    for (select, expected) in cases {
        let definition = parsed(&view(&select));
        let found = table(definition.root(), &[patient.root()], Format::Csv);
        assert_eq!(found.as_deref(), Ok(expected), "{select}");
    }
}

#[test]
fn records_of_kinds_without_definitions_have_views() {
    let permit = parsed(
        r#"{"resourceType":"timber.Permit","id":"t","holder":{"name":"Pema"},"trees":[{"kind":"pine","count":3},{"kind":"oak","count":2}]}"#,
    );
    let definition = parsed(
        r#"{"resource":"timber.Permit","where":[{"path":"trees.count() > 1"}],"select":[{"column":[
        {"name":"holder","path":"holder.name"}]},{"forEach":"trees","column":[{"name":"kind","path":"kind"},{"name":"count","path":"count * 2"}]}]}"#,
    );
    let found = table(definition.root(), &[permit.root()], Format::Csv);
    assert_eq!(found.as_deref(), Ok("holder,kind,count\nPema,pine,6\nPema,oak,4\n"));
}

#[test]
fn faults_are_told_where_they_are() {
    let column = |rest: &str| view(&format!(r#"{{"column":[{{"name":"a","path":"id"}},{rest}]}}"#));
    let cases = [
        ("{}".to_owned(), "ViewDefinition.resource: A view needs the kind"),
        (r#"{"resource":"Patient","select":[]}"#.into(), "ViewDefinition.select: A view needs at least one select."),
        (view("{}"), "ViewDefinition.select[0]: A select needs a column"),
        (view(r#"{"foreach":"name","column":[{"name":"a","path":"id"}]}"#), "ViewDefinition.select[0]: A select has no \"foreach\""),
        (view(r#"{"forEach":"name","repeat":["name"],"column":[{"name":"a","path":"id"}]}"#), "ViewDefinition.select[0]: A select goes over one thing"),
        (view(r#"{"forEach":1,"column":[{"name":"a","path":"id"}]}"#), "ViewDefinition.select[0].forEach: A path is missing here"),
        (column(r#"{"name":"a","path":"id"}"#), "ViewDefinition.select[0].column[1].name: The column a is there already"),
        (column(r#"{"name":"1b","path":"id"}"#), "ViewDefinition.select[0].column[1].name: \"1b\" is no name"),
        (column(r#"{"name":"b","path":"id +"}"#), "ViewDefinition.select[0].column[1].path: \"id +\" is no FHIRPath"),
        (
            column(r#"{"name":"b","path":"name.famly"}"#),
            "ViewDefinition.select[0].column[1].path: The path \"name.famly\" leads nowhere: famly is no member of HumanName.",
        ),
        (
            view(r#"{"forEach":"contact","select":[{"forEach":"name","column":[{"name":"a","path":"valueX"}]}]}"#),
            "ViewDefinition.select[0].select[0].column[0].path: The path \"valueX\" leads nowhere",
        ),
        (column(r#"{"name":"b","path":"%none"}"#), "ViewDefinition.select[0].column[1].path: There is no %none"),
        (column(r#"{"name":"b"}"#), "ViewDefinition.select[0].column[1].path: A path is missing"),
        (view(r#"{"unionAll":[{"column":[{"name":"a","path":"id"}]},{"column":[{"name":"b","path":"id"}]}]}"#), "ViewDefinition.select[0].unionAll[1]: Every branch"),
        (r#"{"resource":"Patient","constant":[{"name":"c"}],"select":[{"column":[{"name":"a","path":"id"}]}]}"#.into(), "ViewDefinition.constant[0].value: The constant c needs one value"),
        (r#"{"resource":"Patient","constant":[{"name":"ucum","valueString":"x"}],"select":[{"column":[{"name":"a","path":"id"}]}]}"#.into(), "ViewDefinition.constant[0].name: The constant ucum is there"),
        (column(r#"{"name":"b","path":"name.given"}"#), "The column b has 3 values in one row"),
        (column(r#"{"name":"b","path":"1 + 'a'"}"#), "The path \"1 + 'a'\" failed: "),
        (view(r#"{"repeat":["$this"],"column":[{"name":"a","path":"id"}]}"#), "A repeat goes more than 100 deep"),
        (r#"{"resource":"Patient","where":[{"path":"name.family"}],"select":[{"column":[{"name":"a","path":"id"}]}]}"#.into(), "The where \"name.family\" gave something else"),
        (view(&format!("{}{}{}", r#"{"select":["#.repeat(20), r#"{"column":[{"name":"a","path":"id"}]}"#, "]}".repeat(20))), "ViewDefinition.select[0].select[0]"),
    ];
    let patient = parsed(PATIENT);
    for (definition, expected) in cases {
        let definition = parsed(&definition);
        let found = table(definition.root(), &[patient.root()], Format::Csv);
        let told = found.expect_err(expected);
        assert!(told.starts_with(expected), "{expected}\n{told}");
    }
}

#[test]
fn rows_of_one_record_are_bounded() {
    let multiplied =
        (0..8).map(|n| format!(r#"{{"forEach":"%resource.descendants()","column":[{{"name":"c{n}","path":"1"}}]}}"#));
    let definition = parsed(&view(&multiplied.collect::<Vec<_>>().join(",")));
    let names = vec![r#"{"family":"a","given":["b","c"]}"#; 20].join(",");
    let patient = parsed(&format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#));
    let told = table(definition.root(), &[patient.root()], Format::Csv).expect_err("too many rows");
    assert!(told.starts_with("The view makes more than"), "{told}");
}
