//! Keeps what is known of whom records are of up with the log of a store.

use store::{Store, Trouble};
use sync::horizon::Horizons;

/// Versions read at a time.
const BLOCK: usize = 2_048;

/// Reads what was written since.
///
/// # Errors
/// [`Trouble`] where the log cannot be read.
pub fn follow(horizons: &mut Horizons, store: &Store) -> Result<(), Trouble> {
    let head = store.head();
    while horizons.reached() < head {
        let versions = store.log(horizons.reached(), BLOCK)?;
        if versions.is_empty() {
            break;
        }
        versions.iter().for_each(|version| horizons.take(version));
    }
    Ok(())
}
