//! A letter: what one side says, in a file that only the other can read, and that nobody can change unseen.
//!
//! ```text
//! magic      8 bytes    "episfile"
//! format     1 byte     1
//! from, to   4 bytes each, little-endian: the numbers of who wrote it and of whom it is for; the centre is 0
//! written    8 bytes    little-endian: when, in microseconds since 1970, by the writer's clock
//! signer     32 bytes   the public key of who wrote it (Ed25519)
//! salt       32 bytes   at random
//! chunks                frames of a session, in pieces of 65,536 bytes, the last shorter or as long, each with 16 bytes more
//!                       (ChaCha20-Poly1305, RFC 8439); the nonce is the piece's count from 0 in 8 bytes, little-endian, then a
//!                       1 where it is the last, else a 0, then three 0
//! signature  64 bytes   of "epis letter" and the SHA-256 of all bytes before (Ed25519, RFC 8032)
//! ```
//!
//! The key of the chunks is made of the key that both sides share, with the salt and all that stands before it
//! (HKDF-SHA256, RFC 5869). A letter is judged whole by its signature before anything is read of it; a piece that is other
//! than it was then is found by its own 16 bytes.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, UnparsedPublicKey};

use super::super::authority::Key;

/// Bytes of what is said in one piece.
const PIECE: usize = 64 << 10;
const TAG: usize = 16;
const MAGIC: [u8; 8] = *b"episfile";
const FORMAT: u8 = 1;
/// Bytes before the salt, before the chunks, and of the signature.
const SALT_AT: usize = 57;
const HEAD: usize = SALT_AT + 32;
const SIGNATURE: usize = 64;

/// What stands outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Who wrote it; 0 is the centre.
    pub from: u32,
    /// Whom it is for.
    pub to: u32,
    /// When it was written, in microseconds since 1970.
    pub written: i64,
    /// The public key of who wrote it.
    pub signer: [u8; 32],
}

/// Why a file is not read, in words that go on after its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is no letter.
    Other,
    /// It is of a newer program.
    Newer,
    /// It is not what was written: torn, or changed.
    Damaged,
    /// It is for somebody else, or the key is another.
    Sealed,
    /// It cannot be read.
    Trouble(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Other => f.write_str("is no file of a clinic or its centre"),
            Unread::Newer => f.write_str("was written by a newer program: bring this one up to date first"),
            Unread::Damaged => f.write_str(
                "is not as it was written, torn off or changed: have it written again, on another stick if that repeats",
            ),
            Unread::Sealed => f.write_str("cannot be opened with the key of this side"),
            Unread::Trouble(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

impl From<io::Error> for Unread {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => Unread::Damaged,
            _ => Unread::Trouble(e.to_string()),
        }
    }
}

/// Writes a letter.
///
/// # Errors
/// A sentence where this machine gives no random bytes.
pub fn write(outside: Outside, said: &[u8], shared: &[u8; 32], signer: &Key) -> Result<Vec<u8>, String> {
    let mut salt = [0; 32];
    let filled = SystemRandom::new().fill(&mut salt);
    filled.map_err(|_| "This machine gives no random bytes.".to_owned())?;
    Ok(written(outside, said, shared, signer, salt))
}

fn written(outside: Outside, said: &[u8], shared: &[u8; 32], signer: &Key, salt: [u8; 32]) -> Vec<u8> {
    let mut bytes = head(&outside);
    let key = key(&bytes, &salt, shared);
    bytes.extend_from_slice(&salt);
    // Nothing said is one piece without anything in it.
    let pieces = said.chunks(PIECE).chain(said.is_empty().then_some(said));
    let last = said.len().div_ceil(PIECE).saturating_sub(1);
    for (count, piece) in pieces.enumerate() {
        let mut piece = piece.to_vec();
        key.seal_in_place_append_tag(nonce(count as u64, count == last), Aad::empty(), &mut piece)
            .expect("a piece is shorter than a gigabyte");
        bytes.append(&mut piece);
    }
    let signature = signer.signed(&signed(&bytes));
    bytes.extend_from_slice(&signature);
    bytes
}

fn head(outside: &Outside) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(FORMAT);
    bytes.extend_from_slice(&outside.from.to_le_bytes());
    bytes.extend_from_slice(&outside.to.to_le_bytes());
    bytes.extend_from_slice(&outside.written.to_le_bytes());
    bytes.extend_from_slice(&outside.signer);
    bytes
}

