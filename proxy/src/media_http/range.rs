//! Which part of a content is wanted (RFC 9110, section 14).

/// What a `Range` header means for a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: there is no range, or one that may be ignored.
    All,
    /// The bytes from `first` up to and including `last`.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// Nothing that the content has.
    Nothing,
}

/// Reads the value of a `Range` header for a content of `size` bytes. Several ranges, and what is
/// not understood, are ignored, as section 14.2 permits.
pub(super) fn wanted(range: Option<&str>, size: u64) -> Wanted {
    let parsed = || {
        let (unit, set) = range?.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = set.trim().split_once('-')?;
        Some((number(first).ok()?, number(last).ok()?))
    };
    match parsed() {
        None | Some((None, None)) => Wanted::All,
        Some((Some(first), Some(last))) if last < first => Wanted::All,
        Some((Some(first), _)) if first >= size => Wanted::Nothing,
        Some((Some(first), last)) => {
            // `first` is below the size, so the size is not 0.
            Wanted::Part { first, last: last.unwrap_or(u64::MAX).min(size - 1) }
        }
        Some((None, Some(count))) if count == 0 || size == 0 => Wanted::Nothing,
        Some((None, Some(count))) => {
            Wanted::Part { first: size.saturating_sub(count), last: size - 1 }
        }
    }
}

/// Something that is neither a number nor nothing.
struct NotANumber;

/// A number or nothing. Numbers over 64 bits count as the highest.
fn number(text: &str) -> Result<Option<u64>, NotANumber> {
    if !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(NotANumber);
    }
    Ok((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: u64, last: u64) -> Wanted {
        Wanted::Part { first, last }
    }

    #[test]
    fn single_ranges() {
        for (range, result) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99999999999999999999999", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-30", part(0, 9)),
            ("Bytes = 1-2", part(1, 2)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=10-12", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
        ] {
            assert_eq!(wanted(Some(range), 10), result, "{range}");
        }
        assert_eq!(wanted(None, 10), Wanted::All);
    }

    #[test]
    fn what_may_be_ignored_is() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2-3",
            "lines=1-2",
        ] {
            assert_eq!(wanted(Some(range), 10), Wanted::All, "{range}");
        }
    }

    #[test]
    fn an_empty_content_has_no_part() {
        for range in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(wanted(Some(range), 0), Wanted::Nothing, "{range}");
        }
    }
}
