//! The measurements, in the order in which they are made on one server.

use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fhir::document::Document;
use fhir::parse::Limits;
use tests::random::Random;
use tests::world::{Engine, World};

use crate::cores::Apart;
use crate::{Plan, Report, coded, cramped, judged, shapes};
use tests::client::Client;
use tests::meters::{cpu_seconds, folder_bytes, fsync_median, index_seconds, median, percentile, resident_mib};

/// The bundles of the run, and what parsing them costs others.
pub(crate) struct Data {
    bundles: Vec<Vec<u8>>,
    /// CPU time of parsing one resource's bytes to `serde_json::Value`: the yardstick P.
    parse: Duration,
}

impl Data {
    /// The records of some of the bundles, as they are posted.
    pub(crate) fn records(&self) -> Vec<Document> {
        let mut all = Vec::new();
        for bundle in self.bundles.iter().take(20) {
            let bundle = Document::parse(bundle, Limits::default()).expect("a bundle");
            let entries = bundle.root().get("entry").into_iter().flat_map(|list| list.each());
            let texts = entries.filter_map(|entry| Some(entry.get("resource")?.text()));
            all.extend(texts.map(|text| Document::parse(text.as_bytes(), Limits::default()).expect("a record")));
        }
        all
    }
}

/// The server under measurement.
pub(crate) struct Target {
    pub(crate) world: World,
    address: String,
    pub(crate) process: u32,
    postgres: Option<u32>,
}

impl Target {
    /// CPU seconds that the server, and its database, have taken so far.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_seconds(self.process) + self.postgres.map_or(0.0, cpu_seconds)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Starts the server anew on its store.
    pub(crate) fn start(&mut self) {
        self.world.start();
        self.address = address(&self.world);
        self.process = self.world.process().expect("runs");
    }

    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        self.world.get(path).expect(200).json()
    }
}

/// Runs everything.
pub fn run(plan: &Plan, report: &mut Report) {
    let data = read(plan, report);
    if plan.judging {
        let mut target = start(plan);
        coded::measure(plan, &target, report);
        judged::imports(plan, &data, &target, report);
        return judged::measure(plan, &mut target, report);
    }
    let fsync = fsync_median(&plan.place);
    report.note("F, one raw fsync on this disk", format!("{:.3} ms", millis(fsync)));
    let small = start(plan);
    import(&data, &small, plan.resources / shapes::GROWTH, None);
    let mut target = start(plan);
    let loaded = import(&data, &target, plan.resources, Some(report));
    [&small, &target].into_iter().for_each(wait_for_rest);
    footprint(&target, loaded, report);
    let ping = rate(plan, &target, 8, &["/ping".to_owned()]);
    report.note(
        "H, the static handler",
        format!("{:.0}/s, {:.3} ms CPU", ping.rate, ping.cpu_millis),
    );
    reads(plan, &target, &ping, report);
    shapes::measure(plan, &small, &target, report);
    drop(small);
    creates(plan, &target, fsync, report);
    hostage(plan, &data, &target, report);
    restart(&mut target, report);
    serving(plan, &target, loaded, report);
    coded::measure(plan, &target, report);
    judged::measure(plan, &mut target, report);
    cramped::measure(plan, &mut target, report);
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn read(plan: &Plan, report: &mut Report) -> Data {
    let mut paths: Vec<_> = fs::read_dir(&plan.data)
        .expect("the data folder is there")
        .flatten()
        .map(|e| e.path())
        .collect();
    paths.sort();
    let is_bundle = |p: &&std::path::PathBuf| p.to_string_lossy().contains(".json");
    let bundles: Vec<Vec<u8>> = paths.iter().filter(is_bundle).map(|p| unpacked(p)).collect();
    assert!(!bundles.is_empty(), "no bundle in {}", plan.data.display());
    let (mut resources, mut bytes, mut spent) = (0, 0, Duration::ZERO);
    for bundle in bundles.iter().take(60) {
        let start = Instant::now();
        let value: serde_json::Value = serde_json::from_slice(bundle).expect("a bundle");
        spent += start.elapsed();
        resources += value["entry"].as_array().map_or(0, Vec::len);
        bytes += bundle.len();
    }
    let parse = spent / resources as u32;
    let each = bytes / resources;
    report.note(
        "P, parsing a resource's bytes to serde_json::Value",
        format!("{:.2} us for {each} bytes", parse.as_secs_f64() * 1e6),
    );
    Data { bundles, parse }
}

fn unpacked(path: &std::path::Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("a readable file");
    if path.extension().is_none_or(|e| e != "gz") {
        return bytes;
    }
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_end(&mut out)
        .expect("gzip");
    out
}

fn start(plan: &Plan) -> Target {
    let engine = if plan.postgres {
        Engine::Postgres
    } else {
        Engine::Sqlite
    };
    let world = World::at(engine, &plan.place, &[]);
    let address = address(&world);
    let process = world.process().expect("runs");
    let postgres = plan.postgres.then(postgres_process);
    Target {
        world,
        address,
        process,
        postgres,
    }
}

fn address(world: &World) -> String {
    let address = world.base.trim_start_matches("http://");
    address.trim_end_matches("/fhir").to_owned()
}

/// The first process of the PostgreSQL that is measured.
fn postgres_process() -> u32 {
    let number =
        std::env::var("EPIS_BENCH_POSTGRES_PROCESS").expect("tests/bench/run says which process PostgreSQL is");
    number.trim().parse().expect("a process number")
}

/// Posts bundles until that many resources are in, the first ones again when all have been posted.
pub(crate) fn import(data: &Data, target: &Target, wanted: usize, report: Option<&mut Report>) -> usize {
    let next = AtomicUsize::new(0);
    let loaded = AtomicUsize::new(0);
    let (cpu, indexing, start) = (target.cpu(), index_seconds(target.process), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(&target.address);
                while loaded.load(Ordering::Relaxed) < wanted {
                    let bundle = &data.bundles[next.fetch_add(1, Ordering::Relaxed) % data.bundles.len()];
                    let answer = client.send("POST", "/fhir", bundle);
                    assert_eq!(
                        answer.status,
                        200,
                        "{}",
                        String::from_utf8_lossy(&answer.body[..answer.body.len().min(600)])
                    );
                    let entries = answer.body.windows(10).filter(|w| *w == b"\"response\"").count();
                    let sum = loaded.fetch_add(entries, Ordering::Relaxed) + entries;
                    eprint!("\r  {sum} of {wanted} resources");
                }
            });
        }
    });
    eprintln!();
    wait_for_index(target);
    let loaded = loaded.load(Ordering::Relaxed);
    let Some(report) = report else {
        return loaded;
    };
    let (cpu, wall) = (target.cpu() - cpu, start.elapsed().as_secs_f64());
    let indexing = index_seconds(target.process) - indexing;
    let each = cpu / loaded as f64;
    let goal = if target.postgres.is_some() {
        "at most 16 P"
    } else {
        "at most 10 P"
    };
    let figure = format!("{:.1} us CPU each, {:.0}/s", each * 1e6, loaded as f64 / wall);
    report.goal(
        "import until searchable",
        figure,
        each / data.parse.as_secs_f64(),
        "P",
        goal,
    );
    report.goal(
        "of it, writing the index",
        format!("{:.1} us CPU each", indexing * 1e6 / loaded as f64),
        indexing / cpu,
        "of the import",
        "at most 0.5",
    );
    loaded
}

