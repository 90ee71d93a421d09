//! The first day of a clinic: how long until all is there, what memory it takes, and how soon it answers when started again.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use synth::places::Places;
use tests::control_group::{ControlGroup, forget};
use tests::meters::Memory;
use tests::nation;
use tests::world::{Engine, World};

use crate::country::ordered;

/// How often the clinic is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long it may stand still before the run is given up.
const PATIENCE: Duration = Duration::from_secs(600);
/// What a clinic's screen asks, as names, dates and codes of the synthetic nation go; `GET`, below the base.
const SEARCHES: [&str; 12] = [
    "Patient?name=sonam&_count=20",
    "Patient?name:contains=dor&birthdate=1987&_count=20",
    "Patient?birthdate=ge2020&_sort=-birthdate&_count=20",
    "Patient?_has:Condition:patient:code=I10&_count=20",
    "Patient?_has:Observation:patient:code=29463-7&_sort=name&_count=20",
    "Observation?code=29463-7&date=ge2025-06&_sort=-date&_count=20",
    "Observation?code=29463-7&_summary=count",
    "Condition?code=I10&_include=Condition:subject&_count=20",
    "MedicationRequest?status=completed&_include=MedicationRequest:subject&_revinclude=MedicationDispense:prescription&_count=20",
    "Encounter?date=ge2025-01&_sort=-date&_count=50",
    "/find?q=pema%20dorji",
    "/find?q=sonam%201987",
];
const WHO: &str =
    r#"{"resourceType":"Patient","name":[{"text":"Pema Dorji"}],"gender":"male","birthDate":"1987-04-09"}"#;
/// How often the table of searches is gone through.
const ROUNDS: usize = 5;

/// What is measured.
pub struct Plan {
    people: u64,
    visits: String,
    kills: u64,
    memory: Option<u64>,
    centre: Option<PathBuf>,
}

impl Plan {
    /// A plan as it is written on the command line; `None` where it is none.
    pub fn read(options: &[&str]) -> Option<Plan> {
        let mut plan = Plan {
            people: 250,
            visits: "2024..2025".to_owned(),
            kills: 3,
            memory: None,
            centre: None,
        };
        for option in options.chunks(2) {
            match option {
                ["--people", number] => plan.people = number.parse().ok()?,
                ["--visits", years] => plan.visits = (*years).to_owned(),
                ["--kills", number] => plan.kills = number.parse().ok()?,
                ["--memory", mib] => plan.memory = Some(mib.parse().ok().filter(|mib| *mib > 0)?),
                ["--centre", folder] => plan.centre = Some(PathBuf::from(folder)),
                _ => return None,
            }
        }
        Some(plan)
    }
}

/// Makes the centre, fills a clinic, kills and starts it again, and asks it.
pub fn measure(plan: &Plan) {
    let place = std::env::current_dir().expect("a current folder");
    let centre = centre(plan, &place);
    let head = number(&health(&centre)["head"]);
    let group = plan.memory.map(ControlGroup::with_memory).transpose();
    let group = group.unwrap_or_else(|why| {
        println!("The clinic's memory is not bounded. {why}");
        None
    });
    println!("{head} versions at the centre; MiB of memory, by /proc/PID/status:\n");
    println!(
        "{:<56} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "seconds", "own, most", "own", "resident", "of these"
    );
    println!(
        "{:<56} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "", "", "", "at most", "files"
    );
    let mut clinic = Clinic::enrolled(&centre, &place, group);
    clinic.fill(head, plan.kills);
    clinic.world.stop();
    clinic.start("started again in good order");
    clinic.world.kill();
    clinic.start("started again after kill -9");
    clinic.world.kill();
    forget(clinic.world.folder());
    clinic.start("the same, nothing of its files in memory");
    clinic.ask();
    if let Some(group) = &clinic.group {
        println!(
            "\nof the memory it may use, page cache included, at most: {:.0} MiB",
            group.peak_mib()
        );
    }
    clinic.world.kill();
}

/// A centre with the nation, made or lent.
fn centre(plan: &Plan, place: &Path) -> World {
    const ARGUMENTS: [&str; 2] = ["--node-listen", "127.0.0.1:0"];
    if let Some(folder) = &plan.centre {
        return World::lent(folder, &ARGUMENTS);
    }
    let mut world = World::at(Engine::Sqlite, place, &ARGUMENTS);
    nation::import(&mut world, plan.people, Some(&plan.visits));
    world
}

