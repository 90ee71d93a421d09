//! How often particulars occur among the people a person is looked for in.

use crate::birth::Birth;

/// How often particulars occur, each as a share of everybody, above 0 and at most 1.
pub trait Frequencies {
    /// How many people there are.
    fn people(&self) -> f64;
    /// People with a token in a name.
    fn token(&self, token: &str) -> f64;
    /// People born in a year.
    fn year(&self, year: u32) -> f64;
    /// People born on a day.
    fn day(&self, birth: &Birth) -> f64;
    /// People of a dzongkhag, gewog or chiwog, by its number.
    fn place(&self, number: u32) -> f64;
    /// People of a house.
    fn house(&self, house: u64) -> f64;
    /// People with a citizen number: one, or several where it was mistyped.
    fn citizen(&self, number: u64) -> f64;
    /// People with a telephone number.
    fn telephone(&self, number: u64) -> f64;
    /// People with a number of another system that gives everybody another.
    fn own_number(&self) -> f64;
    /// People who have a mother of that number.
    fn mother(&self, number: &str) -> f64;
}

/// Counts with a little of what is usual everywhere mixed in, so that what was never seen is rare, not impossible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Smoothed {
    /// Everybody who was counted.
    pub people: f64,
}

/// People in the country, nearly.
const NATION: f64 = 780_000.0;
/// The weight of what is usual, in people.
const USUAL: f64 = 500.0;

impl Smoothed {
    /// The share of `count` people, where `usual` is the share to expect without counting.
    pub fn share(&self, count: u32, usual: f64) -> f64 {
        (f64::from(count) + USUAL * usual) / (self.people + USUAL)
    }

    /// The share of `count` people who have what a family has, such as a telephone: at least one.
    pub fn holders(&self, count: u32) -> f64 {
        f64::from(count.max(1)) / self.people.max(1.0)
    }

    /// The share of `count` people who have a number of which the country gives everybody another: of all its people, not
    /// of those at hand.
    pub fn holders_of_own(&self, count: u32) -> f64 {
        f64::from(count.max(1)) / self.people.max(NATION)
    }
}

/// Shares to expect of a token, a year, a day of a year, a dzongkhag, a gewog, a chiwog.
pub(crate) const USUAL_TOKEN: f64 = 1.0 / 1_000.0;
pub(crate) const USUAL_YEAR: f64 = 1.0 / 70.0;
pub(crate) const USUAL_DAY: f64 = USUAL_YEAR / 365.0;

/// The share to expect of a place, by how fine its number is.
pub(crate) fn usual_place(number: u32) -> f64 {
    match number {
        0..100 => 1.0 / 20.0,
        100..10_000 => 1.0 / 205.0,
        _ => 1.0 / 1_233.0,
    }
}
