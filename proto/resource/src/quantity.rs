//! Amounts of memory, processors and storage.

use std::borrow::Cow;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

/// An amount as Kubernetes writes it: `1500m`, `2`, `0.5`, `512Mi`, `10G`. Whole numbers need no
/// quotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quantity(Cow<'static, str>);

/// Units and what they stand for, in thousandths.
const UNITS: [(&str, u128); 12] = [
    ("", 1000),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
];

impl Quantity {
    /// What is accepted, as a regular expression.
    #[cfg(feature = "crd")]
    pub(crate) const PATTERN: &str = "^[0-9]{1,15}([.][0-9]{1,3})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$";

    /// 1Gi.
    pub(crate) const GIBI: Self = Self(Cow::Borrowed("1Gi"));

    /// The amount that `text` is; `None` if it is none, or one of the rarer ways to write it.
    pub fn new(text: &str) -> Option<Self> {
        thousandths(text).map(|_| Self(text.to_owned().into()))
    }

    /// The amount as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How much it is, to be compared with others: in thousandths, or less for parts of those.
    pub fn thousandths(&self) -> u128 {
        thousandths(&self.0).unwrap_or_default()
    }
}

fn thousandths(text: &str) -> Option<u128> {
    let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, part) =
        number.split_once('.').map_or((number, None), |(it, part)| (it, Some(part)));
    let digits = |text: &str, most: usize| {
        let good = (1..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
        good.then(|| text.parse::<u128>().ok()).flatten()
    };
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let part = match part {
        None => 0,
        // In thousandths of one, whatever it is that it is one of.
        Some(part) => digits(part, 3)? * [100, 10, 1].get(part.len() - 1)?,
    };
    Some(digits(whole, 15)? * unit + part * unit / 1000)
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Quantity;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an amount such as 512Mi, 10Gi, 500m or 2")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::new(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Quantity, E> {
                Quantity::new(&number.to_string())
                    .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_whatever_their_units() {
        let amount = |text: &str| Quantity::new(text).unwrap().thousandths();
        assert_eq!(amount("1Gi"), amount("1024Mi"));
        assert_eq!(amount("0.5"), amount("500m"));
        assert_eq!(amount("1.25Gi"), amount("1280Mi"));
        assert!(amount("1G") < amount("1Gi") && amount("999999999999999Pi") > amount("1Pi"));
        for wrong in ["", "Gi", "1.", ".5", "1.2345", "-1", "1e3", "1 Gi", "1GiB", "1.1.1"] {
            assert!(Quantity::new(wrong).is_none(), "{wrong}");
        }
        assert!(Quantity::new(&"9".repeat(16)).is_none());
    }
}
