//! A clinic is carried everybody in the country: piece by piece over its line, after all else was exchanged.
//!
//! What arrives is on the disk at once, and goes on where it was cut. When a file is whole its people are found
//! ([`interaction::country`]); when this server is started again they are read from the files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interaction::Engine;
use interaction::country::{Country, Lock};
use person::Roster;
use person::carry::{self, ANSWERED_MAX, Answered, Asked, Link, Moment};
use person::hidden::Key;
use person::roster::{Head, Writer};

use super::identity;
use super::line::{Line, LineError};
use super::persons::{self, Folder, remove};
use crate::log::Detail;
use crate::settings::Settings;

/// The path at the gate.
pub const PATH: &str = "/node/persons";
/// Bytes that are asked for at once: some seconds of the slowest line, after which what was written here goes first.
const ROOM: u64 = 64 << 10;
/// Files of changes beside that of everybody, before they become one.
const LINKS_MAX: usize = 64;
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
            is_quiet: Detail::read(&settings.log)? == Detail::None,
            not_before: None,
        };
        match carried.wanted {
            true => country.await_it(),
            false => carried.give_up()?,
        }
        Ok(carried)
    }

    /// Reads what came before. What cannot be read is given up: it comes again.
    pub(crate) fn load(&mut self, country: &Country) {
        if !self.wanted || std::mem::replace(&mut self.loaded, true) {
            return;
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
        let links = carry::latest(&self.folder.links());
        for link in &links {
            self.take(link, &self.folder.bytes(link)?, country)?;
        }
        self.fold(&links, country)
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
        self.folder.remove(&self.folder.links())
    }

    /// A file is whole: its people are known from now on.
    fn arrived(&mut self, link: &Link, country: &Country) -> Result<(), Trouble> {
        let file = self.folder.part(link);
        let bytes = fs::read(&file).map_err(|e| format!("{} cannot be read: {e}.", file.display()))?;
        let taken = self.take(link, &bytes, country);
        if taken.is_ok() {
            self.folder.keep(link, &bytes)?;
        }
        remove(&file)?;
        taken?;
        let useful = carry::latest(&self.folder.links());
        let links = self.folder.links();
        self.folder.remove(links.iter().filter(|link| !useful.contains(link)))?;
        self.fold(&useful, country)
    }

    fn take(&self, link: &Link, bytes: &[u8], country: &Country) -> Result<(), Trouble> {
        let roster = Roster::read(bytes).map_err(|e| e.to_string())?;
        if (roster.head.after, roster.head.up_to) != (link.from.place, link.to.place) {
            return Err("what came is of another moment than it says.".to_owned());
        }
        match link.is_whole() {
            true => {
                let register = roster.register().map_err(|e| e.to_string())?;
                country.learn(register, link.to, self.lock(&roster));
                Ok(())
            }
            false if country.reached() != Some(link.from) => {
                Err("changes came to a moment that is not here.".to_owned())
            }
            false => country
                .change(link.to, |register| roster.apply(register))
                .map_err(|e| e.to_string()),
        }
    }

    fn lock(&self, roster: &Roster) -> Lock {
        match &self.key {
            _ if roster.head.key == [0; 16] => Lock::Open,
            Some(key) if key.check() == roster.head.key => Lock::Keyed(key.clone()),
            _ => Lock::Shut,
        }
    }

    /// Makes one file of many, so that the next start need not go through all of them.
    fn fold(&self, links: &[Link], country: &Country) -> Result<(), Trouble> {
        let (Some(first), Some(last)) = (links.first(), links.last()) else {
            return Ok(());
        };
        if links.len() <= LINKS_MAX {
            return Ok(());
        }
        let key = Roster::read(&self.folder.bytes(first)?)
            .map_err(|e| e.to_string())?
            .head
            .key;
        let whole = Link {
            from: Moment::default(),
            to: last.to,
        };
        let mut writer = Writer::new(Head {
            after: 0,
            up_to: last.to.place,
            key,
        });
        country.each(&mut |id, person| writer.put(id, person));
        self.folder.keep(&whole, &writer.finish())?;
        self.folder.remove(links)
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
