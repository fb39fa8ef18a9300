//! Mutated messages. `MESEGATE_FUZZ` is the number of them for each kind.

use std::collections::BTreeSet;

use bytes::Bytes;
use mesegate_protocol::content::compression::{zlib_compress, zstd_compress};
use mesegate_protocol::content::{features, item};
use mesegate_protocol::map::BlockCache;
use mesegate_protocol::objects::ObjectMap;
use mesegate_protocol::play::HudType;
use mesegate_protocol::routing::{Route, to_client_route};
use mesegate_protocol::translate::Translator;
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{ProtocolVersion, Translation, split_command, to_client};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::captured::{one, vectors};
use super::{moved, names, translation};

/// Messages are not made longer than this.
const LONGEST: usize = 8192;

fn count() -> u64 {
    let text = std::env::var("MESEGATE_FUZZ").unwrap_or_default();
    if text.is_empty() { 5_000 } else { text.parse().expect("MESEGATE_FUZZ is a number") }
}

/// Changes some bytes, or leaves out, repeats or cuts a part.
fn mutate(rng: &mut SmallRng, data: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=data.len());
        let to = (at + rng.random_range(0..16)).min(data.len());
        match rng.random_range(0..8) {
            0 => data.truncate(at),
            1 => drop(data.drain(at..to)),
            2 => {
                let part = data[at..to].to_vec();
                data.splice(at..at, part);
            }
            3 if at < to => data[at] = [0, 1, 2, 0x7f, 0x80, 0xff][rng.random_range(0..6)],
            4..6 if at < to => data[at] ^= 1 << rng.random_range(0..8),
            _ if at < to => data[at] = rng.random(),
            _ => {}
        }
    }
    data.truncate(LONGEST);
}

/// Runs `translate` over mutated samples. What it gives has nothing left to translate.
fn fuzz(what: &str, samples: &[Vec<u8>], translate: impl Fn(&[u8]) -> Option<Bytes>) {
    let mut rng = SmallRng::seed_from_u64(samples.len() as u64);
    let (mut data, mut changed) = (Vec::new(), 0_u64);
    for round in 0..count() {
        // Now and then changes pile up.
        if round % 3 == 0 || data.is_empty() {
            data.clone_from(&samples[rng.random_range(0..samples.len())]);
        }
        mutate(&mut rng, &mut data);
        if let Some(new) = translate(&data) {
            changed += 1;
            assert_eq!(translate(&new), None, "{data:?}");
        }
    }
    println!("{what}: {} messages, {changed} of them changed", count());
    assert!(changed > count() / 200, "{what}: {changed}");
}

/// Messages of one kind, mutated and translated at the versions they are of.
fn fuzz_messages(what: &str, samples: &[(ProtocolVersion, Vec<u8>)]) {
    let translation = translation(false);
    let blocks = BlockCache::new(0);
    let versions: BTreeSet<_> = samples.iter().map(|(version, _)| *version).collect();
    for version in versions {
        let translator = Translator { translation: &translation, version, blocks: &blocks };
        let of_version = samples.iter().filter(|(v, _)| *v == version);
        let samples: Vec<_> = of_version.map(|(_, data)| data.clone()).collect();
        fuzz(&format!("{what} at {version}"), &samples, |data| {
            translator.to_client(data, &|id| Some(HudType(id as u8 % 9))).ok().flatten()
        });
    }
}

/// The captured messages that hold something to translate.
fn captured(id: &str, command: u16) -> Vec<(ProtocolVersion, Vec<u8>)> {
    let samples = vectors(id).into_iter().filter(|vector| !vector.id.contains("(decompressed)"));
    samples.map(|vector| (vector.version(), vector.message(command).to_vec())).collect()
}

#[test]
fn mutated_looks_are_translated() {
    let samples: Vec<_> = [
        ("SET_SUN", to_client::SET_SUN),
        ("SET_MOON", to_client::SET_MOON),
        ("MINIMAP_MODES", to_client::MINIMAP_MODES),
        ("HUD_SET_PARAM", to_client::HUD_SET_PARAM),
        ("SET_SKY 0", to_client::SET_SKY),
    ]
    .into_iter()
    .flat_map(|(id, command)| captured(id, command))
    .collect();
    fuzz_messages("sky, sun, moon, minimap", &samples);
}

#[test]
fn mutated_hud_elements_are_translated() {
    let mut samples = captured("HUDADD", to_client::HUDADD);
    for (_, data) in &mut samples {
        data[6] = 2;
    }
    fuzz_messages("HUD", &samples);
}

#[test]
fn mutated_particles_are_translated() {
    fuzz_messages("particles", &captured("SPAWN_PARTICLE", to_client::SPAWN_PARTICLE)[..2]);
    let spawners = captured("ADD_PARTICLESPAWNER", to_client::ADD_PARTICLESPAWNER);
    fuzz_messages("spawners", &spawners);
}

