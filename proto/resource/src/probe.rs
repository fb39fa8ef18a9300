//! How servers are looked at.

use std::time::Duration;

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize, Serializer};

use crate::check;

/// How it is found out whether a server answers: the proxy begins a login, as a client does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline, extend(
    "x-kubernetes-validations" = [{
        "rule": "duration(self.timeout) < duration(self.interval)",
        "message": "timeout has to be shorter than interval"
    }]
)))]
pub struct Probe {
    /// Pause between two looks, 1s to 1h.
    #[serde(deserialize_with = "interval")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = [{
        "rule": "duration(self) >= duration('1s') && duration(self) <= duration('1h')",
        "message": "write 1s to 1h"
    }])))]
    pub interval: Interval,
    /// How long an answer may take, 100ms to 1m; shorter than the interval.
    #[serde(deserialize_with = "timeout")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = [{
        "rule": "duration(self) >= duration('100ms') && duration(self) <= duration('1m')",
        "message": "write 100ms to 1m"
    }])))]
    pub timeout: Interval,
    /// After how many looks without an answer in a row the server counts as down, 1 to 10. A server
    /// that players lose is looked at at once, whatever the interval says.
    #[serde(deserialize_with = "check::number::<_, _, 1, 10>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 10)))]
    pub unhealthy_threshold: u32,
    /// After how many looks with an answer in a row a server that was down counts as up, 1 to 10. One
    /// that was never seen counts as up after the first.
    #[serde(deserialize_with = "check::number::<_, _, 1, 10>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 10)))]
    pub healthy_threshold: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            interval: Interval(Duration::from_secs(30)),
            timeout: Interval(Duration::from_secs(20)),
            unhealthy_threshold: 1,
            healthy_threshold: 1,
        }
    }
}

/// A span of time, written as `30s`, `500ms` or `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(pub Duration);

impl Interval {
    /// What is accepted, as a regular expression. Up to four numbers with a unit each.
    #[cfg(feature = "crd")]
    pub(crate) const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

    /// Reads `text`; `None` if it is no span of time.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut sum = Duration::ZERO;
        for _ in 0..4 {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=5).contains(&digits) {
                return None;
            }
            let (number, tail) = rest.split_at(digits);
            let number: u64 = number.parse().ok()?;
            let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
            let (tail, unit) = units
                .into_iter()
                .find_map(|(unit, millis)| Some((tail.strip_prefix(unit)?, millis)))?;
            sum += Duration::from_millis(number * unit);
            if tail.is_empty() {
                return Some(Self(sum));
            }
            rest = tail;
        }
        None
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.as_millis();
        let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        match units.iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::invalid_value(Unexpected::Str(&text), &"a span of time such as 30s or 500ms")
        })
    }
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Interval, D::Error> {
    between(deserializer, 1000, 3_600_000, "1s to 1h")
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Interval, D::Error> {
    between(deserializer, 100, 60_000, "100ms to 1m")
}

/// A span of time between two, in milliseconds.
pub(crate) fn between<'de, D: Deserializer<'de>>(
    deserializer: D,
    least: u64,
    most: u64,
    words: &str,
) -> Result<Interval, D::Error> {
    let span = Interval::deserialize(deserializer)?;
    if (Duration::from_millis(least)..=Duration::from_millis(most)).contains(&span.0) {
        return Ok(span);
    }
    Err(D::Error::invalid_value(Unexpected::Str(&span.to_string()), &words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, millis, written) in [
            ("30s", 30_000, "30s"),
            ("1m30s", 90_000, "90s"),
            ("500ms", 500, "500ms"),
            ("2h", 7_200_000, "2h"),
            ("1h2m3s4ms", 3_723_004, "3723004ms"),
            ("0s", 0, "0ms"),
        ] {
            let span = Interval::parse(text).unwrap();
            assert_eq!(
                (span.0, span.to_string().as_str()),
                (Duration::from_millis(millis), written)
            );
        }
        for bad in ["", "5", "s", "1d", "-1s", "1.5s", "123456s", "1s ", "1s1s1s1s1s", "٣s"] {
            assert_eq!(Interval::parse(bad), None, "{bad}");
        }
    }
}
