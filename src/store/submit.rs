//! Takes a unit from its submitter: packs and hashes the bodies there, then waits for the writer.

use crate::check::Place;
use crate::queue::{Job, Prepared, Ticket};
use crate::seal::hash_body;
use crate::shared::Shared;
use crate::trouble::{Refused, Trouble};
use crate::unit::{Claim, Done, Operation, Unit, Write};

/// Bytes that a claim's scope and value have together at most: what both engines' indexes can hold.
const CLAIM_MAX: usize = 1024;

impl Shared {
    pub(crate) fn submit(&self, unit: Unit) -> Result<Vec<Done>, Refused> {
        let mut writes = Vec::with_capacity(unit.writes.len());
        for write in unit.writes {
            writes.push(self.prepare(write)?);
        }
        let (ticket, waiting) = Ticket::new();
        self.queue.push(Job {
            writes,
            guard: unit.guard,
            repairs: Vec::new(),
            ticket,
        })?;
        waiting.wait()
    }

    /// Has the writer enter records anew from the log.
    pub(crate) fn repair(&self, records: Vec<Place>) -> Result<(), Refused> {
        let (ticket, waiting) = Ticket::new();
        self.queue.push(Job {
            writes: Vec::new(),
            guard: None,
            repairs: records,
            ticket,
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
        Ok(Prepared {
            packed: self.packer.pack(write.kind.as_str(), &body),
            hash: hash_body(&body),
            kind: write.kind,
            id: write.id,
            operation: write.operation,
            expect: write.expect,
            claims,
            attachment: write.attachment,
        })
    }
}

fn fits(claim: &Claim) -> bool {
    let text = || claim.scope.bytes().chain(claim.value.bytes());
    claim.scope.len() + claim.value.len() <= CLAIM_MAX && text().all(|byte| byte != 0)
}