#[test]
fn mutated_sounds_and_inventories_are_translated() {
    fuzz_messages("sounds", &captured("PLAY_SOUND", to_client::PLAY_SOUND));
    fuzz_messages("inventories", &captured("INVENTORY", to_client::INVENTORY));
}

/// What is compressed is mutated before it is: most mutations of a stream only break the stream.
#[test]
fn mutated_streams_are_translated() {
    let translation = translation(false);
    let blocks = BlockCache::new(0);
    let version = ProtocolVersion(53);
    let translator = Translator { translation: &translation, version, blocks: &blocks };
    let wrap = |command: u16, stream: &[u8]| {
        let mut w = Writer::command(command);
        w.str32(stream);
        w.finish()
    };
    let compressed = |command: u16, data: &[u8]| match command {
        to_client::NODEMETA_CHANGED => wrap(command, &zlib_compress(data).unwrap()),
        _ => wrap(command, &zstd_compress(data).unwrap()),
    };
    for (id, command) in [
        ("SPAWN_PARTICLE_BATCH (decompressed)", to_client::SPAWN_PARTICLE_BATCH),
        ("NODEMETA_CHANGED (decompressed)", to_client::NODEMETA_CHANGED),
    ] {
        fuzz(id, &[one(id).body], |data| {
            // What comes out goes in once more as it is.
            let message = if data.starts_with(&command.to_be_bytes()) {
                Bytes::copy_from_slice(data)
            } else {
                compressed(command, data)
            };
            translator.to_client(&message, &|_| None).ok().flatten()
        });
    }
}

#[test]
fn mutated_objects_are_translated() {
    let translation = translation(false);
    let samples: Vec<_> = vectors("ACTIVE_OBJECT_REMOVE_ADD")
        .iter()
        .map(|vector| vector.message(to_client::ACTIVE_OBJECT_REMOVE_ADD).to_vec())
        .collect();
    fuzz("objects", &samples, |data| {
        let data = Bytes::copy_from_slice(data);
        let mut map = ObjectMap::with_ids(9, Some(9));
        let result = map.remove_add(&data, b"Nobody", &translation).ok()?;
        // A removal of the own object is left out, too.
        result.messages.into_iter().find(|new| *new != data && new.len() > data.len())
    });
    let samples: Vec<_> = vectors("AO message cmd")
        .iter()
        .map(|vector| {
            let mut w = Writer::command(to_client::ACTIVE_OBJECT_MESSAGES);
            w.u16(5).str16(&vector.body);
            w.into_vec()
        })
        .collect();
    fuzz("object messages", &samples, |data| {
        ObjectMap::with_ids(9, Some(9)).messages(data, &translation).ok().flatten()
    });
}

#[test]
fn mutated_definitions_are_rewritten() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../data/vectors.json")).unwrap();
    let samples = |id: &str| -> Vec<(u16, Vec<u8>)> {
        let unhex = |hex: &str| {
            let pairs = hex.as_bytes().chunks(2);
            pairs
                .map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap())
                .collect()
        };
        let found = file["vectors"].as_array().unwrap().iter().filter(|v| v["id"] == id);
        found
            .map(|v| {
                let version = v["protocol"].as_array().unwrap()[0].as_u64().unwrap() as u16;
                (version, unhex(v["hex"].as_str().unwrap()))
            })
            .collect()
    };
    let names = names(false);
    let nodes: Vec<_> = samples("content_features/zz:c").into_iter().map(|(_, d)| d).collect();
    let connects = |id: u16| id | 0x4000;
    fuzz("node definitions", &nodes, |data| {
        let old = Bytes::copy_from_slice(data);
        let new = features::rewrite(&old, &names, &connects).ok()?;
        (new != old).then_some(new)
    });
    for (version, sample) in samples("item_definition/zz:t") {
        let version = ProtocolVersion(version);
        fuzz(&format!("item definitions at {version}"), &[sample], |data| {
            let old = Bytes::copy_from_slice(data);
            let new = item::rewrite(&old, &names, version).ok()?;
            (new != old).then_some(new)
        });
    }
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
            if !matches!(new, Ok(None)) {
                prop_assert_eq!(to_client_route(command), Route::Rewrite, "{:#x}", command);
            }
        }
    }

    #[test]
    fn damaged_blocks_are_read_without_panic(
        at in any::<prop::sample::Index>(), value: u8, cut in any::<prop::sample::Index>(),
    ) {
        let blocks = BlockCache::new(1 << 16);
        let both = Translation::new(moved(false).ids().clone(), names(false));
        for vector in vectors("BLOCKDATA") {
            let mut message = vector.message(to_client::BLOCKDATA).to_vec();
            let index = at.index(message.len());
            message[index] = value;
            message.truncate(cut.index(message.len() * 3).max(2));
            let version = vector.version();
            let translator = Translator { translation: &both, version, blocks: &blocks };
            let new = translator.to_client(&message, &|_| None);
            if let Ok(Some(new)) = new {
                prop_assert_eq!(split_command(&new).unwrap().0, to_client::BLOCKDATA);
            }
        }
    }
}
