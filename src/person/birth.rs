//! A date of birth, as precise as it is known.

use std::fmt;

/// A date of birth. Month and day are 0 where they are not known.
///
/// In a register without readable particulars the three numbers are hashes: of the year, of year and month, of the date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Birth {
    /// The year.
    pub year: u32,
    /// The month, from 1.
    pub month: u32,
    /// The day, from 1.
    pub day: u32,
}

impl Birth {
    /// Reads FHIR's date: `1987`, `1987-04` or `1987-04-09`; a time after it is cut off.
    pub fn read(text: &str) -> Option<Birth> {
        let date = text.split('T').next()?;
        fhir::moment::stretch(date, 0)?;
        let mut parts = date.split('-').map(|part| part.parse().ok());
        Some(Birth {
            year: parts.next()??,
            month: parts.next().flatten().unwrap_or(0),
            day: parts.next().flatten().unwrap_or(0),
        })
    }

    /// Whether the day is known.
    pub fn is_full(&self) -> bool {
        self.month > 0 && self.day > 0
    }

    /// Whether it is the first of January, as which many dates are written of which only the year is known.
    pub fn is_heaped(&self) -> bool {
        (self.month, self.day) == (1, 1)
    }

    /// Whether it tells the day: full, and not heaped.
    pub fn tells_day(&self) -> bool {
        self.is_full() && !self.is_heaped()
    }

    /// Day and month the other way round, where that is a date too.
    pub fn swapped(&self) -> Option<Birth> {
        let swaps = self.is_full() && self.day <= 12 && self.day != self.month;
        swaps.then_some(Birth {
            year: self.year,
            month: self.day,
            day: self.month,
        })
    }

    /// The year alone.
    pub fn of_year(year: u32) -> Birth {
        Birth { year, month: 0, day: 0 }
    }
}

impl fmt::Display for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if self.month > 0 {
            write!(f, "-{:02}", self.month)?;
        }
        if self.day > 0 {
            write!(f, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_precise_as_they_are() {
        for text in ["1987", "1987-04", "1987-04-09"] {
            assert_eq!(Birth::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Birth::read("1987-04-09T10:00:00Z").unwrap().to_string(), "1987-04-09");
        for text in ["", "87", "1987-13", "1987-02-30", "soon"] {
            assert_eq!(Birth::read(text), None, "{text}");
        }
        let birth = Birth::read("1987-04-09").unwrap();
        assert_eq!(birth.swapped().unwrap().to_string(), "1987-09-04");
        assert!(birth.tells_day() && !Birth::read("1987-01-01").unwrap().tells_day());
        assert_eq!(Birth::read("1987-04-19").unwrap().swapped(), None);
    }
}
