//! The centre carries everybody to its clinics: makes the files that tell of them, and answers a clinic piece by piece.
//!
//! There is one file of everybody and a chain of small ones of who changed since, the same for all clinics. A new one is made
//! where a clinic asks, the last is older than the setting `person_index_seconds` and somebody changed. Where the small ones
//! together are a quarter of the large one, a large one is made again, for clinics that begin; the others go on by small ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interaction::engine::now;
use interaction::{Engine, Refusal, roster};
use person::Person;
use person::carry::{self, Answered, Asked, Link, Moment};
use person::roster::Head;

use super::persons::{Folder, Privacy};
use crate::settings::Settings;

/// Bytes of one piece at most.
const PIECE_MAX: u64 = 64 << 10;
/// Seconds after which it is worth asking again for what is being made.
const SOON: u64 = 10;
/// Files of changes that are kept: a clinic that was away for longer is sent everybody anew.
const LINKS_MAX: usize = 2_000;

/// What carries everybody.
pub struct Carrier {
    folder: Folder,
    privacy: Privacy,
    /// Seconds that a link is the last at least.
    every: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    links: Vec<Link>,
    /// Whether the next link is being made.
    making: bool,
    /// When it was last found that nobody had changed, in microseconds since 1970.
    unchanged: i64,
}

