//! The values a setting can have, read from text and written as TOML.

use toml::de::DeValue;

/// A value of a setting.
pub trait Value: Sized {
    /// Reads it from text.
    ///
    /// # Errors
    /// The end of a sentence that starts with the setting's name.
    fn read(text: &str) -> Result<Self, String>;
    /// Writes it as TOML.
    fn write(&self) -> String;
}

/// A number of bytes: written `65536`, `64 KiB`, `64 MiB` or `2 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The number, for lengths in memory.
    pub fn length(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// A time zone as minutes east of Greenwich: written `+06:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(pub i32);

/// A node's number: written `17`, or `enrolled` for that of the data folder, which is nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeNumber(pub Option<u32>);

/// What stands for the number of the data folder.
pub const ENROLLED: &str = "enrolled";

impl Value for NodeNumber {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            ENROLLED => Ok(NodeNumber(None)),
            _ => u32::read(text).map(|number| NodeNumber(Some(number))),
        }
    }

    fn write(&self) -> String {
        self.0.map_or(format!("{ENROLLED:?}"), |number| number.to_string())
    }
}

impl Value for Bytes {
    fn read(text: &str) -> Result<Self, String> {
        let unit = UNITS.iter().find(|(name, _)| text.ends_with(name));
        let (digits, factor) = unit.map_or((text, 1), |(name, factor)| (text.trim_end_matches(name), *factor));
        let number = digits.trim().parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
        number.map(Bytes).ok_or(format!(
            "is a number of bytes such as 65536 or \"64 KiB\", not {text:?}"
        ))
    }

    fn write(&self) -> String {
        let unit = UNITS
            .iter()
            .find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        unit.map_or(self.0.to_string(), |(name, factor)| {
            format!("\"{} {name}\"", self.0 / factor)
        })
    }
}

impl Value for Zone {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("is a time zone such as \"+06:00\", not {text:?}");
        let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(rest), _) => (1, rest),
            (_, Some(rest)) => (-1, rest),
            _ => return Err(wrong()),
        };
        let (hours, minutes) = rest.split_once(':').ok_or_else(wrong)?;
        let number = |part: &str, max: i32| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<i32>()
                .ok()
                .filter(|n| digits && *n <= max)
                .ok_or_else(wrong)
        };
        Ok(Zone(sign * (number(hours, 14)? * 60 + number(minutes, 59)?)))
    }

    fn write(&self) -> String {
        let sign = if self.0 < 0 { '-' } else { '+' };
        format!("\"{sign}{:02}:{:02}\"", self.0.abs() / 60, self.0.abs() % 60)
    }
}

impl Value for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        format!("{self:?}")
    }
}

impl Value for Vec<String> {
    fn read(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(parts.map(str::to_owned).collect())
    }

    fn write(&self) -> String {
        let parts: Vec<String> = self.iter().map(Value::write).collect();
        format!("[{}]", parts.join(", "))
    }
}

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("is true or false, not {text:?}"))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_numbers {
    ($($kind:ty),+) => {$(
        impl Value for $kind {
            fn read(text: &str) -> Result<Self, String> {
                let wrong = |_| format!("is a whole number from 0 to {}, not {text:?}", <$kind>::MAX);
                text.replace('_', "").parse().map_err(wrong)
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

whole_numbers!(u32, u64, usize);

/// The text of a value in a settings file, as [`Value::read`] takes it.
///
/// # Errors
/// The end of a sentence that starts with the setting's name.
pub fn plain(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Boolean(yes) => Ok(yes.to_string()),
        DeValue::Array(items) => {
            let items: Result<Vec<String>, String> = items.iter().map(|item| plain(item.get_ref())).collect();
            Ok(items?.join(","))
        }
        _ => Err("is no setting, or its value is no text, number, boolean or list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_written() {
        for (text, bytes, written) in [
            ("65536", 65536, "\"64 KiB\""),
            ("64 MiB", 64 << 20, "\"64 MiB\""),
            ("2GiB", 2 << 30, "\"2 GiB\""),
            ("1000", 1000, "1000"),
        ] {
            assert_eq!(Bytes::read(text), Ok(Bytes(bytes)), "{text}");
            assert_eq!(Bytes(bytes).write(), written);
        }
        for (text, minutes) in [("+06:00", 360), ("-03:30", -210), ("+00:00", 0)] {
            assert_eq!(Zone::read(text), Ok(Zone(minutes)), "{text}");
        }
        for wrong in ["6", "06:00", "+6:00", "+15:00", "+06:60", "+06"] {
            assert!(Zone::read(wrong).is_err(), "{wrong}");
        }
        assert!(Bytes::read("64 MB").is_err() && Bytes::read("99999999999 GiB").is_err() && u32::read("-1").is_err());
        assert_eq!(Vec::<String>::read("a, b,,").unwrap().write(), "[\"a\", \"b\"]");
    }
}
