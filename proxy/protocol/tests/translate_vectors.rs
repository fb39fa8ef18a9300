//! The messages of engine servers, and some built from them, in the names of another set of
//! definitions and back.
#![allow(clippy::unwrap_used)]

mod captured;

use bytes::Bytes;
use captured::{one, vectors};
use mesegate_protocol::content::compression::{zlib_compress, zlib_decompress};
use mesegate_protocol::map::{BlockCache, IdMap};
use mesegate_protocol::objects::ObjectMap;
use mesegate_protocol::play::HudType;
use mesegate_protocol::routing::{Route, to_client_route};
use mesegate_protocol::translate::Translator;
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{NameMap, ProtocolVersion, Translation, to_client};
use proptest::prelude::*;

const FILES: [&str; 27] = [
    "a.png",
    "b.png",
    "c.png",
    "d.png",
    "e.png",
    "m.png",
    "mi.png",
    "mm.png",
    "hb.png",
    "ps.png",
    "pt.png",
    "pt2.png",
    "tp1.png",
    "tp2.png",
    "1.png",
    "2.png",
    "3.png",
    "4.png",
    "5.png",
    "6.png",
    "sunx.png",
    "moonx.png",
    "sun_tonemap.png",
    "player.png",
    "player_back.png",
    "default_dirt.png",
    "m.obj",
];
const SOUNDS: [&str; 3] = ["snd", "snd2", "snd3"];
const ITEMS: [&str; 4] = ["basenodes:stone", "basenodes:dirt", "zz:t", "basetools:pick_stone"];

fn pairs(names: &[&'static str], back: bool) -> Vec<(Bytes, Bytes)> {
    let pair = |name: &&'static str| {
        let (old, new) = (Bytes::from(*name), Bytes::from(format!("p_{name}")));
        if back { (new, old) } else { (old, new) }
    };
    names.iter().map(pair).collect()
}

fn names(back: bool) -> NameMap {
    NameMap::new(pairs(&FILES, back), pairs(&SOUNDS, back), pairs(&ITEMS, back), None)
}

/// All names get a prefix, or lose it.
fn translation(back: bool) -> Translation {
    Translation::new(IdMap::identity(), names(back))
}

/// Ids move, names stay.
fn moved(back: bool) -> Translation {
    let id = |id: u16| if back { (id + 300, id) } else { (id, id + 300) };
    Translation::new(IdMap::new((0..120).map(id)), NameMap::default())
}

fn run_with(
    message: &[u8],
    translation: &Translation,
    version: ProtocolVersion,
    kind: u8,
) -> Option<Bytes> {
    let blocks = BlockCache::new(1 << 20);
    let translator = Translator { translation, version, blocks: &blocks };
    translator.to_client(message, &|_| Some(HudType(kind))).unwrap()
}

fn run(message: &[u8], back: bool, version: ProtocolVersion) -> Option<Bytes> {
    run_with(message, &translation(back), version, 0)
}

