//! What the centre knows of its nodes, and whom it has invited: durable, and at hand in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fhir::moment::instant;
use serde::{Deserialize, Serialize};

use super::code::Code;
use super::hex::hex;
use super::horizon::{Horizon, Moved};

/// How long an invitation holds: 7 days, in microseconds.
pub const INVITATION_MICROS: i64 = 7 * 86_400_000_000;
/// Invitations that are open at once.
const INVITATIONS_MAX: usize = 1000;
/// Nodes that a centre ever has; a number is never given twice.
const NODES_MAX: usize = 10_000;
/// Bytes of a name, and of a reason.
const TEXT_MAX: usize = 200;
/// A contact is written down where the last one was so long ago: a minute, in microseconds.
const CONTACT_MICROS: i64 = 60_000_000;

/// Where the register is kept: values under keys.
pub trait Notes: Send + Sync {
    /// The notes whose keys begin like this.
    ///
    /// # Errors
    /// A sentence where they cannot be read.
    fn all(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, String>;

    /// Writes notes together or not at all, durably; nothing for a value forgets it.
    ///
    /// # Errors
    /// A sentence where they cannot be written.
    fn put(&self, notes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), String>;
}

/// A node, as the centre knows it. Moments are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its number, from 1.
    pub number: u32,
    /// What people call it.
    pub name: String,
    /// What it holds.
    pub horizon: Horizon,
    /// Its public key, 64 hexadecimal digits: who has the other half is this node.
    pub key: String,
    /// When it was enrolled.
    pub enrolled: i64,
    /// When it was last in contact; `None` where it never was.
    pub contact: Option<i64>,
    /// The node whose place it took.
    pub replaces: Option<u32>,
    /// When it was retired, and why: from then on it is refused.
    pub retired: Option<(i64, String)>,
    /// When somebody last said that the machine is still in good hands.
    #[serde(default)]
    pub renewed: Option<i64>,
}

impl Node {
    /// Since when its lease runs.
    fn leased_from(&self) -> i64 {
        let moments = [Some(self.enrolled), self.contact, self.renewed];
        moments.into_iter().flatten().max().unwrap_or(self.enrolled)
    }
}

/// Who may join, until when. It is kept under the hash of its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The name of the node that will be.
    pub name: String,
    /// What it will hold.
    pub horizon: Horizon,
    /// The node whose place it takes, which is retired then.
    pub replaces: Option<u32>,
    /// When it ends.
    pub until: i64,
    /// The node that came of it.
    pub used: Option<u32>,
}

/// Who is invited.
pub enum Guest {
    /// A new clinic.
    New(String, Horizon),
    /// A new machine in the place of a node's.
    Replacing(u32),
}

/// Why somebody who wants to enrol, or to be in contact, is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// For a reason of theirs, told to them.
    Away(String),
    /// The code is none of ours: who guesses is slowed down.
    Guess,
    /// For a reason of the centre's.
    Trouble(String),
}

#[derive(Default)]
struct Held {
    nodes: BTreeMap<u32, Node>,
    invitations: HashMap<String, Invitation>,
}

/// The register.
pub struct Register {
    notes: Box<dyn Notes>,
    /// How long a node is taken in that is not in contact, in microseconds.
    lease: i64,
    held: Mutex<Held>,
}

const NODE: &str = "node/";
const INVITATION: &str = "invitation/";

impl Register {
    /// The register kept in notes.
    ///
    /// # Errors
    /// A sentence where they cannot be read.
    pub fn open(notes: Box<dyn Notes>) -> Result<Register, String> {
        let mut held = Held::default();
        for (key, value) in notes.all(NODE)? {
            // Others may note things about a node below its key.
            if key[NODE.len()..].parse::<u32>().is_ok() {
                let node: Node = read(&key, &value)?;
                held.nodes.insert(node.number, node);
            }
        }
        for (key, value) in notes.all(INVITATION)? {
            held.invitations
                .insert(key[INVITATION.len()..].to_owned(), read(&key, &value)?);
        }
        Ok(Register {
            notes,
            lease: i64::MAX,
            held: Mutex::new(held),
        })
    }

