//! Mutated texts and lists. `MESEGATE_FUZZ` is the number of them for each grammar.

use mesegate_protocol::inventory::InventoryMessage;
use mesegate_protocol::map::metadata;
use mesegate_protocol::play::ShowFormspec;
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{NameMap, ProtocolVersion, formspec, inventory};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Texts are not made longer than this.
const LONGEST: usize = 4096;

/// Bits that mean something in one of the grammars.
const BITS: [&[u8]; 46] = [
    b"a.png",
    b"foo",
    b"mod:a",
    b"m.b3d",
    b"\\",
    b"\\\\",
    b"^",
    b":",
    b"(",
    b")",
    b"[mask:",
    b"[combine:1x1:0,0=",
    b"]",
    b"[",
    b";",
    b",",
    b"=",
    b"$",
    b"${h}",
    b"image[",
    b"item_image[0,0;1,1;",
    b"hypertext[0,0;1,1;n;",
    b"style[n;sound=",
    b"tablecolumns[image,1=",
    b"<img name=",
    b"<item name=",
    b"<tag name=",
    b"<",
    b">",
    b"'",
    b"\"",
    b" ",
    b"\n",
    b"List x 1\n",
    b"Item ",
    b"EndInventoryList\n",
    b"EndInventory\n",
    b"end\n",
    b"\\u0001",
    b"\\u0002",
    b"\\u0003",
    b"wield_image\\u0002",
    b" 1 0 \"\\u0001",
    b"\0",
    b"\xff\xff",
    b"\x01",
];

fn count() -> u64 {
    let text = std::env::var("MESEGATE_FUZZ").unwrap_or_default();
    if text.is_empty() { 20_000 } else { text.parse().expect("MESEGATE_FUZZ is a number") }
}

/// The body of a message that an engine server sent.
fn captured(id: &str) -> Vec<u8> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../data/play_vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let newest = |vector: &&serde_json::Value| vector["id"] == id && vector["protocol"][0] == 53;
    let hex = vectors.iter().find(newest).unwrap()["hex"].as_str().unwrap();
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn textures() -> Vec<Vec<u8>> {
    [
        "a.png^[colorize:#ff8000:120^(b-2.PNG^[mask:m.b3d)",
        "[combine:16x32:0,0=a.png\\^[brighten:0,16=b-2.PNG\\^[mask\\:x.y_z.tga\\\\\\^base.png",
        "[inventorycube{a.png&[brighten{b-2.PNG{heart.png",
        "base.png^[lowpart:40:a.png^[overlay:(a.png\\^b-2.PNG)^[png:iVBORw0KGgo=",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn inventories() -> Vec<Vec<u8>> {
    let message = captured("INVENTORY (incremental)");
    let captured = InventoryMessage::decode(&message, ProtocolVersion::MAX).unwrap();
    let own = b"List main 4\nWidth 0\nItem mod:a 99\nItem \"with blank\" 1 5\nEmpty\nItem foo 1 0 \
        \"\\u0001description\\u0002a.png \\\"q\\\"\\u0003wield_image\\u0002a.png^b-2.PNG\\u0003\"\n\
        EndInventoryList\nKeepList craft\nEndInventory\n";
    // Names of the captured one that are renamed here.
    let renamed = String::from_utf8_lossy(captured.text).replace("zz:t", "mod:a");
    vec![renamed.replace("mi.png", "a.png").into_bytes(), own.to_vec()]
}

fn items() -> Vec<Vec<u8>> {
    let lines = inventories().concat();
    lines.split(|b| *b == b'\n').filter_map(|l| Some(l.strip_prefix(b"Item ")?.to_vec())).collect()
}

fn forms() -> Vec<Vec<u8>> {
    let captured = ShowFormspec::decode(&captured("SHOW_FORMSPEC")).unwrap().formspec.into_bytes();
    vec![
        captured,
        b"formspec_version[6]size[8,9]background9[0,0;1,1;a.png;true;4]image[0,0;1,1;a.png^[mask\\:b-2.PNG]\
            image_button_exit[0,0;1,1;a.png;n;a.png;true;true;b-2.PNG]label[0,0;a.png \\] foo]\
            item_image[0,0;1,1;foo 3]item_image_button[0,0;1,1;mod:a;mod:a;mod:a]list[context;main;0,0;8,4;]"
            .to_vec(),
        b"model[0,0;2,2;n;m.b3d;a.png,b-2.PNG;0,180;false]tablecolumns[color;image,0=a.png,1=b-2.PNG;text]\
            style[n,m:hovered;bgimg=a.png;sound= beep ;textcolor=red]animated_image[0,0;1,1;n;a.png;4;100]"
            .to_vec(),
        b"hypertext[0,0;9,9;n;<b>a.png</b> <tag name=x color=red><img name=a.png width=16>\\\\\\<img> <item name=\
            'foo 2' rotate=yes><action name=a.png>foo</action>]hypertip[n;;20;n;<item name=\"mod:a\">]\
            hypertext[0,0;9,9;n;${h}]textarea[0,0;1,1;n;;${text}]"
            .to_vec(),
    ]
}

/// A metadata list of two nodes, the first with a form and hypertext that forms refer to.
fn list(form: &[u8], hypertext: &[u8], inventory: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(2).u16(2);
    w.u16(5).u32(3);
    w.str16(b"formspec").str32(form).u8(0);
    w.str16(b"h").str32(hypertext).u8(0);
    w.str16(b"infotext").str32(b"foo a.png").u8(0);
    w.raw(inventory);
    w.u16(6).u32(0).raw(b"EndInventory\n");
    w.into_vec()
}

/// Changes a text in a few places.
fn mutate(rng: &mut SmallRng, text: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=text.len());
        let to = (at + rng.random_range(0..24)).min(text.len());
        match rng.random_range(0..8) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..to)),
            2 => {
                let part = text[at..to].to_vec();
                let at = rng.random_range(0..=text.len());
                text.splice(at..at, part);
            }
            3 if at < to => text[at] = rng.random(),
            4 if at < to => text[at] ^= 1 << rng.random_range(0..8),
            5 => {
                let mut bytes = [0; 3];
                rng.fill_bytes(&mut bytes);
                text.splice(at..at, bytes);
            }
            _ => {
                let bit = BITS[rng.random_range(0..BITS.len())];
                text.splice(at..at, bit.iter().copied());
            }
        }
    }
    text.truncate(LONGEST);
}

