//! Letters come back as they were said, and every change of every bit is told.

use std::io::Cursor;

use super::*;

const SHARED: [u8; 32] = [7; 32];

fn signer() -> Key {
    Key::same()
}

fn sent() -> Outside {
    Outside {
        from: 17,
        to: 0,
        written: 1_795_000_000_000_000,
        signer: signer().public().try_into().unwrap(),
    }
}

fn letter(said: &[u8]) -> Vec<u8> {
    written(sent(), said, &SHARED, &signer(), [9; 32])
}

fn read(bytes: &[u8], shared: &[u8; 32]) -> Result<(Outside, Vec<u8>), Unread> {
    let letter = Letter::check(Cursor::new(bytes))?;
    let (outside, mut said) = (letter.outside, Vec::new());
    letter.open(shared)?.read_to_end(&mut said)?;
    Ok((outside, said))
}

#[test]
fn what_was_said_is_read() {
    for length in [0, 1, 40, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
        let said: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let bytes = letter(&said);
        assert_eq!(read(&bytes, &SHARED), Ok((sent(), said)), "{length}");
        let pieces = length.div_ceil(PIECE).max(1);
        assert_eq!(bytes.len(), HEAD + length + pieces * TAG + SIGNATURE);
    }
    let twice = [0, 1].map(|_| write(sent(), b"x", &SHARED, &signer()).unwrap());
    assert_ne!(twice[0], twice[1], "each has a salt of its own");
}

/// Letters of every format ever written stay readable.
#[test]
fn the_golden_letter_is_read_and_written() {
    let golden = include_bytes!("letter-1.epis");
    assert_eq!(letter(b"what a session says"), golden);
    let (outside, said) = read(golden, &SHARED).unwrap();
    assert_eq!((outside, said.as_slice()), (sent(), &b"what a session says"[..]));
}

#[test]
fn every_tear_and_every_changed_bit_is_told() {
    let whole = letter(b"what a session says");
    for length in 0..whole.len() {
        let why = read(&whole[..length], &SHARED).unwrap_err();
        let expected = if length < MAGIC.len() {
            Unread::Other
        } else {
            Unread::Damaged
        };
        assert_eq!(why, expected, "torn after {length}");
    }
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let why = read(&changed, &SHARED).unwrap_err();
        let expected = match bit / 8 {
            0..8 => Unread::Other,
            8 if changed[8] > FORMAT => Unread::Newer,
            _ => Unread::Damaged,
        };
        assert_eq!(why, expected, "bit {bit}");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert_eq!(read(&longer, &SHARED), Err(Unread::Damaged));
}

/// Somebody who signs anew what is not hers to open, or leaves out, doubles or exchanges pieces, is found out by the pieces.
#[test]
fn pieces_belong_to_their_letter_and_their_place() {
    let said: Vec<u8> = (0..3 * PIECE).map(|at| (at / PIECE) as u8).collect();
    let whole = letter(&said);
    let signed_anew = |head: &[u8], pieces: &[&[u8]]| {
        let mut bytes = [head, &pieces.concat()].concat();
        let signature = signer().signed(&signed(&bytes));
        bytes.extend_from_slice(&signature);
        bytes
    };
    let piece = |number: usize| {
        let from = HEAD + number * (PIECE + TAG);
        &whole[from..from + PIECE + TAG]
    };
    let mut other = whole[..HEAD].to_vec();
    other[9] = 18;
    let table: [(&str, Vec<u8>); 5] = [
        (
            "the last is left out",
            signed_anew(&whole[..HEAD], &[piece(0), piece(1)]),
        ),
        (
            "the first is left out",
            signed_anew(&whole[..HEAD], &[piece(1), piece(2)]),
        ),
        (
            "two are exchanged",
            signed_anew(&whole[..HEAD], &[piece(1), piece(0), piece(2)]),
        ),
        (
            "one comes twice",
            signed_anew(&whole[..HEAD], &[piece(0), piece(0), piece(2)]),
        ),
        (
            "the head is another's",
            signed_anew(&other, &[piece(0), piece(1), piece(2)]),
        ),
    ];
    for (what, bytes) in table {
        assert!(
            Letter::check(Cursor::new(&bytes)).is_ok(),
            "{what}: the signature is good"
        );
        assert!(read(&bytes, &SHARED).is_err(), "{what}");
    }
    assert_eq!(read(&whole, &[8; 32]), Err(Unread::Sealed));
    assert_eq!(read(&whole, &SHARED).unwrap().1, said);
}
