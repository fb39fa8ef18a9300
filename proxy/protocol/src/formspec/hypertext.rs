//! Hypertext: the marked-up text of some elements (`gui/guiHyperText.cpp`, ParsedText). It is an
//! argument of a formspec, so everything in it is escaped once more.

mod tag;

use std::collections::HashSet;

use super::escape::escape;
use crate::NameMap;
use crate::edits::Edits;
use tag::{Attribute, Cursor, Tag};

/// Bytes that may be read in vain: this for every byte of text, and this in any case. Text can be
/// made so that every `<` starts a long tag that is none. Nobody writes such text, so what follows
/// stays.
const WASTE_PER_BYTE: usize = 16;
const WASTE: usize = 64 * 1024;

/// Tags that only change how text looks. What begins with an unknown tag is text.
const STYLES: [&[u8]; 12] = [
    b"b", b"i", b"u", b"mono", b"normal", b"big", b"bigger", b"center", b"justify", b"left",
    b"right", b"style",
];

/// A hypertext argument with the client's names of images and items, or `None` if none of them is
/// another one.
pub(crate) fn rewrite(raw: &[u8], names: &NameMap) -> Option<Vec<u8>> {
    let mut edits = Edits::new(raw);
    let mut own = HashSet::new();
    let mut waste = raw.len().saturating_mul(WASTE_PER_BYTE).saturating_add(WASTE);
    let mut cursor = Cursor::new(raw, 0);
    while let Some(byte) = cursor.next() {
        if byte == b'\\' {
            cursor.next();
            continue;
        }
        if byte != b'<' {
            continue;
        }
        let mut inside = cursor.clone();
        if let Some(tag) = Tag::read(&mut inside).filter(|tag| is_tag(tag, &mut own)) {
            cursor = inside;
            let Some(name) = tag.attribute(b"name") else { continue };
            match &tag.name[..] {
                b"img" => edits.rewrite(name.place.clone(), |value| names.texture(value)),
                b"item" => edits.rewrite(name.place.clone(), |_| item(name, names)),
                _ => {}
            }
        } else {
            waste = waste.saturating_sub(inside.at() - cursor.at());
            if waste == 0 {
                break;
            }
        }
    }
    edits.finish()
}

/// True if clients take this for a tag; if not, they show it, and tags may follow inside. Adds the
/// tag that it defines.
fn is_tag(tag: &Tag, own: &mut HashSet<Vec<u8>>) -> bool {
    let has = |key: &[u8]| tag.attribute(key).is_some();
    match &tag.name[..] {
        b"global" => !tag.closing,
        b"img" => !tag.closing && has(b"name") && !has(b"rotate") && !has(b"angle"),
        b"item" => !tag.closing && has(b"name"),
        b"action" => tag.closing || has(b"name"),
        b"tag" => {
            let name = tag.attribute(b"name");
            own.extend(name.map(|name| name.value.clone()));
            name.is_some()
        }
        name => STYLES.contains(&name) || own.contains(name),
    }
}

/// The value of an attribute that is an item string, with its quotes. It has no more quotes than
/// it had unless it needs them.
fn item(attribute: &Attribute, names: &NameMap) -> Option<Vec<u8>> {
    let new = names.item_string(&attribute.value)?;
    let needs_quotes = new.iter().any(|byte| matches!(byte, b' ' | b'>' | b'"' | b'\''));
    if attribute.quote.is_none() && !needs_quotes {
        return Some(escape(&new));
    }
    let quote = attribute.quote.unwrap_or(b'"');
    let mut quoted = vec![quote];
    for byte in new {
        if byte == b'\\' || byte == quote {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(quote);
    Some(escape(&quoted))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn rewritten(text: &str) -> String {
        let pair = |(old, new): (&'static str, &'static str)| (Bytes::from(old), Bytes::from(new));
        let items = [("a:b", "p_a:b"), ("x", "p\\ \"x")].map(pair);
        let names = NameMap::new([pair(("a.png", "p_a.png"))], [], items, None);
        let new = rewrite(text.as_bytes(), &names);
        new.map_or_else(|| "-".into(), |new| String::from_utf8(new).unwrap())
    }

    #[test]
    fn images_and_items_change() {
        for (old, new) in [
            ("a.png<img name=a.png> a:b", "a.png<img name=p_a.png> a:b"),
            ("<img name='a.png^\\\\[x' width=3>", "<img name='p_a.png^\\\\[x' width=3>"),
            ("<img  name = a.png>", "-"),
            ("<img name =a.png>", "<img name =p_a.png>"),
            ("<item rotate=yes name=a:b>", "<item rotate=yes name=p_a:b>"),
            ("<item name=\"a:b 5\">", "<item name=\"p_a:b 5\">"),
            ("<item name='\\\\a:b'>", "<item name='p_a:b'>"),
            ("<item name=x>", "<item name=\"\\\\\"p\\\\\\\\\\\\\\\\ \\\\\\\\\\\\\"x\\\\\"\">"),
            ("<img name=b.png name=a.png>", "<img name=b.png name=p_a.png>"),
            // No tag of its own, so the one inside counts.
            ("<foo a='<img name=a.png>'>", "<foo a='<img name=p_a.png>'>"),
            ("< <img name=a.png>", "< <img name=p_a.png>"),
            ("\x1b(T@d)<img name=a.png>\x1bE", "\x1b(T@d)<img name=p_a.png>\x1bE"),
        ] {
            assert_eq!(rewritten(old), new, "{old}");
        }
    }

    #[test]
    fn text_and_other_tags_stay() {
        for kept in [
            "a.png a:b <b>a.png</b> <action name=a.png>a:b</action>",
            "\\\\<img name=a.png>",
            "<img name=a.png",
            "<img name=a.png >",
            "<img name=a.png angle=1,2,3>",
            "<img name=a.png name=b.png>",
            "</img name=a.png>",
            "<img src=a.png><item name=a.png><img name=a:b>",
            "<tag name=foo color=red><foo a='<img name=a.png>'>",
            "<style color='<img name=a.png>'>",
            "",
        ] {
            assert_eq!(rewritten(kept), "-", "{kept}");
        }
    }

    #[test]
    fn tags_that_never_end_do_not_take_for_ever() {
        let text = "<a".repeat(1_000_000) + "<img name=a.png>";
        assert_eq!(rewritten(&text), "-");
    }
}
