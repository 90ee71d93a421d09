//! Asks one server and keeps of its answer what two servers can be held against.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

/// Pages read of one answer.
const PAGES_MAX: usize = 60;

/// A server by its base address.
pub struct Server {
    pub base: String,
    pub agent: ureq::Agent,
}

/// What is compared of an answer.
#[derive(Debug)]
pub enum Answer {
    /// Refused: the class of the status (4 or 5), and no more, as the words differ.
    Refused(u16),
    /// Answered.
    Found {
        /// How many match, where the server says so.
        total: Option<u64>,
        /// The matches as `Kind/id`: in order where the query sorts, sorted otherwise.
        matches: Vec<String>,
        /// What came along.
        included: BTreeSet<String>,
    },
}

impl Server {
    pub fn new(base: &str) -> Server {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Server {
            base: base.trim_end_matches('/').to_owned(),
            agent: config.timeout_global(Some(Duration::from_secs(60))).build().into(),
        }
    }

    /// The answer to a query, of all its pages.
    pub fn ask(&self, query: &str) -> Answer {
        let slash = if query.starts_with('?') { "" } else { "/" };
        let (mut url, mut pages) = (format!("{}{slash}{query}", self.base), 0);
        let (mut total, mut matches, mut included) = (None, Vec::new(), BTreeSet::new());
        let whole = !query.contains("_count=") && !query.contains("_summary=count");
        loop {
            let (status, body) = self.get(&url);
            if status >= 400 || body["resourceType"] != "Bundle" {
                return Answer::Refused(status / 100);
            }
            total = total.or(body["total"].as_u64());
            for entry in body["entry"].as_array().into_iter().flatten() {
                let resource = &entry["resource"];
                let name = |part: &str| resource[part].as_str().unwrap_or("?").to_owned();
                let named = format!("{}/{}", name("resourceType"), name("id"));
                match entry["search"]["mode"].as_str() {
                    Some("outcome") => {}
                    Some("include") => drop(included.insert(named)),
                    _ if name("resourceType") == "OperationOutcome" => {}
                    _ => matches.push(named),
                }
            }
            let links = body["link"].as_array().into_iter().flatten();
            let next = links
                .filter(|link| link["relation"] == "next")
                .find_map(|link| link["url"].as_str());
            pages += 1;
            match next.filter(|_| whole && pages < PAGES_MAX) {
                Some(next) => url = self.own(next),
                None => break,
            }
        }
        if !query.contains("_sort=") {
            matches.sort();
        }
        Answer::Found {
            total,
            matches,
            included,
        }
    }

    fn get(&self, url: &str) -> (u16, Value) {
        match self.agent.get(url).header("Accept", "application/fhir+json").call() {
            Ok(mut answer) => {
                let status = answer.status().as_u16();
                let text = answer.body_mut().with_config().limit(1 << 30).read_to_string();
                let body = text.ok().and_then(|text| serde_json::from_str(&text).ok());
                (status, body.unwrap_or(Value::Null))
            }
            Err(_) => (599, Value::Null),
        }
    }

    /// A link as this server is reached: some name themselves otherwise, or give a path only.
    fn own(&self, link: &str) -> String {
        match link.split_once('?') {
            Some((before, query)) if !before.starts_with(&self.base) => {
                let kind = before.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                format!("{}/{kind}?{query}", self.base)
            }
            _ => link.to_owned(),
        }
    }
}

impl Answer {
    /// Whether two servers answer alike. A server need not say a total: where one of them does not, totals are not compared.
    pub fn is_like(&self, other: &Answer) -> bool {
        match (self, other) {
            (Answer::Refused(class), Answer::Refused(other)) => class == other,
            (
                Answer::Found {
                    total,
                    matches,
                    included,
                },
                Answer::Found {
                    total: other,
                    matches: others,
                    included: along,
                },
            ) => {
                let totals = total.zip(*other).is_none_or(|(total, other)| total == other);
                totals && matches == others && included == along
            }
            _ => false,
        }
    }

    /// The answer in a few words, with what the other lacks.
    pub fn beside(&self, other: &Answer) -> String {
        match (self, other) {
            (Answer::Refused(class), _) => format!("{class}xx"),
            (
                Answer::Found {
                    total,
                    matches,
                    included,
                },
                Answer::Found {
                    matches: others,
                    included: along,
                    ..
                },
            ) => {
                let total = total.map_or("no total".to_owned(), |total| format!("total {total}"));
                let more: Vec<&String> = matches.iter().filter(|name| !others.contains(name)).collect();
                let came: Vec<&String> = included.difference(along).collect();
                let order = if more.is_empty() && matches.len() == others.len() && matches != others {
                    "; another order"
                } else {
                    ""
                };
                format!(
                    "{total}, {} matches{}{}{order}",
                    matches.len(),
                    few(" also", &more),
                    few(" includes", &came)
                )
            }
            (Answer::Found { total, matches, .. }, _) => {
                let total = total.map_or("no total".to_owned(), |total| format!("total {total}"));
                format!("{total}, {} matches", matches.len())
            }
        }
    }
}

fn few(what: &str, names: &[&String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let first: Vec<&str> = names.iter().take(2).map(|name| name.as_str()).collect();
    let more = if names.len() > 2 {
        format!(" and {} more", names.len() - 2)
    } else {
        String::new()
    };
    format!(",{what} {}{more}", first.join(" "))
}
