//! What a synthetic clinic wrote: its people and their visits, as versions of its own.

use std::collections::BTreeMap;

use fhir::body;
use fhir::document::Document;
use fhir::identity::{Id, Kind, VersionId};
use fhir::parse::Limits;
use rustc_hash::FxHashMap;
use store::Operation;
use sync::Change;
use synth::nation::{Entry, Nation, Plan};

/// Letters of a gewog's code, like `BT0501`.
const GEWOG: usize = 6;

/// What one clinic wrote: its people's records, then their visits in the order of time. Where a gewog is named, all live
/// there.
pub fn clinic(node: u32, seed: u64, people: u64, gewog: Option<&str>) -> (Vec<Change>, Vec<Vec<Change>>) {
    let plan = Plan {
        people,
        seed,
        duplicates: 0,
        visits: Some(2021..=2025),
        today: 20_800,
    };
    let (mut registered, mut visits) = (Vec::new(), BTreeMap::<String, Vec<(String, String)>>::new());
    Nation::new(plan).each(&mut |entry| {
        if let Entry::Record(kind, record) = entry {
            let text = String::from_utf8(record.to_bytes()).expect("JSON is UTF-8");
            match kind {
                "Patient" => registered.push((kind.to_owned(), text)),
                _ => visits.entry(moment(&text)).or_default().push((kind.to_owned(), text)),
            }
        }
        true
    });
    let mut clinic = Clinic {
        node,
        gewog: gewog.map(str::to_owned),
        ..Clinic::default()
    };
    let registered = registered
        .iter()
        .map(|(kind, text)| clinic.change(kind, text))
        .collect();
    let visits = visits
        .values()
        .map(|visit| visit.iter().map(|(kind, text)| clinic.change(kind, text)).collect());
    (registered, visits.collect())
}

/// When and whose: visits in the order of time.
fn moment(text: &str) -> String {
    let after = |name: &str| {
        let start = text.find(name)? + name.len();
        text[start..].split('"').next()
    };
    let named = [
        "start",
        "effectiveDateTime",
        "recordedDate",
        "authoredOn",
        "whenHandedOver",
    ];
    let moment = named.iter().find_map(|name| after(&format!("\"{name}\":\"")));
    let patient = after("\"reference\":\"Patient/");
    format!("{} {}", moment.expect("a moment"), patient.expect("a patient"))
}

/// A node that gives ids and names as a server does.
#[derive(Default)]
struct Clinic {
    node: u32,
    gewog: Option<String>,
    ids: FxHashMap<String, String>,
    count: u64,
}

impl Clinic {
    fn change(&mut self, kind: &str, text: &str) -> Change {
        self.count += 1;
        let document = Document::parse(text.as_bytes(), Limits::default()).expect("a record");
        let old = document.root().string("id").expect("an id").into_owned();
        let new = format!("{}-k3f9a-{}", self.node, self.count);
        self.ids.insert(format!("{kind}/{old}"), format!("{kind}/{new}"));
        let rewrite = |name: &str, text: &str| match name {
            "reference" => self.ids.get(text).cloned(),
            "code" if is_in_gewog(text) => Some(format!("{}{}", self.gewog.as_ref()?, &text[GEWOG..])),
            // Nations of other seeds hand out the same numbers to others: at one centre each person has her own.
            "value" if self.gewog.is_some() && is_citizen_number(text) => {
                Some(format!("{:03}{:08}", 100 + self.node, self.count))
            }
            _ => None,
        };
        let counter = self.count;
        // One press of a key a visit, its records at once; the clock has microseconds that nobody can foretell.
        let minute = 1_764_120_000_000_000 + (counter / 12) as i64 * 540_000_000;
        let noise = ((counter / 12).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as i64;
        Change {
            kind: Kind::new(kind).expect("a kind"),
            id: Id::new(&new).expect("an id"),
            version: VersionId {
                node: self.node,
                counter,
            },
            base: None,
            merged: None,
            updated: minute + noise + (counter % 12) as i64,
            operation: Operation::Create,
            body: body::store_rewritten(document.root(), &rewrite),
        }
    }
}

/// Whether a value is a citizen number: 11 digits.
fn is_citizen_number(value: &str) -> bool {
    value.len() == 11 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a code is a gewog's, like `BT0501`, or a chiwog's, like `BT050102`, which begins with that.
fn is_in_gewog(code: &str) -> bool {
    let digits = code.strip_prefix("BT").unwrap_or_default();
    code.len() >= GEWOG && digits.bytes().all(|byte| byte.is_ascii_digit())
}
