//! The play modules against bytes captured from engine servers.
#![allow(clippy::unwrap_used)]

mod captured;

use captured::{one, vectors};
use mesegate_protocol::client_state::ClientState;
use mesegate_protocol::inventory::{DetachedInventory, InventoryMessage, rewrite};
use mesegate_protocol::map::{BlockRemapper, IdMap, ignore_block, remap_add_node};
use mesegate_protocol::objects::{ObjectMap, OwnObject, OwnState, Packet, own_state};
use mesegate_protocol::particle::spawner_id;
use mesegate_protocol::play::{HudType, ShowFormspec, hud};
use mesegate_protocol::{NameMap, ProtocolVersion, Translation, split_command, to_client};

fn only_ids(ids: IdMap) -> Translation {
    Translation::new(ids, NameMap::default())
}

/// Every id there is maps to itself and one more, so that nothing stays where a content id is.
fn plus_one() -> Translation {
    only_ids(IdMap::new((0..=u16::MAX).map(|id| (id, id.wrapping_add(1)))))
}

/// The inverse of [`plus_one`] for ids whose image is not builtin.
fn minus_one() -> Translation {
    only_ids(IdMap::new((0..=u16::MAX).map(|id| (id.wrapping_add(1), id))))
}

#[test]
fn captured_blocks_map_there_and_back() {
    let mut remapper = BlockRemapper::default();
    for vector in vectors("BLOCKDATA") {
        let message = vector.message(to_client::BLOCKDATA);
        let there = remapper.remap(&message, &plus_one(), vector.format).unwrap().unwrap();
        assert_eq!(there[..8], message[..8]);
        assert_eq!(there.last(), Some(&2));
        let back = remapper.remap(&there, &minus_one(), vector.format).unwrap().unwrap();
        // Compressors differ, so compare what two different maps make of both.
        for ids in [plus_one(), only_ids(IdMap::new([(10, 11)]))] {
            assert_eq!(
                remapper.remap(&back, &ids, vector.format).unwrap(),
                remapper.remap(&message, &ids, vector.format).unwrap()
            );
        }
        assert_eq!(remapper.remap(&message, &only_ids(IdMap::identity()), vector.format), Ok(None));
    }
}

#[test]
fn overwriting_blocks_are_those_tried_with_clients() {
    for vector in vectors("overwrite block") {
        let message = ignore_block([1, -2, 3], vector.format);
        assert_eq!(message[8..], vector.body[..]);
        let ids = plus_one();
        assert_eq!(BlockRemapper::default().remap(&message, &ids, vector.format), Ok(None));
    }
}

#[test]
fn add_node_maps() {
    let message = one("ADDNODE").message(to_client::ADDNODE);
    let mapped = remap_add_node(&message, plus_one().ids()).unwrap().unwrap();
    assert_eq!(mapped[8..10], 17u16.to_be_bytes());
    assert_eq!(remap_add_node(&mapped, minus_one().ids()).unwrap(), Some(message));
}

#[test]
fn captured_objects_are_read_and_swapped_there_and_back() {
    for vector in vectors("ACTIVE_OBJECT_REMOVE_ADD adding zz") {
        let message = vector.message(to_client::ACTIVE_OBJECT_REMOVE_ADD);
        let packet = Packet::decode(&vector.body).unwrap();
        let id = packet.added[0].id;
        assert_eq!(packet.added[0].init.as_ref().unwrap().id, id, "{}", vector.id);
        let ids = only_ids(IdMap::identity());
        // As if the player were 4000 here and the client knew it by the entity's id.
        let mut map = ObjectMap::with_ids(id, Some(4000));
        let mapped = map.remove_add(&message, b"Alice", &ids).unwrap();
        assert_eq!(mapped.added, [4000]);
        assert_ne!(mapped.messages[0], message);
        let mut inverse = ObjectMap::with_ids(4000, Some(id));
        let back = inverse.remove_add(&mapped.messages[0], b"Alice", &ids).unwrap();
        assert_eq!(back.messages, std::slice::from_ref(&message));
        let mut other = ObjectMap::with_ids(1, Some(2));
        let same = other.remove_add(&message, b"Alice", &ids).unwrap();
        assert_eq!(same.messages, [message]);
    }
}

#[test]
fn node_visual_of_a_captured_entity_is_mapped() {
    for vector in vectors("ACTIVE_OBJECT_REMOVE_ADD adding zz:n") {
        let message = vector.message(to_client::ACTIVE_OBJECT_REMOVE_ADD);
        let mut map = ObjectMap::with_ids(1, Some(1));
        let there = map.remove_add(&message, b"Alice", &plus_one()).unwrap().messages.remove(0);
        let changed: Vec<_> = (0..message.len()).filter(|i| message[*i] != there[*i]).collect();
        assert_eq!((changed.len(), there.len()), (1, message.len()), "one id, nothing else");
        let back = map.remove_add(&there, b"Alice", &minus_one()).unwrap();
        assert_eq!(back.messages, [message]);
    }
    for vector in vectors("ACTIVE_OBJECT_REMOVE_ADD adding zz:e") {
        let message = vector.message(to_client::ACTIVE_OBJECT_REMOVE_ADD);
        let mut map = ObjectMap::with_ids(1, Some(1));
        let same = map.remove_add(&message, b"Alice", &plus_one()).unwrap();
        assert_eq!(same.messages, [message], "no node visual: 127 stays");
    }
}

