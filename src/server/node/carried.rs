//! A clinic is carried everybody in the country: piece by piece over its line, after all else was exchanged.
//!
//! What arrives is on the disk at once, and goes on where it was cut. When the file of everybody is whole its people are
//! brought to rest in a file where they are found ([`interaction::country`], decision 23); who changed since is in memory, until
//! that is many and all are brought to rest again. A file that is damaged is made anew of what arrived, and where that is
//! damaged too, or gone, everybody is sent anew.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interaction::Engine;
use interaction::country::{Country, Lock};
use person::carry::{self, ANSWERED_MAX, Answered, Asked, Link, Moment};
use person::hidden::Key;
use person::roster::Head;
use person::{Register, Roster, Settler};

use super::identity;
use super::line::{Line, LineError};
use super::persons::{self, Folder, remove};
use crate::log::Detail;
use crate::settings::Settings;

/// The path at the gate.
pub const PATH: &str = "/node/persons";
/// Bytes that are asked for at once: some seconds of the slowest line, after which what was written here goes first.
const ROOM: u64 = 64 << 10;
/// Files of changes since people came to rest, before all are brought to rest again: each start reads them.
const LINKS_MAX: usize = 64;
/// Changed people in memory, some 300 bytes each, before all are brought to rest again.
const IN_MEMORY_MAX: usize = 16_384;
/// Files that came which are kept to make all anew of, where that at rest is damaged. Where there are more, and it is damaged,
/// everybody is sent anew.
const KEPT_MAX: usize = 512;
/// How long it is not asked again after a failure.
const PAUSE: Duration = Duration::from_secs(60);

/// What is carried to this clinic.
pub struct Carried {
    folder: Folder,
    /// What hidden particulars are found by.
    key: Option<Key>,
    /// Whether this clinic wants to be sent everybody.
    wanted: bool,
    loaded: bool,
    /// As of when people are at rest; the default where they are not.
    rested: Moment,
    /// What tells the key that they are hidden by.
    key_check: [u8; 16],
    /// Whether nothing is said of how it goes.
    is_quiet: bool,
    /// Before this it is not worth asking.
    not_before: Option<Instant>,
}

/// Why an exchange was given up, or nothing came of it: a sentence.
type Trouble = String;

impl Carried {
    /// What the settings say; nothing is read yet.
    ///
    /// # Errors
    /// A sentence where they cannot be used, or the folder `node/persons` in the data folder cannot.
    pub(crate) fn open(settings: &Settings, country: &Country) -> Result<Carried, String> {
        let carried = Carried {
            folder: Folder::open(identity::folder(&settings.data).join("persons"))?,
            key: persons::secret(settings)?,
            wanted: settings.person_index != "off",
            loaded: false,
            rested: Moment::default(),
            key_check: [0; 16],
            is_quiet: Detail::read(&settings.log)? == Detail::None,
            not_before: None,
        };
        match carried.wanted {
            true => country.await_it(),
            false => carried.give_up()?,
        }
        Ok(carried)
    }

    /// Finds everybody as of what came before. What is damaged is made anew, what cannot be is given up: it comes again.
    pub(crate) fn load(&mut self, country: &Country) {
        let failed = country.has_failed();
        if !self.wanted || std::mem::replace(&mut self.loaded, true) && !failed {
            return;
        }
        if failed {
            self.say("The list of everybody in the country is damaged on the disk; it is made anew.");
            country.await_it();
            let _ = remove(&self.folder.rest(self.rested));
        }
        if let Err(why) = self.read(country) {
            self.say(&format!("The list of everybody in the country is fetched anew: {why}"));
            country.await_it();
            let _ = self.give_up();
        }
    }

    fn say(&self, what: &str) {
        if !self.is_quiet {
            eprintln!("{what}");
        }
    }

    fn read(&mut self, country: &Country) -> Result<(), Trouble> {
        let links = self.folder.links();
        let mut moments = self.folder.at_rest().into_iter().rev();
        let rested = moments.find(|to| self.open_at_rest(*to, country).is_ok());
        if rested.is_none() {
            let Some(whole) = carry::latest(&links).first().copied() else {
                return Ok(());
            };
            self.take(&whole, self.folder.bytes(&whole)?, country)?;
        }
        for link in carry::chain(&links, self.rested) {
            self.take(&link, self.folder.bytes(&link)?, country)?;
        }
        self.tidy(country)
    }

