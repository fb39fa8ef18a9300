//! Strings that are quoted only if they need it (`util/serialize.cpp`,
//! deSerializeJsonStringIfNeeded).

use std::borrow::Cow;
use std::ops::Range;

/// A string at the start of a text: in quotes, or bare up to the next blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The bytes it takes, quotes included.
    pub(super) raw: &'a [u8],
    /// In quotes. Only then backslashes mean something.
    pub(super) quoted: bool,
}

impl<'a> Word<'a> {
    /// Reads one. A quoted one that does not end takes everything.
    pub(super) fn read(text: &'a [u8]) -> Self {
        if text.first() != Some(&b'"') {
            let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
            return Self { raw: &text[..end], quoted: false };
        }
        let mut pos = 1;
        while let Some(byte) = text.get(pos) {
            pos += match byte {
                b'"' => return Self { raw: &text[..=pos], quoted: true },
                b'\\' => unescape(&text[pos + 1..]).map_or(1, |(_, used)| used),
                _ => 1,
            };
        }
        Self { raw: text, quoted: true }
    }

    /// What the string says, byte by byte, each with its place in [`Self::raw`].
    pub(super) fn bytes(self) -> impl Iterator<Item = (u8, Range<usize>)> + 'a {
        let Self { raw, quoted } = self;
        let mut pos = usize::from(quoted);
        std::iter::from_fn(move || {
            let start = pos;
            let (byte, used) = match *raw.get(start)? {
                b'"' if quoted => return None,
                b'\\' if quoted => unescape(&raw[start + 1..])?,
                byte => (byte, 1),
            };
            pos = raw.len().min(start + used);
            Some((byte, start..pos))
        })
    }

    /// What the string says.
    pub(super) fn text(self) -> Cow<'a, [u8]> {
        if self.quoted {
            self.bytes().map(|(byte, _)| byte).collect::<Vec<u8>>().into()
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// A part of the string that says `text`, written as this string needs it.
    pub(super) fn part(self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        if self.quoted {
            escape(text, &mut out);
        } else {
            out.extend_from_slice(text);
        }
        out
    }
}

/// The whole string in quotes.
pub(super) fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    escape(text, &mut out);
    out.push(b'"');
    out
}

/// Quotes a string that has blanks, control characters, quotes or bytes from 0x7f up
/// (`util/serialize.cpp`, serializeJsonStringIfNeeded).
pub(super) fn quote_if_needed(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().any(|byte| *byte <= b' ' || *byte >= 0x7f || *byte == b'"') {
        Cow::Owned(quote(text))
    } else {
        Cow::Borrowed(text)
    }
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match *byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte if byte < b' ' || byte == 0x7f => {
                out.extend_from_slice(format!("\\u00{byte:02x}").as_bytes());
            }
            byte => out.push(byte),
        }
    }
}

/// The byte that an escape means and how much it takes, the backslash included. The text starts
/// after the backslash; at its end there is no escape.
fn unescape(text: &[u8]) -> Option<(u8, usize)> {
    Some(match *text.first()? {
        b'b' => (0x08, 2),
        b'f' => (0x0c, 2),
        b'n' => (b'\n', 2),
        b'r' => (b'\r', 2),
        b't' => (b'\t', 2),
        b'u' => {
            // Always four characters, even a quote. As many as are digits count, and the low byte
            // of what they say.
            let digits =
                text.iter().skip(1).take(4).map_while(|digit| (*digit as char).to_digit(16));
            (digits.fold(0, |code, digit| code << 4 | digit) as u8, 6)
        }
        other => (other, 2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_quoted_as_the_engine_does() {
        assert_eq!(&*quote_if_needed(b"default:dirt"), b"default:dirt");
        assert_eq!(&*quote_if_needed(b"a b\x01\n"), b"\"a b\\u0001\\n\"");
        assert_eq!(&*quote_if_needed(b"\xc3\xa9"), b"\"\xc3\xa9\"");
    }

    #[test]
    fn quotes_end_a_string_unless_escaped() {
        let word = Word::read(b"\"a b\\\"\\u0007\\q\\\\\" 3");
        assert_eq!((&*word.text(), word.raw.len()), (&b"a b\"\x07q\\"[..], 17));
        assert_eq!(&*Word::read(b"\"open").text(), b"open");
        assert_eq!(&*Word::read(b"\"open\\").text(), b"open");
        assert_eq!(&*Word::read(b"a\\n b").text(), b"a\\n");
        let word = Word::read(b"\"\\u4\"12\\u004\" b\"");
        assert_eq!((&*word.text(), word.raw.len()), (&b"\x04\x04 b"[..], 16));
        assert_eq!(&*Word::read(b"").text(), b"");
    }

    proptest! {
        #[test]
        fn strings_survive_being_written_and_read(
            text in prop::collection::vec(any::<u8>(), 1..30), rest in "( .*)?"
        ) {
            let written = [&quote_if_needed(&text), rest.as_bytes()].concat();
            let word = Word::read(&written);
            prop_assert_eq!(&*word.text(), &text);
            prop_assert_eq!(&written[word.raw.len()..], rest.as_bytes());
        }

        #[test]
        fn any_bytes_are_read_in_order(text in prop::collection::vec(any::<u8>(), 0..60)) {
            for text in [&text[..], &[b"\"", &text[..]].concat()] {
                let word = Word::read(text);
                let mut pos = usize::from(word.quoted);
                for (_, at) in word.bytes() {
                    prop_assert!(at.start == pos && at.end > pos && at.end <= word.raw.len());
                    pos = at.end;
                }
            }
        }
    }
}
