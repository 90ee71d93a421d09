//! The steps of the walk: what is said before each, what is done, and what has to come of it.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::house::Site;
use super::known::{Known, questions, records, rows, words};
use super::request::Request;
use super::sample::{self, ADDRESS, ALLERGY, BORN, TELEPHONE, VISIT_RECORDS};
use super::walk::Walk;

/// One step.
pub struct Step {
    /// Its name.
    pub title: &'static str,
    /// What is going to happen.
    pub before: &'static str,
    /// Does it; a sentence where what comes is not what was told.
    pub act: fn(&mut Walk) -> Result<(), String>,
}

/// All of them, in order.
pub const STEPS: [Step; 9] = [
    Step {
        title: "Everybody has the same record",
        before: "The centre registers Pema Lhamo, a yak herder of Laya. Both clinics look after the people of Laya and Lunana, so her \
            record comes to both by itself.",
        act: register,
    },
    Step {
        title: "The line is cut",
        before: "The line between the centre and both clinics is cut, as snow on the pass does it. The clinics go on working.",
        act: cut,
    },
    Step {
        title: "Laya writes",
        before: "Pema comes to Laya. The health assistant corrects her telephone number, finds another date of birth on her health \
            card (14 March 1987), and records that she cannot take penicillin.",
        act: laya_writes,
    },
    Step {
        title: "Lunana writes",
        before: "A week later Pema is in Lunana, with a fever. Lunana knows nothing of what Laya wrote. It notes her new address and \
            a third date of birth (13 April 1987), and writes down the visit with its vital signs.",
        act: lunana_writes,
    },
    Step {
        title: "Each knows its own, and says so",
        before: "Three sites now show three different records. Each one says truthfully how much it has not sent yet, and since when.",
        act: apart,
    },
    Step {
        title: "The line comes back",
        before: "The line is mended. The clinics send what they wrote, the centre brings it together, and each clinic receives what the \
            other one wrote.",
        act: mend,
    },
    Step {
        title: "What only a person can know",
        before: "The telephone, the address, the allergy and the visit fit together. The two dates of birth do not. The later one is \
            shown, both are kept, and a question stands on the worklist at all three sites.",
        act: asked,
    },
    Step {
        title: "A person settles it",
        before: "Lunana asks Pema for her citizenship card: 14 March 1987. The health assistant writes that date into the record. \
            Nothing else has to be done.",
        act: settle,
    },
    Step {
        title: "All three are alike",
        before: "Everything that is known of Pema is compared at the three sites, record by record and version by version.",
        act: compare,
    },
];

/// What a site knows of her: the telephone, the address, the date of birth, whether the allergy, and how many visits.
fn known(telephone: usize, address: usize, born: usize, is_allergic: bool, visits: u64) -> Known {
    let (village, gewog, _) = ADDRESS[address];
    Known {
        telephone: TELEPHONE[telephone].to_owned(),
        address: format!("{village}, {gewog}"),
        born: BORN[born].to_owned(),
        allergies: if is_allergic { ALLERGY.to_owned() } else { String::new() },
        visits,
        questions: Vec::new(),
    }
}

fn register(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    let citizen = interaction::engine::now().unsigned_abs() / 1000;
    let request = Request::post(sites.centre.address, "fhir/Patient", &sample::patient(citizen));
    let id = words(&walk.ask(&request)?["id"]);
    walk.stage.say(&format!("The centre gave her record the number {id}."));
    // There is one registration in a walk.
    let _ = sites.patient.set(id);
    let first = known(0, 0, 0, false, 0);
    walk.until_all_know("both clinics have her record", |found| *found == first)?;
    walk.stage.say("Both clinics have it. Look at it where you like:");
    walk.look_at_records("?_pretty=true");
    Ok(())
}

fn cut(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    sites.clinics().iter().for_each(|clinic| clinic.line.cut());
    for clinic in sites.clinics() {
        let noticed = || walk.row(clinic).map(|row| !row.synced && row.said.contains("centre"));
        walk.stage.until(&format!("{} notices", clinic.site.name), noticed)?;
        let said = walk.row(clinic)?.said;
        walk.stage.say(&format!("{} says: {said}", clinic.site.name));
    }
    walk.stage.say("Both clinics are on their own. The centre knows how they were at their last contact, and says no more than that:");
    walk.look_at_line();
    Ok(())
}