    /// The same, where a node that was so many days without contact is refused until somebody renews it; 0 for no end.
    #[must_use]
    pub fn leasing(mut self, days: u64) -> Register {
        let micros = i64::try_from(days)
            .ok()
            .and_then(|days| days.checked_mul(86_400_000_000));
        self.lease = micros.filter(|micros| *micros > 0).unwrap_or(i64::MAX);
        self
    }

    /// Until when a node is taken in that is not in contact before; `None` for ever.
    pub fn until(&self, node: &Node) -> Option<i64> {
        node.leased_from().checked_add(self.lease)
    }

    /// Makes sure that a node's lease has not ended.
    ///
    /// # Errors
    /// A sentence where it has, with what to do.
    pub fn leased(&self, node: &Node, now: i64) -> Result<(), String> {
        match self.until(node).filter(|until| *until < now) {
            None => Ok(()),
            Some(until) => Err(format!(
                "Node {0} ({1}) was not in contact for so long that its lease ended on {2}. Nothing is lost: what was not sent stays on its \
                machine. If the machine is in good hands, renew it at the centre: epis node renew {0}.",
                node.number,
                node.name,
                instant(until)
            )),
        }
    }

    /// Takes a node in again, from a moment on.
    ///
    /// # Errors
    /// A sentence where there is no such node.
    pub fn renew(&self, number: u32, now: i64) -> Result<Node, String> {
        let mut held = self.held();
        let node = Node {
            renewed: Some(now),
            ..held.active(number)?.clone()
        };
        self.keep(&mut held, node)
    }

    /// All nodes, by number, the retired ones with them.
    pub fn nodes(&self) -> Vec<Node> {
        self.held().nodes.values().cloned().collect()
    }

    /// Invites: the code, and until when it holds.
    ///
    /// # Errors
    /// A sentence where the name is none, there is no such node to replace, or there are too many invitations.
    pub fn invite(&self, guest: Guest, fingerprint: &[u8; 32], now: i64) -> Result<(Code, Invitation), String> {
        let mut held = self.held();
        let (name, horizon, replaces) = match guest {
            Guest::New(name, horizon) => (text(&name, "name")?, horizon, None),
            Guest::Replacing(number) => {
                let node = held.replaceable(number)?;
                (node.name.clone(), node.horizon.clone(), Some(number))
            }
        };
        let over: Vec<String> = held
            .invitations
            .iter()
            .filter(|(_, found)| found.until < now)
            .map(|(hash, _)| hash.clone())
            .collect();
        if held.invitations.len() - over.len() >= INVITATIONS_MAX || held.nodes.len() >= NODES_MAX {
            return Err(
                "There are too many open invitations, or too many nodes; wait until some invitations have ended."
                    .to_owned(),
            );
        }
        let code = Code::new(fingerprint)?;
        let invitation = Invitation {
            name,
            horizon,
            replaces,
            until: now + INVITATION_MICROS,
            used: None,
        };
        let mut notes: Vec<_> = over.iter().map(|hash| (format!("{INVITATION}{hash}"), None)).collect();
        notes.push(noted_invitation(&code.hashed(), &invitation)?);
        self.notes.put(notes)?;
        held.invitations.retain(|hash, _| !over.contains(hash));
        held.invitations.insert(code.hashed(), invitation.clone());
        Ok((code, invitation))
    }