fn wait_for_index(target: &Target) {
    let health = target.world.base.replace("/fhir", "/health");
    tests::world::eventually("the index catching up", || {
        let health = target.world.get(&health).json();
        health["head"] == health["index"] && health["head"].is_u64()
    });
}

/// How long the index of a large store may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(900);

/// Waits until the index is at rest: its segments are brought together once nothing has been written for a second.
fn wait_for_rest(target: &Target) {
    let health = target.world.base.replace("/fhir", "/health");
    let start = Instant::now();
    while target.world.get(&health).json()["resting"] != true {
        std::thread::sleep(Duration::from_millis(100));
        assert!(start.elapsed() < REST_MAX, "the index does not come to rest");
    }
}

fn footprint(target: &Target, loaded: usize, report: &mut Report) {
    let database = target.world.database_bytes();
    let files = folder_bytes(target.world.folder());
    let index = folder_bytes(&target.world.folder().join("index"));
    let each = (files + database) as f64 / loaded as f64;
    let indexed = index as f64 / loaded as f64;
    report.goal("of it, the index", String::new(), indexed, "bytes", "at most 350");
    let figure = format!(
        "{:.1} MB, of it index {:.1} MB",
        (files + database) as f64 / 1e6,
        index as f64 / 1e6
    );
    report.goal("bytes a resource, all in", figure, each, "bytes", "at most 700");
    let memory = resident_mib(target.process);
    report.note("memory right after the import", format!("{memory:.0} MiB"));
}

/// The outcome of a timed loop of GETs.
pub(crate) struct Rate {
    pub(crate) rate: f64,
    pub(crate) cpu_millis: f64,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    pub(crate) bytes: f64,
}