/// Texts in a message that end like a file or begin like one of the renamed things.
fn count(message: &[u8], text: &str) -> usize {
    message.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

/// Translates there and back, and the names of the client are those expected.
fn check(message: &Bytes, version: ProtocolVersion, expected: &[&str]) -> Bytes {
    let there = run(message, false, version).unwrap();
    assert_eq!(count(&there, "p_"), expected.len(), "{version}: {there:?}");
    for name in expected {
        assert!(count(&there, name) > 0, "{name} in {there:?}");
    }
    assert_eq!(run(&there, true, version).unwrap(), message, "{version}");
    // What a newer engine adds stays at the end.
    let longer: Bytes = [message, &b"newer"[..]].concat().into();
    let longer = run(&longer, false, version).unwrap();
    assert_eq!(longer, [&there, &b"newer"[..]].concat());
    there
}

#[test]
fn captured_messages_are_translated_there_and_back() {
    use to_client as c;
    for (id, command, expected) in [
        ("SET_SUN", c::SET_SUN, &["\0\x0ap_sunx.png", "p_sun_tonemap.png"][..]),
        ("SET_MOON", c::SET_MOON, &["\0\x0bp_moonx.png"]),
        ("MINIMAP_MODES", c::MINIMAP_MODES, &["\0\x08p_mm.png"]),
        ("HUD_SET_PARAM", c::HUD_SET_PARAM, &["\0\x08p_hb.png"]),
        (
            "SET_SKY 0",
            c::SET_SKY,
            &["p_1.png", "p_2.png", "p_3.png", "p_4.png", "p_5.png", "p_6.png"],
        ),
        ("SHOW_FORMSPEC", c::SHOW_FORMSPEC, &["p_a.png^\\[colorize\\:red]"]),
        ("SPAWN_PARTICLE", c::SPAWN_PARTICLE, &["\0\0\0\x08p_pt.png"]),
        ("ADD_PARTICLESPAWNER", c::ADD_PARTICLESPAWNER, &["p_ps.png", "p_tp1.png", "p_tp2.png"]),
    ] {
        for vector in vectors(id).iter().filter(|v| v.id == id) {
            check(&vector.message(command), vector.version(), expected);
        }
    }
    for id in ["SET_SKY 1", "SET_SKY 2"] {
        for vector in vectors(id) {
            assert_eq!(run(&vector.message(c::SET_SKY), false, vector.version()), None);
        }
    }
    let sounds = vectors("PLAY_SOUND");
    let renamed = sounds.iter().filter(|vector| {
        let message = vector.message(c::PLAY_SOUND);
        let there = run(&message, false, vector.version());
        there.is_some_and(|there| {
            assert_eq!((there.len(), count(&there, "p_snd")), (message.len() + 2, 1));
            run(&there, true, vector.version()).unwrap() == message
        })
    });
    assert_eq!(renamed.count(), 3, "the fourth has another name");
}

#[test]
fn captured_particle_batches_are_translated_there_and_back() {
    let message = one("SPAWN_PARTICLE_BATCH").message(to_client::SPAWN_PARTICLE_BATCH);
    let plain = one("SPAWN_PARTICLE_BATCH (decompressed)").body;
    let open = |message: &[u8]| zstd::stream::decode_all(&message[6..]).unwrap();
    let version = ProtocolVersion(53);
    for (there, back) in [(translation(false), translation(true)), (moved(false), moved(true))] {
        let there = run_with(&message, &there, version, 0).unwrap();
        assert_ne!(open(&there), plain);
        let back = run_with(&there, &back, version, 0).unwrap();
        assert_eq!(open(&back), plain);
    }
    let renamed = open(&run(&message, false, version).unwrap());
    assert_eq!((count(&renamed, "p_pt.png"), count(&renamed, "p_pt2.png")), (1, 1));
    assert_eq!(renamed.len(), plain.len() + 4);
}

#[test]
fn a_batch_that_unpacks_without_end_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 3).unwrap();
    let message = [&[0, 0x64][..], &(bomb.len() as u32).to_be_bytes(), &bomb].concat();
    let bomb = zlib_compress(&vec![2; 64 * 1024 * 1024]).unwrap();
    let metadata = [&[0, 0x59][..], &(bomb.len() as u32).to_be_bytes(), &bomb].concat();
    let (translation, blocks) = (translation(false), BlockCache::new(0));
    let version = ProtocolVersion(53);
    let translator = Translator { translation: &translation, version, blocks: &blocks };
    for message in [message, metadata] {
        assert!(translator.to_client(&message, &|_| None).is_err());
    }
}

#[test]
fn nodes_of_particles_and_spawners_move() {
    for (id, command) in [
        ("SPAWN_PARTICLE", to_client::SPAWN_PARTICLE),
        ("ADD_PARTICLESPAWNER", to_client::ADD_PARTICLESPAWNER),
    ] {
        for vector in vectors(id).iter().filter(|v| v.id == id) {
            let (message, version) = (vector.message(command), vector.version());
            let Some(there) = run_with(&message, &moved(false), version, 0) else {
                assert_eq!(id, "ADD_PARTICLESPAWNER", "its node is air");
                continue;
            };
            assert_eq!(there.len(), message.len());
            let changed = (0..message.len()).filter(|i| message[*i] != there[*i]).count();
            assert!((1..=2).contains(&changed), "one id and nothing else");
            assert_eq!(run_with(&there, &moved(true), version, 0), Some(message));
        }
    }
    let message = one("ADDNODE").message(to_client::ADDNODE);
    let there = run_with(&message, &moved(false), ProtocolVersion(53), 0).unwrap();
    assert_eq!(there[8..10], 316u16.to_be_bytes());
    assert_eq!(run_with(&there, &moved(true), ProtocolVersion(53), 0), Some(message));
}

