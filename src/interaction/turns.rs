//! Turns at heavy work: who asks first is let in first, and only so many work at once that people are still answered.

use std::sync::{Condvar, Mutex, PoisonError};

/// Places, handed out in the order in which they were asked for.
pub struct Turns {
    places: u64,
    line: Mutex<Line>,
    moved: Condvar,
}

/// Tickets are counted; a place is free while fewer than there are places have been given and not come back.
#[derive(Default)]
struct Line {
    given: u64,
    ended: u64,
}

/// A place; it is free again when this is dropped.
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// So many places, at least one.
    pub fn new(places: usize) -> Turns {
        Turns {
            places: places.max(1) as u64,
            line: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        (line.given - line.ended).saturating_sub(self.places) as usize
    }

    /// Waits for a place.
    pub fn wait(&self) -> Turn<'_> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = line.given;
        line.given += 1;
        let full = |line: &mut Line| ticket >= line.ended + self.places;
        drop(
            self.moved
                .wait_while(line, full)
                .unwrap_or_else(PoisonError::into_inner),
        );
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner).ended += 1;
        self.0.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread::{scope, sleep};
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_many_work_at_once_and_who_came_first_is_first() {
        for places in 1..4 {
            let turns = Turns::new(places);
            let (working, came, most) = (Mutex::new(0), Mutex::new(Vec::new()), Mutex::new(0));
            scope(|scope| {
                let first: Vec<Turn<'_>> = (0..places).map(|_| turns.wait()).collect();
                for number in 0..20 {
                    let (turns, working, came, most) = (&turns, &working, &came, &most);
                    scope.spawn(move || {
                        let _turn = turns.wait();
                        came.lock().unwrap().push(number);
                        *working.lock().unwrap() += 1;
                        let now = *working.lock().unwrap();
                        let mut most = most.lock().unwrap();
                        *most = now.max(*most);
                        drop(most);
                        sleep(Duration::from_millis(1));
                        *working.lock().unwrap() -= 1;
                    });
                    // The next one asks only when this one has its ticket.
                    while turns.line.lock().unwrap().given < (places + number + 1) as u64 {
                        std::thread::yield_now();
                    }
                }
                assert!(came.lock().unwrap().is_empty(), "all places are taken");
                drop(first);
            });
            assert!(*most.lock().unwrap() <= places, "{places}");
            let came = came.into_inner().unwrap();
            assert_eq!(came.len(), 20);
            if places == 1 {
                assert!(came.is_sorted(), "{came:?}");
            }
        }
    }
}
