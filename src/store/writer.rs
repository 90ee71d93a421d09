//! The one thread that writes: groups of units, each group one durable transaction.
//!
//! For each group: look up what it touches, decide every unit in memory, write, commit, tell the
//! followers, publish the new head, answer. Whether a commit that failed has happened after all is read
//! from the head row on a fresh connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use diesel::result::Error;
use fhir::identity::Kind;

use crate::append::{any_claims, append, load_claims, load_head, load_records};
use crate::check::{Place, enter_records};
use crate::connection::{Db, Purpose};
use crate::desk::{Desk, Head, Key};
use crate::kinds::Kinds;
use crate::mend::{Mending, mend};
use crate::queue::{Answer, Job, Pace, Prepared, Ticket};
use crate::recent::Recent;
use crate::rename::{Rename, rename};
use crate::shared::Shared;
use crate::trouble::{Refused, Trouble};
use crate::unit::{Appended, Claim, Guard, Note};

/// Ids reserved at a time.
const RESERVE: u64 = 16_384;

/// The writer and what it knows of the database without asking.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    db: Option<Db>,
    head: Head,
    kinds: Kinds,
    recent: Recent,
    any_claims: bool,
    /// A group whose commit failed and may have happened.
    unsettled: Option<Outcome>,
}

/// What a group comes to when it is committed.
struct Outcome {
    head: Head,
    kinds: Kinds,
    appended: Vec<Appended>,
    any_claims: bool,
}

/// A unit as it comes from the queue.
struct Taken {
    writes: Vec<Prepared>,
    guard: Option<Guard>,
    notes: Vec<Note>,
    repairs: Vec<Place>,
    rename: Option<Rename>,
    mend: Vec<Mending>,
}

impl Taken {
    fn of(job: Job) -> (Taken, Ticket) {
        let taken = Taken {
            writes: job.writes,
            guard: job.guard,
            notes: job.notes,
            repairs: job.repairs,
            rename: job.rename,
            mend: job.mend,
        };
        (taken, job.ticket)
    }
}

/// A unit on the desk, its kinds numbered.
struct Pending {
    writes: Vec<(i16, Prepared)>,
    guard: Option<Guard>,
    notes: Vec<Note>,
    repairs: Vec<Place>,
}

impl Writer {
    /// Reads where the log stands and publishes it.
    pub fn new(shared: Arc<Shared>, mut db: Db) -> Result<Writer, Trouble> {
        let head = load_head(&mut db)?;
        let any_claims = any_claims(&mut db)?;
        shared.set_head(head.seq as u64, head.counter as u64);
        shared.set_node(head.node);
        shared.minting.next.store(head.minted as u64 + 1, Ordering::Release);
        shared.minting.reserved.store(head.minted as u64, Ordering::Release);
        let kinds = shared.kinds().clone();
        let recent = Recent::since(head.seq as u64, shared.settings.recent_max);
        Ok(Writer {
            kinds,
            shared,
            db: Some(db),
            head,
            recent,
            any_claims,
            unsettled: None,
        })
    }

    /// Writes groups until the queue is closed and empty.
    pub fn run(mut self) {
        let shared = self.shared.clone();
        let _closing = CloseOnDrop(shared.clone());
        let mut pace = Pace::default();
        while let Some(jobs) = shared.queue.next_group(&mut pace) {
            let (units, tickets): (Vec<Taken>, Vec<Ticket>) = jobs.into_iter().map(Taken::of).unzip();
            match self.write(units) {
                Ok(answers) => tickets
                    .into_iter()
                    .zip(answers)
                    .for_each(|(ticket, answer)| ticket.answer(answer)),
                Err(refused) => tickets
                    .into_iter()
                    .for_each(|ticket| ticket.answer(Err(refused.clone()))),
            }
        }
    }

    fn write(&mut self, units: Vec<Taken>) -> Result<Vec<Answer>, Refused> {
        self.begin()?;
        if let [one] = &units[..]
            && let Some(names) = one.rename
        {
            return self.rename(names);
        }
        if let [one] = &units[..]
            && !one.mend.is_empty()
        {
            return self.mend(&one.mend);
        }
        let repairs = units.iter().any(|unit| !unit.repairs.is_empty());
        let mut kinds = self.kinds.clone();
        let units = number_kinds(units, &mut kinds)?;
        let (answers, outcome) = match self.carry_out(units, kinds) {
            Ok(done) => done,
            Err(error) => {
                self.db = None;
                return Err(refusal(&error));
            }
        };
        if outcome.head != self.head || repairs {
            return self.commit(outcome).map(|()| answers);
        } else if let Some(Err(_)) = self.db.as_mut().map(|db| db.run("ROLLBACK")) {
            self.db = None;
        }
        Ok(answers)
    }