/// The node of a captured spawner, whose texture is not animated, with the textures of its pool.
#[test]
fn a_spawner_of_a_node_is_translated_as_a_whole() {
    for vector in vectors("ADD_PARTICLESPAWNER") {
        let (mut body, version) = (vector.body.clone(), vector.version());
        let texture = if version.spawner_tweens() { 258 } else { 95 };
        let length = u32::from_be_bytes(body[texture..texture + 4].try_into().unwrap()) as usize;
        let node = texture + 4 + length + 4 + 2 + 2 + 1 + 2;
        assert_eq!(body[node..node + 2], [0, 126]);
        body[node + 1] = 20;
        let message =
            Bytes::from([&to_client::ADD_PARTICLESPAWNER.to_be_bytes()[..], &body].concat());
        let both = Translation::new(moved(false).ids().clone(), names(false));
        let there = run_with(&message, &both, version, 0).unwrap();
        assert_eq!(there.len(), message.len() + 3 * 2);
        // The first texture became longer, so what follows moved.
        assert_eq!(there[2 + node + 2..2 + node + 4], 320u16.to_be_bytes());
        let back = Translation::new(moved(true).ids().clone(), names(true));
        assert_eq!(run_with(&there, &back, version, 0), Some(message));
    }
}

#[test]
fn hud_texts_are_translated_by_the_type_of_their_element() {
    for vector in vectors("HUDADD") {
        let (version, mut body) = (vector.version(), vector.body.clone());
        for (kind, expected) in [
            (0, &["\0\x07p_a.png"][..]),
            (2, &["\0\x07p_a.png", "\0\x07p_b.png"]),
            (5, &["\0\x07p_a.png"]),
            (6, &["\0\x07p_a.png"]),
        ] {
            body[4] = kind;
            let message = Bytes::from([&to_client::HUDADD.to_be_bytes()[..], &body].concat());
            check(&message, version, expected);
        }
        for kind in [1, 3, 4, 7, 8, 9, 255] {
            body[4] = kind;
            let message = [&to_client::HUDADD.to_be_bytes()[..], &body].concat();
            assert_eq!(run(&message, false, version), None, "type {kind}");
        }
    }
    let change = |stat: u8, text: &str| {
        let mut w = Writer::command(to_client::HUDCHANGE);
        w.u32(7).u8(stat).str16(text.as_bytes());
        w.finish()
    };
    for version in [37, 53].map(ProtocolVersion) {
        let there =
            |stat, kind| run_with(&change(stat, "a.png^b.png"), &translation(false), version, kind);
        for kind in [0, 2, 5, 6] {
            assert_eq!(there(3, kind), Some(change(3, "p_a.png^p_b.png")));
        }
        for kind in [1, 3, 4, 7, 8, 200] {
            assert_eq!(there(3, kind), None);
        }
        assert_eq!(there(12, 2), Some(change(12, "p_a.png^p_b.png")));
        assert_eq!((there(12, 0), there(1, 2), there(99, 2)), (None, None, None));
        // Old servers end before the second text, or before the z index.
        let old = vectors("HUDADD").remove(0).body;
        let mut old = [&to_client::HUDADD.to_be_bytes()[..], &old].concat();
        old[6] = 2;
        for end in [old.len() - 1 - 4 - 7, old.len() - 1 - 4 - 7 - 2] {
            let cut = Bytes::copy_from_slice(&old[..end]);
            assert!(run(&cut, false, ProtocolVersion(41)).is_some());
        }
    }
    let blocks = BlockCache::new(0);
    let (translation, version) = (translation(false), ProtocolVersion(53));
    let translator = Translator { translation: &translation, version, blocks: &blocks };
    assert_eq!(translator.to_client(&change(3, "a.png"), &|_| None), Ok(None), "unknown element");
    let count: [u8; 12] = [0, 0x4d, 0, 1, 0, 4, 0, 0, 0, 8, 9, 9];
    assert_eq!(translator.to_client(&count, &|_| None), Ok(None), "not an image");
}

#[test]
fn captured_inventories_are_translated_there_and_back() {
    for vector in vectors("INVENTORY") {
        let (message, version) = (vector.message(to_client::INVENTORY), vector.version());
        let there = run(&message, false, version).unwrap();
        assert_eq!(count(&there, "Item p_zz:t 1 50"), 1);
        assert_eq!(count(&there, "\\u0002p_mi.png\\u0003"), 1);
        assert_eq!(run(&there, true, version), Some(message));
    }
    let message = one("DETACHED_INVENTORY").message(to_client::DETACHED_INVENTORY);
    for version in [37, 53].map(ProtocolVersion) {
        let there = run(&message, false, version).unwrap();
        assert_eq!(count(&there, "Item p_basenodes:dirt 3"), 1);
        assert_eq!(run(&there, true, version).as_ref(), Some(&message));
    }
    let removal = b"\0\x43\0\x03zzd\0";
    assert_eq!(run(removal, false, ProtocolVersion(53)), None);
}

