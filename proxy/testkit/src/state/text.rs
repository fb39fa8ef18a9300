//! The texts that name files, nodes and items: texture strings, item strings, inventories,
//! formspecs and hypertext (`inventory.cpp`, `itemstackmetadata.cpp`, `gui/guiFormSpecMenu.cpp`,
//! `gui/guiHyperText.cpp`, `client/imagesource.cpp`).

mod formspec;

use std::fmt::Write as _;

use super::names::Names;

pub(super) use formspec::{formspec, hypertext, key};

/// A texture string with every announced file by its hash. File names are the maximal runs of
/// their characters: none of those separates anything in the grammar, at whatever depth.
pub(super) fn texture(text: &str, names: &Names) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    while let Some(start) = rest.find(in_name) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
        out.push_str(&names.file(&rest[..end]));
        rest = &rest[end..];
    }
    out + rest
}

/// Keys of an item's metadata that hold textures.
const IMAGES: [&str; 4] = ["inventory_image", "inventory_overlay", "wield_image", "wield_overlay"];

/// `NAME [COUNT [WEAR [METADATA]]]`.
pub(super) fn item(text: &str, names: &Names) -> String {
    let (name, rest) = word(text);
    let mut out = names.item(&name);
    let (count, rest) = word(rest);
    let (wear, rest) = word(rest);
    let (metadata, rest) = word(rest);
    let _ = write!(out, " {count} {wear}");
    match metadata.strip_prefix('\u{1}') {
        Some(pairs) => {
            // Engines write them in the order of a hash table, which depends on what was set when.
            let pairs = pairs.split_terminator('\u{3}');
            let mut pairs: Vec<_> =
                pairs.map(|pair| pair.split_once('\u{2}').unwrap_or((pair, ""))).collect();
            pairs.sort_by_key(|(key, _)| *key);
            for (key, value) in pairs {
                let value =
                    if IMAGES.contains(&key) { texture(value, names) } else { value.to_owned() };
                let _ = write!(out, " {key}={value:?}");
            }
        }
        None => {
            let _ = write!(out, " {metadata:?}");
        }
    }
    if !rest.is_empty() {
        let _ = write!(out, " and {rest:?}");
    }
    out
}

/// The first word, unquoted, and what follows the blank after it.
fn word(text: &str) -> (String, &str) {
    if !text.starts_with('"') {
        return match text.split_once(' ') {
            Some((word, rest)) => (word.to_owned(), rest),
            None => (text.to_owned(), ""),
        };
    }
    let mut word = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (word, text[at + 1..].strip_prefix(' ').unwrap_or(&text[at + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => word.push('\n'),
                Some((_, 'r')) => word.push('\r'),
                Some((_, 't')) => word.push('\t'),
                Some((_, 'b')) => word.push('\u{8}'),
                Some((_, 'f')) => word.push('\u{c}'),
                Some((_, 'u')) => {
                    let code: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                    word.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some((_, other)) => word.push(other),
                None => {}
            },
            other => word.push(other),
        }
    }
    (word, "")
}

/// The lines of an inventory. `List hand`, which a proxy may add, is left out and given apart: the
/// item in its first slot, if there is one.
pub(super) fn inventory(text: &str, names: &Names, hand: &mut Hand) -> String {
    let mut out = String::new();
    let mut in_hand = false;
    *hand = if text.lines().any(|line| line == "KeepList hand") { Hand::Kept } else { Hand::None };
    for line in text.lines() {
        if line.starts_with("List hand ") {
            in_hand = true;
        }
        if let Some(stack) = line.strip_prefix("Item ") {
            if in_hand {
                if *hand == Hand::None {
                    *hand = Hand::Item(word(stack).0);
                }
            } else {
                let _ = writeln!(out, "Item {}", item(stack, names));
            }
        } else if !in_hand && line != "KeepList hand" {
            let _ = writeln!(out, "{line}");
        }
        if line == "EndInventoryList" {
            in_hand = false;
        }
    }
    out
}

/// What an inventory says about the hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hand {
    /// Nothing: the player has the hand of the item definitions.
    None,
    /// The same as before.
    Kept,
    /// An item of this name.
    Item(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::of_files([("a.png", [1; 20]), ("b.png", [2; 20])])
    }

    #[test]
    fn files_are_named_by_their_hash_at_any_depth() {
        let direct = texture(r"a.png^[mask:b.png\^[colorize\:#f00\:a.png", &names());
        assert!(direct.contains("0101") && direct.contains("0202"), "{direct}");
        assert!(!direct.contains(".png"), "{direct}");
        // Not announced, and not a file's name at all.
        assert_eq!(texture("xa.png^heart.png^a.pngx", &names()), "xa.png^heart.png^a.pngx");
    }

    #[test]
    fn items_are_read_with_their_metadata() {
        let text = "a:b 1 50 \"\\u0001description\\u0002a \\\"q\\\" a.png\\u0003\
                    inventory_image\\u0002a.png\\u0003\"";
        let out = item(text, &names());
        assert!(out.starts_with("a:b 1 50 description=\"a \\\"q\\\" a.png\""), "{out}");
        assert!(out.ends_with(&format!("inventory_image=\"{}\"", names().file("a.png"))), "{out}");
    }

    #[test]
    fn the_hand_is_not_part_of_the_inventory() {
        let mut hand = Hand::None;
        let text = "List main 1\nWidth 0\nItem a:b\nEndInventoryList\n\
                    List hand 1\nWidth 0\nItem x_hand 1\nEndInventoryList\nEndInventory\n";
        let out = inventory(text, &names(), &mut hand);
        assert_eq!(hand, Hand::Item("x_hand".into()));
        assert_eq!(out, "List main 1\nWidth 0\nItem a:b   \"\"\nEndInventoryList\nEndInventory\n");
        inventory("KeepList hand\nEndInventory\n", &names(), &mut hand);
        assert_eq!(hand, Hand::Kept);
    }
}
