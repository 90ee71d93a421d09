//! The census: how many people of which sex and age live in each chiwog, and the gewogs and dzongkhags around them.

use crate::country::{DZONGKHAGS, FACILITIES, GEWOGS, slug};
use crate::random::Weighted;
use crate::table::{Row, commas};

const CHIWOGS: &str = include_str!("../../schema/bhutan/chiwogs.csv");

/// People in Bhutan at ages 0 to 4, 5 to 9 and so on, the last from 85 on: the shape within the census's three groups,
/// in hundreds, rounded.
const PYRAMID: [u64; 18] = [
    580, 640, 670, 730, 780, 750, 650, 550, 400, 350, 300, 240, 200, 160, 120, 80, 45, 25,
];
const BANDS_UNDER_15: usize = 3;
const BANDS_UNDER_65: usize = 13;

/// A dzongkhag.
pub struct Dzongkhag {
    /// Its place code, `BT01`.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What stands for it in a citizen number, `01`; not in the order of the place codes.
    pub citizen_code: String,
    /// The ids of the facilities in it.
    pub facilities: Vec<String>,
    /// Of a thousand people, how many have the names of the south.
    pub southern: u64,
}

/// A gewog.
pub struct Gewog {
    /// Its place code, `BT0101`: its last two digits are its serial in citizen numbers.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its dzongkhag, by place in [`Places::dzongkhags`].
    pub dzongkhag: usize,
}

/// A chiwog, as the census counted it.
pub struct Chiwog {
    /// Its place code, `BT0101001`.
    pub code: String,
    /// Its gewog, by place in [`Places::gewogs`].
    pub gewog: usize,
    /// Everybody.
    pub people: u64,
    /// Women and girls.
    pub female: u64,
    /// How many are under 15, from 15 to 64, and older.
    pub ages: [u64; 3],
    /// Households.
    pub households: u64,
}

/// The whole country.
pub struct Places {
    /// The dzongkhags in the order of their codes.
    pub dzongkhags: Vec<Dzongkhag>,
    /// The gewogs in the order of their codes.
    pub gewogs: Vec<Gewog>,
    /// The chiwogs in the order of their codes.
    pub chiwogs: Vec<Chiwog>,
    /// Gewogs, as often as people live in them.
    pub(crate) by_people: Weighted<usize>,
}

impl Places {
    /// Reads the tables of the country.
    pub fn bhutan() -> Places {
        let facilities = commas(FACILITIES);
        let dzongkhags: Vec<Dzongkhag> = commas(DZONGKHAGS)
            .iter()
            .map(|row| dzongkhag(row, &facilities))
            .collect();
        let within = |code: &str| {
            let found = dzongkhags.iter().position(|d| d.code == code);
            found.expect("the table of dzongkhags is whole")
        };
        let rows = commas(GEWOGS);
        let gewog = |row: &Row<'_>| Gewog {
            code: row.get("pcode").to_owned(),
            name: row.get("name").to_owned(),
            dzongkhag: within(row.get("dzongkhag_pcode")),
        };
        let gewogs: Vec<Gewog> = rows.iter().map(gewog).collect();
        let by_people = rows.iter().map(|row| row.number("population_2017")).zip(0..).collect();
        let gewog_of = |code: &str| {
            let found = gewogs.iter().position(|gewog| code.starts_with(&gewog.code));
            found.expect("the table of gewogs is whole")
        };
        let chiwogs = commas(CHIWOGS)
            .iter()
            .map(|row| chiwog(row, gewog_of(row.get("pcode"))))
            .collect();
        Places {
            dzongkhags,
            gewogs,
            chiwogs,
            by_people,
        }
    }
}

fn dzongkhag(row: &Row<'_>, facilities: &[Row<'_>]) -> Dzongkhag {
    let code = row.get("pcode");
    let here = facilities
        .iter()
        .filter(|facility| facility.get("dzongkhag_pcode") == code);
    Dzongkhag {
        code: code.to_owned(),
        name: row.get("name").to_owned(),
        citizen_code: row.get("citizen_number_code").to_owned(),
        facilities: here.map(|facility| slug(facility.get("name"))).collect(),
        southern: match row.get("name") {
            "Samtse" | "Tsirang" | "Sarpang" => 550,
            "Dagana" | "Chhukha" => 400,
            "Samdrup Jongkhar" => 200,
            "Thimphu" => 100,
            _ => 15,
        },
    }
}

fn chiwog(row: &Row<'_>, gewog: usize) -> Chiwog {
    Chiwog {
        code: row.get("pcode").to_owned(),
        gewog,
        people: row.number("population"),
        female: row.number("female"),
        ages: ["under_15", "from_15_to_64", "from_65"].map(|name| row.number(name)),
        households: row.number("households"),
    }
}

/// Ages in years, as often as the pyramid has them, within each of the census's three groups.
pub(crate) fn ages() -> [Weighted<i64>; 3] {
    let band = |(at, people): (usize, &u64)| {
        (0..5)
            .map(move |year| (*people, at as i64 * 5 + year))
            .collect::<Vec<_>>()
    };
    let bands: Vec<Vec<(u64, i64)>> = PYRAMID.iter().enumerate().map(band).collect();
    let group = |from: usize, to: usize| bands[from..to].iter().flatten().copied().collect();
    [
        group(0, BANDS_UNDER_15),
        group(BANDS_UNDER_15, BANDS_UNDER_65),
        group(BANDS_UNDER_65, PYRAMID.len()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_census_is_whole() {
        let places = Places::bhutan();
        assert_eq!(
            (places.dzongkhags.len(), places.gewogs.len(), places.chiwogs.len()),
            (20, 205, 1_233)
        );
        let sum = |of: &dyn Fn(&Chiwog) -> u64| places.chiwogs.iter().map(of).sum::<u64>();
        assert_eq!((sum(&|c| c.people), sum(&|c| c.households)), (727_145, 163_001));
        for chiwog in &places.chiwogs {
            assert_eq!(chiwog.ages.iter().sum::<u64>(), chiwog.people, "{}", chiwog.code);
            assert!(chiwog.code.starts_with(&places.gewogs[chiwog.gewog].code));
        }
        let mut random = Random::new(1, 1);
        for (ages, within) in ages().iter().zip([0..15, 15..65, 65..90]) {
            assert!((0..1_000).all(|_| within.contains(ages.draw(&mut random))));
        }
    }
}