#[test]
fn captured_local_player_creates_then_updates() {
    for vector in vectors("ACTIVE_OBJECT_REMOVE_ADD adding the local player") {
        let name = vector.note.split_whitespace().next_back().unwrap();
        let message = vector.message(to_client::ACTIVE_OBJECT_REMOVE_ADD);
        let ids = only_ids(IdMap::identity());
        let mut map = ObjectMap::new();
        let first = map.remove_add(&message, name.as_bytes(), &ids).unwrap();
        assert_eq!(first.own, Some(OwnObject::Created));
        assert_eq!(first.messages, std::slice::from_ref(&message));
        let id = map.local().unwrap();

        let mut map = ObjectMap::with_ids(7, None);
        let later = map.remove_add(&message, name.as_bytes(), &ids).unwrap();
        assert_eq!((later.own, map.backend()), (Some(OwnObject::Updated), Some(id)));
        assert_eq!(later.messages.len(), 1);
        let (command, body) = split_command(&later.messages[0]).unwrap();
        assert_eq!(command, to_client::ACTIVE_OBJECT_MESSAGES);
        let packet = Packet::decode(&vector.body).unwrap();
        let init = packet.added[0].init.clone().unwrap();
        let sent: Vec<_> = mesegate_protocol::objects::decode_messages(body)
            .map(|message| message.unwrap())
            .collect();
        assert!(sent.iter().all(|message| message.id == 7));
        assert_eq!(sent.iter().map(|message| message.data).collect::<Vec<_>>(), init.messages);

        let mut state = ClientState::new(name);
        state.observe_to_client(&message, vector.version());
        assert_eq!(state.local_object(), Some(id));
        assert_eq!(state.objects().len(), 0);
    }
}

#[test]
fn captured_objects_cut_anywhere_are_errors() {
    let ids = only_ids(IdMap::new([(1, 2)]));
    for vector in vectors("ACTIVE_OBJECT_REMOVE_ADD") {
        let message = vector.message(to_client::ACTIVE_OBJECT_REMOVE_ADD);
        for cut in 0..message.len() {
            let mut map = ObjectMap::with_ids(1, Some(2));
            assert!(map.remove_add(&message.slice(..cut), b"Alice", &ids).is_err());
        }
    }
}

#[test]
fn captured_object_messages_hold_the_ids_they_should() {
    let map = ObjectMap::with_ids(5, Some(6));
    for vector in vectors("AO message cmd") {
        let command = vector.body[0];
        let length = (vector.body.len() as u16).to_be_bytes();
        let message = [&[0, 0x32, 0, 9][..], &length, &vector.body].concat();
        let there = map.messages(&message, &plus_one()).unwrap();
        // None of them names object 5 or 6, and the player's node is "none".
        assert_eq!(there, None, "command {command}");
        let state = own_state(&vector.body);
        match command {
            7 => assert_eq!(state, Some(OwnState::Bone(b"Head"))),
            6 => assert_eq!(state, Some(OwnState::Track(&[0, 1]))),
            _ => assert_eq!(state, None),
        }
    }
}

/// Offset of the attached object in a captured spawner: after texture, id and two flags.
fn attached_offset(message: &[u8], version: ProtocolVersion) -> usize {
    let texture = 2 + if version.spawner_tweens() { 258 } else { 95 };
    let length = u32::from_be_bytes(message[texture..texture + 4].try_into().unwrap());
    texture + 4 + length as usize + 4 + 2
}

#[test]
fn captured_spawners_are_read_and_swapped_at_every_layout() {
    for vector in vectors("ADD_PARTICLESPAWNER") {
        let (message, version) = (vector.message(to_client::ADD_PARTICLESPAWNER), vector.version());
        let at = attached_offset(&message, version);
        let id = u32::from_be_bytes(message[at - 6..at - 2].try_into().unwrap());
        assert_eq!(spawner_id(&message, version), Ok(id));
        let mut state = ClientState::new("Alice");
        state.observe_to_client(&message, version);
        assert!(!state.is_clear());

        let attached = u16::from_be_bytes([message[at], message[at + 1]]);
        assert_ne!(attached, 0);
        let map = ObjectMap::with_ids(5000, Some(attached));
        let there = map.particle_spawner(&message, version).unwrap().unwrap();
        assert_eq!(there[at..at + 2], 5000u16.to_be_bytes());
        let back = map.particle_spawner(&there, version).unwrap();
        assert_eq!(back, Some(message.clone()));

        // Cut anywhere it must not be read past its end.
        for cut in 0..message.len() {
            let _ = map.particle_spawner(&message[..cut], version);
        }
    }
}