fn laya_writes(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    let site = &sites.laya.site;
    walk.change(
        &sites,
        site,
        &[
            ("/telecom/0/value", json!(TELEPHONE[1])),
            ("/birthDate", json!(BORN[1])),
        ],
    )?;
    walk.ask(&Request::post(
        site.address,
        "fhir/AllergyIntolerance",
        &sample::allergy(sites.patient()),
    ))?;
    walk.expect(site, &known(1, 0, 1, true, 0))?;
    walk.stage.say("Laya has it safely on its own disk:");
    walk.stage.look("Her record, Laya BHU", &record(site, sites.patient()));
    walk.stage.look(
        "Her allergies, Laya BHU",
        &site.url(&format!(
            "fhir/AllergyIntolerance?patient={}&_pretty=true",
            sites.patient()
        )),
    );
    Ok(())
}

fn lunana_writes(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    let site = &sites.lunana.site;
    walk.change(
        &sites,
        site,
        &[
            ("/address/0", sample::address(ADDRESS[1])),
            ("/birthDate", json!(BORN[2])),
        ],
    )?;
    let now = fhir::moment::instant(interaction::engine::now());
    walk.ask(&Request::post(
        site.address,
        "fhir",
        &sample::visit(sites.patient(), &now),
    ))?;
    walk.expect(site, &known(0, 1, 2, false, 1))?;
    walk.stage.say("Lunana has it safely on its own disk:");
    walk.stage
        .look("Her record, Lunana BHU", &record(site, sites.patient()));
    walk.stage.look(
        "Her vital signs, Lunana BHU",
        &site.url(&format!("fhir/Observation?patient={}&_pretty=true", sites.patient())),
    );
    Ok(())
}

fn record(site: &Site, patient: &str) -> String {
    site.url(&format!("fhir/Patient/{patient}?_pretty=true"))
}

fn apart(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    walk.expect(&sites.centre, &known(0, 0, 0, false, 0))?;
    walk.expect(&sites.laya.site, &known(1, 0, 1, true, 0))?;
    walk.expect(&sites.lunana.site, &known(0, 1, 2, false, 1))?;
    walk.stage.say("The centre still has the old record.");
    for (clinic, unsent) in sites.clinics().into_iter().zip([2, 1 + VISIT_RECORDS]) {
        let row = walk.row(clinic)?;
        let since = row.oldest.unwrap_or_default();
        if row.synced || row.unsent != Some(unsent) || since.is_empty() {
            let (name, said) = (clinic.site.name, row.unsent);
            return Err(format!("{name} says that {said:?} are not sent, and not {unsent}."));
        }
        let since = since.get(11..19).unwrap_or_default();
        walk.stage.say(&format!(
            "{} says: {unsent} not sent, since {since} UTC.",
            clinic.site.name
        ));
    }
    walk.look_at_records("?_pretty=true");
    walk.look_at_line();
    Ok(())
}

fn mend(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    sites.clinics().iter().for_each(|clinic| clinic.line.mend());
    let joined = known(1, 1, 2, true, 1);
    walk.until_all_know("all three have what was written", |found| {
        let apart_from_questions = Known {
            questions: Vec::new(),
            ..found.clone()
        };
        apart_from_questions == joined
    })?;
    walk.stage.say(
        "One record, at all three sites: Laya's telephone number, Lunana's address, the allergy and the visit. No version is lost: \
        the history at the centre has the one of Laya, the one of Lunana, and the one that joins them.",
    );
    let path = format!("fhir/Patient/{}/_history", sites.patient());
    let (_, history) = Request::get(sites.centre.address, path).send()?;
    let numbers: Vec<String> = records(&history)
        .map(|record| words(&record["meta"]["versionId"]))
        .collect();
    for clinic in sites.clinics() {
        let number = walk.row(clinic)?.number;
        if !numbers.iter().any(|version| version.starts_with(&format!("{number}-"))) {
            return Err(format!(
                "The history at the centre has {numbers:?}, and nothing of {}.",
                clinic.site.name
            ));
        }
    }
    walk.look_at_records("/_history?_pretty=true");
    Ok(())
}

