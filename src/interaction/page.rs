//! Writes a Bundle of stored records, part by part: a search's page, a history's page.
//!
//! Stored bytes are copied into the answer as they are; nothing is parsed or written anew.

use fhir::identity::{Id, Kind};
use fhir::moment;
use fhir::outcome::{Issue, write_outcome};
use fhir::parse::write_string;

use crate::record::Inside;

/// The extension that says how far a match is from what it was searched near to.
const DISTANCE: &str = "http://hl7.org/fhir/StructureDefinition/location-distance";

/// The extension that says how sure a match is.
const GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";
/// The extension that says why, a sentence each.
const EXPLANATION: &str = "http://fhir.moh.gov.bt/StructureDefinition/match-explanation";

/// How surely a record is the one looked for.
#[derive(Clone, Copy, Debug)]
pub struct Graded<'a> {
    /// The probability, in millionths.
    pub millionths: u32,
    /// The code of `match-grade`.
    pub grade: &'static str,
    /// Why, a sentence each.
    pub why: &'a [String],
}

/// A Bundle being written. Links and total come first, then the entries, then [`Page::finish`].
pub struct Page {
    out: Vec<u8>,
    entries: usize,
}

/// Appends a record's JSON.
pub type Append<'a> = &'a dyn Fn(&mut Vec<u8>);

/// How an entry of a search came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It matches.
    Match,
    /// It matches, and lies so many metres from where was asked.
    Near {
        /// The metres.
        metres: u32,
        /// How well it fits, in millionths, where words were asked for.
        score: Option<u32>,
    },
    /// It matches, so well in millionths.
    Scored(u32),
    /// A match refers to it, or it to a match.
    Include,
}