    /// Finds everybody where they are at rest as of a moment.
    fn open_at_rest(&mut self, to: Moment, country: &Country) -> Result<(), Trouble> {
        let file = self.folder.rest(to);
        let opened = File::open(&file).map_err(|e| format!("{} cannot be read: {e}.", file.display()))?;
        let (register, head) = Register::open(opened).map_err(|e| e.to_string())?;
        if head.up_to != to.place {
            return Err("people are at rest as of another moment than the file's name says.".to_owned());
        }
        country.learn(register, to, self.lock(&head));
        (self.rested, self.key_check) = (to, head.key);
        Ok(())
    }

    /// Asks for pieces while there are any, nothing is written here meanwhile, and there is time.
    pub(crate) fn go_on(
        &mut self,
        line: &mut Line,
        engine: &Arc<Engine>,
        time: Duration,
        is_stopping: &dyn Fn() -> bool,
    ) {
        let (begun, written) = (Instant::now(), engine.store.counter());
        let country = engine.country();
        self.load(country);
        if !self.wanted || self.not_before.is_some_and(|then| begun < then) {
            return;
        }
        self.not_before = None;
        loop {
            match self.ask(line, country) {
                Ok(true) => {}
                Ok(false) => return,
                Err(why) => {
                    self.say(&format!("The list of everybody in the country: {why}"));
                    self.not_before = Some(Instant::now() + PAUSE);
                    return;
                }
            }
            if is_stopping() || begun.elapsed() >= time || engine.store.counter() > written {
                return;
            }
        }
    }

    /// One question and its answer; whether it is worth asking on.
    fn ask(&mut self, line: &mut Line, country: &Country) -> Result<bool, Trouble> {
        let asked = Asked {
            has: country.reached().unwrap_or_default(),
            arriving: self.folder.arriving(),
            room: ROOM,
        };
        let mut answer = Answer {
            folder: &self.folder,
            expected: asked.arriving,
            head: Vec::new(),
            answered: None,
        };
        let exchanged = line.fetch(PATH, asked.write(), &mut |bytes| answer.hear(bytes));
        let answered = answer.answered;
        match (answered, exchanged) {
            (Some(Answered::Piece { link, length, .. }), exchanged) => {
                if self.folder.arriving().is_some_and(|there| there == (link, length)) {
                    self.arrived(&link, country)?;
                }
                // A cut keeps what came; the next contact goes on.
                Ok(exchanged.is_ok())
            }
            (_, Err(LineError::Cut(_) | LineError::Unreachable(_))) => Ok(false),
            // A centre of before knows nobody's path.
            (_, Err(LineError::Refused(404, _))) => self.ask_again(3_600),
            (_, Err(error)) => Err(error.to_string()),
            (Some(Answered::All(seconds) | Answered::Later(seconds)), Ok(())) => self.ask_again(seconds),
            (Some(Answered::Nobody), Ok(())) => {
                country.await_it();
                self.give_up()?;
                self.ask_again(3_600)
            }
            (None, Ok(())) => Err("what the centre answered is of another release.".to_owned()),
        }
    }

    fn ask_again(&mut self, seconds: u64) -> Result<bool, Trouble> {
        self.not_before = Some(Instant::now() + Duration::from_secs(seconds.clamp(1, 86_400)));
        Ok(false)
    }

    fn give_up(&self) -> Result<(), Trouble> {
        let arriving = self.folder.arriving();
        arriving.map_or(Ok(()), |(link, _)| remove(&self.folder.part(&link)))?;
        let mut at_rest = self.folder.at_rest().into_iter();
        at_rest.try_for_each(|to| remove(&self.folder.rest(to)))?;
        self.folder.remove(&self.folder.links())
    }

    /// A file is whole: its people are known from now on.
    fn arrived(&mut self, link: &Link, country: &Country) -> Result<(), Trouble> {
        // Nothing is told of that a power cut could take back.
        self.folder.keep_part(link)?;
        if let Err(why) = self.take(link, self.folder.bytes(link)?, country) {
            self.folder.remove([link])?;
            return Err(why);
        }
        self.tidy(country)
    }

