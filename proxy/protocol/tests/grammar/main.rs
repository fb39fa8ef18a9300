//! The text grammars that carry names: textures, item strings, inventories, formspecs, hypertext
//! and node metadata. Written by a grammar of their own, so that what changes is known beforehand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod form;
mod fuzz;
mod metadata;
mod stack;
mod texture;

use bytes::Bytes;
use mesegate_protocol::NameMap;
use proptest::prelude::*;

/// Names that are renamed, by kind. One text is a file, a sound and an item, and means another one
/// of them in every place.
const MEDIA: [&str; 5] = ["a.png", "b-2.PNG", "m.b3d", "foo", "x.y_z.tga"];
const SOUNDS: [&str; 3] = ["beep", "foo", "a.png"];
const ITEMS: [&str; 6] = ["mod:a", "foo", "a.png", "with blank", "q\"uo\\te", "né"];
/// Names that stay.
const KEPT: [&str; 7] = ["base.png", "heart.png", "other:b", "boop", "p_base.png", "a.pn", "."];

/// What the names of the backend become.
fn new_media(name: &str) -> String {
    renamed(&MEDIA, name, "p_")
}

fn new_sound(name: &str) -> String {
    renamed(&SOUNDS, name, "s_")
}

fn new_item(name: &str) -> String {
    renamed(&ITEMS, name, "i_")
}

fn renamed(names: &[&str], name: &str, prefix: &str) -> String {
    let prefix = if names.contains(&name) { prefix } else { "" };
    format!("{prefix}{name}")
}

/// The names of the backend for the client, and the other way round.
fn names() -> (NameMap, NameMap) {
    let pairs = |names: &[&'static str], prefix: &str| -> Vec<(Bytes, Bytes)> {
        let new = |name| Bytes::from(renamed(names, name, prefix));
        names.iter().map(|name| (Bytes::from(*name), new(name))).collect()
    };
    let kinds = [pairs(&MEDIA, "p_"), pairs(&SOUNDS, "s_"), pairs(&ITEMS, "i_")];
    let swapped = kinds.clone().map(|pairs| pairs.into_iter().map(|(old, new)| (new, old)));
    let [media, sounds, items] = kinds;
    let there = NameMap::new(media, sounds, items, None);
    let [media, sounds, items] = swapped;
    (there, NameMap::new(media, sounds, items, None))
}

/// Names of everything, renamed or not.
fn any_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        prop::sample::select(&MEDIA[..]),
        prop::sample::select(&SOUNDS[..]),
        prop::sample::select(&ITEMS[..]),
        prop::sample::select(&KEPT[..]),
    ]
}

/// Text that players read or type, full of what are names elsewhere.
fn visible() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => any_name().prop_map(String::from),
        1 => "[ -~]{0,8}",
        1 => Just("\x1b(T@mod)image[0,0;1,1;a.png]\x1bE".into()),
        1 => Just("a.png^[mask:a.png".into()),
        1 => Just("<img name=a.png>\n<item name=foo>".into()),
        1 => Just("${a.png}".into()),
    ];
    prop::collection::vec(word, 0..4).prop_map(|words| words.join(" "))
}

/// A text with its names as the backend has them, and as the client should get it.
type Pair = (String, String);

/// Texts one after the other.
fn join(pairs: Vec<Pair>, separator: &str) -> Pair {
    let (old, new): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    (old.join(separator), new.join(separator))
}

/// The same text both times.
fn same(text: impl Into<String>) -> Pair {
    let text = text.into();
    (text.clone(), text)
}

/// Checks that a text is rewritten as it should be, that this is undone by the inverse, and that
/// nothing happens where there is nothing to rename.
fn check(
    (old, new): (&[u8], &[u8]),
    rewrite: impl Fn(&[u8], &NameMap) -> Option<Vec<u8>>,
) -> Result<(), TestCaseError> {
    let (there, back) = names();
    let shown = |text: &Option<Vec<u8>>| {
        text.as_ref().map(|text| String::from_utf8_lossy(text).into_owned())
    };
    let expect = |text: &[u8]| (old != new).then(|| text.to_vec());
    prop_assert_eq!(shown(&rewrite(old, &there)), shown(&expect(new)));
    prop_assert_eq!(shown(&rewrite(new, &back)), shown(&expect(old)));
    prop_assert_eq!(rewrite(old, &NameMap::default()), None);
    let unknown = [("nothing.png".into(), "else.png".into())];
    let unknown = NameMap::new(unknown.clone(), unknown.clone(), unknown, None);
    prop_assert_eq!(rewrite(old, &unknown), None);
    Ok(())
}
