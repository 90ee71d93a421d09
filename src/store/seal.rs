//! The hash that seals a version: any replica can tell that it holds what was written.
//!
//! The first 16 bytes of BLAKE3 over, all numbers little endian:
//!
//! ```text
//! kind       length u8, bytes           id         length u8, bytes
//! node u32, counter u64                 base       0 u8, or 1 u8, node u32, counter u64
//!                                       of a join: 2 u8, both versions it is based on, each as above
//! updated i64                           operation  u8 (1 create, 2 update, 3 delete)
//! BLAKE3 of the stored body, unpacked, 32 bytes
//! ```
//!
//! The body is hashed on its own so that the submitting thread can do it before the version's name and
//! time are known.

use fhir::identity::VersionId;

use crate::unit::Operation;
use crate::version::Version;

/// A version's seal: the same on every node.
pub type Seal = [u8; 16];

impl Version {
    /// The seal: two versions with one seal are the same in everything that is the same on every node.
    pub fn seal(&self) -> Seal {
        let sealed = Sealed {
            kind: self.kind.as_str(),
            id: self.id.as_str(),
            version: self.version,
            base: self.base,
            merged: self.merged,
            updated: self.updated,
            operation: self.operation,
        };
        seal(&sealed, &hash_body(&self.body))
    }
}

/// What is sealed besides the body.
pub(crate) struct Sealed<'a> {
    pub kind: &'a str,
    pub id: &'a str,
    pub version: VersionId,
    pub base: Option<VersionId>,
    pub merged: Option<VersionId>,
    pub updated: i64,
    pub operation: Operation,
}

/// The body's part of the seal.
pub(crate) fn hash_body(body: &[u8]) -> [u8; 32] {
    *blake3::hash(body).as_bytes()
}

/// The seal of a version.
pub(crate) fn seal(sealed: &Sealed<'_>, body: &[u8; 32]) -> Seal {
    let mut bytes = Vec::with_capacity(200);
    for name in [sealed.kind, sealed.id] {
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
    }
    push_version(&mut bytes, sealed.version);
    let based_on: Vec<VersionId> = sealed.base.into_iter().chain(sealed.merged).collect();
    bytes.push(based_on.len() as u8);
    for version in based_on {
        push_version(&mut bytes, version);
    }
    bytes.extend_from_slice(&sealed.updated.to_le_bytes());
    bytes.push(sealed.operation.number() as u8);
    bytes.extend_from_slice(body);
    let hash = blake3::hash(&bytes);
    *hash.as_bytes().first_chunk().expect("32 bytes begin with 16")
}

fn push_version(bytes: &mut Vec<u8>, version: VersionId) {
    bytes.extend_from_slice(&version.node.to_le_bytes());
    bytes.extend_from_slice(&version.counter.to_le_bytes());
}
