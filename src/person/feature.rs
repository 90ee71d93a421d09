//! What is compared of two persons, and how far they can agree in each.

/// One thing that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// The names, in whatever order and spelling.
    Name,
    /// The date of birth, as precise as both have it.
    Birth,
    /// The sex.
    Sex,
    /// The citizen number.
    Citizen,
    /// Numbers of other systems.
    Identifier,
    /// Which of twins.
    BirthOrder,
    /// The mother's number.
    Mother,
    /// The names of mother and father.
    Parents,
    /// Telephone numbers.
    Telephone,
    /// Where they live.
    Place,
}

/// How rare it is that two strangers agree so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chance {
    /// As the weights say.
    Fixed,
    /// As often as what they agree in occurs, times what the weights say.
    Frequency,
}

/// The levels of a feature, the furthest agreement first: what each is called, and its chance.
type Levels = &'static [(&'static str, Chance)];

use Chance::{Fixed, Frequency};

impl Feature {
    /// All features, in the order of the weights.
    pub const ALL: [Feature; 10] = [
        Feature::Name,
        Feature::Birth,
        Feature::Sex,
        Feature::Citizen,
        Feature::Identifier,
        Feature::BirthOrder,
        Feature::Mother,
        Feature::Parents,
        Feature::Telephone,
        Feature::Place,
    ];

    /// What it is called in weights and explanations.
    pub fn name(self) -> &'static str {
        match self {
            Feature::Name => "name",
            Feature::Birth => "birth date",
            Feature::Sex => "sex",
            Feature::Citizen => "citizen number",
            Feature::Identifier => "other number",
            Feature::BirthOrder => "birth order",
            Feature::Mother => "mother's number",
            Feature::Parents => "parents' names",
            Feature::Telephone => "telephone",
            Feature::Place => "place",
        }
    }

    /// Its levels.
    pub fn levels(self) -> Levels {
        match self {
            Feature::Name => &[
                ("same", Frequency),
                ("similar", Frequency),
                ("one within the other", Frequency),
                ("one part", Frequency),
                ("different", Fixed),
            ],
            Feature::Birth => &[
                ("same day", Frequency),
                ("day and month swapped", Fixed),
                ("same year, day or month", Fixed),
                ("same year, one not to the day", Frequency),
                ("same year, another day", Fixed),
                ("one or two years off, not to the day", Fixed),
                ("same day of another year", Fixed),
                ("different", Fixed),
            ],
            Feature::Sex => &[("same", Fixed), ("different", Fixed)],
            Feature::Citizen => &[("same", Frequency), ("mistyped", Fixed), ("different", Fixed)],
            Feature::Identifier => &[("same", Frequency), ("different", Fixed)],
            Feature::BirthOrder => &[("same", Fixed), ("different", Fixed)],
            Feature::Mother => &[("same", Frequency), ("different", Fixed)],
            Feature::Parents => &[("both", Frequency), ("one", Frequency), ("none", Fixed)],
            Feature::Telephone => &[("same", Frequency), ("different", Fixed)],
            Feature::Place => &[
                ("same house", Frequency),
                ("same chiwog", Frequency),
                ("same gewog", Frequency),
                ("same dzongkhag", Frequency),
                ("different", Fixed),
            ],
        }
    }

    /// Whether it tells the family rather than the person: brothers and sisters agree in it.
    pub fn is_of_family(self) -> bool {
        matches!(
            self,
            Feature::Mother | Feature::Parents | Feature::Telephone | Feature::Place
        )
    }
}

/// Places of levels that rules speak of.
pub(crate) mod level {
    pub const SAME: u8 = 0;
    pub const NAME_ONE_PART: u8 = 3;
    pub const NAME_DIFFERENT: u8 = 4;
    pub const BIRTH_SWAPPED: u8 = 1;
    pub const BIRTH_PART: u8 = 2;
    pub const BIRTH_YEAR: u8 = 3;
    pub const BIRTH_OTHER_DAY: u8 = 4;
    pub const BIRTH_YEARS_OFF: u8 = 5;
    pub const BIRTH_OTHER_YEAR: u8 = 6;
    pub const BIRTH_DIFFERENT: u8 = 7;
    pub const CITIZEN_MISTYPED: u8 = 1;
    pub const CITIZEN_DIFFERENT: u8 = 2;
    pub const DIFFERENT: u8 = 1;
    pub const PARENTS_ONE: u8 = 1;
    pub const PARENTS_NONE: u8 = 2;
    pub const HOUSE: u8 = 0;
    pub const CHIWOG: u8 = 1;
    pub const GEWOG: u8 = 2;
    pub const DZONGKHAG: u8 = 3;
    pub const PLACE_DIFFERENT: u8 = 4;
}