    fn take(&mut self, link: &Link, bytes: Vec<u8>, country: &Country) -> Result<(), Trouble> {
        let roster = Roster::read(&bytes).map_err(|e| e.to_string())?;
        // They are unpacked now, several times as much.
        drop(bytes);
        if (roster.head.after, roster.head.up_to) != (link.from.place, link.to.place) {
            return Err("what came is of another moment than it says.".to_owned());
        }
        if !link.is_whole() && country.reached() != Some(link.from) {
            return Err("changes came to a moment that is not here.".to_owned());
        }
        if !link.is_whole() && roster.len() <= IN_MEMORY_MAX {
            let changed = country.change(link.to, |register| roster.apply(register));
            return changed.map_err(|e| e.to_string());
        }
        let changed = roster.changed().map_err(|e| e.to_string())?;
        self.rest(link.to, roster.head.key, country, &mut |settler| {
            if !link.is_whole() {
                country.each(&mut |id, person| {
                    if !changed.has(id) {
                        settler.put(id, person);
                    }
                });
            }
            let put = roster.each(&mut |id, person| settler.put(id, &person));
            put.map_err(|e| e.to_string())
        })
    }

    fn lock(&self, head: &Head) -> Lock {
        match &self.key {
            _ if head.key == [0; 16] => Lock::Open,
            Some(key) if key.check() == head.key => Lock::Keyed(key.clone()),
            _ => Lock::Shut,
        }
    }

    /// Brings all to rest again where many changed, and removes what is of no use any more.
    fn tidy(&mut self, country: &Country) -> Result<(), Trouble> {
        let Some(reached) = country.reached() else {
            return Ok(());
        };
        let links = self.folder.links();
        let since = carry::chain(&links, self.rested).len();
        if since > LINKS_MAX || country.in_memory() > IN_MEMORY_MAX {
            self.rest(reached, self.key_check, country, &mut |settler| {
                country.each(&mut |id, person| settler.put(id, person));
                Ok(())
            })?;
        }
        let mut others = self.folder.at_rest().into_iter().filter(|to| *to != self.rested);
        others.try_for_each(|to| remove(&self.folder.rest(to)))?;
        let useful = self.useful(&links, reached);
        self.folder.remove(links.iter().filter(|link| !useful.contains(link)))
    }

    /// Brings people to rest as of a moment, and finds them there from now on.
    fn rest(
        &mut self,
        to: Moment,
        key: [u8; 16],
        country: &Country,
        people: &mut dyn FnMut(&mut Settler) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let head = Head {
            after: 0,
            up_to: to.place,
            key,
        };
        self.folder.settle(to, head, |settler| {
            people(settler)?;
            match country.has_failed() {
                true => Err("who was at rest cannot all be read.".to_owned()),
                false => Ok(()),
            }
        })?;
        self.open_at_rest(to, country)
    }

    /// The links that lead to where this clinic is: from everybody on, where they are not too many, else from who is at rest.
    fn useful(&self, links: &[Link], reached: Moment) -> Vec<Link> {
        let all = carry::latest(links);
        let leads = all.last().is_some_and(|last| last.to == reached);
        match leads && all.len() <= KEPT_MAX {
            true => all,
            false => carry::chain(links, self.rested),
        }
    }
}

/// An answer as it comes.
struct Answer<'a> {
    folder: &'a Folder,
    /// What is here of a file that is arriving.
    expected: Option<(Link, u64)>,
    head: Vec<u8>,
    answered: Option<Answered>,
}

impl Answer<'_> {
    fn hear(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.answered.is_some() {
            return self.append(bytes);
        }
        self.head.extend_from_slice(bytes);
        let Some((answered, used)) = Answered::read(&self.head) else {
            return match self.head.len() > ANSWERED_MAX {
                true => Err("what the centre answered is of another release.".to_owned()),
                false => Ok(()),
            };
        };
        self.answered = Some(answered);
        if let Answered::Piece { link, offset, .. } = answered {
            // Only what goes on from what is here stays.
            let goes_on = self.expected == Some((link, offset));
            if let Some((other, _)) = self.expected.filter(|_| !goes_on) {
                remove(&self.folder.part(&other))?;
            }
            if !goes_on && offset > 0 {
                return Err("the centre's answer goes on from what is not here.".to_owned());
            }
        }
        let rest = self.head.split_off(used);
        self.append(&rest)
    }

    fn append(&self, bytes: &[u8]) -> Result<(), String> {
        let Some(Answered::Piece { link, .. }) = self.answered else {
            return Ok(());
        };
        let file = self.folder.part(&link);
        let append = || {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&file)?
                .write_all(bytes)
        };
        append().map_err(|e| format!("{} cannot be written: {e}.", file.display()))
    }
}
