//! Particles and their spawners: textures and nodes.

use bytes::Bytes;
use mesegate_protocol::content::compression::zlib_compress;
use mesegate_protocol::map::BlockCache;
use mesegate_protocol::translate::Translator;
use mesegate_protocol::{ProtocolVersion, Translation, to_client};

use super::captured::{one, vectors};
use super::{count, moved, names, run, run_with, translation};

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
