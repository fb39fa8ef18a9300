//! Item strings: `NAME COUNT WEAR METADATA`, shortened from the right (`inventory.cpp`,
//! ItemStack::serialize).

use std::borrow::Cow;

/// An item stack as text. Only the name is taken apart; count, wear and metadata stay as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemString<'a> {
    /// The name, without quotes.
    pub name: Cow<'a, [u8]>,
    /// Everything after the name and its blank, as it was written.
    pub rest: &'a [u8],
}

impl<'a> ItemString<'a> {
    /// Splits an item string. A quoted name that does not end takes everything.
    pub fn parse(text: &'a [u8]) -> Self {
        let (name, rest) = if text.first() == Some(&b'"') {
            let (name, used) = unquote(text);
            (Cow::Owned(name), &text[used..])
        } else {
            let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
            (Cow::Borrowed(&text[..end]), &text[end..])
        };
        Self { name, rest: rest.strip_prefix(b" ").unwrap_or(rest) }
    }

    /// The text again, the name quoted if it needs that.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = quote_if_needed(&self.name).into_owned();
        if !self.rest.is_empty() {
            text.push(b' ');
            text.extend_from_slice(self.rest);
        }
        text
    }
}

/// Quotes a string that has blanks, control characters, quotes or bytes from 0x7f up
/// (`util/serialize.cpp`, serializeJsonStringIfNeeded).
fn quote_if_needed(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| *byte <= b' ' || *byte >= 0x7f || *byte == b'"') {
        return Cow::Borrowed(text);
    }
    let mut out = vec![b'"'];
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
    out.push(b'"');
    Cow::Owned(out)
}

/// The content of the quoted string at the start of `text`, and how many bytes it takes.
fn unquote(text: &[u8]) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    let mut pos = 1;
    while let Some(byte) = text.get(pos) {
        pos += 1;
        match byte {
            b'"' => return (out, pos),
            b'\\' => {
                let Some(escaped) = text.get(pos) else { break };
                pos += 1;
                match escaped {
                    b'b' => out.push(0x08),
                    b'f' => out.push(0x0c),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'u' => {
                        let digits = text.get(pos..pos + 4).and_then(|d| str::from_utf8(d).ok());
                        let code = digits.and_then(|d| u16::from_str_radix(d, 16).ok());
                        // The engine only ever writes 00XX and reads the low byte.
                        out.push(code.unwrap_or_default() as u8);
                        pos = text.len().min(pos + 4);
                    }
                    other => out.push(*other),
                }
            }
            other => out.push(*other),
        }
    }
    (out, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_split_from_what_follows() {
        let item = ItemString::parse(b"zz:t 1 50 \"\\u0001description\\u0002a b\"");
        assert_eq!(&*item.name, b"zz:t");
        assert_eq!(item.rest, b"1 50 \"\\u0001description\\u0002a b\"");
        let quoted = ItemString::parse(b"\"a b\\\"\\u0007\\q\" 3");
        assert_eq!((&*quoted.name, quoted.rest), (&b"a b\"\x07q"[..], &b"3"[..]));
        assert_eq!(ItemString::parse(b"").name.len(), 0);
        assert_eq!(&*ItemString::parse(b"\"open").name, b"open");
    }

    #[test]
    fn names_are_quoted_as_the_engine_does() {
        let text = |name: &[u8]| ItemString { name: Cow::Borrowed(name), rest: b"2" }.to_text();
        assert_eq!(text(b"default:dirt"), b"default:dirt 2");
        assert_eq!(text(b"a b\x01\n"), b"\"a b\\u0001\\n\" 2");
        assert_eq!(text(b"\xc3\xa9"), b"\"\xc3\xa9\" 2");
    }

    proptest! {
        #[test]
        fn names_survive_being_written_and_read(
            name in prop::collection::vec(any::<u8>(), 1..30), rest in "[0-9 ]{0,8}"
        ) {
            let item = ItemString { name: Cow::Borrowed(&name), rest: rest.trim().as_bytes() };
            let text = item.to_text();
            prop_assert!(!text.contains(&b'\n'));
            prop_assert_eq!(ItemString::parse(&text), item);
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = ItemString::parse(&text);
            let quoted = [b"\"", &text[..]].concat();
            let _ = ItemString::parse(&quoted);
        }
    }
}
