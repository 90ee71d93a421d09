//! What a node had when it first said that it had written up to a counter: what it knew when it wrote that.

use sync::frame::{Hello, Lanes};

/// Moments of which that is remembered; of later ones only how far it had written.
const MOMENTS_MAX: usize = 64;

/// Up to which counter the node had written at some moments, in order, and how far it had each lane then.
#[derive(Default)]
pub(crate) struct Heard(Vec<(u64, Lanes)>);

impl Heard {
    /// Takes what a node says, of whose versions those up to a counter are here: of them nothing needs to be known any more.
    pub(crate) fn hear(&mut self, hello: &Hello, acknowledged: u64) {
        self.0.retain(|(last, _)| *last > acknowledged);
        let is_full = self.0.len() >= MOMENTS_MAX;
        match self.0.last_mut() {
            Some((last, _)) if *last >= hello.last => {}
            Some((last, _)) if is_full => *last = hello.last,
            _ => self.0.push((hello.last, hello.lanes)),
        }
    }

    /// How far the node had each lane when it had first written a version of a counter, as far as is known.
    pub(crate) fn lanes(&self, counter: u64) -> Option<Lanes> {
        let first = self.0.iter().find(|(last, _)| *last >= counter);
        first.or(self.0.last()).map(|(_, lanes)| *lanes)
    }
}
