//! Measures finding people among a nation: `/find` and `$match` against reads by id, in turns, in one run.
//!
//! `cargo build --release -p epis -p tests && target/release/people --people 780000` makes the nation, imports it, asks,
//! and prints the table of `docs/reference/finding-people.md`. `people --server 127.0.0.1:8080 --nation FOLDER --roster
//! FILE` asks a server that has those people already, and a compact file of them; without `--server` that file alone.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fhir::document::Document;
use fhir::parse::Limits;
use interaction::address::with_query;
use person::{Asked, Person, Register, Roster, Settler, Weights};
use serde_json::Value;
use tests::world::{Engine, World, binary};
use text::Analysis;

use tests::client::Client;
use tests::meters::{percentile, resident_mib};

/// Patients whose particulars are typed.
const ASKED_FOR: usize = 400;
/// Results on the page on which she should be.
const PAGE: usize = 10;
/// The year from which ages count.
const YEAR: u32 = 2026;

/// How somebody is looked for: what it is called, and what is typed to find a patient.
type Shape = (&'static str, fn(&Value) -> Option<String>);

const SHAPES: [Shape; 13] = [
    ("whole name", name),
    ("whole name, year", |p| {
        Some(format!("{} {}", name(p)?, &text(p, "/birthDate")?[..4]))
    }),
    ("first name, year, dzongkhag", |p| {
        let first = name(p)?.split(' ').next()?.to_owned();
        Some(format!(
            "{first} {} {}",
            &text(p, "/birthDate")?[..4],
            text(p, "/address/0/district")?
        ))
    }),
    ("name, birth date", |p| {
        Some(format!("{} {}", name(p)?, text(p, "/birthDate")?))
    }),
    ("one letter", |p| Some(name(p)?.chars().take(1).collect())),
    ("three letters", |p| Some(name(p)?.chars().take(3).collect())),
    ("three letters of each name", |p| {
        let parts: Vec<String> = name(p)?.split(' ').map(|part| part.chars().take(3).collect()).collect();
        Some(parts.join(" "))
    }),
    ("name with a slip, year", |p| {
        let name = name(p)?;
        let (first, rest) = name.split_once(' ')?;
        let mut letters: Vec<char> = first.chars().collect();
        (letters.len() > 4).then(|| letters.swap(2, 3));
        Some(format!(
            "{} {rest} {}",
            letters.into_iter().collect::<String>(),
            &text(p, "/birthDate")?[..4]
        ))
    }),
    ("name, gewog", |p| {
        Some(format!("{} {}", name(p)?, text(p, "/address/0/city")?))
    }),
    ("citizen number", citizen),
    ("half a citizen number", |p| Some(citizen(p)?[..6].to_owned())),
    ("citizen number, a digit off", |p| {
        let number = citizen(p)?;
        let last = number.as_bytes()[10];
        Some(format!(
            "{}{}",
            &number[..10],
            char::from(b'0' + (last - b'0' + 1) % 10)
        ))
    }),
    ("telephone", |p| {
        let phones = p["telecom"].as_array()?;
        Some(
            phones.iter().find(|phone| phone["system"] == "phone")?["value"]
                .as_str()?
                .to_owned(),
        )
    }),
];

fn text(patient: &Value, at: &str) -> Option<String> {
    Some(patient.pointer(at)?.as_str()?.to_owned())
}

fn name(patient: &Value) -> Option<String> {
    let given = patient.pointer("/name/0/given")?.as_array()?;
    let mut parts: Vec<&str> = given.iter().filter_map(Value::as_str).collect();
    parts.extend(patient.pointer("/name/0/family").and_then(Value::as_str));
    let whole = parts.join(" ");
    (whole.is_ascii() && !whole.to_lowercase().starts_with("baby")).then_some(whole)
}

fn citizen(patient: &Value) -> Option<String> {
    let identifiers = patient["identifier"].as_array()?;
    let citizen = identifiers
        .iter()
        .find(|identifier| identifier["system"] == "http://id.gov.bt/citizen")?;
    Some(citizen["value"].as_str()?.to_owned()).filter(|value| value.len() == 11)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |flag: &str| {
        arguments
            .iter()
            .position(|a| a == flag)
            .and_then(|at| arguments.get(at + 1))
    };
    if let (Some(address), Some(nation)) = (given("--server"), given("--nation")) {
        let patients = sample(&Path::new(nation).join("Patient.ndjson"));
        let served = measure(address, None, &patients);
        if let Some(roster) = given("--roster") {
            of_roster(Path::new(roster), &patients, &served);
        }
        return;
    }
    if let (Some(nation), Some(roster)) = (given("--nation"), given("--roster")) {
        let patients = sample(&Path::new(nation).join("Patient.ndjson"));
        return of_roster(Path::new(roster), &patients, &[]);
    }
    let people: u64 = given("--people").map_or(780_000, |text| text.parse().expect("a number"));
    let engine = match arguments.iter().any(|argument| argument == "--postgres") {
        true => Engine::Postgres,
        false => Engine::Sqlite,
    };
    on_its_own(people, engine);
}

/// Makes a nation and a server, and asks that.
fn on_its_own(people: u64, engine: Engine) {
    let mut world = World::new(engine);
    world.kill();
    let nation = world.folder().join("nation");
    run(Command::new(binary())
        .args(["synth", "--people", &people.to_string(), "--seed", "3", "--to"])
        .arg(&nation));
    let began = Instant::now();
    run(world.command("import").arg(&nation));
    println!("{people} people; imported in {:.0} s.", began.elapsed().as_secs_f64());
    let roster = world.folder().join("roster");
    // The file is the same from either database.
    if engine == Engine::Sqlite {
        let mut command = Command::new(binary());
        command.args(["match", "roster", "--to"]).arg(&roster);
        run(command.arg("--data").arg(world.folder()));
    }
    let patients = sample(&nation.join("Patient.ndjson"));
    world.start();
    let address = world.base.trim_start_matches("http://").trim_end_matches("/fhir");
    let served = measure(address, world.process(), &patients);
    if engine == Engine::Sqlite {
        world.kill();
        of_roster(&roster, &patients, &served);
    }
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("epis starts").success(), "{command:?}");
}