    /// Makes the machine with a public key a node. The same machine asking again, because the answer was lost on the way, is
    /// answered the same.
    ///
    /// # Errors
    /// [`Turned`] where there is no such invitation, it has ended, or another machine has used it.
    pub fn enrol(&self, hash: &str, public: &[u8], now: i64) -> Result<Node, Turned> {
        let mut held = self.held();
        let invitation = held.invitations.get(hash).cloned().ok_or(Turned::Guess)?;
        if let Some(number) = invitation.used {
            let node = held.nodes.get(&number).filter(|node| node.key == hex(public));
            let used = || {
                Turned::Away("The code was used already, by another machine: ask the centre for a new one.".to_owned())
            };
            return node.cloned().ok_or_else(used);
        }
        if invitation.until < now {
            let until = instant(invitation.until);
            return Err(Turned::Away(format!(
                "The code ended on {until}: ask the centre for a new one."
            )));
        }
        if held.nodes.values().any(|node| node.key == hex(public)) {
            return Err(Turned::Away("This machine is a node already.".to_owned()));
        }
        if let Some(replaced) = invitation.replaces {
            held.replaceable(replaced).map_err(Turned::Away)?;
        }
        let node = Node {
            number: held.next(),
            name: invitation.name.clone(),
            horizon: invitation.horizon.clone(),
            key: hex(public),
            enrolled: now,
            contact: None,
            replaces: invitation.replaces,
            retired: None,
            renewed: None,
        };
        let replaced = invitation.replaces.and_then(|number| held.nodes.get(&number));
        let replaced = replaced.filter(|node| node.retired.is_none()).map(|found| Node {
            retired: Some((now, format!("replaced by node {}", node.number))),
            ..found.clone()
        });
        let used = Invitation {
            used: Some(node.number),
            ..invitation
        };
        let mut notes = vec![
            noted(&node).map_err(Turned::Trouble)?,
            noted_invitation(hash, &used).map_err(Turned::Trouble)?,
        ];
        if let Some(replaced) = &replaced {
            notes.push(noted(replaced).map_err(Turned::Trouble)?);
        }
        self.notes.put(notes).map_err(Turned::Trouble)?;
        held.invitations.insert(hash.to_owned(), used);
        held.nodes.extend(
            replaced
                .into_iter()
                .chain([node.clone()])
                .map(|node| (node.number, node)),
        );
        Ok(node)
    }

    /// The node with a public key, now in contact.
    ///
    /// # Errors
    /// [`Turned`] where there is none, or it is retired.
    pub fn contact(&self, public: &[u8], now: i64) -> Result<Node, Turned> {
        let mut held = self.held();
        let key = hex(public);
        // The last that this machine was: it may have been given another number.
        let Some(node) = held.nodes.values().rfind(|node| node.key == key) else {
            let text = "The centre signed this machine's certificate, but its register does not know the machine: was the centre put \
                back to an older copy of its data? Tell whoever runs it.";
            return Err(Turned::Away(text.to_owned()));
        };
        if let Some((when, why)) = &node.retired {
            return Err(Turned::Away(format!(
                "Node {} was retired on {}: {why}. What was not sent before is still on this machine: keep it, and ask the centre.",
                node.number,
                instant(*when)
            )));
        }
        self.leased(node, now).map_err(Turned::Away)?;
        if node
            .contact
            .is_some_and(|last| (0..CONTACT_MICROS).contains(&(now - last)))
        {
            return Ok(node.clone());
        }
        let node = Node {
            contact: Some(now),
            ..node.clone()
        };
        self.keep(&mut held, node).map_err(Turned::Trouble)
    }

    /// The node that wrote under a number, and the same machine as it is now: it may have been given another number since.
    ///
    /// # Errors
    /// A sentence where there is none.
    pub fn sender(&self, number: u32) -> Result<(Node, Node), String> {
        let held = self.held();
        let wrote = held.nodes.get(&number).ok_or_else(|| unknown(number))?;
        let now = held.nodes.values().rfind(|node| node.key == wrote.key);
        Ok((wrote.clone(), now.unwrap_or(wrote).clone()))
    }

    /// Notes that a node was heard of, from a moment: by a stick that was written then.
    ///
    /// # Errors
    /// A sentence where it cannot be written down.
    pub fn heard(&self, number: u32, when: i64) -> Result<(), String> {
        let mut held = self.held();
        let node = held.nodes.get(&number).ok_or_else(|| unknown(number))?;
        if node.contact.is_some_and(|last| last >= when) {
            return Ok(());
        }
        let node = Node {
            contact: Some(when),
            ..node.clone()
        };
        self.keep(&mut held, node).map(drop)
    }

