//! Takes a unit from its submitter: packs and hashes the bodies there, then waits for the writer.

use fhir::identity::VersionId;
use fhir::moment::{BEGINNING, END};

use crate::check::Place;
use crate::mend::Mending;
use crate::queue::{Job, Prepared, Ticket};
use crate::rename::Rename;
use crate::seal::hash_body;
use crate::shared::Shared;
use crate::trouble::{Refused, Trouble};
use crate::unit::{Claim, Done, Elsewhere, Made, Note, Operation, Unit, Write};
use crate::version::Version;

/// Bytes that a claim's scope and value have together at most: what both engines' indexes can hold.
const CLAIM_MAX: usize = 1024;

impl Shared {
    pub(crate) fn submit(&self, unit: Unit) -> Result<Vec<Done>, Refused> {
        let mut writes = Vec::with_capacity(unit.writes.len());
        for write in unit.writes {
            writes.push(self.prepare(write)?);
        }
        unit.notes.iter().try_for_each(Note::check)?;
        let (ticket, waiting) = Ticket::new();
        self.queue.push(Job {
            writes,
            guard: unit.guard,
            notes: unit.notes,
            ..Job::new(ticket)
        })?;
        waiting.wait()
    }

    /// Has the writer give own versions after a counter new names.
    pub(crate) fn rename(&self, after: u64, node: u32) -> Result<(), Refused> {
        let (Ok(after), Ok(node)) = (i64::try_from(after), i32::try_from(node)) else {
            return Err(Trouble::new("A node's number is below 2147483648, and a counter below 2^63.").into());
        };
        let (ticket, waiting) = Ticket::new();
        self.queue.push(Job {
            rename: Some(Rename { after, node }),
            ..Job::new(ticket)
        })?;
        waiting.wait().map(|_| ())
    }

    /// Has the writer give versions back what the disk has made of them.
    pub(crate) fn mend(&self, versions: Vec<Version>) -> Result<(), Refused> {
        if versions.is_empty() {
            return Ok(());
        }
        let mend: Vec<Mending> = versions.into_iter().map(|version| self.mending(version)).collect();
        let (ticket, waiting) = Ticket::new();
        self.queue.push(Job {
            mend,
            ..Job::new(ticket)
        })?;
        waiting.wait().map(|_| ())
    }

    /// Has the writer enter records anew from the log.
    pub(crate) fn repair(&self, records: Vec<Place>) -> Result<(), Refused> {
        let (ticket, waiting) = Ticket::new();
        self.queue.push(Job {
            repairs: records,
            ..Job::new(ticket)
        })?;
        waiting.wait().map(|_| ())
    }

    fn prepare(&self, write: Write) -> Result<Prepared, Refused> {
        let body = match write.operation {
            Operation::Delete => Vec::new(),
            Operation::Create | Operation::Update => write.body,
        };
        let mut claims = write.claims;
        claims.sort_unstable_by(|a, b| (&a.scope, &a.value).cmp(&(&b.scope, &b.value)));
        claims.dedup();
        if let Some(claim) = claims.iter().find(|claim| !fits(claim)) {
            return Err(Refused::Trouble(Trouble::new(format!(
                "The claim {} cannot be kept: scope and value have at most {CLAIM_MAX} bytes and no NUL.",
                claim.scope.chars().take(100).collect::<String>()
            ))));
        }
        if let Made::Elsewhere(made) = write.made {
            check_origin(&made)?;
        }
        Ok(Prepared {
            packed: self.packer.pack(write.kind.as_str(), &body),
            hash: hash_body(&body),
            kind: write.kind,
            id: write.id,
            operation: write.operation,
            expect: write.expect,
            made: write.made,
            claims,
            attachment: write.attachment,
        })
    }
}

/// Whether what a version from elsewhere says of itself can be kept.
fn check_origin(made: &Elsewhere) -> Result<(), Refused> {
    let named = |name: &VersionId| i32::try_from(name.node).is_ok() && i64::try_from(name.counter).is_ok();
    let names = [Some(made.version), made.base, made.merged];
    let joins_without_base = made.merged.is_some() && made.base.is_none();
    let dated = (BEGINNING..END).contains(&made.updated);
    if names.iter().flatten().all(named) && dated && !joins_without_base {
        return Ok(());
    }
    Err(Refused::Trouble(Trouble::new(format!(
        "The version {} from elsewhere cannot be kept: its numbers are out of range, or it joins another version and is \
         based on none.",
        made.version
    ))))
}

fn fits(claim: &Claim) -> bool {
    let text = || claim.scope.bytes().chain(claim.value.bytes());
    claim.scope.len() + claim.value.len() <= CLAIM_MAX && text().all(|byte| byte != 0)
}
