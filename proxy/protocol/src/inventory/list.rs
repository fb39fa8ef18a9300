//! Inventory text: changing the items in it, and giving it a hand.

use super::lines::{ITEM, read};
use crate::NameMap;
use crate::edits::Edits;

/// An inventory with the client's names of its items and of the files in their metadata, or `None`
/// if none of them is another one. What follows the inventory is kept.
pub fn rewrite(text: &[u8], names: &NameMap) -> Option<Vec<u8>> {
    let mut edits = Edits::new(text);
    read(text, |item| edits.rewrite(item, |item| names.item_string(item)));
    edits.finish()
}

/// The player's inventory with a list `hand` that holds `item`, unless the text has a non-empty
/// list of that name itself. Clients take its first slot for the empty hand (`player.cpp`,
/// getWieldedItem), and forget lists that are not mentioned, so every inventory needs it.
///
/// A `KeepList hand` of the backend refers to a list that the client has already, so it stays.
pub fn with_hand(text: &[u8], item: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + item.len() + 64);
    let mut slot = ITEM.to_vec();
    slot.extend_from_slice(item);
    slot.push(b'\n');
    let mut has_hand = false;
    let mut in_hand = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        match bare {
            b"KeepList hand" => has_hand = true,
            b"EndInventoryList" => in_hand = false,
            // An empty first slot of the backend's own list.
            b"Empty" if in_hand => {
                in_hand = false;
                out.extend_from_slice(&slot);
                continue;
            }
            b"EndInventory" | b"end" if !has_hand => {
                out.extend_from_slice(b"List hand 1\nWidth 0\n");
                out.extend_from_slice(&slot);
                out.extend_from_slice(b"EndInventoryList\n");
            }
            _ if bare.starts_with(b"List hand ") => {
                let size = &bare[b"List hand ".len()..];
                // A list without slots is no hand.
                (has_hand, in_hand) = (true, true);
                if size == b"0" {
                    out.extend_from_slice(b"List hand 1\nWidth 0\n");
                    out.extend_from_slice(&slot);
                    in_hand = false;
                    continue;
                }
            }
            _ if bare.starts_with(ITEM) => in_hand = false,
            _ => {}
        }
        out.extend_from_slice(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"List main 3\nWidth 0\nItem a:x 2\nEmpty\nItem \"b c\" 1 5\n\
        EndInventoryList\nKeepList craft\nItemless\nEndInventory\n";

    fn names(pairs: &[(&'static str, &'static str)]) -> NameMap {
        let items = pairs.iter().map(|(old, new)| (Bytes::from(*old), Bytes::from(*new)));
        NameMap::new([], [], items, None)
    }

    #[test]
    fn only_renamed_items_change() {
        let expected = b"List main 3\nWidth 0\nItem a:x 2\nEmpty\nItem \"p_b c\" 1 5\n\
            EndInventoryList\nKeepList craft\nItemless\nEndInventory\n";
        assert_eq!(rewrite(TEXT, &names(&[("b c", "p_b c"), ("0", "1")])).unwrap(), expected);
        assert_eq!(rewrite(TEXT, &names(&[("c", "p_c")])), None);
        assert_eq!(rewrite(TEXT, &NameMap::default()), None);
    }

    #[test]
    fn hand_is_added_kept_or_filled() {
        let hand = b"List hand 1\nWidth 0\nItem p_hand\nEndInventoryList\nEndInventory\n";
        assert_eq!(with_hand(b"EndInventory\n", b"p_hand"), hand);
        let empty = b"List hand 1\nWidth 0\nEmpty\nEndInventoryList\nEndInventory\n";
        assert_eq!(with_hand(empty, b"p_hand"), hand);
        let own = b"List hand 2\nWidth 0\nItem own\nEmpty\nEndInventoryList\nEndInventory\n";
        assert_eq!(with_hand(own, b"p_hand"), own);
        let kept = b"KeepList hand\nEndInventory\n";
        assert_eq!(with_hand(kept, b"p_hand"), kept);
        let none = b"List hand 0\nEndInventoryList\nEndInventory\n";
        assert_eq!(with_hand(none, b"p_hand"), hand);
        let other = b"List main 1\nWidth 0\nEmpty\nEndInventoryList\nEndInventory\n";
        let with = with_hand(other, b"p_hand");
        assert_eq!(with, [&other[..other.len() - 13], hand].concat());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(List hand [0-9]|Item x|Empty|end|.{0,9}|\n){0,20}") {
            let _ = with_hand(text.as_bytes(), b"h");
            let mapped = rewrite(text.as_bytes(), &names(&[("x", "p\nx")]));
            let lines = |text: &[u8]| text.split(|byte| *byte == b'\n').count();
            if let Some(mapped) = mapped {
                prop_assert_eq!(lines(&mapped), lines(text.as_bytes()));
            }
        }
    }
}