    /// Gives a machine that went on from an old copy of its data another number: what it counts from then on has names that
    /// nobody has given yet. The number it had is retired.
    ///
    /// # Errors
    /// A sentence where there is no such node, or there are too many.
    pub fn renumber(&self, number: u32, now: i64) -> Result<Node, String> {
        let mut held = self.held();
        let old = held.active(number)?.clone();
        if held.nodes.len() >= NODES_MAX {
            return Err(format!(
                "There are {NODES_MAX} nodes already, with those that are retired."
            ));
        }
        let next = Node {
            number: held.next(),
            enrolled: now,
            replaces: Some(number),
            ..old.clone()
        };
        let why = format!("went on from an old copy of its data, as node {}", next.number);
        let old = Node {
            retired: Some((now, why)),
            ..old
        };
        self.notes.put(vec![noted(&old)?, noted(&next)?])?;
        held.nodes.extend([old, next.clone()].map(|node| (node.number, node)));
        Ok(next)
    }

    /// Retires a node: it is refused from then on.
    ///
    /// # Errors
    /// A sentence where there is no such node, or the reason is none.
    pub fn retire(&self, number: u32, why: &str, now: i64) -> Result<Node, String> {
        let mut held = self.held();
        let node = Node {
            retired: Some((now, text(why, "reason")?)),
            ..held.active(number)?.clone()
        };
        self.keep(&mut held, node)
    }

    /// Gives a node another horizon, and another name, where one is given.
    ///
    /// # Errors
    /// A sentence where there is no such node, or the name is none.
    pub fn move_to(&self, number: u32, moved: Moved) -> Result<Node, String> {
        let mut held = self.held();
        let mut node = held.active(number)?.clone();
        if let Some(name) = &moved.name {
            node.name = text(name, "name")?;
        }
        moved.apply(&mut node.horizon);
        self.keep(&mut held, node)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, held: &mut Held, node: Node) -> Result<Node, String> {
        self.notes.put(vec![noted(&node)?])?;
        held.nodes.insert(node.number, node.clone());
        Ok(node)
    }
}

impl Held {
    /// The number of the next node.
    fn next(&self) -> u32 {
        self.nodes.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    /// A node whose place a new machine can take: also a retired one, unless another is in its place.
    fn replaceable(&self, number: u32) -> Result<&Node, String> {
        let taken = |node: &&Node| node.replaces == Some(number) && node.retired.is_none();
        if let Some(other) = self.nodes.values().find(taken) {
            return Err(format!(
                "Node {} is in the place of node {number} already: replace that one.",
                other.number
            ));
        }
        self.nodes.get(&number).ok_or_else(|| unknown(number))
    }

    fn active(&self, number: u32) -> Result<&Node, String> {
        match self.nodes.get(&number) {
            None => Err(unknown(number)),
            Some(Node {
                retired: Some((when, why)),
                ..
            }) => Err(format!("Node {number} was retired on {}: {why}.", instant(*when))),
            Some(node) => Ok(node),
        }
    }
}

fn unknown(number: u32) -> String {
    format!("There is no node {number}: epis node list shows those that there are.")
}

fn text(text: &str, what: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=TEXT_MAX).contains(&text.len()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("The {what} is one line of at most {TEXT_MAX} bytes."))
}

fn read<T: for<'a> Deserialize<'a>>(key: &str, value: &[u8]) -> Result<T, String> {
    serde_json::from_slice(value).map_err(|e| format!("What is noted under {key} cannot be read: {e}."))
}

type Noted = (String, Option<Vec<u8>>);

fn noted(node: &Node) -> Result<Noted, String> {
    let value = serde_json::to_vec(node).map_err(|e| e.to_string())?;
    Ok((format!("{NODE}{}", node.number), Some(value)))
}

fn noted_invitation(hash: &str, invitation: &Invitation) -> Result<Noted, String> {
    let value = serde_json::to_vec(invitation).map_err(|e| e.to_string())?;
    Ok((format!("{INVITATION}{hash}"), Some(value)))
}

#[cfg(test)]
mod tests;