fn asked(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    walk.until_all_know("the question is at all three", |found| found.questions.len() == 1)?;
    let (_, tasks) = Request::get(sites.centre.address, questions(sites.patient())).send()?;
    let task = records(&tasks).next().unwrap_or(&Value::Null);
    let inputs = task["input"].as_array().map_or(&[][..], Vec::as_slice);
    let of = |code: &str| {
        let is_of = |input: &&Value| input["type"]["coding"][0]["code"] == code;
        let texts = inputs.iter().filter(is_of);
        texts
            .map(|input| words(&input["valueString"]).replace('"', ""))
            .collect::<Vec<String>>()
    };
    let (element, mut said) = (of("element"), of("said"));
    said.sort_unstable();
    if element != ["birthDate"] || said != BORN[1..] {
        return Err(format!(
            "The question is about {element:?} and has {said:?}, and not both dates of birth."
        ));
    }
    walk.stage.say(&format!(
        "The question: which date of birth is right? Laya wrote {}, Lunana wrote {}. Until it is settled, {} is shown.",
        BORN[1], BORN[2], BORN[2]
    ));
    for site in sites.all() {
        let url = site.url(&format!("fhir/Task/{}?_pretty=true", words(&task["id"])));
        walk.stage.look(&format!("The question, {}", site.name), &url);
    }
    Ok(())
}

fn settle(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    walk.change(&sites, &sites.lunana.site, &[("/birthDate", json!(BORN[1]))])?;
    let settled = known(1, 1, 1, true, 1);
    walk.until_all_know("the answer is at all three", |found| *found == settled)?;
    walk.stage.say(&format!(
        "All three show {}, and the question is closed everywhere. Its Task is kept, completed, with both sides in it.",
        BORN[1]
    ));
    walk.look_at_records("?_pretty=true");
    Ok(())
}

fn compare(walk: &mut Walk) -> Result<(), String> {
    let sites = Arc::clone(&walk.sites);
    let mut marks = Vec::new();
    for site in sites.all() {
        let of_her = [
            format!("fhir/Patient/{}/$everything?_count=1000", sites.patient()),
            format!("fhir/Task?patient={}", sites.patient()),
        ];
        let all = of_her.map(|path| Request::get(site.address, path).send().map(|(_, found)| found));
        let all = all.into_iter().collect::<Result<Vec<Value>, String>>()?;
        let (count, mark) = mark(&all);
        walk.stage
            .say(&format!("{}: {count} records, fingerprint {}.", site.name, &mark[..16]));
        marks.push((count, mark));
    }
    let (count, _) = marks[0];
    if marks.iter().any(|mark| *mark != marks[0]) || count < 3 + VISIT_RECORDS as usize {
        return Err(format!("The sites have {marks:?} of her, which is not the same."));
    }
    walk.stage.until("the centre calls both clinics synced", || {
        let rows = rows(&sites.centre)?;
        Ok(rows.iter().filter(|row| row.synced).count() == sites.clinics().len())
    })?;
    walk.stage
        .say("They are the same, and only now does the centre call both clinics synced:");
    walk.look_at_line();
    Ok(())
}

/// How many records are in bundles, and a fingerprint of their names and versions, whatever their order.
fn mark(bundles: &[Value]) -> (usize, String) {
    let name = |record: &Value| {
        let version = words(&record["meta"]["versionId"]);
        format!(
            "{}/{} {version}\n",
            words(&record["resourceType"]),
            words(&record["id"])
        )
    };
    let mut names: Vec<String> = bundles.iter().flat_map(records).map(name).collect();
    names.sort_unstable();
    let hash = digest(&SHA256, names.concat().as_bytes());
    let hash = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    (names.len(), hash)
}
