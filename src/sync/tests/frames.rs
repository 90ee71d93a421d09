//! Frames come back as they were said, in whatever pieces their bytes come; what is newer is passed over.

use crate::digest::{Digest, Item, Range};
use crate::frame::{End, Frame, Frames, Held, Hello, Offer, Place, Standing, Welcome, What};
use crate::question::{Found, Question, Told};

fn hello() -> Hello {
    Hello {
        protocol: 1,
        dictionary: 1,
        node: 236,
        last: 1_200_345,
        acked: 1_200_345,
        seal: [7; 8],
        lanes: [Place::behind(41_200_000); 4],
        held: None,
        clock: 1_764_120_000_000_000,
        room: 256 << 10,
        restored: false,
    }
}

fn welcome(standing: Standing) -> Welcome {
    Welcome {
        protocol: 1,
        dictionary: 1,
        acked: 1_200_345,
        seal: [7; 8],
        held: None,
        clock: -1,
        standing,
    }
}

fn offer(what: What) -> Frame {
    Frame::Offer(Offer {
        what,
        hash: [9; 16],
        length: 70_000,
        offset: 1_024,
    })
}

fn all() -> Vec<Frame> {
    let held = Some(Held {
        hash: [3; 16],
        bytes: 77,
    });
    let restored = Standing::Restored {
        number: 301,
        seals: vec![[1; 8], [2; 8]],
    };
    let standings = [
        restored,
        Standing::Good,
        Standing::Behind,
        Standing::Retired,
        Standing::Busy(30),
    ];
    let states = What::States {
        lane: 3,
        upto: Place {
            at: 7,
            within: u64::MAX,
        },
        acked: 0,
    };
    let mut frames = vec![
        Frame::Hello(hello()),
        Frame::Hello(Hello {
            held,
            restored: true,
            ..hello()
        }),
        offer(What::Changes { after: 3, upto: 9 }),
        offer(states),
        Frame::Piece(Vec::new()),
        Frame::Piece(vec![0; crate::frame::PIECE_MAX]),
        Frame::End(End { more: 5, head: 300 }),
    ];
    frames.extend(comparison());
    frames.extend(standings.map(|standing| Frame::Welcome(welcome(standing))));
    frames
}

/// What is said in a comparison.
fn comparison() -> Vec<Frame> {
    let digest = Digest {
        count: 180_000,
        sum: u64::MAX - 3,
    };
    let narrow = Range {
        first: 0xabc0_0000_0000_0000,
        digits: 3,
    };
    let item = Item {
        key: 0xabcd_0000_0000_0001,
        seal: [5; 8],
    };
    let question = |range, digest| Question { range, digest };
    let one = Range {
        first: item.key,
        digits: 16,
    };
    vec![
        Frame::Compare(vec![question(Range::ALL, Some(digest)), question(narrow, None)]),
        Frame::Compared(Range::ALL, Told::Alike),
        Frame::Compared(narrow, Told::Narrower(vec![digest, Digest::default()])),
        Frame::Compared(one, Told::Records(vec![item, item])),
        Frame::Wanted(vec![item.key, 0]),
        Frame::Found(Found {
            records: 180_000,
            lacked: 3,
            given: 0,
        }),
        offer(What::Repair { acked: 9 }),
        offer(What::Again),
    ]
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.write(&mut bytes));
    bytes
}

#[test]
fn frames_come_back_whatever_pieces_they_come_in() {
    let bytes = bytes(&all());
    for size in [1, 2, 3, 7, 1_000, bytes.len()] {
        let (mut frames, mut heard) = (Frames::default(), Vec::new());
        for piece in bytes.chunks(size) {
            frames.feed(piece);
            while let Some(frame) = frames.next_frame().expect("frames") {
                heard.push(frame);
            }
        }
        assert_eq!(heard, all(), "in pieces of {size}");
        assert_eq!(frames.waiting(), 0);
    }
}

#[test]
fn what_is_newer_is_passed_over() {
    let mut newer = vec![99, 3, 1, 2, 3];
    let mut longer = bytes(&[Frame::Hello(hello())]);
    longer[1] += 2;
    longer.extend([4, 5]);
    newer.extend(longer);
    let mut frames = Frames::default();
    frames.feed(&newer);
    assert_eq!(frames.next_frame(), Ok(Some(Frame::Hello(hello()))));
    assert_eq!(frames.next_frame(), Ok(None));
}

#[test]
fn what_is_no_frame_is_told() {
    let table: [&[u8]; 7] = [
        // A range of 17 digits, one with more than its digits, and a question that is neither.
        &[7, 11, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0],
        &[7, 3, 1, 0xab, 0],
        &[6, 3, 1, 0, 7],
        &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[4, 0xff, 0xff, 0xff, 0x7f],
        &[1, 2, 1, 1],
        &[5, 1, 0],
    ];
    for bytes in table {
        let mut frames = Frames::default();
        frames.feed(bytes);
        assert!(frames.next_frame().is_err(), "{bytes:?}");
    }
}

/// A comparison that finds nothing costs little more than an idle contact, and needs no other.
#[test]
fn a_comparison_where_all_is_alike_is_short() {
    let question = Question {
        range: Range::ALL,
        digest: Some(Digest {
            count: 1_750_000,
            sum: u64::MAX,
        }),
    };
    let said = bytes(&[Frame::Compare(vec![question]), Frame::Compared(Range::ALL, Told::Alike)]);
    assert!(said.len() <= 22, "{}", said.len());
}

/// What is said where there is nothing to say.
#[test]
fn an_idle_contact_is_short() {
    let request = bytes(&[Frame::Hello(hello()), Frame::End(End::default())]);
    let head = End {
        more: 0,
        head: 41_200_000,
    };
    let answer = bytes(&[Frame::Welcome(welcome(Standing::Good)), Frame::End(head)]);
    // The goal is 300 bytes with HTTP's, whose head lines may take 200.
    assert!(
        request.len() + answer.len() <= 100,
        "{} + {}",
        request.len(),
        answer.len()
    );
}
