//! Time spans as people write them.

use std::time::Duration;

/// Units, the longest first.
const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// Reads `90s`, `15m`, `12h`, `7d`, `2w`: a whole number with one unit, at most some centuries.
///
/// # Errors
/// What would be right.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is not a time span; write for example 90s, 15m, 12h, 7d or 2w");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let digits = &text[..text.len() - unit.len_utf8()];
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let span = number.checked_mul(seconds).filter(|s| *s > 0 && *s < 1 << 35).ok_or_else(wrong)?;
    Ok(Duration::from_secs(span))
}

/// Writes one in its largest unit, rounded down.
pub fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    let fits = UNITS.into_iter().find(|(_, length)| seconds >= *length);
    fits.map_or_else(|| "0s".to_owned(), |(unit, length)| format!("{}{unit}", seconds / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("12h", 43_200), ("2w", 1_209_600)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "5", "m", "-1m", "1.5h", "0s", "5µ", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(short(Duration::from_secs(0)), "0s");
        assert_eq!(short(Duration::from_secs(119)), "1m");
        assert_eq!(short(Duration::from_hours(25)), "1d");
    }
}
