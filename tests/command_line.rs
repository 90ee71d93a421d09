//! The commands that ask instead of serving: `epis fhirpath`, `epis validate` and `epis view run`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tests::world::binary;

const PATIENT: &str =
    r#"{"resourceType":"Patient","id":"p","birthDate":"1974-12-25","name":[{"family":"Dorji","given":["Karma"]}]}"#;
const PATIENT_IN_XML: &str =
    r#"<Patient xmlns="http://hl7.org/fhir"><id value="p"/><birthDate value="1974-12-25"/></Patient>"#;
const VIEW: &str = r#"{"resourceType":"ViewDefinition","resource":"Patient","select":[{"column":[
    {"name":"id","path":"id"},{"name":"born","path":"birthDate"}]}]}"#;

/// Runs the program with something on its standard input: whether it ended well, and what it printed.
fn epis(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(binary())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("epis starts");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that doesn't read its input may be gone by now.
    let _written = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("epis ends");
    let said = if output.status.success() {
        output.stdout
    } else {
        [output.stdout, output.stderr].concat()
    };
    (output.status.success(), String::from_utf8(said).expect("text"))
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("epis-{}-{name}", std::process::id()));
    std::fs::write(&path, text).expect("the file can be written");
    path
}

#[test]
fn files_are_judged() {
    let disordered = r#"<Patient xmlns="http://hl7.org/fhir"><birthDate value="1974-12-25"/><id value="p"/></Patient>"#;
    let table = [
        (PATIENT, true, ""),
        (PATIENT_IN_XML, true, ""),
        (
            disordered,
            false,
            "-: error: Patient.id: <id> stands after <birthDate>; in XML it comes before it.\n",
        ),
        (
            r#"{"resourceType":"Patient","gender":"man"}"#,
            false,
            "-: error: Patient.gender: ",
        ),
    ];
    for (input, well, begins) in table {
        let (ended, said) = epis(&["validate", "-"], input);
        let errors: String = said
            .split_inclusive('\n')
            .filter(|line| line.contains(": error: "))
            .collect();
        assert_eq!(ended, well, "{input}\n{said}");
        assert!(
            errors.starts_with(begins) && errors.is_empty() == well,
            "{input}\n{said}"
        );
    }
}

#[test]
fn expressions_are_evaluated() {
    let table: [(&[&str], &str, bool, &str); 9] = [
        (
            &["name.given"],
            PATIENT,
            true,
            "{\"type\":\"string\",\"value\":\"Karma\"}\n",
        ),
        (
            &["birthDate"],
            PATIENT_IN_XML,
            true,
            "{\"type\":\"date\",\"value\":\"1974-12-25\"}\n",
        ),
        (
            &["1.50 | true"],
            PATIENT,
            true,
            "{\"type\":\"decimal\",\"value\":1.50}\n{\"type\":\"boolean\",\"value\":true}\n",
        ),
        (
            &["family & %x", "--context", "name", "--variable", "x=y"],
            PATIENT,
            true,
            "{\"type\":\"string\",\"value\":\"Dorjiy\"}\n",
        ),
        (&["name.nothing", "--lenient"], PATIENT, true, ""),
        (&["-5 div 2"], PATIENT, true, "{\"type\":\"integer\",\"value\":-2}\n"),
        (
            &["name.nothing"],
            PATIENT,
            false,
            "epis: nothing is no member of HumanName.\n",
        ),
        (
            &["name.("],
            PATIENT,
            false,
            "epis: \"name.(\" is no FHIRPath: A name is missing here (at byte 5).\n",
        ),
        (
            &["'a'.repeatAll($this & $this)"],
            PATIENT,
            false,
            "epis: The expression took more than 5000000 steps.\n",
        ),
    ];
    for (arguments, input, well, expected) in table {
        let arguments = [&["fhirpath", "--input", "-"][..], arguments].concat();
        assert_eq!(epis(&arguments, input), (well, expected.to_owned()), "{arguments:?}");
    }
}

#[test]
fn views_are_run_over_files_and_over_data() {
    let (view, json, xml) = (
        file("view.json", VIEW),
        file("p.json", PATIENT),
        file("p.xml", PATIENT_IN_XML),
    );
    let (view, json, xml) = (
        view.display().to_string(),
        json.display().to_string(),
        xml.display().to_string(),
    );
    let folder = std::env::temp_dir().join(format!("epis-{}-data", std::process::id()));
    let data = folder.display().to_string();
    let run = |more: &[&str]| epis(&[&["view", "run", &*view][..], more].concat(), "");
    let rows = (true, "id,born\np,1974-12-25\n".to_owned());
    assert_eq!(run(&["--input", &json]), rows);
    assert_eq!(run(&["--input", &xml]), rows);
    let twice = run(&["--input", &json, "--input", &xml, "--format", "ndjson", "--limit", "1"]);
    assert_eq!(twice, (true, "{\"id\":\"p\",\"born\":\"1974-12-25\"}\n".to_owned()));
    assert!(epis(&["import", "--data", &data, &json], "").0);
    assert_eq!(run(&["--data", &data]), rows);
    assert!(!run(&["--data", &json]).0 && !run(&["--format", "table"]).0);
    let faulty = file("faulty.json", "{\"resource\":\"Patient\"}").display().to_string();
    let (well, said) = epis(&["view", "run", &faulty], "");
    assert!(!well && said.contains("ViewDefinition.select: A view needs"), "{said}");
    for path in [view, json, xml, faulty] {
        std::fs::remove_file(path).expect("it was written");
    }
    std::fs::remove_dir_all(folder).expect("it was made");
}
