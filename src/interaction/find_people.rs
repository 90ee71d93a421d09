//! `GET /find?q=`: people by what a clerk types or scans, while she types; ranked, typed, with what matched and where.
//!
//! Not FHIR: plain JSON for whoever draws a list under a box. What is typed is read by [`person::asked`], people are found in
//! memory by [`person::find`] as of every write before, and what is shown of them lies beside ([`crate::card`]).
//!
//! ```text
//! {"query": "sonam 1987", "results": [{"type": "Patient", "id": "17", "reference": "Patient/17", "score": 0.976,
//!   "name": "Sonam Dorji", "birthDate": "1987-04-09", "gender": "male", "identifier": …, "telephone": …, "address": …,
//!   "matched": [{"term": "sonam", "how": "name", "element": "name", "parts": [{"text": "Sonam", "hit": true}, …]}]}],
//!  "more": true, "next": "/find?q=sonam%201987&_offset=10"}
//! ```
//!
//! `score` is above 0 and at most 1, to compare the results of one answer by. A result that was found by a record which another
//! replaces is the survivor, with `via` the record found. At a node those whose records are not here come from the country's
//! list ([`crate::country`]): `"here": false`, and beside `results` `"country": {"people": 780000, "asOf": …}`.

use fhir::document::Document;
use fhir::moment::civil_from_days;
use fhir::parse::Limits;
use fhir::tree::Tree;
use person::Asked;
use person::asked::{CHARACTERS_MAX, TERMS_MAX};
use person::find::{How, Match, Sighting};
use query::replaced;
use text::Spellings;

use crate::address;
use crate::card::{self, Card};
use crate::country::{Known, State};
use crate::engine::{Engine, now};
use crate::highlight;
use crate::people::{Everybody, Seen};
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// Results where nothing is said, and at most.
const COUNT: usize = 10;
const COUNT_MAX: usize = 50;
/// Results that may be passed over: whoever needs more types more.
const OFFSET_MAX: usize = 500;
/// The media type of the answer.
const JSON: &str = "application/json; charset=utf-8";
const DAY: i64 = 86_400_000_000;

/// People who are looked at for a question that is answered on the spot.
const AT_HAND: usize = 2_000;

/// Answers 200 with the results.
///
/// # Errors
/// 400 where `q` is missing or too long, or another parameter cannot be read; 503 while the patients are being read.
pub fn find_people(
    engine: &Engine,
    _caller: &Caller,
    _request: &Request<'_>,
    params: &[(String, String)],
) -> Result<Reply, Refusal> {
    let question = Question::read(engine, params)?;
    let country = engine.country.read();
    let answer = engine
        .people
        .ask(&engine.store, engine.limits.search_time, |everybody| {
            question.answer(everybody, &country, usize::MAX)
        })?;
    answer.ok_or_else(|| Refusal::broken("The register did not answer."))
}

/// The answer, where everybody is in memory as of now and few have to be looked at.
pub(crate) fn ready(engine: &Engine, params: &[(String, String)]) -> Option<Reply> {
    let question = Question::read(engine, params).ok()?;
    let country = engine.country.read_at_hand()?;
    engine
        .people
        .ask_at_hand(|everybody| question.answer(everybody, &country, AT_HAND))
}

/// What is asked, read.
struct Question<'e> {
    wish: Wish,
    asked: Asked,
    names: &'e Spellings,
}