    fn commit(&mut self, outcome: Outcome) -> Result<(), Refused> {
        let committed = self.db.as_mut().map(|db| db.run("COMMIT"));
        if let Some(Err(error)) = committed {
            return self.settle(outcome, &error);
        }
        self.publish(outcome);
        Ok(())
    }

    /// Gives own versions new names.
    fn rename(&mut self, names: Rename) -> Result<Vec<Answer>, Refused> {
        let db = self.db.as_mut().ok_or_else(|| Trouble::new("A connection was lost."))?;
        let renamed = rename(db, &self.shared, self.head, names).inspect_err(|_| self.db = None)?;
        self.unchanged(renamed)
    }

    /// Gives versions back what the disk has made of them.
    fn mend(&mut self, mendings: &[Mending]) -> Result<Vec<Answer>, Refused> {
        let db = self.db.as_mut().ok_or_else(|| Trouble::new("A connection was lost."))?;
        mend(db, mendings).inspect_err(|_| self.db = None)?;
        self.unchanged(self.head)
    }

    /// Ends a transaction in which no record changed; nobody who follows is told.
    fn unchanged(&mut self, head: Head) -> Result<Vec<Answer>, Refused> {
        let outcome = Outcome {
            head,
            kinds: self.kinds.clone(),
            appended: Vec::new(),
            any_claims: self.any_claims,
        };
        self.commit(outcome).map(|()| vec![Ok(Vec::new())])
    }

    /// Begins a transaction, on a new connection where the old one is gone.
    fn begin(&mut self) -> Result<(), Refused> {
        if let Some(db) = &mut self.db
            && db.begin().is_ok()
        {
            return Ok(());
        }
        self.reopen()?;
        let begun = self.db.as_mut().map(|db| db.begin());
        begun.unwrap_or(Ok(())).map_err(|error| refusal(&error))
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        self.db = None;
        let mut db = Db::open(&self.shared.settings, Purpose::Writing)?;
        let head = load_head(&mut db)?;
        if let Some(outcome) = self.unsettled.take().filter(|outcome| outcome.head == head) {
            self.publish(outcome);
        }
        if head != self.head {
            return Err(Trouble::new(format!(
                "The log moved from {} to {} without this process; restart it.",
                self.head.seq, head.seq
            )));
        }
        self.db = Some(db);
        Ok(())
    }

    /// Finds out whether a commit that failed has happened.
    fn settle(&mut self, outcome: Outcome, error: &Error) -> Result<(), Refused> {
        let head = outcome.head;
        self.unsettled = Some(outcome);
        if self.reopen().is_err() {
            return Err(Refused::Trouble(Trouble::new(format!(
                "The database failed while committing, so this write may or may not be kept: {error}."
            ))));
        }
        if self.head == head { Ok(()) } else { Err(refusal(error)) }
    }

    /// Looks up, decides and writes; the transaction stays open.
    fn carry_out(&mut self, units: Vec<Pending>, kinds: Kinds) -> Result<(Vec<Answer>, Outcome), Error> {
        let db = self.db.as_mut().ok_or(Error::BrokenTransactionManager)?;
        let mut desk = Desk::new(self.head, &self.recent);
        for unit in &units {
            enter_records(db, &unit.repairs)?;
        }
        load_records(db, &mut desk, keys_of(&units))?;
        let any_claims = self.any_claims || units.iter().any(|u| u.writes.iter().any(|w| !w.1.claims.is_empty()));
        if any_claims {
            look_up_claims(db, &mut desk, &units, &kinds)?;
        }
        let decide = |unit: Pending| desk.decide(unit.writes, unit.notes, unit.guard.as_ref());
        let answers: Vec<Answer> = units.into_iter().map(decide).collect();
        desk.head.minted = self
            .shared
            .minting
            .keep_ahead(self.head.minted, self.head.node as u32, &desk.appended);
        if desk.head != self.head {
            let new_kinds = &kinds.all()[self.kinds.all().len()..];
            let numbers = (self.kinds.all().len() as i16 + 1)..;
            let new_kinds: Vec<(i16, Kind)> = numbers.zip(new_kinds.iter().cloned()).collect();
            append(db, &desk, self.head, &new_kinds)?;
        }
        let outcome = Outcome {
            head: desk.head,
            kinds,
            appended: desk.appended,
            any_claims,
        };
        Ok((answers, outcome))
    }

