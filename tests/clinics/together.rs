//! All clinics come back at once, each with what it wrote while it was cut off, and people go on asking the centre.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use synth::places::Places;
use tests::meters::{cpu_seconds, folder_bytes, resident_mib};
use tests::world::{Engine, World};

use crate::counter;
use crate::country::{Clinic, Met};

/// How long people ask a centre that nobody comes back to.
const QUIET: Duration = Duration::from_secs(10);

/// What is measured.
pub struct Plan {
    clinics: usize,
    visits: usize,
    asked: u32,
}

impl Plan {
    /// A plan as it is written on the command line; `None` where it is none.
    pub fn read(options: &[&str]) -> Option<Plan> {
        let mut plan = Plan {
            clinics: 236,
            visits: 165,
            asked: 20,
        };
        for option in options.chunks(2) {
            match option {
                ["--clinics", number] => plan.clinics = number.parse().ok()?,
                ["--visits", number] => plan.visits = number.parse().ok()?,
                ["--asked", number] => plan.asked = number.parse().ok().filter(|asked| *asked > 0)?,
                _ => return None,
            }
        }
        Some(plan)
    }
}

/// Enrols the clinics, measures a quiet centre, then lets all come back.
pub fn measure(plan: &Plan) {
    let place = std::env::current_dir().expect("a current folder");
    let world = World::at(Engine::Sqlite, &place, &["--node-listen", "127.0.0.1:0"]);
    let address = world
        .base
        .trim_start_matches("http://")
        .trim_end_matches("/fhir")
        .to_owned();
    counter::prepare(&address);
    let clinics = enrolled(plan, &world);
    let written: usize = clinics.iter().map(Clinic::written).sum();
    println!(
        "{} clinics wrote {written} versions, {} visits each",
        clinics.len(),
        plan.visits
    );
    let stop = AtomicBool::new(false);
    let quiet = scope(|scope| {
        let asking = scope.spawn(|| counter::ask(&address, plan.asked, &stop));
        sleep(QUIET);
        stop.store(true, Ordering::Release);
        asking.join().expect("people ask")
    });
    quiet.tell("quiet");
    let process = world.process().expect("the centre runs");
    let (before, begun) = (cpu_seconds(process), Instant::now());
    let stop = AtomicBool::new(false);
    let (met, busy) = scope(|scope| {
        let asking = scope.spawn(|| counter::ask(&address, plan.asked, &stop));
        let coming: Vec<_> = clinics
            .into_iter()
            .map(|clinic| scope.spawn(|| clinic.come_back()))
            .collect();
        let total = coming.len();
        let met: Vec<Met> = coming
            .into_iter()
            .enumerate()
            .map(|(done, clinic)| {
                let met = clinic.join().expect("a clinic comes back");
                progress(done + 1, total, begun);
                met
            })
            .collect();
        stop.store(true, Ordering::Release);
        (met, asking.join().expect("people ask"))
    });
    let (took, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds(process) - before);
    busy.tell("all back");
    tell(&met, took, cpu);
    println!(
        "the centre: {:.0} MiB of memory, {:.0} MB on disk",
        resident_mib(process),
        folder_bytes(world.folder()) as f64 / 1e6
    );
}

fn tell(met: &[Met], took: f64, cpu: f64) {
    let sum = |of: fn(&Met) -> u64| met.iter().map(of).sum::<u64>();
    let sent = sum(|met| met.sent as u64);
    println!(
        "drained in {took:.1} s: {sent} versions, {:.0} a second, {cpu:.1} s of the centre's CPU, {:.0} us a version",
        sent as f64 / took,
        cpu * 1e6 / sent as f64
    );
    println!(
        "{} records came to the clinics; {:.1} bytes a version both ways; told to come again {} times",
        sum(|met| met.received as u64),
        sum(|met| met.bytes) as f64 / sent as f64,
        sum(|met| met.put_off as u64)
    );
    println!(
        "a contact where nothing is to say: {} bytes on a kept connection, {} on a new one",
        idle(met, |met| met.idle.0),
        idle(met, |met| met.idle.1)
    );
}

/// The middle one of what idle contacts took, of those that there were.
fn idle(met: &[Met], of: fn(&Met) -> u64) -> u64 {
    let mut bytes: Vec<u64> = met.iter().map(of).filter(|bytes| *bytes > 0).collect();
    bytes.sort_unstable();
    bytes.get(bytes.len() / 2).copied().unwrap_or_default()
}

fn enrolled(plan: &Plan, world: &World) -> Vec<Clinic> {
    let places = Places::bhutan();
    let begun = Instant::now();
    (0..plan.clinics)
        .map(|number| {
            let gewog = &places.gewogs[number % places.gewogs.len()].code;
            let clinic = Clinic::enrolled(world, gewog.trim_start_matches("BT"), plan.visits);
            progress(number + 1, plan.clinics, begun);
            clinic
        })
        .collect()
}

fn progress(done: usize, total: usize, begun: Instant) {
    if done.is_multiple_of(20) || done == total {
        eprintln!("{done} of {total} clinics after {:.1} s", begun.elapsed().as_secs_f64());
    }
}