#[test]
fn a_backends_own_hand_is_a_list() {
    let hand = NameMap::new([], [], [], Some("p_hand".into()));
    let translation = Translation::new(IdMap::identity(), hand);
    let inventory = |text: &str, version: ProtocolVersion| {
        let mut w = Writer::command(to_client::INVENTORY);
        if version.framed_inventory() {
            w.str32(text.as_bytes()).bool(true);
        } else {
            w.raw(text.as_bytes());
        }
        w.finish()
    };
    const HAND: &str = "List hand 1\nWidth 0\nItem p_hand\nEndInventoryList\n";
    for version in [37, 38, 51, 52, 53].map(ProtocolVersion) {
        let there = |text: &str| run_with(&inventory(text, version), &translation, version, 0);
        let main = "List main 1\nWidth 0\nItem a:b\nEndInventoryList\n";
        let expected = inventory(&format!("{main}{HAND}EndInventory\n"), version);
        assert_eq!(there(&format!("{main}EndInventory\n")), Some(expected));
        let expected = inventory(&format!("KeepList main\n{HAND}EndInventory\n"), version);
        assert_eq!(there("KeepList main\nEndInventory\n"), Some(expected));
        // The backend's own list, filled or not, is one the client has had from it.
        assert_eq!(there("KeepList main\nKeepList hand\nEndInventory\n"), None);
        assert_eq!(there(&format!("{HAND}EndInventory\n")), None);
        let empty = HAND.replace("Item p_hand", "Empty");
        let expected = inventory(&format!("{HAND}EndInventory\n"), version);
        assert_eq!(there(&format!("{empty}EndInventory\n")), Some(expected));
    }
}

#[test]
fn node_metadata_is_translated_in_changes() {
    for vector in vectors("NODEMETA_CHANGED (decompressed)") {
        let stream = zlib_compress(&vector.body).unwrap();
        let mut w = Writer::command(to_client::NODEMETA_CHANGED);
        w.str32(&stream).raw(b"newer");
        let message = w.finish();
        let open = |message: &[u8]| {
            assert!(message.ends_with(b"newer"));
            let length = u32::from_be_bytes(message[2..6].try_into().unwrap()) as usize;
            assert_eq!(message.len(), 6 + length + 5);
            zlib_decompress(&message[6..], 1 << 20).unwrap()
        };
        for version in [37, 53].map(ProtocolVersion) {
            let there = run(&message, false, version).unwrap();
            let plain = open(&there);
            for name in ["p_m.png]", "Item p_zz:t", "\\u0002p_mi.png"] {
                assert_eq!(count(&plain, name), 1, "{name}");
            }
            assert_eq!(open(&run(&there, true, version).unwrap()), vector.body);
        }
    }
}

#[test]
fn forms_are_translated_and_a_prepend_that_grows_too_long_is_left_out() {
    let version = ProtocolVersion(53);
    let form = |text: &str| {
        let mut w = Writer::command(to_client::INVENTORY_FORMSPEC);
        w.str32(text.as_bytes());
        w.finish()
    };
    let there = run(&form("image[0,0;1,1;a.png]label[0,0;a.png]"), false, version);
    assert_eq!(there, Some(form("image[0,0;1,1;p_a.png]label[0,0;a.png]")));
    let prepend = |text: &str| {
        let mut w = Writer::command(to_client::FORMSPEC_PREPEND);
        w.str16(text.as_bytes());
        w.finish()
    };
    let image = "background[0,0;1,1;a.png]";
    assert_eq!(run(&prepend(image), false, version), Some(prepend("background[0,0;1,1;p_a.png]")));
    let fits = image.repeat(65_535 / image.len());
    assert_eq!(run(&prepend(&fits), false, version), Some(prepend("")));
}