    /// A group is durable: tells the followers, then moves the head that everybody sees.
    fn publish(&mut self, outcome: Outcome) {
        let shared = &self.shared;
        if outcome.kinds.all().len() > self.kinds.all().len() {
            shared.set_kinds(outcome.kinds.clone());
            self.kinds = outcome.kinds;
        }
        self.head = outcome.head;
        self.any_claims = outcome.any_claims;
        let mut followers = shared.followers();
        followers.retain(|follower| !follower.ended());
        if !outcome.appended.is_empty() {
            for follower in followers.iter() {
                follower.committed(&outcome.appended);
            }
        }
        shared.count_group();
        shared.set_head(outcome.head.seq as u64, outcome.head.counter as u64);
        shared.set_node(outcome.head.node);
        shared
            .minting
            .reserved
            .fetch_max(outcome.head.minted as u64, Ordering::AcqRel);
        drop(followers);
        self.recent.add(outcome.appended);
    }
}

impl crate::shared::Minting {
    /// The reserve to write with a group: kept at least half full. An id like ours that somebody else
    /// chose for a record in the group is never given again either.
    fn keep_ahead(&self, reserved: i64, node: u32, appended: &[Appended]) -> i64 {
        let next = self.next.load(Ordering::Acquire);
        let front = self.front(node);
        let created = appended.iter().filter(|a| a.previous.is_none());
        let chosen = created
            .filter_map(|a| minted_count(a.id.as_str(), &front))
            .max()
            .unwrap_or(0);
        // Far beyond the next is no import of ours but an attempt to use the numbers up.
        if chosen >= next && chosen - next < 1 << 40 {
            self.next.fetch_max(chosen + 1, Ordering::AcqRel);
        }
        let next = self.next.load(Ordering::Acquire) as i64;
        if next + (RESERVE / 2) as i64 > reserved {
            next + RESERVE as i64
        } else {
            reserved
        }
    }
}

/// The count in an id that this node could have minted.
fn minted_count(id: &str, front: &str) -> Option<u64> {
    let count = id.strip_prefix(front)?;
    if count.starts_with(['0', '+']) {
        return None;
    }
    count.parse().ok()
}

fn number_kinds(units: Vec<Taken>, kinds: &mut Kinds) -> Result<Vec<Pending>, Trouble> {
    let mut pending = Vec::with_capacity(units.len());
    for Taken {
        writes,
        guard,
        notes,
        repairs,
        ..
    } in units
    {
        let mut numbered = Vec::with_capacity(writes.len());
        for write in writes {
            let number = kinds.number(&write.kind).or_else(|| kinds.add(&write.kind));
            let number = number.ok_or_else(|| Trouble::new("The log knows as many kinds as it can (32767)."))?;
            numbered.push((number, write));
        }
        pending.push(Pending {
            writes: numbered,
            guard,
            notes,
            repairs,
        });
    }
    Ok(pending)
}

fn keys_of(units: &[Pending]) -> Vec<Key> {
    let writes = units.iter().flat_map(|unit| &unit.writes);
    let mut keys: Vec<Key> = writes.map(|(kind, write)| (*kind, write.id.clone())).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn look_up_claims(db: &mut Db, desk: &mut Desk<'_>, units: &[Pending], kinds: &Kinds) -> Result<(), Error> {
    let records: Vec<i64> = desk.records.values().flatten().map(|state| state.record).collect();
    let writes = units.iter().flat_map(|unit| &unit.writes);
    let wanted: Vec<&Claim> = writes.flat_map(|(_, write)| &write.claims).collect();
    load_claims(db, &mut desk.claims, kinds, &records, &wanted)
}

/// What a failed statement means to those who wait.
fn refusal(error: &Error) -> Refused {
    let text = error.to_string();
    let full = [
        "database or disk is full",
        "No space left on device",
        "Disk quota exceeded",
    ];
    if full.iter().any(|sign| text.contains(sign)) {
        return Refused::Full(
            "No room is left where the database lives, so nothing was written; make room and try again.".to_owned(),
        );
    }
    Refused::Trouble(Trouble::new(format!("The database could not be written: {text}.")))
}

/// However the writer ends, nobody goes on queueing for it.
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.queue.close();
        self.0.queue.clear();
    }
}
