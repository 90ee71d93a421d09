//! The line of the simulation: contacts that are cut at any byte, requests that come late or twice, programs of two ages.

use super::World;
use super::disk::Faults;
use crate::compare::Comparison;
use crate::digits::{pull, push};
use crate::frame::{Frame, Frames, Hello};
use crate::session::{CentreSession, Next, Outcome, PROTOCOL, busy};

impl World {
    /// A contact over a line that may break anywhere.
    pub(super) fn contact(&mut self, place: usize) {
        if self.nodes[place].cut_until > self.now {
            return;
        }
        self.tally.contacts += 1;
        (self.nodes[place].faults, self.centre.faults) = (self.faults(), self.faults());
        for _ in 0..1 + self.random.below(6) {
            let bytes = self.request(place);
            let cut = self.random.once_in(4).then(|| self.random.below(bytes.len() + 1));
            self.tally.cuts += usize::from(cut.is_some());
            let answer = match self.random.once_in(20) {
                true => {
                    self.tally.busy += 1;
                    written(&busy(self.now), self.centre.newer)
                }
                false => self.heard(&bytes[..cut.unwrap_or(bytes.len())]),
            };
            let cut = self.random.once_in(4).then(|| self.random.below(answer.len() + 1));
            self.tally.cuts += usize::from(cut.is_some());
            let next = self.hears(place, &answer[..cut.unwrap_or(answer.len())]);
            if self.nodes[place].crashed || self.centre.crashed || next != Some(Next::Ask) {
                break;
            }
        }
        (self.nodes[place].faults, self.centre.faults) = (Faults::default(), Faults::default());
    }

    /// The bytes of a node's next request.
    pub(super) fn request(&mut self, place: usize) -> Vec<u8> {
        let node = &mut self.nodes[place];
        let clock = self.now + node.skew;
        let (session, mut log) = node.sides();
        let frames = session.ask(&mut log, clock).expect("a request is only read");
        let bytes = written(&frames, node.newer);
        node.late = bytes.clone();
        bytes
    }

    /// What the centre answers to bytes that arrived; nothing where they broke off.
    pub(super) fn heard(&mut self, bytes: &[u8]) -> Vec<u8> {
        let session = CentreSession::new(1 << (4 + self.random.below(7)));
        self.answered(session, bytes)
    }

    pub(super) fn answered(&mut self, mut session: CentreSession, bytes: &[u8]) -> Vec<u8> {
        let mut frames = Frames::default();
        for piece in bytes.chunks(1 + self.random.below(700)) {
            frames.feed(piece);
            while let Some(frame) = frames.next_frame().expect("frames") {
                if let Frame::Hello(hello) = &frame
                    && self.centre.greet(hello.node).is_err()
                {
                    return Vec::new();
                }
                match session.hear(frame, &mut self.centre, self.now) {
                    Ok(Some(answer)) => return written(&answer, self.centre.newer),
                    Ok(None) if !self.centre.crashed => (),
                    // Its disk is full or the power failed: the line is closed.
                    _ => return Vec::new(),
                }
            }
        }
        Vec::new()
    }

    /// What a node makes of the bytes of an answer; `None` where they broke off.
    pub(super) fn hears(&mut self, place: usize, bytes: &[u8]) -> Option<Next> {
        let node = &mut self.nodes[place];
        let before = (node.session.number, node.session.acked);
        let next = node.hears(bytes);
        let acked = if node.session.number == before.0 { before.1 } else { 0 };
        if !node.crashed {
            let agreed = next == Some(Next::Close(Outcome::Agreed));
            self.clinic_speaks_true(place, (acked, agreed));
        }
        next
    }

    /// A node's last request arrives once more.
    pub(super) fn late(&mut self, place: usize) {
        let bytes = self.nodes[place].late.clone();
        self.heard(&bytes);
    }

    pub(super) fn agree(&mut self, place: usize) {
        for _ in 0..400 {
            let bytes = self.request(place);
            let answer = self.heard(&bytes);
            match self.hears(place, &answer) {
                Some(Next::Ask) => (),
                Some(Next::Close(Outcome::Agreed)) => {
                    let comparison = &self.nodes[place].session.comparison;
                    assert!(
                        matches!(comparison, Comparison::Done(_)),
                        "seed {}: a comparison over a good line ends as {comparison:?}",
                        self.seed
                    );
                    return;
                }
                other => panic!("seed {}: a contact over a good line ends with {other:?}", self.seed),
            }
        }
        panic!("seed {}: a contact goes on and on", self.seed);
    }
}

/// The bytes of frames. A newer program, two protocols further, says what this one does not know: frames of its own,
/// and more at the end of those that this one knows.
fn written(frames: &[Frame], newer: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        match frame {
            frame if !newer => frame.write(&mut bytes),
            Frame::Piece(_) => frame.write(&mut bytes),
            Frame::Hello(hello) => longer(
                &Frame::Hello(Hello {
                    protocol: PROTOCOL + 2,
                    ..hello.clone()
                }),
                &mut bytes,
            ),
            frame => longer(frame, &mut bytes),
        }
    }
    bytes
}

/// A frame with two more bytes at its end, after a frame that nobody knows yet.
fn longer(frame: &Frame, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    frame.write(&mut bytes);
    let (tag, mut fields) = (bytes[0], &bytes[1..]);
    let length = pull(&mut fields).expect("a length");
    out.extend([77, 2, 1, 2, tag]);
    push(out, length + 2);
    out.extend_from_slice(fields);
    out.extend([1, 2]);
}