#[test]
fn captured_objects_are_renamed_there_and_back() {
    let (there, back) = (translation(false), translation(true));
    for (id, expected) in [
        ("ACTIVE_OBJECT_REMOVE_ADD adding zz:n", &[][..]),
        ("ACTIVE_OBJECT_REMOVE_ADD adding zz:i", &["Citem", "\\u0002p_a.png"]),
        (
            "ACTIVE_OBJECT_REMOVE_ADD adding zz:e",
            &["p_default_dirt.png", "p_a.png", "p_b.png", "p_basenodes:stone 3"],
        ),
    ] {
        for vector in vectors(id) {
            let message = vector.message(to_client::ACTIVE_OBJECT_REMOVE_ADD);
            let mut map = ObjectMap::with_ids(9000, Some(9000));
            let renamed = map.remove_add(&message, b"Alice", &there).unwrap().messages.remove(0);
            for name in expected.iter().filter(|name| name.starts_with(['p', '\\'])) {
                assert!(count(&renamed, name) > 0, "{name} in {renamed:?}");
            }
            assert_eq!(renamed == message, expected.is_empty());
            let again = map.remove_add(&renamed, b"Alice", &back).unwrap().messages.remove(0);
            assert_eq!(again, message, "{id}");
            for cut in 0..message.len() {
                assert!(map.remove_add(&message.slice(..cut), b"Alice", &there).is_err());
            }
        }
    }
    let vector = vectors("AO message cmd 0").remove(0);
    let length = (vector.body.len() as u16).to_be_bytes();
    let message = [&[0, 0x32, 0, 9][..], &length, &vector.body].concat();
    let map = ObjectMap::with_ids(5, Some(5));
    let renamed = map.messages(&message, &there).unwrap().unwrap();
    assert_eq!(count(&renamed, "p_player.png") + count(&renamed, "p_player_back.png"), 2);
    assert_eq!(map.messages(&renamed, &back).unwrap().unwrap(), message);
}

#[test]
fn the_first_texture_of_an_item_entity_without_item_is_an_item() {
    let properties = |visual: &str, texture: &str, item: &str, mesh: &str, modifier: &str| {
        let mut w = Writer::new();
        w.u8(0).u8(4).u16(10).u8(0).u32(0).raw(&[0; 48]).u8(1).str16(visual.as_bytes());
        w.v3f([1.0; 3]).u16(2).str16(texture.as_bytes()).str16(b"zz:t").raw(&[0; 14]);
        w.str16(mesh.as_bytes()).u16(1).u32(0).raw(&[0; 11]).str16(b"a.png").raw(&[0; 8]);
        w.str16(b"zz:t").str16(item.as_bytes()).raw(&[0; 12]).str16(modifier.as_bytes()).u8(0);
        let data = w.into_vec();
        let mut w = Writer::command(to_client::ACTIVE_OBJECT_MESSAGES);
        w.u16(3).str16(&data);
        w.finish()
    };
    let map = ObjectMap::with_ids(5, Some(5));
    let there = |message: &[u8]| map.messages(message, &translation(false)).unwrap();
    for (sent, expected) in [
        (
            properties("wielditem", "zz:t", "", "m.obj", "^a.png"),
            properties("wielditem", "p_zz:t", "", "p_m.obj", "^p_a.png"),
        ),
        (properties("item", "zz:t", "", "", ""), properties("item", "p_zz:t", "", "", "")),
        (
            properties("item", "zz:t", "zz:t 5", "", ""),
            properties("item", "zz:t", "p_zz:t 5", "", ""),
        ),
        (properties("mesh", "a.png", "", "", ""), properties("mesh", "p_a.png", "", "", "")),
    ] {
        assert_eq!(there(&sent), Some(expected));
    }
    assert_eq!(there(&properties("mesh", "zz:t", "", "", "")), None);
    let modifier = |text: &str| {
        let mut w = Writer::command(to_client::ACTIVE_OBJECT_MESSAGES);
        w.u16(3).u16(text.len() as u16 + 3).u8(2).str16(text.as_bytes());
        w.finish()
    };
    assert_eq!(there(&modifier("^a.png")), Some(modifier("^p_a.png")));

    // A message that would not fit its length any more loses its textures.
    let long = "a.png^".repeat(10_000);
    let sent = properties("mesh", &long, "zz:t", "m.obj", "^a.png");
    let grown = there(&sent).unwrap();
    assert!(grown.len() < 1000);
    assert_eq!(count(&grown, "p_m.obj") + count(&grown, "p_zz:t"), 2);
    let long = "a.png^".repeat(11_000);
    assert_eq!(there(&modifier(&long[..65_532])), Some(modifier("")));
}

