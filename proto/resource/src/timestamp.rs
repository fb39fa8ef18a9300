//! Points in time as RFC 3339 writes them.

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize, Serializer};

/// A point in time, to the second, written as `2030-01-31T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// What is accepted, as a regular expression.
    #[cfg(feature = "crd")]
    pub(crate) const PATTERN: &str = concat!(
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}",
        r"(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"
    );

    /// From Unix seconds.
    pub fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// In Unix seconds.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 with capital `T` and `Z`; `None` if it is not that. Parts of a second are
    /// cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = (text.get(..11)?.strip_suffix('T')?, text.get(11..)?);
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time.get(..8)?, ':', [2, 2, 2])?;
        let mut zone = time.get(8..)?;
        if let Some(rest) = zone.strip_prefix('.') {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            zone = rest.get(digits..)?;
        }
        let offset = if zone == "Z" {
            0
        } else {
            let sign = if zone.starts_with('-') { -60 } else { 60 };
            let rest = zone.strip_prefix(['+', '-'])?;
            let [hours, minutes] = numbers(rest, ':', [2, 2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 60 + minutes)
        };
        let fits = (1..=12).contains(&month)
            && (1..=days_of(year, month)).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 59;
        let seconds = hour * 3600 + minute * 60 + second;
        fits.then(|| Self(days_before(year, month, day) * 86400 + seconds - offset))
    }
}

/// Exactly `N` numbers of these many digits.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut found = [0; N];
    for (value, digits) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by counting years from March, so that a leap day is a year's last.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_before`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = date_of(self.0.div_euclid(86400));
        let second = self.0.rem_euclid(86400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = "a time such as 2030-01-31T12:00:00Z";
        Self::parse(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, unix, written) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2000-02-29T23:59:59Z", 951_868_799, "2000-02-29T23:59:59Z"),
            ("2030-01-31T12:00:00.25+02:00", 1_896_084_000, "2030-01-31T10:00:00Z"),
            ("1969-12-31T23:30:00-01:00", 1800, "1970-01-01T00:30:00Z"),
            ("0001-01-01T00:00:00Z", -62_135_596_800, "0001-01-01T00:00:00Z"),
        ] {
            let time = Timestamp::parse(text).unwrap();
            assert_eq!((time.unix(), time.to_string().as_str()), (unix, written), "{text}");
        }
        for bad in [
            "",
            "tomorrow",
            "2030-01-31",
            "2030-01-31T12:00:00",
            "2030-02-29T00:00:00Z",
            "2030-13-01T00:00:00Z",
            "2030-01-01T24:00:00Z",
            "2030-01-01T00:00:60Z",
            "2030-01-01t00:00:00z",
            "2030-01-01T00:00:00.Z",
            "2030-01-01T00:00:00+2:00",
            "2030-01-01 00:00:00Z",
            "+030-01-01T00:00:00Z",
            "2030-01-01T00:00:00€",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        let mut days = days_before(1970, 1, 1);
        assert_eq!(days, 0);
        for year in 1970..2370 {
            for month in 1..=12 {
                for day in 1..=days_of(year, month) {
                    assert_eq!(days_before(year, month, day), days);
                    assert_eq!(date_of(days), (year, month, day));
                    days += 1;
                }
            }
        }
    }
}