impl Carrier {
    /// What the settings say. What was made by another key is given up.
    ///
    /// # Errors
    /// A sentence where they cannot be used, or the folder `nodes/persons` in the data folder cannot.
    pub(crate) fn open(settings: &Settings) -> Result<Arc<Carrier>, String> {
        let privacy = Privacy::read(settings)?;
        let folder = Folder::open(super::orders::folder(&settings.data).join("persons"))?;
        let carrier = Carrier {
            folder,
            privacy,
            every: settings.person_index_seconds.max(1),
            state: Mutex::default(),
        };
        let links = carrier.folder.links();
        let other_key = |link: &&Link| {
            let key = carrier.folder.piece(link, 24, 16);
            key.is_ok_and(|key| key != carrier.privacy.check())
        };
        match links.iter().any(|link| other_key(&link)) {
            true => carrier.folder.remove(&links)?,
            false => carrier.locked().links = links,
        }
        Ok(Arc::new(carrier))
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to what a clinic asks.
    ///
    /// # Errors
    /// A sentence where a file cannot be read or removed.
    pub(crate) fn answer(self: &Arc<Carrier>, engine: &Arc<Engine>, asked: &Asked) -> Result<Vec<u8>, String> {
        if matches!(self.privacy, Privacy::Nobody) {
            return Ok(Answered::Nobody.write());
        }
        self.go_on(engine)?;
        let link = match next(&self.locked().links, asked) {
            Next::Later => return Ok(Answered::Later(SOON).write()),
            Next::All => return Ok(Answered::All(self.every).write()),
            Next::Link(link) => link,
        };
        let length = self.folder.length(&link);
        let arrived = asked
            .arriving
            .filter(|(arriving, bytes)| *arriving == link && *bytes <= length);
        let offset = arrived.map_or(0, |(_, bytes)| bytes);
        let piece = self.folder.piece(&link, offset, asked.room.min(PIECE_MAX))?;
        let answered = Answered::Piece { link, length, offset };
        Ok([answered.write(), piece].concat())
    }

    /// Has the next link made in the background, where it is time for it.
    fn go_on(self: &Arc<Carrier>, engine: &Arc<Engine>) -> Result<(), String> {
        let mut state = self.locked();
        let last = carry::latest(&state.links).last().map(|link| link.to);
        if last.is_some_and(|last| last.place > engine.store.head()) {
            // The centre's own data are an older copy.
            self.folder.remove(&std::mem::take(&mut state.links))?;
        }
        let since = last.map_or(0, |last| last.when.max(state.unchanged));
        if state.making || now().saturating_sub(since) < self.every as i64 * 1_000_000 {
            return Ok(());
        }
        state.making = true;
        drop(state);
        let (carrier, engine) = (Arc::clone(self), Arc::clone(engine));
        let make = move || {
            let made = carrier.make(&engine);
            carrier.locked().making = false;
            if let Err(why) = made {
                eprintln!("epis: the list of everybody for clinics: {why}");
            }
        };
        let thread = std::thread::Builder::new().name("persons".to_owned()).spawn(make);
        thread.map(drop).map_err(|e| format!("No thread can be had: {e}."))
    }

    /// Makes the next link, and everybody anew where there is none or many changed.
    fn make(&self, engine: &Engine) -> Result<(), String> {
        let to = Moment {
            place: engine.store.head(),
            when: now(),
        };
        let links = carry::latest(&self.locked().links);
        if let Some(last) = links.last() {
            let changed = roster::changed(&engine.store, last.to.place).map_err(|trouble| trouble.to_string())?;
            if changed.is_empty() {
                self.locked().unchanged = to.when;
                return Ok(());
            }
            let link = Link { from: last.to, to };
            let bytes = engine.roster_of(&changed, self.head(&link), &|person| self.hidden(person));
            self.keep(link, &bytes.map_err(said)?)?;
        }
        let small: u64 = links.iter().skip(1).map(|link| self.folder.length(link)).sum();
        if links.first().is_none_or(|whole| small > self.folder.length(whole) / 4) {
            let link = Link {
                from: Moment::default(),
                to,
            };
            let bytes = engine.roster(self.head(&link), &|person| self.hidden(person));
            self.keep(link, &bytes.map_err(said)?)?;
        }
        Ok(())
    }

    fn head(&self, link: &Link) -> Head {
        Head {
            after: link.from.place,
            up_to: link.to.place,
            key: self.privacy.check(),
        }
    }

    fn hidden(&self, person: &Person) -> Person {
        match &self.privacy {
            Privacy::Hidden(key) => key.hide(person),
            Privacy::Nobody | Privacy::Readable => person.clone(),
        }
    }

    /// Keeps a link, and gives up those that nobody needs any more.
    fn keep(&self, link: Link, bytes: &[u8]) -> Result<(), String> {
        self.folder.keep(&link, bytes)?;
        let mut state = self.locked();
        state.links.push(link);
        // Whoever is at the one before may finish it.
        let wholes: Vec<Link> = state.links.iter().filter(|link| link.is_whole()).copied().collect();
        let old = wholes[..wholes.len().saturating_sub(2)].iter();
        let changes: Vec<Link> = state.links.iter().filter(|link| !link.is_whole()).copied().collect();
        let old: Vec<Link> = old
            .chain(&changes[..changes.len().saturating_sub(LINKS_MAX)])
            .copied()
            .collect();
        state.links.retain(|link| !old.contains(link));
        self.folder.remove(&old)
    }
}

fn said(refusal: Refusal) -> String {
    let texts: Vec<&str> = refusal.issues.iter().map(|issue| issue.text.as_str()).collect();
    texts.join(" ")
}

/// What a clinic is to be sent.
#[derive(Debug, PartialEq)]
enum Next {
    /// Nothing is made yet.
    Later,
    /// It has everything.
    All,
    /// This link.
    Link(Link),
}

/// What is arriving goes on while it is there; then what changed since the moment that the clinic has; else everybody.
fn next(links: &[Link], asked: &Asked) -> Next {
    let latest = carry::latest(links);
    let Some(last) = latest.last() else {
        return Next::Later;
    };
    let arriving = asked.arriving.map(|(link, _)| link);
    let useful = |link: &Link| links.contains(link) && (link.is_whole() || link.from == asked.has);
    if let Some(link) = arriving.filter(useful) {
        return Next::Link(link);
    }
    if asked.has == last.to {
        return Next::All;
    }
    let since = match asked.has == Moment::default() {
        true => Vec::new(),
        false => carry::chain(links, asked.has),
    };
    match (since.first(), since.last()) {
        (Some(first), Some(end)) if end.to == last.to => Next::Link(*first),
        _ => Next::Link(latest[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(from: u64, to: u64) -> Link {
        let moment = |place: u64| Moment {
            place,
            when: place as i64,
        };
        let (from, to) = (moment(from), moment(to));
        Link { from, to }
    }

    #[test]
    fn a_clinic_is_sent_what_it_lacks() {
        let (old, fresh, first, second) = (link(0, 10), link(0, 12), link(10, 12), link(12, 15));
        let links = [old, first, fresh, second];
        let table = [
            // What it has, what is arriving, what it is sent.
            (0, None, Next::Link(fresh)),
            (0, Some(old), Next::Link(old)),
            (0, Some(link(0, 9)), Next::Link(fresh)),
            (10, None, Next::Link(first)),
            (10, Some(first), Next::Link(first)),
            (12, Some(first), Next::Link(second)),
            (12, None, Next::Link(second)),
            (15, None, Next::All),
            // A moment that the centre does not know.
            (11, None, Next::Link(fresh)),
            (99, Some(second), Next::Link(fresh)),
        ];
        for (has, arriving, expected) in table {
            let asked = Asked {
                has: link(0, has).to,
                arriving: arriving.map(|link| (link, 3)),
                room: 1,
            };
            assert_eq!(next(&links, &asked), expected, "{has} {arriving:?}");
        }
        assert_eq!(next(&[], &Asked::default()), Next::Later);
    }
}