impl<'e> Question<'e> {
    fn read(engine: &'e Engine, params: &[(String, String)]) -> Result<Question<'e>, Refusal> {
        let wish = Wish::read(params)?;
        let minutes = i64::from(engine.zone) * 60_000_000;
        let (year, ..) = civil_from_days((now() + minutes).div_euclid(DAY));
        let names = engine.people.names();
        Ok(Question {
            asked: Asked::read(&wish.text, names, u32::try_from(year).unwrap_or(0)),
            wish,
            names,
        })
    }

    /// The answer of everybody; `None` where more people than `looked_at` would have to be looked at.
    ///
    /// Whom a caller may not see is to be left out here, of `found`, before pages are cut: the register knows no callers,
    /// and today there is one, who may see everybody.
    fn answer(&self, everybody: &Everybody, country: &State, looked_at: usize) -> Option<Reply> {
        let wish = &self.wish;
        let most = wish.offset + wish.count + 1;
        let mut found = everybody.find(&self.asked, self.names, most, looked_at)?;
        if let Some(scanned) = self.scanned(everybody) {
            found.retain(|seen| seen.id != scanned.id);
            found.insert(0, scanned);
            found.truncate(most);
        }
        let mut found: Vec<Shown<'_>> = found.into_iter().map(Shown::Here).collect();
        if let Some(known) = country.known() {
            let beyond = known.find(everybody, (&self.asked, &wish.text), self.names, most, looked_at)?;
            found.extend(beyond.into_iter().map(|sighting| Shown::Beyond(known, sighting)));
            // Of equals those whose records are here come first.
            found.sort_by(|a, b| b.score().total_cmp(&a.score()));
            found.truncate(most);
        }
        let more = found.len() == most;
        let page = found.iter().skip(wish.offset).take(wish.count);
        let results = page.map(|shown| match shown {
            Shown::Here(seen) => self.result(everybody, seen),
            Shown::Beyond(known, sighting) => self.beyond(known, sighting),
        });
        let results = results.collect();
        let mut answer = Tree::object([
            ("query", Tree::string(&wish.text)),
            ("results", Tree::Array(results)),
            ("more", Tree::Bool(more)),
        ]);
        let next = wish.offset + wish.count;
        if more && next <= OFFSET_MAX {
            answer.set("next", Tree::string(wish.at(next)));
        }
        if let Some(known) = country.known() {
            let told = Tree::object([
                ("people", Tree::number(known.len())),
                ("asOf", Tree::string(known.when())),
            ]);
            answer.set("country", told);
        }
        if let Some(remark) = remark(&self.asked).or_else(|| country.caveat(true).map(str::to_owned)) {
            answer.set("remark", Tree::string(remark));
        }
        Some(Reply {
            media: JSON.into(),
            ..Reply::json(200, answer.to_bytes())
        })
    }

    /// Whose record has the id that was typed or scanned, alone and whole.
    fn scanned(&self, everybody: &Everybody) -> Option<Seen> {
        let typed = self.wish.text.trim();
        let id = typed.strip_prefix("Patient/").unwrap_or(typed);
        let may_be = id.bytes().any(|b| b.is_ascii_digit()) && everybody.register().has(id);
        let matched = Match {
            how: How::Number,
            token: None,
        };
        may_be.then(|| Seen {
            id: everybody.survivor(id).to_owned(),
            sighting: Sighting {
                id: id.to_owned(),
                score: 1.0,
                matches: vec![Some(matched); self.asked.terms.len()],
            },
        })
    }

    /// The result for somebody whose record is not here, as the country's list has her.
    fn beyond(&self, known: &Known, sighting: &Sighting) -> Tree {
        let packed = Document::parse(&known.patient(&sighting.id).to_bytes(), Limits::default());
        let packed = packed.map_or_else(|_| Vec::new(), |patient| card::packed(patient.root()));
        let card = Card::read(&packed);
        let mut result = headed(&sighting.id, sighting.score);
        result.set("here", Tree::Bool(false));
        card.summary(&mut result);
        let matched = highlight::matched(&card, &self.wish.text, &self.asked, sighting, self.names);
        result.set("matched", Tree::Array(matched));
        result
    }

    /// The result for somebody found, by the record that replaces hers where one does.
    fn result(&self, everybody: &Everybody, Seen { id, sighting }: &Seen) -> Tree {
        let found = Card::read(everybody.card(&sighting.id));
        let survivor = (*id != sighting.id).then(|| Card::read(everybody.card(id)));
        let mut result = headed(id, sighting.score);
        if survivor.is_some() {
            result.set("via", Tree::string(format!("{}/{}", replaced::kind(), sighting.id)));
        }
        survivor.as_ref().unwrap_or(&found).summary(&mut result);
        let matched = highlight::matched(&found, &self.wish.text, &self.asked, sighting, self.names);
        result.set("matched", Tree::Array(matched));
        result
    }
}

/// Somebody on a page.
enum Shown<'a> {
    /// Her record is here.
    Here(Seen),
    /// The country's list has her.
    Beyond(&'a Known, Sighting),
}

impl Shown<'_> {
    fn score(&self) -> f64 {
        match self {
            Shown::Here(seen) => seen.sighting.score,
            Shown::Beyond(_, sighting) => sighting.score,
        }
    }
}

/// What a result begins with.
fn headed(id: &str, score: f64) -> Tree {
    let kind = replaced::kind();
    Tree::object([
        ("type", Tree::string(kind.as_str())),
        ("id", Tree::string(id)),
        ("reference", Tree::string(format!("{kind}/{id}"))),
        ("score", Tree::number((score * 1000.0).round() / 1000.0)),
    ])
}

fn remark(asked: &Asked) -> Option<String> {
    if asked.terms.is_empty() {
        let text =
            "There is nothing in this to find anybody by; type part of a name, a number, a year of birth, or a place.";
        return Some(text.to_owned());
    }
    asked
        .cut
        .then(|| format!("Only the first {TERMS_MAX} words counted; more make nothing narrower."))
}

/// What is wished for.
struct Wish {
    text: String,
    count: usize,
    offset: usize,
}

impl Wish {
    fn read(params: &[(String, String)]) -> Result<Wish, Refusal> {
        let refused = |name: &str, text: String| Refusal::because(Reason::Invalid, text).at(format!("http.{name}"));
        let (mut text, mut count, mut offset) = (None, COUNT, 0);
        for (name, value) in params {
            let number = || {
                let number: Option<usize> = value.parse().ok();
                number.ok_or_else(|| {
                    refused(
                        name,
                        format!("{name} is \"{}\"; write a whole number, from 0.", shown(value)),
                    )
                })
            };
            match name.as_str() {
                "q" if text.is_some() => {
                    return Err(refused(name, "q is given twice; put all words into one.".to_owned()));
                }
                "q" => text = Some(value.clone()),
                "_count" => count = number()?.min(COUNT_MAX),
                "_offset" => offset = number()?,
                _ => {
                    let text = format!(
                        "/find knows no parameter \"{}\"; it knows q, _count and _offset.",
                        shown(name)
                    );
                    return Err(refused(name, text));
                }
            }
        }
        let Some(text) = text else {
            let text =
                "/find needs the parameter q: part of a name, a number, a year of birth, a place, or several of these.";
            return Err(refused("q", text.to_owned()));
        };
        let characters = text.chars().count();
        if characters > CHARACTERS_MAX {
            let text = format!(
                "q has {characters} characters; at most {CHARACTERS_MAX} are read, and a few words find anybody."
            );
            return Err(refused("q", text));
        }
        if offset > OFFSET_MAX {
            let text =
                format!("_offset is {offset}; at most {OFFSET_MAX} results are passed over. Type more to narrow them.");
            return Err(refused("_offset", text));
        }
        Ok(Wish { text, count, offset })
    }

    /// The address of another part of the results.
    fn at(&self, offset: usize) -> String {
        let (count, offset) = (self.count.to_string(), offset.to_string());
        let pairs = [("q", self.text.as_str()), ("_count", &count), ("_offset", &offset)];
        address::with_query("/find", pairs)
    }
}

/// The beginning of what was given, for a sentence.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
