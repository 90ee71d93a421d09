//! Statistics of measurements: what the codes of `observation-statistics` mean, over amounts in one unit.
//!
//! <https://hl7.org/fhir/R4/valueset-observation-statistics.html>. Variance and standard deviation are those of a sample
//! (divided by n - 1); percentiles, quartiles and quintiles lie between two measurements in proportion (as spreadsheets
//! have it); skew and kurtosis are the third and fourth standardised moments; the regression is by least squares over days.

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    /// When it was taken, in days since 1970, where that is known.
    pub(crate) day: Option<f64>,
    /// How much.
    pub(crate) amount: f64,
}

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// The unit of the measurements.
    Unit,
    /// That unit squared.
    Squared,
    /// That unit, each day.
    PerDay,
    /// A number alone.
    Number,
}

/// One figure: what distinguishes it from others of its code, its value where it has one, what that is measured in.
pub(crate) type Figure = (Option<&'static str>, Option<f64>, Dimension);

/// All statistics: code and display.
pub(crate) const STATISTICS: [(&str, &str); 21] = [
    ("average", "Average"),
    ("maximum", "Maximum"),
    ("minimum", "Minimum"),
    ("count", "Count"),
    ("total-count", "Total Count"),
    ("median", "Median"),
    ("std-dev", "Standard Deviation"),
    ("sum", "Sum"),
    ("variance", "Variance"),
    ("20-percent", "20th Percentile"),
    ("80-percent", "80th Percentile"),
    ("4-lower", "Lower Quartile"),
    ("4-upper", "Upper Quartile"),
    ("4-dev", "Quartile Deviation"),
    ("5-1", "1st Quintile"),
    ("5-2", "2nd Quintile"),
    ("5-3", "3rd Quintile"),
    ("5-4", "4th Quintile"),
    ("skew", "Skew"),
    ("kurtosis", "Kurtosis"),
    ("regression", "Regression"),
];

/// The figures of a statistic over measurements, of which `total` were looked at.
pub(crate) fn figures(code: &str, all: &[Measurement], total: usize) -> Vec<Figure> {
    let mut amounts: Vec<f64> = all.iter().map(|measurement| measurement.amount).collect();
    amounts.sort_by(f64::total_cmp);
    let unit = |value: Option<f64>| vec![(None, value, Dimension::Unit)];
    let number = |value: Option<f64>| vec![(None, value, Dimension::Number)];
    match code {
        "count" => number(Some(amounts.len() as f64)),
        "total-count" => number(Some(total as f64)),
        "sum" => unit(Some(amounts.iter().sum())),
        "average" => unit(mean(&amounts)),
        "maximum" => unit(amounts.last().copied()),
        "minimum" => unit(amounts.first().copied()),
        "variance" => vec![(None, variance(&amounts), Dimension::Squared)],
        "std-dev" => unit(variance(&amounts).map(f64::sqrt)),
        "4-dev" => unit(
            quantile(&amounts, 0.75)
                .zip(quantile(&amounts, 0.25))
                .map(|(upper, lower)| (upper - lower) / 2.0),
        ),
        "skew" => number(standardised(&amounts, 3)),
        "kurtosis" => number(standardised(&amounts, 4)),
        "regression" => regression(all),
        code => unit(part(code).and_then(|part| quantile(&amounts, part))),
    }
}

/// Which part of the measurements lies below a figure.
fn part(code: &str) -> Option<f64> {
    Some(match code {
        "median" => 0.5,
        "20-percent" | "5-1" => 0.2,
        "5-2" => 0.4,
        "5-3" => 0.6,
        "80-percent" | "5-4" => 0.8,
        "4-lower" => 0.25,
        "4-upper" => 0.75,
        _ => return None,
    })
}

fn mean(amounts: &[f64]) -> Option<f64> {
    (!amounts.is_empty()).then(|| amounts.iter().sum::<f64>() / amounts.len() as f64)
}

fn variance(amounts: &[f64]) -> Option<f64> {
    let mean = mean(amounts).filter(|_| amounts.len() > 1)?;
    let squares: f64 = amounts.iter().map(|amount| (amount - mean).powi(2)).sum();
    Some(squares / (amounts.len() - 1) as f64)
}

fn standardised(amounts: &[f64], power: i32) -> Option<f64> {
    let mean = mean(amounts)?;
    let moment =
        |power: i32| amounts.iter().map(|amount| (amount - mean).powi(power)).sum::<f64>() / amounts.len() as f64;
    let deviation = moment(2).sqrt();
    (deviation > 0.0).then(|| moment(power) / deviation.powi(power))
}

/// The amount below which a part of the sorted measurements lies.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// The straight line nearest to the measurements: its rise a day, and where it starts on the day of the first.
fn regression(all: &[Measurement]) -> Vec<Figure> {
    let dated: Vec<(f64, f64)> = all.iter().filter_map(|m| Some((m.day?, m.amount))).collect();
    let first = dated.iter().map(|(day, _)| *day).fold(f64::INFINITY, f64::min);
    let days: Vec<f64> = dated.iter().map(|(day, _)| day - first).collect();
    let amounts: Vec<f64> = dated.iter().map(|(_, amount)| *amount).collect();
    let line = mean(&days).zip(mean(&amounts)).and_then(|(day, amount)| {
        let pairs = || days.iter().zip(&amounts);
        let spread: f64 = days.iter().map(|x| (x - day).powi(2)).sum();
        let rise = pairs().map(|(x, y)| (x - day) * (y - amount)).sum::<f64>() / spread;
        (spread > 0.0).then_some((rise, amount - rise * day))
    });
    vec![
        (Some("Gradient"), line.map(|line| line.0), Dimension::PerDay),
        (Some("Intercept"), line.map(|line| line.1), Dimension::Unit),
    ]
}

/// A figure as a decimal of at most 12 digits that count, without an exponent.
pub(crate) fn decimal(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let whole = value.abs().log10().floor() as i32 + 1;
    let places = usize::try_from(12 - whole).unwrap_or(0).min(40);
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_textbooks() {
        let of = |amounts: &[f64]| -> Vec<Measurement> {
            let one = |(day, amount): (usize, &f64)| Measurement {
                day: Some(day as f64),
                amount: *amount,
            };
            amounts.iter().enumerate().map(one).collect()
        };
        let six = of(&[70.0, 74.0, 71.0, 79.0, 76.0, 80.0]);
        let table = [
            ("count", "6"),
            ("total-count", "9"),
            ("sum", "450"),
            ("average", "75"),
            ("minimum", "70"),
            ("maximum", "80"),
            ("median", "75"),
            ("variance", "16.8"),
            ("std-dev", "4.09878030638"),
            ("4-lower", "71.75"),
            ("4-upper", "78.25"),
            ("4-dev", "3.25"),
            ("20-percent", "71"),
            ("80-percent", "79"),
            ("5-1", "71"),
            ("5-2", "74"),
            ("5-3", "76"),
            ("5-4", "79"),
            ("skew", "0"),
            ("kurtosis", "1.5"),
            ("regression", "1.82857142857"),
        ];
        for (code, expected) in table {
            let found = figures(code, &six, 9)[0].1.map(decimal);
            assert_eq!(found.as_deref(), Some(expected), "{code}");
        }
        assert_eq!(
            figures("regression", &six, 9)[1].1.map(decimal).as_deref(),
            Some("70.4285714286")
        );
        assert_eq!(table.len(), STATISTICS.len());
        for (code, _) in STATISTICS {
            let alone = figures(code, &of(&[5.5]), 1)[0].1;
            let undefined = matches!(code, "variance" | "std-dev" | "skew" | "kurtosis" | "regression");
            assert_eq!(alone.is_none(), undefined, "{code} of one");
            let none = figures(code, &[], 0)[0].1;
            assert_eq!(
                none.is_some(),
                matches!(code, "count" | "total-count" | "sum"),
                "{code} of none"
            );
        }
    }

    #[test]
    fn decimals_have_no_exponent_and_no_noise() {
        for (value, text) in [
            (0.1 + 0.2, "0.3"),
            (1e21, "1000000000000000000000"),
            (-2.5, "-2.5"),
            (1.0 / 3.0, "0.333333333333"),
            (1e-9, "0.000000001"),
        ] {
            assert_eq!(decimal(value), text);
        }
    }
}
