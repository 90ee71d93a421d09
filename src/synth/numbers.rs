//! The numbers the nation hands out: citizen numbers, telephones, health books, permits; each once.

use crate::places::Places;
use crate::random::Random;

/// Counters of what was handed out.
pub(crate) struct Numbers {
    /// By gewog, in the order of [`Places::gewogs`]: serials of citizen numbers.
    citizens: Vec<u64>,
    telephones: u64,
    others: u64,
}

/// A prime to ten million: walks all telephone numbers and all serials in an order that looks like none.
const STRIDE: u64 = 7_368_787;

impl Numbers {
    pub fn new(places: &Places) -> Numbers {
        Numbers {
            citizens: vec![0; places.gewogs.len()],
            telephones: 0,
            others: 0,
        }
    }

    /// A citizen number: the form (1; 2 for one foreign parent; 3), the dzongkhag, the gewog, a serial. Serials run in
    /// the order of registration and leave no gaps, so a mistyped digit is often somebody else's number.
    pub fn citizen(&mut self, random: &mut Random, places: &Places, gewog: usize) -> String {
        self.citizens[gewog] += 1;
        let serial = self.citizens[gewog] % 1_000_000;
        let form = match random.below(100) {
            0..97 => 1,
            97..99 => 2,
            _ => 3,
        };
        let gewog = &places.gewogs[gewog];
        let dzongkhag = &places.dzongkhags[gewog.dzongkhag].citizen_code;
        format!("{form}{dzongkhag}{}{serial:06}", &gewog.code[4..])
    }

    /// A mobile number of one of the two networks, without the country's code.
    pub fn telephone(&mut self) -> String {
        self.telephones += 1;
        let network = [17, 77][(self.telephones % 2) as usize];
        format!("{network}{:06}", self.telephones / 2 * STRIDE % 1_000_000)
    }

    /// A number of any other kind: health book, permit, the number a facility gives.
    pub fn other(&mut self, prefix: &str) -> String {
        self.others += 1;
        format!("{prefix}{:07}", self.others * STRIDE % 10_000_000)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_is_given_once() {
        let places = Places::bhutan();
        let mut numbers = Numbers::new(&places);
        let mut random = Random::new(1, 1);
        let citizens: HashSet<String> = (0..5_000)
            .map(|i| numbers.citizen(&mut random, &places, i % 205))
            .collect();
        assert_eq!(citizens.len(), 5_000);
        assert!(
            citizens
                .iter()
                .all(|n| n.len() == 11 && matches!(n.as_bytes()[0], b'1'..=b'3'))
        );
        let telephones: HashSet<String> = (0..100_000).map(|_| numbers.telephone()).collect();
        assert_eq!(telephones.len(), 100_000);
        let others: HashSet<String> = (0..100_000).map(|_| numbers.other("HB")).collect();
        assert_eq!(others.len(), 100_000);
    }
}