/// Rewrites mutated samples. What was rewritten has nothing left to rename. At least one in `often`
/// of them still holds a name.
fn fuzz(
    what: &str,
    samples: &[Vec<u8>],
    often: u64,
    rewrite: impl Fn(&[u8], &NameMap) -> Option<Vec<u8>>,
) {
    let names = super::names().0;
    for sample in samples {
        assert!(rewrite(sample, &names).is_some(), "{}", String::from_utf8_lossy(sample));
    }
    let mut rng = SmallRng::seed_from_u64(samples.len() as u64);
    let (mut text, mut changed) = (Vec::new(), 0_u64);
    for round in 0..count() {
        // Now and then changes pile up.
        if round % 4 == 0 || text.is_empty() {
            text.clone_from(&samples[rng.random_range(0..samples.len())]);
        }
        mutate(&mut rng, &mut text);
        if let Some(new) = rewrite(&text, &names) {
            changed += 1;
            assert_ne!(new, text);
            let again =
                rewrite(&new, &names).map(|again| String::from_utf8_lossy(&again).into_owned());
            assert_eq!(again, None, "{}", String::from_utf8_lossy(&text));
        }
    }
    println!("{what}: {} texts, {changed} of them changed", count());
    assert!(changed > count() / often, "{changed}");
}

#[test]
fn mutated_textures_are_read() {
    fuzz("textures", &textures(), 4, |text, names| names.texture(text));
}

#[test]
fn mutated_item_strings_are_read() {
    let items: Vec<_> =
        items().into_iter().filter(|i| super::names().0.item_string(i).is_some()).collect();
    fuzz("item strings", &items, 10, |text, names| names.item_string(text));
}

#[test]
fn mutated_inventories_are_read() {
    fuzz("inventories", &inventories(), 4, inventory::rewrite);
}

#[test]
fn mutated_forms_are_read() {
    let forms: Vec<_> =
        forms().into_iter().filter(|f| formspec::rewrite(f, &super::names().0).is_some()).collect();
    fuzz("formspecs and hypertext", &forms, 4, formspec::rewrite);
}

#[test]
fn mutated_metadata_is_read() {
    let inventories = inventories();
    let lists = forms().into_iter().zip(inventories.iter().cycle());
    let lists: Vec<_> =
        lists.map(|(form, inventory)| list(&form, b"<img name=a.png>", inventory)).collect();
    // Few of them are lists still.
    fuzz("metadata", &lists, 100, |list, names| {
        metadata::rewrite(list, false, names).ok().flatten()
    });
}

#[test]
fn mutated_values_in_metadata_are_read() {
    const REFERS: &[u8] = b"hypertext[0,0;9,9;n;${h}]";
    let tags =
        b"a.png \\<img name=a.png width=16 height=16> <tag name=t><t a='<item name=foo>'> <b>foo\
        <item name=\"mod:a 2\"> <item name='with blank' rotate=yes><img name=a.png\\^b-2.PNG>";
    fuzz("hypertext", &[tags.to_vec()], 4, |text, names| {
        metadata::rewrite(&list(REFERS, text, b"EndInventory\n"), false, names).unwrap()
    });
}
