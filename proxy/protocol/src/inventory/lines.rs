//! The lines of an inventory (`inventory.cpp`, Inventory::deSerialize and
//! InventoryList::deSerialize).

use std::ops::Range;

/// What starts a line that holds an item.
pub(super) const ITEM: &[u8] = b"Item ";

/// Calls `item` with the place of every item string, and gives the end of the inventory: behind
/// the line that ends it, or `None` if there is none.
pub(super) fn read(text: &[u8], mut item: impl FnMut(Range<usize>)) -> Option<usize> {
    let mut in_list = false;
    let mut pos = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let start = pos;
        pos += line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if in_list && line.starts_with(ITEM) {
            item(start + ITEM.len()..start + line.len());
            continue;
        }
        // The first word decides, and the end of one is not looked for inside the other.
        match line.split(|byte| *byte == b' ').next().unwrap_or_default() {
            b"List" if !in_list => in_list = true,
            b"EndInventoryList" | b"end" if in_list => in_list = false,
            b"EndInventory" | b"end" if !in_list => return Some(pos),
            _ => {}
        }
    }
    None
}

/// Where the inventory at the start of `text` ends, or `None` if it does not.
pub(crate) fn end(text: &[u8]) -> Option<usize> {
    read(text, |_| {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_in_lists_up_to_the_end() {
        let text = b"Item a\nList x 1\nWidth 0\nItem b 2\nEndInventory\nItem c\nend\nKeepList y\n\
            end of it\nList z 1\nItem d\n";
        let mut items = Vec::new();
        let end = read(text, |at| items.push(&text[at]));
        assert_eq!(items, [&b"b 2"[..], b"c"]);
        assert!(text[..end.unwrap()].ends_with(b"end of it\n"));
        assert_eq!(super::end(b"EndInventory"), Some(12));
        assert_eq!(super::end(b"List x 0\nEndInventory\n"), None);
    }
}
