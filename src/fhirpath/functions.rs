//! The functions by name, with how many arguments each takes.

/// Every function that isn't a step of its own, by what it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Sets(Sets),
    Loops(Loops),
    Moments(Moments),
    Strings(Strings),
    Numbers(Numbers),
    Records(Records),
    Totals(Totals),
    /// `toInteger()` and its like.
    Convert(Target),
    /// `convertsToInteger()` and its like.
    Converts(Target),
}

/// Existence, subsetting and combining: over whole collections, without looking into the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sets {
    AllFalse,
    AllTrue,
    AnyFalse,
    AnyTrue,
    Combine,
    Count,
    Distinct,
    Empty,
    Exclude,
    First,
    Intersect,
    IsDistinct,
    Last,
    Not,
    Single,
    Skip,
    SubsetOf,
    SupersetOf,
    Tail,
    Take,
    Union,
}

/// Those whose arguments are evaluated for items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loops {
    Aggregate,
    All,
    Coalesce,
    DefineVariable,
    Exists,
    Iif,
    Repeat,
    RepeatAll,
    Select,
    Sort,
    Trace,
    Where,
}

/// Over one string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strings {
    Contains,
    Decode,
    Encode,
    EndsWith,
    Escape,
    IndexOf,
    Join,
    LastIndexOf,
    Length,
    Lower,
    Matches,
    MatchesFull,
    Replace,
    ReplaceMatches,
    Split,
    StartsWith,
    Substring,
    ToChars,
    Trim,
    Unescape,
    Upper,
}

/// Over one number, quantity, date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    Abs,
    Ceiling,
    Comparable,
    Exp,
    Floor,
    HighBoundary,
    Ln,
    Log,
    LowBoundary,
    Power,
    Precision,
    Round,
    Sqrt,
    Truncate,
}

/// Parts of one date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moments {
    Date,
    Day,
    Hour,
    Millisecond,
    Minute,
    Month,
    Second,
    Time,
    Year,
    Zone,
}

/// Over elements of a record, and what the surroundings say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Records {
    CheckModifiers,
    ConformsTo,
    ElementDefinition,
    GetValue,
    HasExtension,
    HasValue,
    HtmlChecks,
    MemberOf,
    Now,
    ResourceKey,
    Slice,
    SubsumedBy,
    Subsumes,
    TimeOfDay,
    Today,
    Type,
}

/// Over a collection of values that can be added or compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Totals {
    Average,
    Greatest,
    Least,
    Sum,
}

/// What a conversion yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Boolean,
    Date,
    DateTime,
    Decimal,
    Integer,
    Long,
    Quantity,
    String,
    Time,
}

use Function as F;

