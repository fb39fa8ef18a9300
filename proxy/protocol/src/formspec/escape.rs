//! Escapes of formspecs (`util/string.h`, split, unescape_string and str_formspec_escape).

use std::ops::Range;

/// The parts of `text[range]` between separators that no backslash makes ordinary. Parts keep their
/// backslashes, so that they can be split further.
pub(super) fn split(
    text: &[u8],
    range: Range<usize>,
    separator: u8,
) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
    let mut next = Some(range.start);
    std::iter::from_fn(move || {
        let start = next?;
        let mut escaped = false;
        let length = text[start..range.end].iter().position(|byte| {
            let ends = *byte == separator && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        next = length.map(|length| start + length + 1);
        Some(start..length.map_or(range.end, |length| start + length))
    })
}

/// An argument as the client uses it: every `\X` is an X.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        // A backslash at the very end disappears.
        out.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    out
}

/// The reverse of [`unescape`], so that the text is one argument.
pub(super) fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if matches!(byte, b'\\' | b']' | b'[' | b';' | b',' | b'$') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// True if the text goes through as one argument as it stands: nothing in it separates, and no
/// backslash at its end hides the separator that follows.
pub(super) fn is_one_argument(text: &[u8]) -> bool {
    let mut escaped = false;
    for byte in text {
        if !escaped && matches!(byte, b']' | b';') {
            return false;
        }
        escaped = *byte == b'\\' && !escaped;
    }
    !escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn separators_count_unless_escaped() {
        let parts = |text: &'static [u8]| {
            split(text, 0..text.len(), b';').map(|part| &text[part]).collect::<Vec<_>>()
        };
        assert_eq!(parts(b"a;b\\;c\\\\;"), [&b"a"[..], b"b\\;c\\\\", b""]);
        assert_eq!(parts(b""), [b""]);
        assert_eq!(parts(b"\\"), [b"\\"]);
        assert_eq!(unescape(b"a\\\\b\\n\\"), b"a\\bn");
        assert!(is_one_argument(b"a\\;\\\\") && !is_one_argument(b"a\\\\;"));
        assert!(!is_one_argument(b"a\\"));
    }

    proptest! {
        #[test]
        fn escaped_text_is_one_argument_and_comes_back(text in ".{0,30}|[\\\\;,\\[\\]$]{0,9}") {
            let escaped = escape(text.as_bytes());
            prop_assert!(is_one_argument(&escaped));
            prop_assert_eq!(split(&escaped, 0..escaped.len(), b',').count(), 1);
            prop_assert_eq!(unescape(&escaped), text.as_bytes());
        }
    }
}