impl Page {
    /// Starts a Bundle: its type (`searchset`, `history`), when it was made, its total where it is known, its links.
    pub fn start(kind: &str, made: i64, total: Option<u64>, links: &[(&str, String)]) -> Page {
        let mut out = Vec::with_capacity(16 << 10);
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"meta\":{\"lastUpdated\":\"");
        out.extend_from_slice(moment::instant(made).as_bytes());
        out.extend_from_slice(b"\"},\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'"');
        if let Some(total) = total {
            out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        out.extend_from_slice(b",\"link\":[");
        for (i, (relation, url)) in links.iter().enumerate() {
            out.extend_from_slice(if i > 0 {
                b",{\"relation\":\""
            } else {
                b"{\"relation\":\""
            });
            out.extend_from_slice(relation.as_bytes());
            out.extend_from_slice(b"\",\"url\":");
            write_string(&mut out, url);
            out.push(b'}');
        }
        out.push(b']');
        Page { out, entries: 0 }
    }

    fn open_entry(&mut self) {
        let start: &[u8] = if self.entries == 0 { b",\"entry\":[{" } else { b",{" };
        self.out.extend_from_slice(start);
        self.entries += 1;
    }

    fn full_url(&mut self, base: &str, kind: &Kind, id: &Id, fragment: Option<&Id>) {
        self.out.extend_from_slice(b"\"fullUrl\":\"");
        // A base address comes from the settings or a Host header and may hold anything a URL may.
        let mut quoted = Vec::with_capacity(base.len() + 2);
        write_string(&mut quoted, base);
        self.out.extend_from_slice(&quoted[1..quoted.len() - 1]);
        for part in ["/", kind.as_str(), "/", id.as_str()] {
            self.out.extend_from_slice(part.as_bytes());
        }
        if let Some(fragment) = fragment {
            self.out.push(b'#');
            self.out.extend_from_slice(fragment.as_str().as_bytes());
        }
        self.out.push(b'"');
    }

    /// Adds a found record; `write` appends its JSON.
    pub fn found(&mut self, base: &str, kind: &Kind, id: &Id, mode: Mode, write: impl FnOnce(&mut Vec<u8>)) {
        self.found_inside(base, (kind, id, None), mode, write);
    }

    /// Adds a found record, or what lies in it; `write` appends its JSON. What has no address goes without `fullUrl`.
    pub fn found_inside(
        &mut self,
        base: &str,
        (kind, id, inside): (&Kind, &Id, Option<&Inside>),
        mode: Mode,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.open_entry();
        let named = match inside {
            None => Some(None),
            Some(Inside::Named(inside)) => Some(Some(inside)),
            Some(Inside::Unnamed) => None,
        };
        if let Some(fragment) = named {
            self.full_url(base, kind, id, fragment);
            self.out.push(b',');
        }
        self.out.extend_from_slice(b"\"resource\":");
        write(&mut self.out);
        match mode {
            Mode::Match => self.out.extend_from_slice(b",\"search\":{\"mode\":\"match\"}}"),
            Mode::Include => self.out.extend_from_slice(b",\"search\":{\"mode\":\"include\"}}"),
            Mode::Near { metres, score } => {
                let score = score.map_or_else(String::new, |millionths| format!(",\"score\":{}", decimal(millionths)));
                let text = format!(
                    ",\"search\":{{\"extension\":[{{\"url\":\"{DISTANCE}\",\"valueDistance\":{{\"value\":{}.{:03},\
                     \"unit\":\"km\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"km\"}}}}],\
                     \"mode\":\"match\"{score}}}}}",
                    metres / 1000,
                    metres % 1000
                );
                self.out.extend_from_slice(text.as_bytes());
            }
            Mode::Scored(millionths) => {
                let score = decimal(millionths);
                let text = format!(",\"search\":{{\"mode\":\"match\",\"score\":{score}}}}}");
                self.out.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Adds a record that may be the one looked for; `write` appends its JSON.
    pub fn graded(&mut self, base: &str, kind: &Kind, id: &Id, graded: &Graded<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        self.open_entry();
        self.full_url(base, kind, id, None);
        self.out.extend_from_slice(b",\"resource\":");
        write(&mut self.out);
        let grade = graded.grade;
        let text = format!(",\"search\":{{\"extension\":[{{\"url\":\"{GRADE}\",\"valueCode\":\"{grade}\"}}");
        self.out.extend_from_slice(text.as_bytes());
        for why in graded.why {
            let text = format!(",{{\"url\":\"{EXPLANATION}\",\"valueString\":");
            self.out.extend_from_slice(text.as_bytes());
            write_string(&mut self.out, why);
            self.out.push(b'}');
        }
        let text = format!("],\"mode\":\"match\",\"score\":{}}}}}", decimal(graded.millionths));
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Adds what has to be said about the search itself.
    pub fn remarks(&mut self, issues: &[Issue]) {
        if issues.is_empty() {
            return;
        }
        self.open_entry();
        self.out.extend_from_slice(b"\"resource\":");
        write_outcome(issues, &mut self.out);
        self.out.extend_from_slice(b",\"search\":{\"mode\":\"outcome\"}}");
    }

    /// Adds one version of a history; `write` appends its JSON, and is `None` for a deletion.
    pub fn happened(&mut self, base: &str, past: &Past<'_>, write: Option<Append<'_>>) {
        self.open_entry();
        self.full_url(base, past.kind, past.id, None);
        if let Some(write) = write {
            self.out.extend_from_slice(b",\"resource\":");
            write(&mut self.out);
        }
        let (kind, id) = (past.kind.as_str(), past.id.as_str());
        let url = if past.method == "POST" {
            kind.to_owned()
        } else {
            format!("{kind}/{id}")
        };
        let text = format!(
            ",\"request\":{{\"method\":\"{}\",\"url\":\"{url}\"}},\"response\":{{\"status\":\"{}\",\"etag\":\"W/\\\"{}\\\"\",\
             \"lastModified\":\"{}\"}}}}",
            past.method,
            past.status,
            past.version,
            moment::instant(past.updated)
        );
        self.out.extend_from_slice(text.as_bytes());
    }

    /// The Bundle's JSON.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(if self.entries > 0 { b"]}" } else { b"}" });
        self.out
    }
}

/// Millionths as a decimal of at most six places.
fn decimal(millionths: u32) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What happened in one version of a history.
pub struct Past<'a> {
    /// The record's kind.
    pub kind: &'a Kind,
    /// The record's id.
    pub id: &'a Id,
    /// The version.
    pub version: fhir::identity::VersionId,
    /// When, in microseconds since 1970.
    pub updated: i64,
    /// The method that did it: `POST`, `PUT`, `DELETE`.
    pub method: &'static str,
    /// The status it was answered with: `201 Created`.
    pub status: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_json() {
        let (kind, id) = (Kind::new("Patient").unwrap(), Id::new("1").unwrap());
        let mut page = Page::start(
            "searchset",
            0,
            Some(1),
            &[("self", "http://x/fhir/Patient?a=\"".into())],
        );
        page.found("http://x/fhir", &kind, &id, Mode::Match, |out| {
            out.extend_from_slice(b"{}")
        });
        page.remarks(&[Issue::warning(fhir::outcome::Code::NotSupported, "Left away.")]);
        let text = page.finish();
        let tree = fhir::tree::Tree::parse(&text).unwrap();
        assert_eq!(tree.get("entry").unwrap().items().len(), 2);
        assert!(
            String::from_utf8(text)
                .unwrap()
                .contains(r#""fullUrl":"http://x/fhir/Patient/1","resource":{},"search""#)
        );
    }
}
