//! A person as she is, whatever is written about her.

use fhir::moment::{civil_from_days, days_from_civil};

use crate::names::Name;

/// A date of birth as precise as papers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Birth {
    /// The year.
    pub year: i64,
    /// Month and day, where they are known.
    pub day: Option<(i64, i64)>,
}

impl Birth {
    /// The date of a day counted from 1970.
    pub fn of_day(days: i64) -> Birth {
        let (year, month, day) = civil_from_days(days);
        Birth {
            year,
            day: Some((month, day)),
        }
    }

    /// As FHIR writes it: `1987` or `1987-01-01`.
    pub fn text(&self) -> String {
        match self.day {
            Some((month, day)) => format!("{:04}-{month:02}-{day:02}", self.year),
            None => format!("{:04}", self.year),
        }
    }

    /// The first day it can be, counted from 1970.
    pub fn first_day(&self) -> i64 {
        let (month, day) = self.day.unwrap_or((1, 1));
        days_from_civil(self.year, month, day)
    }
}

/// A mother or a father.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The name.
    pub name: Name,
    /// The citizen number, where it is known.
    pub citizen_number: Option<String>,
}

/// A number somebody is known by, besides the citizen number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// What gives such numbers, the end of its address: `health-book`.
    pub system: &'static str,
    /// The number.
    pub value: String,
}

/// One person. Two registrations of her are of the same `number`.
#[derive(Clone, Debug)]
pub struct Person {
    /// Which of the nation she is, from 0.
    pub number: u64,
    /// Whether she is a woman or a girl.
    pub female: bool,
    /// The day she was born, counted from 1970.
    pub born: i64,
    /// The date of birth that her papers have.
    pub papers: Birth,
    /// Her name.
    pub name: Name,
    /// Her citizen number.
    pub citizen_number: Option<String>,
    /// Her other numbers.
    pub identifiers: Vec<Identifier>,
    /// Her mother.
    pub mother: Option<Parent>,
    /// Her father.
    pub father: Option<Parent>,
    /// Which of twins she is.
    pub birth_order: Option<u8>,
    /// Her telephones, her own before the household's.
    pub telephones: Vec<String>,
    /// Where she lives, by place in [`Places::chiwogs`](crate::places::Places::chiwogs).
    pub chiwog: usize,
    /// The number of the house she lives in, within the chiwog.
    pub house: u64,
}

impl Person {
    /// Whole years of age on a day counted from 1970.
    pub fn age(&self, today: i64) -> i64 {
        years_between(self.born, today)
    }
}

/// Whole years from one day to another.
pub(crate) fn years_between(born: i64, today: i64) -> i64 {
    let (year, month, day) = civil_from_days(born);
    let (now, this_month, this_day) = civil_from_days(today);
    now - year - i64::from((this_month, this_day) < (month, day))
}