pub(crate) fn rate(plan: &Plan, target: &Target, connections: usize, paths: &[String]) -> Rate {
    let (cpu, start) = (target.cpu(), Instant::now());
    let end = start + Duration::from_secs(plan.seconds);
    let work = |seed: usize| {
        let mut client = Client::connect(&target.address);
        let (mut times, mut bytes, mut at) = (Vec::new(), 0, seed * 7919);
        while Instant::now() < end {
            let begin = Instant::now();
            let answer = client.send("GET", &paths[at % paths.len()], b"");
            assert!(
                answer.status == 200,
                "{}: {}",
                paths[at % paths.len()],
                String::from_utf8_lossy(answer.body)
            );
            bytes += answer.body.len();
            times.push(begin.elapsed());
            at += 1;
        }
        (times, bytes)
    };
    let parts = on_threads(connections, work);
    let mut times: Vec<Duration> = parts.iter().flat_map(|p| p.0.iter().copied()).collect();
    let bytes: usize = parts.iter().map(|p| p.1).sum();
    let count = times.len() as f64;
    Rate {
        rate: count / start.elapsed().as_secs_f64(),
        cpu_millis: (target.cpu() - cpu) * 1000.0 / count,
        median: median(&mut times),
        p99: percentile(&mut times, 99),
        bytes: bytes as f64 / count,
    }
}

/// A loop of GETs on one server.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) target: &'a Target,
    pub(crate) paths: &'a [String],
}

/// Several loops of GETs taken in turns, each on a connection of its own, with the client on one core and the servers on
/// another, so that whatever the machine does it does to all of them alike; then each by itself, for its CPU time.
pub(crate) fn in_turns(plan: &Plan, loops: &[Asked<'_>]) -> Vec<Rate> {
    let mut servers: Vec<u32> = loops.iter().map(|asked| asked.target.process).collect();
    servers.sort_unstable();
    servers.dedup();
    let _apart = Apart::new(&servers);
    let connect = |asked: &Asked<'_>| Client::connect(&asked.target.address);
    let mut clients: Vec<Client> = loops.iter().map(connect).collect();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); loops.len()];
    let end = Instant::now() + Duration::from_secs(plan.seconds * loops.len() as u64);
    for round in 0.. {
        if Instant::now() >= end {
            break;
        }
        for ((asked, client), times) in loops.iter().zip(&mut clients).zip(&mut times) {
            let path = &asked.paths[round % asked.paths.len()];
            let begin = Instant::now();
            assert_eq!(client.send("GET", path, b"").status, 200, "{path}");
            times.push(begin.elapsed());
        }
    }
    let alone = loops.iter().map(|asked| rate(plan, asked.target, 1, asked.paths));
    let both = alone.zip(&mut times).map(|(alone, times)| Rate {
        median: median(times),
        p99: percentile(times, 99),
        ..alone
    });
    both.collect()
}

pub(crate) fn on_threads<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|i| {
                scope.spawn({
                    let work = &work;
                    move || work(i)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("no client panics"))
            .collect()
    })
}

/// Addresses of records of a kind, by a search.
pub(crate) fn addresses(target: &Target, kind: &str, count: usize) -> Vec<String> {
    let bundle = target.json(&format!("{kind}?_count={count}&_elements=id"));
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .filter_map(|e| Some(format!("/fhir/{kind}/{}", e["resource"]["id"].as_str()?)))
        .collect()
}

fn reads(plan: &Plan, target: &Target, ping: &Rate, report: &mut Report) {
    let mut paths = Vec::new();
    for kind in ["Observation", "Patient", "Encounter", "Condition", "Procedure"] {
        paths.extend(addresses(target, kind, 200));
    }
    let read = rate(plan, target, 8, &paths);
    let figure = format!(
        "{:.0}/s, {:.3} ms CPU, {:.0} bytes",
        read.rate, read.cpu_millis, read.bytes
    );
    report.goal("read by id", figure, read.rate / ping.rate, "H", "at least 0.6 H");
}

fn observation(random: &mut Random) -> String {
    let value = random.below(1000);
    format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4"}}]}},"subject":{{"reference":"Patient/x{value}"}},"effectiveDateTime":"2020-01-01T00:00:00Z","valueQuantity":{{"value":{value},"unit":"/min"}}}}"#
    )
}

/// Creates one small record after the other on each connection, while `going` holds: when, and how long.
fn create_while(target: &Target, clients: usize, going: &(dyn Fn() -> bool + Sync)) -> Vec<(Instant, Duration)> {
    let work = |seed: usize| {
        let (mut client, mut random) = (Client::connect(&target.address), Random::new(seed as u64));
        let mut times = Vec::new();
        while going() {
            let begin = Instant::now();
            let answer = client.send("POST", "/fhir/Observation", observation(&mut random).as_bytes());
            assert_eq!(answer.status, 201);
            times.push((begin, begin.elapsed()));
        }
        times
    };
    on_threads(clients, work).into_iter().flatten().collect()
}

