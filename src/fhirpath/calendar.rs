//! FHIRPath's dates and times, with the precision they were written in.

/// How far a date or time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// A year.
    Year,
    /// A month of a year.
    Month,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
    /// A second, with or without a fraction.
    Second,
}

/// A date, known to the year, the month or the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12; 1 where it is not known.
    pub month: u8,
    /// 1 to 31; 1 where it is not known.
    pub day: u8,
    /// Year, month or day.
    pub precision: Precision,
}

/// A time of day, known to the hour, the minute or the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    /// Microseconds since midnight.
    pub micros: i64,
    /// Hour, minute or second.
    pub precision: Precision,
    /// How many digits of the second's fraction were written, at most 6.
    pub fraction: u8,
}

/// A date with a time of day and perhaps a zone; a partial one may lack the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// The date.
    pub date: Date,
    /// The time of day, where the date is known to the day.
    pub time: Option<Time>,
    /// Minutes east of Greenwich, where the text says it.
    pub zone: Option<i16>,
}