fn health(world: &World) -> Value {
    world.get(&world.base.replace("/fhir", "/health")).json()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// A clinic that serves.
struct Clinic {
    world: World,
    group: Option<ControlGroup>,
    begun: Instant,
    /// The most that it used since the last row.
    most: Memory,
}

impl Clinic {
    /// With everybody's gewog, so that it is sent all; it does not serve yet.
    fn enrolled(centre: &World, place: &Path, group: Option<ControlGroup>) -> Clinic {
        let places = Places::bhutan();
        let gewogs = places.gewogs.iter();
        let gewogs = gewogs.flat_map(|gewog| ["--gewog", gewog.code.trim_start_matches("BT")]);
        let invite: Vec<&str> = ["invite", "--name", "All"].into_iter().chain(gewogs).collect();
        let said = ordered(centre.folder(), &invite);
        let port = said.split_once("https://HOST:").expect("an address").1;
        let address = format!("https://127.0.0.1:{}", port.split_whitespace().next().expect("a port"));
        let code = said.lines().next().expect("a code");
        let mut world = World::at(Engine::Sqlite, place, &[]);
        world.kill();
        world.set_arguments(&["--node", "--contact-seconds", "2"]);
        std::fs::remove_dir_all(world.folder()).expect("the clinic's folder");
        ordered(world.folder(), &["enrol", "--centre", &address, "--code", code]);
        Clinic {
            world,
            group,
            begun: Instant::now(),
            most: Memory::default(),
        }
    }

    /// Starts it and waits for the first answer to a search, and until people are found.
    fn start(&mut self, what: &str) {
        self.begun = Instant::now();
        self.most = Memory::default();
        let world = &mut self.world;
        match &self.group {
            Some(group) => group.around(|| world.start()).expect("the clinic is in the group"),
            None => world.start(),
        }
        let mut first = self.world.get("Patient?_count=1");
        while first.status != 200 {
            sleep(LOOK / 20);
            first = self.world.get("Patient?_count=1");
        }
        let said = first.header("x-completeness").unwrap_or_default();
        let said = said.split(';').next().unwrap_or_default();
        self.row(&format!("{what}: first answer ({said})"));
        while health(&self.world)["people"]["ready"] != true {
            self.look();
        }
        self.row("  people in memory, to be found and matched");
    }

    /// Serves until all is there and compared; is killed so often on the way, and started again.
    fn fill(&mut self, head: u64, kills: u64) {
        let begun = Instant::now();
        self.start("started for the first time");
        for kill in 1..=kills {
            self.wait(|world| number(&health(world)["head"]) >= head * kill / (kills + 1));
            self.world.kill();
            self.start(&format!("killed with {kill}/{} there", kills + 1));
        }
        let begun_last = std::mem::replace(&mut self.begun, begun);
        self.wait(|world| row(world)["synced"] == true);
        let records = number(&health(&self.world)["head"]);
        self.row(&format!("all is there, {records} versions"));
        self.wait(|world| row(world)["verified"].is_string());
        let lacked = row(&self.world)["found"].as_str().unwrap_or_default().to_owned();
        self.row(&format!(
            "all is compared{}{lacked}",
            if lacked.is_empty() { "" } else { ": " }
        ));
        self.wait(|world| health(world)["resting"] == true);
        self.row("the index rests");
        self.begun = begun_last;
    }

    /// Goes through the table of searches.
    fn ask(&mut self) {
        self.begun = Instant::now();
        for _ in 0..ROUNDS {
            for search in SEARCHES {
                let path = match search.strip_prefix('/') {
                    Some(page) => self.world.base.replace("fhir", page),
                    None => search.to_owned(),
                };
                self.world.get(&path).expect(200);
                self.look();
            }
            self.world.post("Patient/$match", WHO).expect(200);
        }
        self.row(&format!("after {} searches", ROUNDS * (SEARCHES.len() + 1)));
    }

    fn wait(&mut self, holds: impl Fn(&World) -> bool) {
        let (mut moved, mut head) = (Instant::now(), 0);
        loop {
            self.look();
            if holds(&self.world) {
                return;
            }
            let now = number(&health(&self.world)["head"]);
            if now != head {
                (moved, head) = (Instant::now(), now);
            }
            assert!(moved.elapsed() < PATIENCE, "the clinic stands still at {head}");
            sleep(LOOK);
        }
    }

    fn look(&mut self) -> Memory {
        let now = Memory::of(self.world.process().expect("the clinic runs"));
        let (own, resident) = (self.most.own, self.most.resident);
        assert!(
            now.resident > 0.0,
            "the clinic is gone, as one is that needs more memory than it may use: of its own it had {own:.0} MiB, resident {resident:.0}"
        );
        self.most = self.most.most(now);
        now
    }

    fn row(&mut self, what: &str) {
        let now = self.look();
        println!(
            "{what:<56} {:>9.2} {:>9.0} {:>9.0} {:>9.0} {:>9.0}",
            self.begun.elapsed().as_secs_f64(),
            self.most.own,
            now.own,
            self.most.peak,
            now.mapped
        );
    }
}

/// What the clinic says of itself and its centre.
fn row(world: &World) -> Value {
    let rows = world.get(&world.base.replace("/fhir", "/sync/status")).json();
    rows[0].clone()
}