fn create_for(plan: &Plan, target: &Target, clients: usize) -> Vec<Duration> {
    let end = Instant::now() + Duration::from_secs(plan.seconds);
    let times = create_while(target, clients, &|| Instant::now() < end);
    times.into_iter().map(|(_, time)| time).collect()
}

fn creates(plan: &Plan, target: &Target, fsync: Duration, report: &mut Report) {
    let health = target.world.base.replace("/fhir", "/health");
    let groups = || {
        target.world.get(&health).json()["groups"]
            .as_f64()
            .expect("the number of group commits")
    };
    let (cpu, before, start) = (target.cpu(), groups(), Instant::now());
    let mut times = create_for(plan, target, 64);
    let (wall, count) = (start.elapsed().as_secs_f64(), times.len() as f64);
    let cpu = (target.cpu() - cpu) * 1e6 / count;
    let grouped = count / (groups() - before);
    report.goal(
        "durable creates, 64 clients",
        format!("{:.0}/s, {cpu:.0} us CPU each", count / wall),
        grouped,
        "a fsync",
        "at least 20",
    );
    let middle = median(&mut times);
    let figure = format!(
        "median {:.3} ms, p99 {:.3} ms",
        millis(middle),
        millis(percentile(&mut times, 99))
    );
    report.goal(
        "the same, latency",
        figure,
        middle.as_secs_f64() / fsync.as_secs_f64(),
        "F",
        "at most 2.5 F",
    );
}

/// Small creates while a bundle of 5,000 entries is applied.
fn hostage(plan: &Plan, data: &Data, target: &Target, report: &mut Report) {
    let bundle = large_bundle(data);
    let mut alone = create_for(plan, target, 8);
    let applied = AtomicBool::new(false);
    let (times, start, apply) = std::thread::scope(|scope| {
        let small = scope.spawn(|| create_while(target, 8, &|| !applied.load(Ordering::Relaxed)));
        std::thread::sleep(Duration::from_millis(300));
        let mut client = Client::connect(&target.address);
        let start = Instant::now();
        let status = client.send("POST", "/fhir", &bundle).status;
        let apply = start.elapsed();
        applied.store(true, Ordering::Relaxed);
        assert_eq!(status, 200);
        (small.join().expect("no client panics"), start, apply)
    });
    let beside = times.iter().filter(|(begin, _)| *begin >= start);
    let mut times: Vec<Duration> = beside.map(|(_, time)| *time).collect();
    let (before, during) = (percentile(&mut alone, 99), percentile(&mut times, 99));
    let raise = during.saturating_sub(before);
    let figure = format!(
        "applied in {:.0} ms; p99 {:.1} ms alone, {:.1} ms beside",
        millis(apply),
        millis(before),
        millis(during)
    );
    report.goal(
        "beside a 5,000-entry bundle",
        figure,
        raise.as_secs_f64() / apply.as_secs_f64(),
        "apply times",
        "at most 1.5",
    );
}

fn large_bundle(data: &Data) -> Vec<u8> {
    let mut entries = Vec::new();
    for bundle in data.bundles.iter().cycle().take(data.bundles.len() * 50) {
        let bundle: serde_json::Value = serde_json::from_slice(bundle).expect("a bundle");
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            let resource = &entry["resource"];
            let kind = resource["resourceType"].as_str().unwrap_or("Basic");
            entries.push(serde_json::json!({"resource": resource, "request": {"method": "POST", "url": kind}}));
            if entries.len() == 5_000 {
                return serde_json::json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
                    .to_string()
                    .into_bytes();
            }
        }
    }
    panic!("the data hold no 5,000 entries even when taken 50 times");
}

fn restart(target: &mut Target, report: &mut Report) {
    target.world.kill();
    let start = Instant::now();
    target.start();
    // Where the index still reads the log's end, a search is refused until it has.
    let mut total = serde_json::Value::Null;
    tests::world::eventually("the first search", || {
        total = target.world.get("Patient?_summary=count&gender=male").json()["total"].clone();
        total.is_u64()
    });
    report.goal(
        "restart after a kill to the first answer",
        format!("{total} men counted"),
        start.elapsed().as_secs_f64(),
        "s",
        "at most 1 s",
    );
}

/// Memory after reads and searches have gone on for a while, as a server has it from day to day.
fn serving(plan: &Plan, target: &Target, loaded: usize, report: &mut Report) {
    let mut paths = addresses(target, "Observation", 500);
    paths.extend(
        addresses(target, "Patient", 100)
            .iter()
            .map(|p| shapes::token_and_date(p)),
    );
    rate(plan, target, 8, &paths);
    let memory = resident_mib(target.process);
    let figure = format!("{loaded} resources and the creates");
    report.goal("memory while serving", figure, memory, "MiB", "at most 256 at 500,000");
}
