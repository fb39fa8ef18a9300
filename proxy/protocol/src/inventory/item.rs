//! Item strings: `NAME COUNT WEAR METADATA`, shortened from the right (`inventory.cpp`,
//! ItemStack::serialize).

use std::ops::Range;

use super::word::{Word, quote, quote_if_needed};
use crate::NameMap;
use crate::edits::Edits;

/// What metadata starts with, and what follows keys and values (`itemstackmetadata.cpp`). None of
/// these bytes is in a key or value.
const START: u8 = 1;
const KEY_END: u8 = 2;
const VALUE_END: u8 = 3;

/// Keys of metadata whose values are texture strings.
const TEXTURES: [&[u8]; 4] =
    [b"inventory_image", b"wield_image", b"inventory_overlay", b"wield_overlay"];

/// See [`NameMap::item_string`].
pub(crate) fn rewrite_item(text: &[u8], names: &NameMap) -> Option<Vec<u8>> {
    let mut edits = Edits::new(text);
    let name = Word::read(text);
    if let Some(new) = names.item(&name.text()) {
        let new = if name.quoted { quote(new).into() } else { quote_if_needed(new) };
        edits.replace(0..name.raw.len(), &new);
    }
    if let Some(start) = metadata(text, name.raw.len()) {
        let word = Word::read(&text[start..]);
        textures(word, |texture, place| {
            if let Some(new) = names.texture(texture) {
                edits.replace(start + place.start..start + place.end, &word.part(&new));
            }
        });
    }
    edits.finish()
}

/// Where the metadata starts. `pos` is the end of the name; an empty count or wear ends the stack
/// (`inventory.cpp`, ItemStack::deSerialize).
fn metadata(text: &[u8], mut pos: usize) -> Option<usize> {
    if text.get(pos) != Some(&b' ') {
        return None;
    }
    pos += 1;
    for _ in ["count", "wear"] {
        match text[pos..].iter().position(|byte| *byte == b' ') {
            None | Some(0) => return None,
            Some(length) => pos += length + 1,
        }
    }
    Some(pos)
}

/// Calls `found` with every value that is a texture string, and its place. Text that does not begin
/// as pairs do is one value from the time before there were keys.
fn textures(word: Word<'_>, mut found: impl FnMut(&[u8], Range<usize>)) {
    let mut bytes = word.bytes();
    if bytes.next().map(|(byte, _)| byte) != Some(START) {
        return;
    }
    let (mut key, mut value) = (Vec::new(), Vec::new());
    loop {
        key.clear();
        key.extend(bytes.by_ref().map(|(byte, _)| byte).take_while(|byte| *byte != KEY_END));
        let is_texture = TEXTURES.contains(&&key[..]);
        value.clear();
        let mut place: Option<Range<usize>> = None;
        let mut ended = false;
        for (byte, at) in bytes.by_ref() {
            if byte == VALUE_END {
                ended = true;
                break;
            }
            if is_texture {
                value.push(byte);
                place = Some(place.map_or(at.start, |place| place.start)..at.end);
            }
        }
        if let Some(place) = place {
            found(&value, place);
        }
        if !ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn rewritten(text: &str) -> Option<String> {
        let pair = |(old, new): (&'static str, &'static str)| (Bytes::from(old), Bytes::from(new));
        let names = NameMap::new(
            [pair(("a.png", "p_a.png"))],
            [],
            [("a:b", "p_a:b"), ("b c", "p_b c"), ("x", "p x")].map(pair),
            None,
        );
        rewrite_item(text.as_bytes(), &names).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn names_change_and_what_follows_stays() {
        assert_eq!(rewritten("a:b").unwrap(), "p_a:b");
        assert_eq!(rewritten("a:b 03  x\"").unwrap(), "p_a:b 03  x\"");
        assert_eq!(rewritten("\"b c\" 1 5").unwrap(), "\"p_b c\" 1 5");
        assert_eq!(rewritten("\"a:b\"").unwrap(), "\"p_a:b\"");
        assert_eq!(rewritten("x 2").unwrap(), "\"p x\" 2");
        for kept in ["", "a:bc", "c a:b", "b c", "\"a:b", "a.png"] {
            let open = kept == "\"a:b";
            assert_eq!(rewritten(kept).is_some(), open, "{kept}");
        }
    }

    #[test]
    fn textures_in_metadata_change_and_other_values_stay() {
        let old = "c:d 1 50 \"\\u0001description\\u0002a.png \\\"q\\\"\\u0003inventory_image\\u0002\
            a.png^(b.png\\\\^a.png)\\u0003wield_overlay\\u0002\\u0003\\A\\u0002a.png\\u0003\
            wield_image\\u0002a.png\" tail";
        let new = "c:d 1 50 \"\\u0001description\\u0002a.png \\\"q\\\"\\u0003inventory_image\\u0002\
            p_a.png^(b.png\\\\^p_a.png)\\u0003wield_overlay\\u0002\\u0003\\A\\u0002a.png\\u0003\
            wield_image\\u0002p_a.png\" tail";
        assert_eq!(rewritten(old).unwrap(), new);
        let bare = rewritten("c:d 1 50 \x01wield_image\x02a.png\x03").unwrap();
        assert_eq!(bare, "c:d 1 50 \x01wield_image\x02p_a.png\x03");
        for kept in [
            "c:d 1  \"\\u0001wield_image\\u0002a.png\\u0003\"",
            "c:d 1 2 \"wield_image\\u0002a.png\\u0003\"",
            "c:d 1 2 \"\\u0001wield_image\\u0003a.png\"",
            "c:d 1 2 \"\\u0001\"",
            "c:d 1 2 ",
        ] {
            assert_eq!(rewritten(kept), None, "{kept}");
        }
    }
}
