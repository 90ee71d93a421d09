//! `epis terminology`: releases loaded through the program, beside a server that is running, and refused with a sentence.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::world::{Engine, World, binary, eventually};

/// Files of a release, each as name and text.
type Files = &'static [(&'static str, &'static str)];

/// Kind of release, files, a system that is known afterwards and a code of it.
const RELEASES: [(&str, Files, &str, &str); 5] = [
    (
        "icd-10",
        &[("icd10.tsv", "code\ttype\tparent\ttitle\nA00\tcategory\t\tCholera\n")],
        "http://hl7.org/fhir/sid/icd-10",
        "A00",
    ),
    (
        "icd-10",
        &[(
            "claml.xml",
            "<ClaML><Class code=\"B00\" kind=\"category\"><Rubric kind=\"preferred\"><Label>Herpes</Label></Rubric></Class></ClaML>",
        )],
        "http://hl7.org/fhir/sid/icd-10",
        "B00",
    ),
    (
        "icd-11",
        &[("icd11.tsv", "code\ttitle\turi\n1A00\tCholera\tu\n")],
        "http://id.who.int/icd/release/11/mms",
        "1A00",
    ),
    (
        "loinc",
        &[
            ("Loinc.csv", "LOINC_NUM,LONG_COMMON_NAME\n8302-2,Body height\n"),
            (
                "AnswerList.csv",
                "AnswerListId,AnswerListName,AnswerStringId,DisplayText\nLL1-1,Yes or no,LA1-1,Yes\n",
            ),
        ],
        "http://loinc.org",
        "LA1-1",
    ),
    (
        "snomed-ct",
        &[
            (
                "concepts.txt",
                "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId\n22298006\t20260101\t1\t900\t74\n",
            ),
            (
                "descriptions.txt",
                "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId\n1\t20260101\t1\t9\t22298006\ten\t900000000000013009\tHeart attack\t9\n",
            ),
        ],
        "http://snomed.info/sct",
        "22298006",
    ),
];

/// Kind, a file that cannot be used, and what is said of it.
const REFUSED: [(&str, &str, &str); 8] = [
    ("icd-10", "one\ttwo\nA\tB\n", "cannot be read"),
    ("icd-10", "code\ttype\tparent\ttitle\n", "no codes"),
    ("icd-11", "nothing\n", "cannot be read"),
    ("loinc", "LOINC_NUM,LONG_COMMON_NAME\n,x\n", "line 2"),
    ("loinc", "LOINC_NUM,LONG_COMMON_NAME\n\"1-8,x\n", "never closed"),
    ("loinc", "PartNumber,PartName\nLP1-1,x\n", "Loinc.csv"),
    (
        "snomed-ct",
        "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId\nx\t1\t1\t1\t1\n",
        "line 2",
    ),
    ("snomed-ct", "some\tother\tfile\n", "first line"),
];

/// Loads a release: whether that went well, and what was said.
fn load(world: &World, kind: &str, files: &[PathBuf]) -> (bool, String) {
    let mut command = Command::new(binary());
    command.args(["terminology", "load", kind]).args(files);
    let output = command.arg("--data").arg(world.folder()).output().expect("epis starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the file can be written");
    path
}

#[test]
fn releases_are_loaded_beside_a_running_server() {
    let world = World::new(Engine::Sqlite);
    for (kind, files, system, code) in RELEASES {
        let paths: Vec<_> = files
            .iter()
            .map(|(name, text)| write(world.folder(), name, text))
            .collect();
        let lookup = format!("CodeSystem/$lookup?system={system}&code={code}");
        assert_ne!(world.get(&lookup).status, 200, "{kind}");
        let (well, said) = load(&world, kind, &paths);
        assert!(well && said.contains("codes are in"), "{kind}: {said}");
        eventually("the release is heard of", || world.get(&lookup).status == 200);
    }
    let list = world
        .get("ValueSet/$expand?url=http://loinc.org/vs/LL1-1")
        .expect(200)
        .json();
    assert_eq!(list["expansion"]["contains"][0]["code"], "LA1-1");
}

#[test]
fn what_is_no_release_is_refused_and_nothing_is_kept_of_it() {
    let world = World::new(Engine::Sqlite);
    for (number, (kind, text, why)) in REFUSED.into_iter().enumerate() {
        let path = write(world.folder(), &format!("bad-{number}.txt"), text);
        let (well, said) = load(&world, kind, &[path]);
        assert!(!well && said.contains(why), "{kind} {text:?}: {said}");
    }
    let missing = world.folder().join("none");
    let (well, said) = load(&world, "loinc", &[missing]);
    assert!(!well && said.contains("none cannot be read"), "{said}");
    let kept = std::fs::read_dir(world.folder().join("terminology"));
    assert_eq!(kept.map_or(0, Iterator::count), 0, "something was kept");
}
