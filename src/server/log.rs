//! The log of requests: one line each on standard error, without anything that could name a patient.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conformance::Definitions;

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nothing.
    None,
    /// Requests that failed by a fault of the server's.
    Failures,
    /// Every request.
    Requests,
}

impl Detail {
    /// Reads the setting `log`.
    ///
    /// # Errors
    /// A sentence that names the choices.
    pub fn read(text: &str) -> Result<Detail, String> {
        match text {
            "none" => Ok(Detail::None),
            "failures" => Ok(Detail::Failures),
            "requests" => Ok(Detail::Requests),
            _ => Err(format!("The setting log is none, failures or requests, not {text:?}.")),
        }
    }
}

/// Writes the line of a request that was answered.
pub fn answered(definitions: &Definitions, method: &str, path: &str, status: u16, took: Duration, id: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = fhir::moment::instant(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
    let method = if method.len() <= 7 && method.bytes().all(|b| b.is_ascii_uppercase()) {
        method
    } else {
        "?"
    };
    let path = shape(definitions, path);
    let took = took.as_secs_f64() * 1000.0;
    eprintln!("{now} {method} {path} {status} {took:.1}ms {id}");
}

/// The path with everything replaced that is no kind of resource and no name of an operation.
fn shape(definitions: &Definitions, path: &str) -> String {
    let known = |part: &str| {
        let word = part.strip_prefix(['_', '$']).unwrap_or(part);
        let is_word = word.len() <= 20 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        definitions.is_resource(part)
            || (is_word && (word != part || ["metadata", "fhir", "health", "ping"].contains(&part)))
    };
    let parts = path
        .split('/')
        .map(|part| if part.is_empty() || known(part) { part } else { "*" });
    parts.collect::<Vec<_>>().join("/")
}

/// Names requests: the time this process started and a count, or what the caller gave.
#[derive(Debug)]
pub struct Names {
    start: u64,
    count: AtomicU64,
}

impl Names {
    /// Names for this run of the server.
    pub fn new() -> Names {
        let start = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        Names {
            start,
            count: AtomicU64::new(0),
        }
    }

    /// The caller's name for the request, where it is a plain one, else a new one.
    pub fn name(&self, given: Option<&str>) -> String {
        let plain = |name: &&str| {
            (1..=64).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        };
        match given.filter(plain) {
            Some(name) => name.to_owned(),
            None => format!("{:x}-{:x}", self.start, self.count.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Names::new()
    }
}

/// Makes a panic say where it happened and nothing else: its message may quote a record.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("epis: a fault of the program at {place}; please report it.");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_no_record() {
        let definitions = Definitions::r4();
        let table = [
            ("/fhir/Patient/17", "/fhir/Patient/*"),
            ("/fhir/Patient/17/_history/0-1", "/fhir/Patient/*/_history/*"),
            ("/fhir/tashi-dorji/_search", "/fhir/*/_search"),
            ("/fhir/metadata", "/fhir/metadata"),
            ("/fhir/Patient/_17", "/fhir/Patient/*"),
        ];
        for (path, expected) in table {
            assert_eq!(shape(&definitions, path), expected);
        }
        let names = Names::new();
        assert_eq!(names.name(Some("a-1")), "a-1");
        assert!(names.name(Some("a b")).ends_with("-0") && names.name(None).ends_with("-1"));
    }
}
