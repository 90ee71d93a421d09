//! The people of the whole country as a node knows them: by the list that its centre sends, beside whose records are here.
//!
//! A node has the records of its horizon. Whoever comes from elsewhere is found all the same, by the few particulars that a
//! roster carries ([`person::roster`]), and is marked as known at the centre and not here. The list is as old as the centre's
//! last that arrived; [`Country::told`] says so, and every answer that was made with it.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use fhir::moment;
use fhir::outcome::{Code, Issue};
use fhir::tree::Tree;
use person::asked::Meaning;
use person::carry::Moment;
use person::find::{How, Match, Sighting};
use person::hidden::Key;
use person::person::{CITIZEN, CITIZEN_DIGITS, TELEPHONE_DIGITS};
use person::{Asked, Found, Identifier, Person, Place, Register, Sex, Weights};
use text::Spellings;

use crate::engine::Engine;
use crate::people::Everybody;
use crate::refusal::Refusal;

/// FHIR's code of a record that is not whole (<https://hl7.org/fhir/R4/resource.html#Meta>).
const SUBSETTED: (&str, &str) = ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "SUBSETTED");
/// The code of a person who is known at the centre, and not here.
const AT_CENTRE: (&str, &str) = ("urn:epis:bt:known", "at-centre");
/// The extension of an address that names its gewog.
const GEWOG: &str = "http://fhir.moh.gov.bt/StructureDefinition/bt-gewog";
/// Of the country's people so many more are asked for, until enough are found whose records are not here.
const TIMES: [usize; 3] = [2, 8, 64];

/// The people of the country. A server that is no node has none but its own, and this stays empty.
#[derive(Default)]
pub struct Country(RwLock<State>);

/// What is known of the country.
#[derive(Default)]
pub(crate) enum State {
    /// This server has everybody itself.
    #[default]
    Own,
    /// The list has not arrived yet.
    Awaited,
    /// It has.
    Known(Box<Known>),
}

/// Everybody in the country, as of a moment.
pub(crate) struct Known {
    register: Register,
    to: Moment,
    lock: Lock,
}

/// Whether the list can be read.
pub enum Lock {
    /// Whatever it says is readable.
    Open,
    /// It says hashes; who is looked for is hidden by the same key.
    Keyed(Key),
    /// It says hashes, and the key is not here.
    Shut,
}

/// What there is to say of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// How many people stand in it; `None` where it has not arrived.
    pub people: Option<usize>,
    /// As of when, in microseconds since 1970; 0 where it has not arrived.
    pub when: i64,
}

impl Country {
    /// The list is awaited: what there was is given up.
    pub fn await_it(&self) {
        *self.write() = State::Awaited;
    }

    /// Everybody, as of a moment.
    pub fn learn(&self, register: Register, to: Moment, lock: Lock) {
        *self.write() = State::Known(Box::new(Known { register, to, lock }));
    }

    /// Changes who is known, as of a later moment; nothing happens where nobody is.
    ///
    /// # Errors
    /// Those of `change`, after which the list is awaited anew: some of it may have been changed.
    pub fn change<E>(&self, to: Moment, change: impl FnOnce(&mut Register) -> Result<(), E>) -> Result<(), E> {
        let mut state = self.write();
        let State::Known(known) = &mut *state else {
            return Ok(());
        };
        let changed = change(&mut known.register);
        match &changed {
            Ok(()) => known.to = to,
            Err(_) => *state = State::Awaited,
        }
        changed
    }

    /// Whether a part of the list could not be read from the disk: it is to be made anew.
    pub fn has_failed(&self) -> bool {
        self.read().known().is_some_and(|known| known.register.has_failed())
    }

    /// How many changed since people came to rest, and are in memory.
    pub fn in_memory(&self) -> usize {
        self.read().known().map_or(0, |known| known.register.in_memory())
    }

    /// Calls `each` with everybody who is known, in the order they came or last changed.
    pub fn each(&self, each: &mut dyn FnMut(&str, &Person)) {
        if let State::Known(known) = &*self.read() {
            known.register.each(each);
        }
    }

