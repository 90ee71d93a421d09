//! People at the centre's counters: they ask and write at a steady rate, whatever the server is busy with.
//!
//! A question is due at its moment, not when the last one was answered: what waits is counted as waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use tests::client::Client;
use tests::meters::percentile;

/// Connections that questions are asked on.
const CONNECTIONS: usize = 8;
/// The patients that are asked for.
pub const PATIENTS: usize = 200;

/// What is asked, in turns.
const ACTS: [&str; 4] = ["read", "search by name", "her observations", "write"];

/// How long answers took, by act.
#[derive(Default)]
pub struct Waited {
    took: [Vec<Duration>; ACTS.len()],
}

/// Writes the patients that are asked for.
pub fn prepare(address: &str) {
    let mut client = Client::connect(address);
    for number in 0..PATIENTS {
        let patient = format!(
            r#"{{"resourceType":"Patient","id":"counter-{number}","name":[{{"text":"Pema {number}"}}],"birthDate":"1987-04-12"}}"#
        );
        let path = format!("/fhir/Patient/counter-{number}");
        assert_eq!(client.send("PUT", &path, patient.as_bytes()).status, 201);
    }
}

/// Asks so many questions a second until it is told to stop.
pub fn ask(address: &str, rate: u32, until: &AtomicBool) -> Waited {
    let (due, coming) = mpsc::sync_channel::<(usize, Instant)>(4_096);
    let coming = std::sync::Mutex::new(coming);
    let mut waited = Waited::default();
    scope(|scope| {
        let work = || {
            let (mut client, mut own) = (Client::connect(address), Waited::default());
            loop {
                let next = coming.lock().expect("nobody panics").recv();
                let Ok((number, due)) = next else { return own };
                act(&mut client, number);
                own.took[number % ACTS.len()].push(due.elapsed());
            }
        };
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        let begun = Instant::now();
        for number in 0.. {
            let moment = begun + Duration::from_secs(1) * number as u32 / rate;
            sleep(moment.saturating_duration_since(Instant::now()));
            if until.load(Ordering::Acquire) || due.send((number, moment)).is_err() {
                break;
            }
        }
        drop(due);
        for worker in workers {
            let own = worker.join().expect("a worker ends");
            waited
                .took
                .iter_mut()
                .zip(own.took)
                .for_each(|(all, own)| all.extend(own));
        }
    });
    waited
}

fn act(client: &mut Client, number: usize) {
    let patient = number.wrapping_mul(7) % PATIENTS;
    let (method, path, body, status) = match number % ACTS.len() {
        0 => ("GET", format!("/fhir/Patient/counter-{patient}"), String::new(), 200),
        1 => (
            "GET",
            format!("/fhir/Patient?name=Pema%20{patient}&_count=5"),
            String::new(),
            200,
        ),
        2 => (
            "GET",
            format!("/fhir/Observation?subject=Patient/counter-{patient}&_count=20"),
            String::new(),
            200,
        ),
        _ => {
            let body = format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4"}}]}},"subject":{{"reference":"Patient/counter-{patient}"}},"valueQuantity":{{"value":{}}}}}"#,
                60 + number % 40
            );
            ("POST", "/fhir/Observation".to_owned(), body, 201)
        }
    };
    let answered = client.send(method, &path, body.as_bytes()).status;
    assert_eq!(answered, status, "{method} {path}");
}

impl Waited {
    /// Prints the middle, the 99th of a hundred, and the longest, by act and of all.
    pub fn tell(mut self, when: &str) {
        let mut all: Vec<Duration> = self.took.iter().flatten().copied().collect();
        for (act, took) in ACTS.iter().zip(&mut self.took) {
            line(when, act, took);
        }
        line(when, "all", &mut all);
    }
}

fn line(when: &str, act: &str, took: &mut [Duration]) {
    let milli = |percent: usize, took: &mut [Duration]| percentile(took, percent).as_secs_f64() * 1e3;
    println!(
        "{when:<10} {act:<18} {:>6} asked   p50 {:>7.2} ms   p99 {:>7.2} ms   longest {:>7.2} ms",
        took.len(),
        milli(50, took),
        milli(99, took),
        milli(100, took)
    );
}
