//! Item strings and inventories, written as engines do (`inventory.cpp`, ItemStack::serialize).

use std::fmt::Write;

use mesegate_protocol::inventory;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::texture::texture;
use super::{Pair, any_name, check, join, new_item, new_media, same, visible};

/// As `util/serialize.cpp`, serializeJsonStringIfNeeded.
fn quote_if_needed(text: &str) -> String {
    if !text.bytes().any(|byte| byte <= b' ' || byte >= 0x7f || byte == b'"') {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            c if c < ' ' || c == '\x7f' => write!(out, "\\u{:04x}", c as u32).unwrap(),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One key and its value.
fn field() -> impl Strategy<Value = Pair> {
    let textures = ["inventory_image", "wield_image", "inventory_overlay", "wield_overlay"];
    let others =
        ["description", "a.png", "", "wield_scale", "inventory_imag", "bag", "tool_capabilities"];
    prop_oneof![
        (select(textures.to_vec()), texture()).prop_map(|(key, texture)| (
            format!("{key}\x02{}\x03", texture.write(&|name| name.into())),
            format!("{key}\x02{}\x03", texture.write(&new_media)),
        )),
        (select(others.to_vec()), visible())
            .prop_map(|(key, text)| same(format!("{key}\x02{text}\x03"))),
    ]
}

fn metadata() -> impl Strategy<Value = Pair> {
    prop_oneof![
        3 => vec(field(), 1..4).prop_map(|fields| {
            let (old, new) = join(fields, "");
            (format!("\x01{old}"), format!("\x01{new}"))
        }),
        1 => visible().prop_map(same),
    ]
}

/// An item string.
pub(super) fn stack() -> impl Strategy<Value = Pair> {
    let rest = prop_oneof![
        Just(same("")),
        (0..200_u32).prop_map(|count| same(format!(" {count}"))),
        (0..200_u32, 0..70_000_u32).prop_map(|(count, wear)| same(format!(" {count} {wear}"))),
        (1..200_u32, metadata()).prop_map(|(count, (old, new))| (
            format!(" {count} 0 {}", quote_if_needed(&old)),
            format!(" {count} 0 {}", quote_if_needed(&new)),
        )),
    ];
    (any_name(), rest).prop_map(|(name, (old, new))| {
        (quote_if_needed(name) + &old, quote_if_needed(&new_item(name)) + &new)
    })
}

/// An inventory, with its end.
pub(super) fn inventory() -> impl Strategy<Value = Pair> {
    let slot = prop_oneof![
        4 => stack().prop_map(|(old, new)| (format!("Item {old}\n"), format!("Item {new}\n"))),
        1 => select(&["Empty\n", "Keep\n", "Items foo\n", "EndInventory\n", "List foo\n", "foo\n"][..])
            .prop_map(same),
    ];
    let list = (any_name(), vec(slot, 0..5)).prop_map(|(name, slots)| {
        let (old, new) = join(slots, "");
        let list = |slots: &str| format!("List {name} 9\nWidth 0\n{slots}EndInventoryList\n");
        (list(&old), list(&new))
    });
    let list = prop_oneof![
        4 => list,
        1 => select(&["KeepList foo\n", "Item foo\n", "EndInventoryList\n"][..]).prop_map(same),
    ];
    vec(list, 0..3).prop_map(|lists| {
        let (old, new) = join(lists, "");
        (old + "EndInventory\n", new + "EndInventory\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn item_strings_change_where_they_hold_names((old, new) in stack()) {
        check((old.as_bytes(), new.as_bytes()), |text, names| names.item_string(text))?;
    }

    #[test]
    fn inventories_change_where_they_hold_items(
        (old, new) in inventory(), tail in "(Item foo\n)?.{0,5}"
    ) {
        check(((old + &tail).as_bytes(), (new + &tail).as_bytes()), inventory::rewrite)?;
    }
}