#[test]
fn entering_a_backend_sets_its_own_sun_and_moon() {
    let blocks = BlockCache::new(0);
    let entering = |media: &[&'static str], version| {
        let names = NameMap::new(pairs(media, false), [], [], None);
        let translation = Translation::new(IdMap::identity(), names);
        let version = ProtocolVersion(version);
        Translator { translation: &translation, version, blocks: &blocks }.entering()
    };
    assert_eq!(entering(&["a.png"], 53), []);
    assert_eq!(entering(&["sun.png", "moon.png"], 38), [], "these clients know no such message");
    for (file, command) in [
        ("sun.png", to_client::SET_SUN),
        ("sun_tonemap.png", to_client::SET_SUN),
        ("sunrisebg.png", to_client::SET_SUN),
        ("moon.png", to_client::SET_MOON),
        ("moon_tonemap.png", to_client::SET_MOON),
    ] {
        let messages = entering(&[file], 39);
        assert_eq!(messages.len(), 1, "{file}");
        let (channel, message) = &messages[0];
        assert_eq!((*channel, &message[..2]), (0, &command.to_be_bytes()[..]));
        assert_eq!((count(message, "p_"), count(message, &format!("p_{file}"))), (1, 1));
    }
    assert_eq!(entering(&["sun.png", "moon.png"], 53).len(), 2);
}

#[test]
fn where_nothing_differs_nothing_is_read() {
    let blocks = BlockCache::new(1 << 20);
    let translation = Translation::new(IdMap::new([(4, 4)]), NameMap::default());
    for version in (37..54).map(ProtocolVersion) {
        let translator = Translator { translation: &translation, version, blocks: &blocks };
        for command in 0..0x80u16 {
            let rubbish = [&command.to_be_bytes()[..], &[0xff; 40]].concat();
            assert_eq!(translator.to_client(&rubbish, &|_| Some(HudType(2))), Ok(None));
        }
    }
    assert_eq!(blocks.stats().misses, 0);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        body in prop::collection::vec(any::<u8>(), 0..150),
        version in 37u16..54, kind: u8,
    ) {
        let blocks = BlockCache::new(1 << 16);
        let both = Translation::new(moved(false).ids().clone(), names(false));
        let version = ProtocolVersion(version);
        let translator = Translator { translation: &both, version, blocks: &blocks };
        for command in 0x20..0x65u16 {
            let message = [&command.to_be_bytes()[..], &body].concat();
            let new = translator.to_client(&message, &|_| Some(HudType(kind)));
            if matches!(new, Ok(Some(_)) | Err(_)) {
                prop_assert_eq!(to_client_route(command), Route::Rewrite, "{:#x}", command);
            }
        }
    }

    #[test]
    fn damaged_messages_are_read_without_panic(
        at in any::<prop::sample::Index>(), value: u8, cut in any::<prop::sample::Index>(),
    ) {
        let blocks = BlockCache::new(1 << 16);
        let both = Translation::new(moved(false).ids().clone(), names(false));
        for (id, command) in [
            ("SET_SUN", to_client::SET_SUN), ("MINIMAP_MODES", to_client::MINIMAP_MODES),
            ("SET_SKY", to_client::SET_SKY), ("HUDADD", to_client::HUDADD),
            ("SPAWN_PARTICLE", to_client::SPAWN_PARTICLE), ("INVENTORY", to_client::INVENTORY),
            ("ADD_PARTICLESPAWNER", to_client::ADD_PARTICLESPAWNER),
            ("SHOW_FORMSPEC", to_client::SHOW_FORMSPEC), ("BLOCKDATA", to_client::BLOCKDATA),
            ("DETACHED_INVENTORY", to_client::DETACHED_INVENTORY),
        ] {
            for vector in vectors(id) {
                let mut message = vector.message(command).to_vec();
                let index = at.index(message.len());
                message[index] = value;
                message.truncate(cut.index(message.len() * 3).max(2));
                let version = vector.version();
                let translator = Translator { translation: &both, version, blocks: &blocks };
                let _ = translator.to_client(&message, &|_| Some(HudType(2)));
            }
        }
        for vector in vectors("ACTIVE_OBJECT_REMOVE_ADD") {
            let mut message = vector.message(to_client::ACTIVE_OBJECT_REMOVE_ADD).to_vec();
            let index = at.index(message.len());
            message[index] = value;
            message.truncate(cut.index(message.len() * 3).max(2));
            let mut map = ObjectMap::with_ids(1, Some(2));
            let _ = map.remove_add(&message.into(), b"Alice", &both);
        }
    }
}
