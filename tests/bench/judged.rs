//! What judgement costs: judging what is imported, a national Patient written plainly and judged in full.

use std::time::{Duration, Instant};

use crate::phases::{Data, Target, import, on_threads};
use crate::{Plan, Report};
use conformance::{Definitions, RequiredCodes};
use fhir::document::Document;
use fhir::identity::Kind;
use tests::client::Client;
use tests::meters::cpu_seconds;

/// How often the records of an import are judged by themselves.
const JUDGED: usize = 20;
const PROFILE: &str = "http://fhir.moh.gov.bt/StructureDefinition/bt-patient";
const CLIENTS: usize = 8;

/// What judging every write by structure, cardinalities, types and codes adds to the CPU of an import: the same records
/// judged by themselves, beside an import without that.
pub fn imports(plan: &Plan, data: &Data, target: &Target, report: &mut Report) {
    let before = target.cpu();
    let loaded = import(data, target, plan.resources / 5, None);
    let import = (target.cpu() - before) * 1e6 / loaded as f64;
    let judging = judged(data);
    report.note("an import", format!("{import:.1} us CPU each"));
    report.goal(
        "judging what is imported",
        format!("{judging:.2} us CPU each"),
        judging / (import - judging),
        "of the rest of the import",
        "at most 0.10",
    );
}

/// The CPU of judging one of the records, in microseconds.
fn judged(data: &Data) -> f64 {
    let definitions = Definitions::r4();
    let codes = RequiredCodes::new(&definitions, terminology::standard());
    let records: Vec<Document> = data.records();
    let judge = || {
        for record in &records {
            let kind = record.root().string("resourceType").expect("a type");
            let kind = Kind::new(&kind).expect("a kind");
            let issues = conformance::judge_with_codes(&definitions, &codes, &kind, record.root());
            std::hint::black_box(issues);
        }
    };
    // What is looked up once is looked up before.
    judge();
    let before = cpu_seconds(std::process::id());
    (0..JUDGED).for_each(|_| judge());
    (cpu_seconds(std::process::id()) - before) * 1e6 / (JUDGED * records.len()) as f64
}

/// Measures the three on one server, started anew with the policy for the last.
pub fn measure(plan: &Plan, target: &mut Target, report: &mut Report) {
    let plain = posted(plan, target, "/fhir/Patient", 201);
    let asked = posted(plan, target, "/fhir/Patient/$validate", 200);
    target.world.kill();
    target.world.set_arguments(&["--validate", "warn,Patient=reject"]);
    target.start();
    let judged = posted(plan, target, "/fhir/Patient", 201);
    target.world.kill();
    target.world.set_arguments(&[]);
    target.start();
    report.note("writing a national Patient", format!("{plain:.0} us CPU"));
    for (what, micros) in [
        ("$validate by the national profile", asked),
        ("writing it, judged by the national profile", judged),
    ] {
        report.goal(
            what,
            format!("{micros:.0} us CPU"),
            micros / plain,
            "plain writes",
            "reported",
        );
    }
}

/// CPU of one request, in microseconds.
fn posted(plan: &Plan, target: &Target, path: &str, status: u16) -> f64 {
    // What is compiled once is compiled before.
    for warming in [true, false] {
        let (cpu, end) = (target.cpu(), Instant::now() + Duration::from_secs(plan.seconds));
        let work = |seed: usize| {
            let (mut client, mut count) = (Client::connect(target.address()), 0);
            while Instant::now() < end && !(warming && count == 10) {
                let answer = client.send("POST", path, patient(seed * 1_000_000 + count).as_bytes());
                let body = String::from_utf8_lossy(answer.body);
                assert!(answer.status == status && !body.contains("\"error\""), "{body}");
                count += 1;
            }
            count
        };
        let count: usize = on_threads(CLIENTS, work).into_iter().sum();
        if !warming {
            return (target.cpu() - cpu) * 1e6 / count as f64;
        }
    }
    unreachable!("the second round answers")
}

/// A patient as a hospital registers one, claiming the national profile.
fn patient(number: usize) -> String {
    format!(
        r#"{{"resourceType":"Patient","meta":{{"profile":["{PROFILE}"]}},"text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Sonam Dorji</div>"}},
        "identifier":[{{"system":"http://fhir.moh.gov.bt/identifier/temporary","value":"{number}"}},
        {{"system":"http://fhir.moh.gov.bt/identifier/hospital","value":"H{number}","assigner":{{"display":"JDWNRH"}}}}],
        "active":true,"name":[{{"use":"official","text":"Sonam Dorji","given":["Sonam","Dorji"]}}],
        "telecom":[{{"system":"phone","value":"17123456","use":"mobile"}}],"gender":"male","birthDate":"1984-11-02",
        "address":[{{"extension":[{{"url":"http://fhir.moh.gov.bt/StructureDefinition/bt-dzongkhag","valueCoding":
        {{"system":"urn:epis:bt:p-code","code":"BT03"}}}},{{"url":"http://fhir.moh.gov.bt/StructureDefinition/bt-gewog",
        "valueCoding":{{"system":"urn:epis:bt:p-code","code":"BT0305"}}}}],"country":"BT"}}],
        "contact":[{{"relationship":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0131","code":"N"}}]}}],
        "name":{{"given":["Pema"]}},"telecom":[{{"system":"phone","value":"17654321"}}]}}]}}"#
    )
}
