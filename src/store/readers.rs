//! A few connections for reading, lent one at a time and made when first needed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use diesel::result::Error;

use crate::connection::{Db, Purpose};
use crate::settings::Settings;
use crate::trouble::Trouble;

/// The connections of one store for reading.
pub(crate) struct Readers {
    settings: Settings,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    idle: Vec<Db>,
    lent: usize,
}

impl Readers {
    /// No connection yet; at most `settings.readers` at once.
    pub fn new(settings: Settings) -> Readers {
        let state = State {
            idle: Vec::new(),
            lent: 0,
        };
        Readers {
            settings,
            state: Mutex::new(state),
            freed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends a connection to `work`; waits where all are lent. A broken connection is replaced and the
    /// work tried once more, since reading twice does no harm.
    pub fn read<T>(&self, work: impl Fn(&mut Db) -> Result<T, Error>) -> Result<T, Trouble> {
        let mut loan = self.lend()?;
        let first = work(loan.db()?);
        match first {
            Err(Error::DatabaseError(..)) => {
                loan.db = Some(Db::open(&self.settings, Purpose::Reading)?);
                let again = work(loan.db()?);
                if again.is_err() {
                    loan.db = None;
                }
                again.map_err(Trouble::from)
            }
            done => done.map_err(Trouble::from),
        }
    }

    fn lend(&self) -> Result<Loan<'_>, Trouble> {
        let mut state = self.state();
        while state.idle.is_empty() && state.lent >= self.settings.readers.max(1) {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.lent += 1;
        let idle = state.idle.pop();
        drop(state);
        let mut loan = Loan {
            readers: self,
            db: idle,
        };
        if loan.db.is_none() {
            loan.db = Some(Db::open(&self.settings, Purpose::Reading)?);
        }
        Ok(loan)
    }

    /// Closes the connections that nobody has.
    pub fn close(&self) {
        self.state().idle.clear();
    }
}

/// A connection on loan; it goes back when dropped, also when the work panics.
struct Loan<'a> {
    readers: &'a Readers,
    db: Option<Db>,
}

impl Loan<'_> {
    fn db(&mut self) -> Result<&mut Db, Trouble> {
        self.db.as_mut().ok_or_else(|| Trouble::new("A connection was lost."))
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.state();
        state.lent -= 1;
        state.idle.extend(self.db.take());
        drop(state);
        self.readers.freed.notify_one();
    }
}