    /// The moment of the list, where it has arrived.
    pub fn reached(&self) -> Option<Moment> {
        self.read().known().map(|known| known.to)
    }

    /// What there is to say of the list; `None` where this server awaits none.
    pub fn told(&self) -> Option<Told> {
        match &*self.read() {
            State::Own => None,
            State::Awaited => Some(Told { people: None, when: 0 }),
            State::Known(known) => Some(Told {
                people: Some(known.register.len()),
                when: known.to.when,
            }),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Country::read`]; `None` where that would wait.
    pub(crate) fn read_at_hand(&self) -> Option<RwLockReadGuard<'_, State>> {
        match self.0.try_read() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn known(&self) -> Option<&Known> {
        match self {
            State::Known(known) => Some(known),
            State::Own | State::Awaited => None,
        }
    }

    /// What whoever looked for somebody has to know of where was looked; `typed` for words, which hashes do not answer.
    pub(crate) fn caveat(&self, typed: bool) -> Option<&'static str> {
        let known = match self {
            State::Own => return None,
            State::Awaited => {
                return Some(
                    "Only people whose records are here were looked for: the centre's list of everybody has not arrived yet.",
                );
            }
            State::Known(known) => known,
        };
        if known.register.has_failed() {
            return Some(
                "Of people whose records are not here some may be missing: the list of everybody is damaged on this clinic's \
                 disk, and is being made anew.",
            );
        }
        match known.lock {
            Lock::Open => None,
            Lock::Keyed(_) => typed.then_some(
                "The centre's list of everybody is hidden here: people whose records are not here are found by a whole number \
                 as it is written (citizen's, telephone, any other), not by name, date, place or part of a number; \
                 Patient/$match finds them by all of these together.",
            ),
            Lock::Shut => Some(
                "Only people whose records are here were looked for: the centre's list of everybody is hidden, and the \
                 setting person_index_secret does not name the secret.",
            ),
        }
    }
}

impl Known {
    /// As of when, as FHIR writes it.
    pub(crate) fn when(&self) -> String {
        moment::instant(self.to.when)
    }

    /// How many people stand in the list.
    pub(crate) fn len(&self) -> usize {
        self.register.len()
    }

    /// How common particulars are in the country, where the list says so.
    pub(crate) fn frequencies(&self) -> Option<&Register> {
        matches!(self.lock, Lock::Open).then_some(&self.register)
    }

    /// Those who may be this person and whose records are not here, the likeliest first, at most `most`.
    pub(crate) fn best(&self, here: &Everybody, person: &Person, weights: &Weights, most: usize) -> Vec<Found> {
        let hidden;
        let person = match &self.lock {
            Lock::Open => person,
            Lock::Keyed(key) => {
                hidden = key.hide(person);
                &hidden
            }
            Lock::Shut => return Vec::new(),
        };
        let mut found = Vec::new();
        for times in TIMES {
            found = self.register.best(person, weights, most * times);
            let all = found.len() < most * times;
            found.retain(|found| !here.register().has(&found.id));
            if all || found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        found
    }

    /// Those whom what was `typed` may mean and whose records are not here, the best first, at most `most`; `None` where that
    /// would take looking at more than so many people. In a hidden list only whole numbers are found.
    pub(crate) fn find(
        &self,
        here: &Everybody,
        (asked, typed): (&Asked, &str),
        names: &Spellings,
        most: usize,
        looked_at: usize,
    ) -> Option<Vec<Sighting>> {
        match &self.lock {
            Lock::Open => {}
            Lock::Keyed(key) => return Some(self.find_numbers(here, (asked, typed), key, most)),
            Lock::Shut => return Some(Vec::new()),
        }
        let mut found = Vec::new();
        for times in TIMES {
            found = self.register.find_within(asked, names, most * times, looked_at)?;
            let all = found.len() < most * times;
            found.retain(|found| !here.register().has(&found.id));
            if all || found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Some(found)
    }

    /// Those who have a number that was typed, whole.
    fn find_numbers(&self, here: &Everybody, (asked, typed): (&Asked, &str), key: &Key, most: usize) -> Vec<Sighting> {
        let mut found: Vec<Sighting> = Vec::new();
        for (at, term) in asked.terms.iter().enumerate() {
            let numbers = term.meanings.iter().filter_map(|meaning| match meaning {
                Meaning::Number(number) => Some(number.as_str()),
                _ => None,
            });
            let written = typed.get(term.at.clone()).unwrap_or_default();
            for number in numbers {
                let holder = key.hide(&self.holder(number, written));
                for id in self.register.holders_of(&holder, most) {
                    let known = found.iter().any(|sighting| sighting.id == id);
                    if !known && !here.register().has(&id) {
                        let mut matches = vec![None; asked.terms.len()];
                        matches[at] = Some(Match {
                            how: How::Number,
                            token: None,
                        });
                        let score = 1.0 / asked.terms.len() as f64;
                        found.push(Sighting { id, score, matches });
                    }
                }
            }
        }
        found.truncate(most);
        found
    }

    /// Somebody who has a number, whatever it is a number of: read as letters and digits alone, and as it was written.
    fn holder(&self, number: &str, written: &str) -> Person {
        let digits: Option<u64> = number
            .parse()
            .ok()
            .filter(|_| number.bytes().all(|b| b.is_ascii_digit()));
        let of_length = |length: usize| digits.filter(|_| number.len() == length);
        let written: String = written.chars().filter(|c| !c.is_whitespace()).collect();
        let ways = [number.to_owned(), written.to_uppercase(), written];
        let identifiers = self.register.systems().flat_map(|system| {
            ways.iter().map(|value| Identifier {
                system: system.to_owned(),
                value: value.clone(),
            })
        });
        Person {
            citizen: of_length(CITIZEN_DIGITS),
            telephones: of_length(TELEPHONE_DIGITS).into_iter().collect(),
            identifiers: identifiers.collect(),
            ..Person::default()
        }
    }

    /// What the list has of somebody, as a Patient that says of itself that it is not whole.
    pub(crate) fn patient(&self, id: &str) -> Tree {
        let coding = |(system, code): (&str, &str)| {
            Tree::object([("system", Tree::string(system)), ("code", Tree::string(code))])
        };
        let meta = Tree::object([
            ("lastUpdated", Tree::string(self.when())),
            ("tag", Tree::Array(vec![coding(SUBSETTED), coding(AT_CENTRE)])),
        ]);
        let mut patient = Tree::object([
            ("resourceType", Tree::string("Patient")),
            ("id", Tree::string(id)),
            ("meta", meta),
        ]);
        let known = self.register.person(id).filter(|_| matches!(self.lock, Lock::Open));
        known.iter().for_each(|person| describe(&mut patient, person));
        patient
    }
}

/// Adds what a roster carries of a person. Her names are spelled as they count.
fn describe(patient: &mut Tree, person: &Person) {
    let mut add = |name: &str, items: Vec<Tree>| {
        if !items.is_empty() {
            patient.set(name, Tree::Array(items));
        }
    };
    let number = |system: &str, value: String| {
        let value = ("value", Tree::string(value));
        match system.is_empty() {
            true => Tree::object([value]),
            false => Tree::object([("system", Tree::string(system)), value]),
        }
    };
    let citizen = person.citizen.map(|citizen| number(CITIZEN, format!("{citizen:011}")));
    let others = person.identifiers.iter().map(|it| number(&it.system, it.value.clone()));
    add("identifier", citizen.into_iter().chain(others).collect());
    let names = person
        .names
        .iter()
        .map(|name| Tree::object([("text", Tree::string(spelled(name)))]));
    add("name", names.collect());
    let telephone = |number: &u64| {
        let number = Tree::string(format!("{number:08}"));
        Tree::object([("system", Tree::string("phone")), ("value", number)])
    };
    add("telecom", person.telephones.iter().map(telephone).collect());
    add("address", address(person.place).into_iter().collect());
    let sex = match person.sex {
        Sex::Female => Some("female"),
        Sex::Male => Some("male"),
        Sex::Other => Some("other"),
        Sex::Unknown => None,
    };
    let facts = [
        ("gender", sex.map(str::to_owned)),
        ("birthDate", person.birth.map(|birth| birth.to_string())),
    ];
    for (name, text) in facts {
        text.into_iter().for_each(|text| patient.set(name, Tree::string(text)));
    }
}

/// A name with a capital letter before each of its parts.
fn spelled(name: &[String]) -> String {
    let part = |token: &String| {
        let mut letters = token.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        first.unwrap_or_default() + letters.as_str()
    };
    name.iter().map(part).collect::<Vec<String>>().join(" ")
}

fn address(place: Place) -> Option<Tree> {
    let [gewog, dzongkhag] = place.names();
    let mut address = Tree::object([]);
    if place.gewog > 0 {
        let coding = Tree::object([("code", Tree::string(format!("BT{:04}", place.gewog)))]);
        let extension = Tree::object([("url", Tree::string(GEWOG)), ("valueCoding", coding)]);
        address.set("extension", Tree::Array(vec![extension]));
    }
    for (name, text) in [("city", gewog), ("district", dzongkhag)] {
        text.into_iter().for_each(|text| address.set(name, Tree::string(text)));
    }
    dzongkhag.map(|_| address)
}

impl Engine {
    /// The people of the whole country, where this server is a node.
    pub fn country(&self) -> &Country {
        &self.country
    }

    /// Those who may be this person by the country's list and whose records are not here, the likeliest first; and what is to
    /// be said of where was looked. Nobody where this server is no node.
    ///
    /// # Errors
    /// As [`Engine::who`].
    pub(crate) fn who_beyond(&self, person: &Person, most: usize) -> Result<(Vec<Found>, Vec<Issue>), Refusal> {
        let state = self.country.read();
        let remark = |text: String| Issue::information(Code::Informational, text);
        let mut remarks: Vec<Issue> = state
            .caveat(false)
            .map(|text| remark(text.to_owned()))
            .into_iter()
            .collect();
        let Some(known) = state.known() else {
            return Ok((Vec::new(), remarks));
        };
        let weights = self.match_weights()?;
        let found = self.people.ask(&self.store, self.limits.search_time, |here| {
            known.best(here, person, &weights, most)
        })?;
        if !found.is_empty() {
            let text = format!(
                "Of these, {} are known at the centre and not here, as of {}: what is shown of them is what the centre's list \
                 of everybody has.",
                found.len(),
                known.when()
            );
            remarks.push(remark(text));
        }
        Ok((found, remarks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_of_the_list_is_shown_with_what_it_has() {
        let person = Person {
            names: vec![vec!["sonam".to_owned(), "dorji".to_owned()]],
            birth: person::Birth::read("1987-04-09"),
            sex: Sex::Male,
            citizen: Some(1_404_000_581),
            telephones: vec![17_123_456],
            place: Place::of_gewog(104),
            ..Person::default()
        };
        let country = Country::default();
        assert_eq!(country.told(), None);
        country.await_it();
        assert_eq!(country.told(), Some(Told { people: None, when: 0 }));
        let when = 1_764_000_000_000_000;
        country.learn(
            [("a", person)].into_iter().collect(),
            Moment { place: 7, when },
            Lock::Open,
        );
        assert_eq!(country.told(), Some(Told { people: Some(1), when }));
        let shown = String::from_utf8(country.read().known().unwrap().patient("a").to_bytes()).unwrap();
        for part in [
            r#""code":"SUBSETTED""#,
            r#""value":"01404000581""#,
            r#""text":"Sonam Dorji""#,
            r#""birthDate":"1987-04-09""#,
            r#""city":"Ura","district":"Bumthang""#,
            r#""code":"BT0104""#,
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let failed = country.change(Moment::default(), |_| Err("torn"));
        assert_eq!(failed, Err("torn"));
        assert_eq!(
            country.told(),
            Some(Told { people: None, when: 0 }),
            "half a change is no list"
        );
    }
}
