//! The messages of engine servers, and some built from them, in the names of another set of
//! definitions and back.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[path = "../captured/mod.rs"]
mod captured;
mod fuzz;
mod hud;
mod objects;
mod particles;
mod text;

use bytes::Bytes;
use captured::vectors;
use mesegate_protocol::map::{BlockCache, IdMap};
use mesegate_protocol::play::HudType;
use mesegate_protocol::translate::Translator;
use mesegate_protocol::{NameMap, ProtocolVersion, Translation, to_client};

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