/// Name, function, least and most arguments; alphabetical.
const FUNCTIONS: [(&str, Function, usize, usize); 117] = [
    ("abs", F::Numbers(Numbers::Abs), 0, 0),
    ("aggregate", F::Loops(Loops::Aggregate), 1, 2),
    ("all", F::Loops(Loops::All), 1, 1),
    ("allFalse", F::Sets(Sets::AllFalse), 0, 0),
    ("allTrue", F::Sets(Sets::AllTrue), 0, 0),
    ("anyFalse", F::Sets(Sets::AnyFalse), 0, 0),
    ("anyTrue", F::Sets(Sets::AnyTrue), 0, 0),
    ("avg", F::Totals(Totals::Average), 0, 0),
    ("ceiling", F::Numbers(Numbers::Ceiling), 0, 0),
    ("checkModifiers", F::Records(Records::CheckModifiers), 0, 32),
    ("coalesce", F::Loops(Loops::Coalesce), 1, 32),
    ("combine", F::Sets(Sets::Combine), 1, 2),
    ("comparable", F::Numbers(Numbers::Comparable), 1, 1),
    ("conformsTo", F::Records(Records::ConformsTo), 1, 1),
    ("contains", F::Strings(Strings::Contains), 1, 1),
    ("convertsToBoolean", F::Converts(Target::Boolean), 0, 0),
    ("convertsToDate", F::Converts(Target::Date), 0, 0),
    ("convertsToDateTime", F::Converts(Target::DateTime), 0, 0),
    ("convertsToDecimal", F::Converts(Target::Decimal), 0, 0),
    ("convertsToInteger", F::Converts(Target::Integer), 0, 0),
    ("convertsToLong", F::Converts(Target::Long), 0, 0),
    ("convertsToQuantity", F::Converts(Target::Quantity), 0, 1),
    ("convertsToString", F::Converts(Target::String), 0, 0),
    ("convertsToTime", F::Converts(Target::Time), 0, 0),
    ("count", F::Sets(Sets::Count), 0, 0),
    ("dateOf", F::Moments(Moments::Date), 0, 0),
    ("dayOf", F::Moments(Moments::Day), 0, 0),
    ("decode", F::Strings(Strings::Decode), 1, 1),
    ("defineVariable", F::Loops(Loops::DefineVariable), 1, 2),
    ("distinct", F::Sets(Sets::Distinct), 0, 0),
    ("elementDefinition", F::Records(Records::ElementDefinition), 0, 0),
    ("empty", F::Sets(Sets::Empty), 0, 0),
    ("encode", F::Strings(Strings::Encode), 1, 1),
    ("endsWith", F::Strings(Strings::EndsWith), 1, 1),
    ("escape", F::Strings(Strings::Escape), 1, 1),
    ("exclude", F::Sets(Sets::Exclude), 1, 1),
    ("exists", F::Loops(Loops::Exists), 0, 1),
    ("exp", F::Numbers(Numbers::Exp), 0, 0),
    ("first", F::Sets(Sets::First), 0, 0),
    ("floor", F::Numbers(Numbers::Floor), 0, 0),
    ("getResourceKey", F::Records(Records::ResourceKey), 0, 0),
    ("getValue", F::Records(Records::GetValue), 0, 0),
    ("hasExtension", F::Records(Records::HasExtension), 1, 1),
    ("hasValue", F::Records(Records::HasValue), 0, 0),
    ("highBoundary", F::Numbers(Numbers::HighBoundary), 0, 1),
    ("hourOf", F::Moments(Moments::Hour), 0, 0),
    ("htmlChecks", F::Records(Records::HtmlChecks), 0, 0),
    ("htmlChecks2", F::Records(Records::HtmlChecks), 0, 0),
    ("iif", F::Loops(Loops::Iif), 2, 3),
    ("indexOf", F::Strings(Strings::IndexOf), 1, 1),
    ("intersect", F::Sets(Sets::Intersect), 1, 1),
    ("isDistinct", F::Sets(Sets::IsDistinct), 0, 0),
    ("join", F::Strings(Strings::Join), 0, 1),
    ("last", F::Sets(Sets::Last), 0, 0),
    ("lastIndexOf", F::Strings(Strings::LastIndexOf), 1, 1),
    ("length", F::Strings(Strings::Length), 0, 0),
    ("ln", F::Numbers(Numbers::Ln), 0, 0),
    ("log", F::Numbers(Numbers::Log), 1, 1),
    ("lowBoundary", F::Numbers(Numbers::LowBoundary), 0, 1),
    ("lower", F::Strings(Strings::Lower), 0, 0),
    ("matches", F::Strings(Strings::Matches), 1, 2),
    ("matchesFull", F::Strings(Strings::MatchesFull), 1, 2),
    ("max", F::Totals(Totals::Greatest), 0, 0),
    ("memberOf", F::Records(Records::MemberOf), 1, 1),
    ("millisecondOf", F::Moments(Moments::Millisecond), 0, 0),
    ("min", F::Totals(Totals::Least), 0, 0),
    ("minuteOf", F::Moments(Moments::Minute), 0, 0),
    ("monthOf", F::Moments(Moments::Month), 0, 0),
    ("not", F::Sets(Sets::Not), 0, 0),
    ("now", F::Records(Records::Now), 0, 0),
    ("power", F::Numbers(Numbers::Power), 1, 1),
    ("precision", F::Numbers(Numbers::Precision), 0, 0),
    ("repeat", F::Loops(Loops::Repeat), 1, 1),
    ("repeatAll", F::Loops(Loops::RepeatAll), 1, 1),
    ("replace", F::Strings(Strings::Replace), 2, 2),
    ("replaceMatches", F::Strings(Strings::ReplaceMatches), 2, 3),
    ("round", F::Numbers(Numbers::Round), 0, 1),
    ("secondOf", F::Moments(Moments::Second), 0, 0),
    ("select", F::Loops(Loops::Select), 1, 1),
    ("single", F::Sets(Sets::Single), 0, 0),
    ("skip", F::Sets(Sets::Skip), 1, 1),
    ("slice", F::Records(Records::Slice), 2, 2),
    ("sort", F::Loops(Loops::Sort), 0, 8),
    ("split", F::Strings(Strings::Split), 1, 1),
    ("sqrt", F::Numbers(Numbers::Sqrt), 0, 0),
    ("startsWith", F::Strings(Strings::StartsWith), 1, 1),
    ("subsetOf", F::Sets(Sets::SubsetOf), 1, 1),
    ("substring", F::Strings(Strings::Substring), 1, 2),
    ("subsumedBy", F::Records(Records::SubsumedBy), 1, 1),
    ("subsumes", F::Records(Records::Subsumes), 1, 1),
    ("sum", F::Totals(Totals::Sum), 0, 0),
    ("supersetOf", F::Sets(Sets::SupersetOf), 1, 1),
    ("tail", F::Sets(Sets::Tail), 0, 0),
    ("take", F::Sets(Sets::Take), 1, 1),
    ("timeOf", F::Moments(Moments::Time), 0, 0),
    ("timeOfDay", F::Records(Records::TimeOfDay), 0, 0),
    ("timezoneOffsetOf", F::Moments(Moments::Zone), 0, 0),
    ("toBoolean", F::Convert(Target::Boolean), 0, 0),
    ("toChars", F::Strings(Strings::ToChars), 0, 0),
    ("toDate", F::Convert(Target::Date), 0, 0),
    ("toDateTime", F::Convert(Target::DateTime), 0, 0),
    ("toDecimal", F::Convert(Target::Decimal), 0, 0),
    ("toInteger", F::Convert(Target::Integer), 0, 0),
    ("toLong", F::Convert(Target::Long), 0, 0),
    ("toQuantity", F::Convert(Target::Quantity), 0, 1),
    ("toString", F::Convert(Target::String), 0, 0),
    ("toTime", F::Convert(Target::Time), 0, 0),
    ("today", F::Records(Records::Today), 0, 0),
    ("trace", F::Loops(Loops::Trace), 1, 2),
    ("trim", F::Strings(Strings::Trim), 0, 0),
    ("truncate", F::Numbers(Numbers::Truncate), 0, 0),
    ("type", F::Records(Records::Type), 0, 0),
    ("unescape", F::Strings(Strings::Unescape), 1, 1),
    ("union", F::Sets(Sets::Union), 1, 1),
    ("upper", F::Strings(Strings::Upper), 0, 0),
    ("where", F::Loops(Loops::Where), 1, 1),
    ("yearOf", F::Moments(Moments::Year), 0, 0),
];

/// A function by name, with the least and most arguments it takes.
pub(crate) fn named(name: &str) -> Option<(Function, usize, usize)> {
    let at = FUNCTIONS.binary_search_by(|entry| entry.0.cmp(name)).ok()?;
    let (_, function, least, most) = FUNCTIONS[at];
    Some((function, least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