/// Patients evenly spread over the nation.
fn sample(file: &Path) -> Vec<Value> {
    let all = fs::read_to_string(file).expect("the nation was made");
    let step = (all.lines().count() / ASKED_FOR).max(1);
    let lines = all.lines().step_by(step).take(ASKED_FOR);
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Asks a server, and prints a line for each shape: its times, the yardstick beside it, how often she was on the page.
/// Returns the p95 of each shape, that of `$match` last.
fn measure(address: &str, process: Option<u32>, patients: &[Value]) -> Vec<Duration> {
    let mut client = Client::connect(address);
    let resident = || process.map_or(0.0, resident_mib);
    let before = resident();
    let began = Instant::now();
    // Until then it is refused with 503, after the time that a search may take.
    while client.send("GET", "/find?q=sonam", b"").status == 503 {}
    println!(
        "The first question waited {:.1} s until everybody was read, with {:.0} MiB more.\n",
        began.elapsed().as_secs_f64(),
        resident() - before
    );
    let read = |patient: &Value| format!("/fhir/Patient/{}", patient["id"].as_str().expect("an id"));
    let (mut reads, mut served): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    println!("| what is typed | p50 ms | p95 ms | p99 ms | p95 in p95 of a read | found |\n|---|---|---|---|---|---|");
    for (what, typed) in SHAPES {
        let (mut own, mut beside, mut found) = (Vec::new(), Vec::new(), 0);
        for (patient, typed) in patients.iter().filter_map(|patient| Some((patient, typed(patient)?))) {
            beside.push(timed(&mut client, "GET", &read(patient), b""));
            let path = with_query("/find", [("q", typed.as_str())]);
            own.push(timed(&mut client, "GET", &path, b""));
            let answer: Value = serde_json::from_slice(client.send("GET", &path, b"").body).expect("JSON");
            let results = answer["results"].as_array().expect("results");
            found += usize::from(results.iter().any(|result| result["id"] == patient["id"]));
        }
        let found = format!("{found} of {}", own.len());
        line(what, &mut own, &mut beside, &found);
        served.push(percentile(&mut own, 95));
        reads.append(&mut beside);
    }
    let (mut own, mut beside) = (Vec::new(), Vec::new());
    for patient in patients {
        beside.push(timed(&mut client, "GET", &read(patient), b""));
        let body = patient.to_string();
        own.push(timed(
            &mut client,
            "POST",
            "/fhir/Patient/$match?count=5",
            body.as_bytes(),
        ));
    }
    line("(`Patient/$match`)", &mut own, &mut beside, "");
    served.push(percentile(&mut own, 95));
    let (mut own, mut beside) = (Vec::new(), Vec::new());
    for patient in patients {
        let (Some(name), Some(birth), Some(place)) = (
            name(patient),
            text(patient, "/birthDate"),
            text(patient, "/address/0/district"),
        ) else {
            continue;
        };
        let first = name.split(' ').next().unwrap_or_default();
        let pairs = [
            ("name", first),
            ("birthdate", &birth[..4]),
            ("address", &place),
            ("_count", "10"),
        ];
        beside.push(timed(&mut client, "GET", &read(patient), b""));
        own.push(timed(&mut client, "GET", &with_query("/fhir/Patient", pairs), b""));
    }
    line("(FHIR search: first name, year, dzongkhag)", &mut own, &mut beside, "");
    println!(
        "\nA read by id: p50 {}, p95 {} ms.",
        millis(&mut reads, 50),
        millis(&mut reads, 95)
    );
    served
}

fn timed(client: &mut Client, method: &str, path: &str, body: &[u8]) -> Duration {
    let began = Instant::now();
    assert_eq!(client.send(method, path, body).status, 200, "{method} {path}");
    began.elapsed()
}

fn line(what: &str, own: &mut [Duration], beside: &mut [Duration], found: &str) {
    let ratio = percentile(own, 95).as_secs_f64() / percentile(beside, 95).as_secs_f64();
    println!(
        "| {what} | {} | {} | {} | {ratio:.1} | {found} |",
        millis(own, 50),
        millis(own, 95),
        millis(own, 99)
    );
}

fn millis(times: &mut [Duration], percent: usize) -> String {
    format!("{:.2}", percentile(times, percent).as_secs_f64() * 1e3)
}

/// Asks the compact file, on this thread, and prints the p95 in that of the same question at the server.
fn of_roster(file: &Path, patients: &[Value], served: &[Duration]) {
    let bytes = fs::read(file).expect("the roster was written");
    let length = bytes.len();
    let (rested, seconds, peak) = at_rest(bytes);
    let before = own_kib("RssAnon:");
    let (register, _) = Register::open(rested).unwrap_or_else(|_| panic!("it was just written"));
    println!(
        "\nThe compact file has {:.1} MB; its people came to rest in {seconds:.1} s, with {peak:.0} MiB at the most. From there, on \
         one thread:\n",
        length as f64 / 1e6,
    );
    println!("| what is asked | p50 ms | p95 ms | p99 ms | p95 in p95 at the server |\n|---|---|---|---|---|");
    let analysis = Analysis::built_in();
    let (names, weights) = (&analysis.names, Weights::built_in());
    let mut served = served.iter();
    let mut shape = |what: &str, mut times: Vec<Duration>| {
        let [p50, p95, p99] = [50, 95, 99].map(|percent| millis(&mut times, percent));
        let of = served.next().map_or(f64::INFINITY, Duration::as_secs_f64);
        let ratio = percentile(&mut times, 95).as_secs_f64() / of;
        println!("| {what} | {p50} | {p95} | {p99} | {ratio:.2} |");
    };
    for (what, typed) in SHAPES {
        let typed = patients.iter().filter_map(typed);
        let times = typed.map(|typed| {
            let began = Instant::now();
            let found = register.find(&Asked::read(&typed, names, YEAR), names, PAGE);
            assert!(found.len() <= PAGE);
            began.elapsed()
        });
        shape(what, times.collect());
    }
    let times = patients.iter().map(|patient| {
        let text = patient.to_string();
        let began = Instant::now();
        let document = Document::parse(text.as_bytes(), Limits::default()).expect("JSON");
        let found = register.best(&Person::read(document.root(), names), &weights, PAGE);
        assert!(!found.is_empty(), "she is in it herself");
        began.elapsed()
    });
    shape("(`Patient/$match`)", times.collect());
    println!(
        "\nThey take {:.1} MiB of memory now; nothing of the file is mapped.",
        (own_kib("RssAnon:") - before) / 1024.0
    );
}

/// A figure of this process in `/proc`, in KiB.
fn own_kib(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a figure");
    let figure = line.split_whitespace().nth(1).and_then(|figure| figure.parse().ok());
    figure.expect("a number")
}

/// Brings the people of a compact file to rest: where they are, the seconds, and the MiB that it took at the most.
fn at_rest(bytes: Vec<u8>) -> (File, f64, f64) {
    let (path, began) = (
        std::env::temp_dir().join(format!("epis-people-{}", std::process::id())),
        Instant::now(),
    );
    let empty = || {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).expect("a file can be made");
        // It is gone when it is closed.
        fs::remove_file(&path).expect("it was made");
        file
    };
    let (file, before) = (empty(), own_kib("VmRSS:"));
    fs::write("/proc/self/clear_refs", "5").expect("the highest mark is set back");
    let roster = Roster::read(&bytes).unwrap_or_else(|_| panic!("it is a roster"));
    drop(bytes);
    let mut settler = Settler::new(file.try_clone().expect("a second handle"), empty());
    let put = roster.each(&mut |id, person| settler.put(id, &person));
    put.unwrap_or_else(|_| panic!("it is whole"));
    settler.finish(roster.head).expect("there is room");
    (
        file,
        began.elapsed().as_secs_f64(),
        (own_kib("VmHWM:") - before) / 1024.0,
    )
}