#[test]
fn captured_attractor_objects_are_swapped() {
    let map = ObjectMap::with_ids(5000, Some(6000));
    for vector in vectors("ADD_PARTICLESPAWNER") {
        let (message, version) = (vector.message(to_client::ADD_PARTICLESPAWNER), vector.version());
        let at = attached_offset(&message, version);
        // Attached object, no animation, glow, collision, node; then ends, and what is tweened.
        let ends = if version.spawner_tweens() { 0 } else { 128 };
        let mut pos = at + 2 + 1 + 2 + 4 + ends;
        let animated = message[pos] & 1 != 0;
        pos += 39;
        if animated {
            pos += [1, 9, 7][usize::from(message[pos])];
        }
        pos += 63 + 63 + 31;
        let kind = message[pos];
        let mut with_objects = message.to_vec();
        let mut objects = vec![];
        if kind > 0 {
            objects.push(pos + 1 + 31 + 31);
        }
        if kind > 1 {
            objects.push(pos + 1 + 31 + 31 + 3 + 31);
        }
        for object in &objects {
            with_objects[*object..*object + 2].copy_from_slice(&6000u16.to_be_bytes());
        }
        let there = map.particle_spawner(&with_objects, version).unwrap();
        for object in &objects {
            with_objects[*object..*object + 2].copy_from_slice(&5000u16.to_be_bytes());
        }
        assert_eq!(there.map(|m| m.to_vec()), (kind > 0).then_some(with_objects), "kind {kind}");
    }
}

#[test]
fn captured_hud_elements_and_sounds_are_remembered() {
    let mut state = ClientState::new("Alice");
    for vector in vectors("HUDADD") {
        let (id, kind) = hud::decode_added(&vector.body).unwrap();
        assert_eq!(kind, HudType(8));
        state.observe_to_client(&vector.message(to_client::HUDADD), vector.version());
        assert_eq!(state.hud_type(id), Some(HudType(8)));
    }
    let map = ObjectMap::with_ids(0x42, Some(0x4200));
    let mut mapped = 0;
    for vector in vectors("PLAY_SOUND") {
        let message = vector.message(to_client::PLAY_SOUND);
        state.observe_to_client(&message, vector.version());
        if let Some(there) = map.play_sound(&message).unwrap() {
            mapped += 1;
            assert_eq!(map.play_sound(&there).unwrap(), Some(message));
        }
    }
    assert_eq!(mapped, 1, "one of the sounds is at object 0x42");
    let reset = state.reset(ProtocolVersion::MAX);
    let stopped: Vec<_> =
        reset.iter().filter(|(_, m)| m[..2] == to_client::STOP_SOUND.to_be_bytes()).collect();
    assert_eq!(stopped.len(), 3, "all but the ephemeral one");
}

#[test]
fn captured_inventories_and_forms_are_read() {
    for vector in vectors("INVENTORY") {
        let inventory = InventoryMessage::decode(&vector.body, vector.version()).unwrap();
        assert!(inventory.text.starts_with(b"List main 32\n"));
        assert!(inventory.text.ends_with(b"EndInventory\n"));
        let message = inventory.encode(vector.version());
        assert_eq!(message[2..], vector.body[..]);
        let renamed = NameMap::new([], [], [("zz:t".into(), "p_zz:t".into())], None);
        let text = rewrite(inventory.text, &renamed).unwrap();
        let items = |text: &[u8], item| String::from_utf8_lossy(text).matches(item).count();
        assert_eq!(items(&text, "Item p_zz:t"), items(inventory.text, "Item zz:t"));
    }
    let vector = one("DETACHED_INVENTORY");
    let inventory = DetachedInventory::decode(&vector.body).unwrap();
    assert_eq!(inventory.name, b"zzd");
    assert_eq!(inventory.encode()[2..], vector.body[..]);
    let vector = one("SHOW_FORMSPEC");
    let form = ShowFormspec::decode(&vector.body).unwrap();
    assert_eq!(form.name, "zz:f");
    assert_eq!(form.encode()[2..], vector.body[..]);
}

/// A server's own messages for the same state have the same size as those of the reset.
#[test]
fn reset_has_the_servers_layouts() {
    let reset = ClientState::new("Alice").reset(ProtocolVersion::MAX);
    for (id, command) in [
        ("SET_SKY 1", to_client::SET_SKY),
        ("SET_LIGHTING", to_client::SET_LIGHTING),
        ("SET_STARS", to_client::SET_STARS),
        ("CLOUD_PARAMS", to_client::CLOUD_PARAMS),
        ("EYE_OFFSET", to_client::EYE_OFFSET),
        ("LOCAL_PLAYER_ANIMATIONS", to_client::LOCAL_PLAYER_ANIMATIONS),
    ] {
        let vector = vectors(id).pop().unwrap();
        let ours = reset.iter().find(|(_, m)| m[..2] == command.to_be_bytes()).unwrap();
        assert_eq!(ours.1.len() - 2, vector.body.len(), "{id}");
    }
}