/// The key of a letter's pieces.
fn key(head: &[u8], salt: &[u8], shared: &[u8; 32]) -> LessSafeKey {
    let mut bytes = [0; 32];
    let made = Salt::new(HKDF_SHA256, salt).extract(shared);
    let filled = made.expand(&[head], HKDF_SHA256).and_then(|made| made.fill(&mut bytes));
    filled.expect("32 bytes are one block");
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes).expect("a key of 32 bytes"))
}

fn nonce(count: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&count.to_le_bytes());
    bytes[8] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// What is signed of bytes.
fn signed(bytes: &[u8]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    claim(context)
}

fn claim(context: Context) -> Vec<u8> {
    [b"epis letter", context.finish().as_ref()].concat()
}

/// A letter whose signature is good.
#[derive(Debug)]
pub struct Letter<F> {
    /// What stands outside.
    pub outside: Outside,
    file: F,
    salt: [u8; 32],
    /// Bytes of all chunks.
    chunks: u64,
}

impl<F: Read + Seek> Letter<F> {
    /// Judges a file by its signature, reading all of it once.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn check(mut file: F) -> Result<Letter<F>, Unread> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let mut start = Vec::new();
        file.by_ref().take(HEAD as u64).read_to_end(&mut start)?;
        if !start.starts_with(&MAGIC) {
            return Err(Unread::Other);
        }
        if start.get(MAGIC.len()).is_some_and(|format| *format > FORMAT) {
            return Err(Unread::Newer);
        }
        let chunks = length.checked_sub((HEAD + SIGNATURE) as u64);
        let chunks = chunks.filter(|chunks| *chunks >= TAG as u64).ok_or(Unread::Damaged)?;
        let outside = outside(&start).ok_or(Unread::Damaged)?;
        let mut context = Context::new(&SHA256);
        context.update(&start);
        let mut rest = file.by_ref().take(chunks);
        let mut piece = vec![0; PIECE];
        loop {
            match rest.read(&mut piece)? {
                0 => break,
                count => context.update(&piece[..count]),
            }
        }
        let mut signature = [0; SIGNATURE];
        file.read_exact(&mut signature)?;
        let known = UnparsedPublicKey::new(&ED25519, &outside.signer);
        known.verify(&claim(context), &signature).map_err(|_| Unread::Damaged)?;
        Ok(Letter {
            outside,
            file,
            salt: start[SALT_AT..].try_into().map_err(|_| Unread::Damaged)?,
            chunks,
        })
    }

    /// Begins to read what it says.
    ///
    /// # Errors
    /// [`Unread`] where it cannot be read.
    pub fn open(mut self, shared: &[u8; 32]) -> Result<Said<F>, Unread> {
        self.file.seek(SeekFrom::Start(HEAD as u64))?;
        let mut said = Said {
            key: key(&head(&self.outside), &self.salt, shared),
            file: self.file,
            left: self.chunks,
            count: 0,
            piece: Vec::new(),
            at: 0,
        };
        // Whose key it is shows in the first piece.
        said.next().map_err(|_| Unread::Sealed)?;
        Ok(said)
    }
}

fn outside(start: &[u8]) -> Option<Outside> {
    let number = |at: usize| Some(u32::from_le_bytes(*start.get(at..)?.first_chunk()?));
    Some(Outside {
        from: number(9)?,
        to: number(13)?,
        written: i64::from_le_bytes(*start.get(17..)?.first_chunk()?),
        signer: *start.get(25..)?.first_chunk()?,
    })
}

/// What a letter says, as it is read.
pub struct Said<F> {
    key: LessSafeKey,
    file: F,
    left: u64,
    count: u64,
    piece: Vec<u8>,
    at: usize,
}

impl<F: Read> Said<F> {
    fn next(&mut self) -> io::Result<()> {
        let length = self.left.min((PIECE + TAG) as u64);
        self.left -= length;
        self.piece.resize(length as usize, 0);
        self.file.read_exact(&mut self.piece)?;
        let nonce = nonce(self.count, self.left == 0);
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut self.piece);
        let length = opened.map(|opened| opened.len());
        let length = length.map_err(|_| io::Error::other("a piece is not as it was written"))?;
        self.piece.truncate(length);
        (self.count, self.at) = (self.count + 1, 0);
        Ok(())
    }
}

impl<F: Read> Read for Said<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.next()?;
        }
        let count = (self.piece.len() - self.at).min(into.len());
        into[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
