use super::*;
use crate::objects::Packet;
use crate::play::{Hp, PlayerList, PlayerListChange, decode_removed_sounds};
use crate::wire::Writer;
use crate::{split_command, to_client, to_server};
use proptest::prelude::*;

const NEWEST: ProtocolVersion = ProtocolVersion::MAX;

/// Commands of the reset that are there whatever was observed.
fn fixed(version: ProtocolVersion) -> usize {
    ClientState::new("Alice").reset(version).len()
}

fn message(command: u16, fill: impl FnOnce(&mut Writer)) -> Bytes {
    let mut w = Writer::command(command);
    fill(&mut w);
    w.finish()
}

fn hud_add(id: u32, kind: u8) -> Bytes {
    message(to_client::HUDADD, |w| {
        w.u32(id).u8(kind).raw(&[0; 60]);
    })
}

fn sound(id: i32) -> Bytes {
    message(to_client::PLAY_SOUND, |w| {
        w.i32(id).str16(b"snd").raw(&[0; 28]);
    })
}

fn spawner(id: u32, version: ProtocolVersion) -> Bytes {
    message(to_client::ADD_PARTICLESPAWNER, |w| {
        w.raw(&vec![0; if version.spawner_tweens() { 258 } else { 95 }]);
        w.str32(b"a.png").u32(id).raw(&[0; 8]);
    })
}

fn block(position: [i16; 3]) -> Bytes {
    message(to_client::BLOCKDATA, |w| {
        w.v3s16(position).raw(&[1, 2, 3]);
    })
}

fn detached(name: &[u8], keep: bool) -> Bytes {
    message(to_client::DETACHED_INVENTORY, |w| {
        w.str16(name).bool(keep);
        if keep {
            w.u16(13).raw(b"EndInventory\n");
        }
    })
}

fn positions(command: u16, positions: &[[i16; 3]]) -> Bytes {
    map::encode_positions(command, positions).remove(0)
}

fn objects(removed: &[u16], added: &[(u16, &str)]) -> Bytes {
    message(to_client::ACTIVE_OBJECT_REMOVE_ADD, |w| {
        w.u16(removed.len() as u16);
        for id in removed {
            w.u16(*id);
        }
        w.u16(added.len() as u16);
        for (id, name) in added {
            let mut init = Writer::new();
            init.u8(1).str16(name.as_bytes()).bool(*name == "Alice").u16(*id).raw(&[0; 26]);
            // One bone override.
            init.u8(1).u32(53).u8(7).str16(b"I").raw(&[0; 49]);
            w.u16(*id).u8(101).str32(&init.into_vec());
        }
    })
}

fn bodies(reset: &[(u8, Bytes)], command: u16) -> Vec<Vec<u8>> {
    reset
        .iter()
        .filter_map(|(channel, message)| {
            let (c, body) = split_command(message).unwrap();
            assert_eq!(*channel, to_client::default_delivery(c).0);
            (c == command).then(|| body.to_vec())
        })
        .collect()
}

#[test]
fn everything_a_backend_added_is_removed_once() {
    let mut state = ClientState::new("Alice");
    let before = [
        objects(&[], &[(9, "Alice"), (4, "x"), (5, "y")]),
        objects(&[5], &[(6, "z")]),
        hud_add(1, 0),
        hud_add(2, 7),
        hud_add(2, 1),
        crate::play::hud::encode_remove(1),
        detached(b"bag", true),
        detached(b"box", true),
        detached(b"box", false),
        spawner(77, NEWEST),
        sound(3),
        sound(4),
        sound(-1),
        message(to_client::STOP_SOUND, |w| {
            w.i32(4);
        }),
        PlayerList { change: PlayerListChange::Init, names: vec![b"Alice", b"Bob"] }.encode(),
        PlayerList { change: PlayerListChange::Remove, names: vec![b"Bob"] }.encode(),
        block([1, 2, 3]),
        block([-1, 0, 0]),
    ];
    for message in &before {
        state.observe_to_client(message, NEWEST);
    }
    state.observe_to_server(&positions(to_server::DELETEDBLOCKS, &[[-1, 0, 0]]));
    assert_eq!(state.hud_type(2), Some(HudType(7)), "a client ignores an id it has");
    assert_eq!(state.objects().collect::<Vec<_>>(), [4, 6]);
    assert_eq!(state.held_blocks(), 1);
    assert!(!state.is_clear());

    let reset = state.reset(NEWEST);
    let removed = bodies(&reset, to_client::ACTIVE_OBJECT_REMOVE_ADD);
    assert_eq!(Packet::decode(&removed[0]).unwrap().removed, [4, 6]);
    assert_eq!(bodies(&reset, to_client::HUDRM), [[0, 0, 0, 2]]);
    assert_eq!(bodies(&reset, to_client::DETACHED_INVENTORY), [b"\0\x03bag\0"]);
    assert_eq!(bodies(&reset, to_client::DELETE_PARTICLESPAWNER), [[0, 0, 0, 77]]);
    assert_eq!(bodies(&reset, to_client::STOP_SOUND), [[0, 0, 0, 3]]);
    let names = bodies(&reset, to_client::UPDATE_PLAYER_LIST);
    assert_eq!(names, [b"\x02\0\x01\0\x05Alice"]);
    assert_eq!(
        reset.iter().filter(|(_, m)| map::is_ignore_block(m)).collect::<Vec<_>>(),
        [&(2, map::ignore_block([1, 2, 3], 29))]
    );
    let own = bodies(&reset, to_client::ACTIVE_OBJECT_MESSAGES);
    let own: Vec<_> = crate::objects::decode_messages(&own[0]).map(|m| m.unwrap()).collect();
    assert!(own.iter().all(|message| message.id == 9));
    let commands: Vec<_> = own.iter().map(|message| message.data[0]).collect();
    assert_eq!(commands, [8, 9, 7]);
    assert_eq!(own[0].data, [&[8][..], &[0; 29]].concat());
    assert_eq!(own[2].data[..4], [7, 0, 1, b'I']);

    assert!(state.is_clear() && state.is_complete());
    assert_eq!(state.local_object(), Some(9));
    // What stays is the own object, which gets its messages every time.
    assert_eq!(state.reset(NEWEST).len(), fixed(NEWEST) + 1);
}

#[test]
fn before_the_own_object_nothing_is_said_about_objects() {
    let mut state = ClientState::new("Alice");
    state.observe_to_client(&objects(&[], &[(4, "x")]), NEWEST);
    let reset = state.reset(NEWEST);
    assert!(bodies(&reset, to_client::ACTIVE_OBJECT_REMOVE_ADD).is_empty());
    assert!(bodies(&reset, to_client::ACTIVE_OBJECT_MESSAGES).is_empty());
}

#[test]
fn own_bones_and_tracks_are_undone_where_the_client_can() {
    let own = |data: &[u8]| {
        message(to_client::ACTIVE_OBJECT_MESSAGES, |w| {
            w.u16(4).str16(&[7, 0, 1, b'Z']).u16(9).str16(data);
        })
    };
    for (version, expected) in [(43, &[8, 9][..]), (51, &[8, 9, 7, 7]), (53, &[8, 9, 7, 7, 13])] {
        let version = ProtocolVersion(version);
        let mut state = ClientState::new("Alice");
        state.observe_to_client(&objects(&[], &[(9, "Alice")]), version);
        state.observe_to_client(&own(&[7, 0, 1, b'B']), version);
        for track in [3, 4] {
            let animation = [&[6][..], &[0; 17], &[0, track], &[0; 8]].concat();
            state.observe_to_client(&own(&animation), version);
        }
        state.observe_to_client(&own(&[13, 0, 4]), version);
        let reset = state.reset(version);
        let messages = bodies(&reset, to_client::ACTIVE_OBJECT_MESSAGES);
        let messages: Vec<_> = crate::objects::decode_messages(&messages[0])
            .map(|message| message.unwrap().data.to_vec())
            .collect();
        assert_eq!(messages.iter().map(|m| m[0]).collect::<Vec<_>>(), expected);
        if version.0 == 53 {
            assert_eq!(messages[4], [13, 0, 3]);
        }
    }
}

#[test]
fn confirmations_of_overwritten_blocks_are_swallowed() {
    let mut state = ClientState::new("Alice");
    let (a, b, c) = ([1, 1, 1], [2, 2, 2], [3, 3, 3]);
    for position in [a, b] {
        state.observe_to_client(&block(position), NEWEST);
    }
    let got = positions(to_server::GOTBLOCKS, &[a, b]);
    assert_eq!(state.observe_to_server(&got), Some(got.clone()));
    state.reset(NEWEST);
    // The new backend sends one of them: its confirmation must not get lost.
    state.observe_to_client(&block(b), NEWEST);
    state.observe_to_client(&block(c), NEWEST);
    let got = positions(to_server::GOTBLOCKS, &[a, b, c]);
    let theirs = positions(to_server::GOTBLOCKS, &[b, c]);
    assert_eq!(state.observe_to_server(&got), Some(theirs));
    assert_eq!(state.observe_to_server(&got), Some(got.clone()), "only once each");
    state.reset(NEWEST);
    assert_eq!(state.observe_to_server(&positions(to_server::GOTBLOCKS, &[c])), None);
}

#[test]
fn a_discarded_overwriting_has_to_be_done_again() {
    let mut state = ClientState::new("Alice");
    state.observe_to_client(&block([1, 1, 1]), NEWEST);
    let reset = state.reset(NEWEST);
    assert_eq!(state.held_blocks(), 0);
    for (_, message) in &reset {
        state.discarded(message);
    }
    assert_eq!(state.held_blocks(), 1);
    state.observe_to_client(&block([5, 5, 5]), NEWEST);
    state.discarded(&block([5, 5, 5]));
    assert_eq!(state.held_blocks(), 1);
}

#[test]
fn only_sounds_of_the_current_backend_are_reported_to_it() {
    let mut state = ClientState::new("Alice");
    state.observe_to_client(&sound(1), NEWEST);
    state.observe_to_client(&sound(2), NEWEST);
    state.reset(NEWEST);
    state.observe_to_client(&sound(2), NEWEST);
    state.observe_to_client(&sound(3), NEWEST);
    let removed = crate::play::encode_removed_sounds(&[1, 3]);
    let theirs = state.observe_to_server(&removed).unwrap();
    assert_eq!(decode_removed_sounds(&theirs[2..]), Ok(vec![3]));
    assert_eq!(state.observe_to_server(&removed), None);
    let last = crate::play::encode_removed_sounds(&[2]);
    assert_eq!(state.observe_to_server(&last), Some(last.clone()));
    assert!(state.is_clear());
}

#[test]
fn what_the_client_said_last_is_kept_over_a_reset() {
    let mut state = ClientState::new("Alice");
    let pos = message(to_server::PLAYERPOS, |w| {
        w.raw(&[1; 38]);
    });
    let info = message(to_server::UPDATE_CLIENT_INFO, |w| {
        w.raw(&[2; 25]);
    });
    let long = message(to_server::UPDATE_CLIENT_INFO, |w| {
        w.raw(&[2; 5000]);
    });
    for message in [&pos, &info, &long, &PlayerItem(5).encode()] {
        assert!(state.observe_to_server(message).is_some());
    }
    for name in [&b"one"[..], b"two", b"three"] {
        state.observe_to_server(&crate::play::channel::encode_join(name));
    }
    state.observe_to_server(&crate::play::channel::encode_leave(b"two"));
    let refused =
        crate::play::ChannelSignal { signal: crate::play::Signal::JoinFailed, channel: b"three" };
    state.observe_to_client(&refused.encode(), NEWEST);
    state.observe_to_client(&Hp { hp: 0, damage_effect: true }.encode(), NEWEST);
    state.reset(NEWEST);
    assert_eq!(state.last_position(), Some(&pos[..]));
    assert_eq!(state.last_client_info(), Some(info));
    assert_eq!(state.last_item(), Some(PlayerItem(5)));
    assert_eq!(state.mod_channels().collect::<Vec<_>>(), [b"one"]);
    assert!(state.is_dead());
    state.observe_to_client(&Hp { hp: 1, damage_effect: true }.encode(), NEWEST);
    assert!(!state.is_dead());
}

#[test]
fn a_backend_that_adds_without_end_is_noticed() {
    let mut state = ClientState::new("Alice");
    for id in 0..100_000 {
        state.observe_to_client(&spawner(id, NEWEST), NEWEST);
    }
    assert!(!state.is_complete());
    let reset = state.reset(NEWEST);
    assert_eq!(bodies(&reset, to_client::DELETE_PARTICLESPAWNER).len(), ID_LIMIT / 4);
    assert!(!state.is_complete(), "the client still holds the others");
}

fn any_message(version: ProtocolVersion) -> impl Strategy<Value = Bytes> {
    let name = prop::collection::vec(any::<u8>(), 0..6);
    let list = (0u8..3, prop::collection::vec(name.clone(), 0..4)).prop_map(|(change, names)| {
        message(to_client::UPDATE_PLAYER_LIST, |w| {
            w.u8(change).u16(names.len() as u16);
            for name in names {
                w.str16(&name);
            }
        })
    });
    let ids = || prop::collection::vec(0u16..20, 0..5);
    let bone = name.clone().prop_map(|name| {
        message(to_client::ACTIVE_OBJECT_MESSAGES, |w| {
            let mut bone = Writer::new();
            bone.u8(7).str16(&name).raw(&[0; 49]);
            w.u16(9).str16(&bone.into_vec());
        })
    });
    prop_oneof![
        (0u32..50, any::<u8>()).prop_map(|(id, kind)| hud_add(id, kind)),
        (0u32..50).prop_map(crate::play::hud::encode_remove),
        (-1i32..50).prop_map(sound),
        (0u32..50).prop_map(move |id| spawner(id, version)),
        prop::array::uniform3(-3i16..3).prop_map(block),
        (name, any::<bool>()).prop_map(|(name, keep)| detached(&name, keep)),
        list,
        bone,
        (ids(), ids()).prop_map(|(removed, added)| {
            let added: Vec<_> = added.into_iter().map(|id| (id, "x")).collect();
            objects(&removed, &added)
        }),
        Just(objects(&[], &[(9, "Alice")])),
    ]
}

proptest! {
    #[test]
    fn reset_leaves_a_fresh_state(
        (version, messages) in (37u16..54).prop_map(ProtocolVersion).prop_flat_map(|version| {
            (Just(version), prop::collection::vec(any_message(version), 0..80))
        })
    ) {
        let mut state = ClientState::new("Alice");
        for message in &messages {
            state.observe_to_client(message, version);
        }
        let reset = state.reset(version);
        // The reset undoes the bookkeeping even when it is read as a client would read it.
        let mut replayed = ClientState::new("Alice");
        for message in messages.iter().chain(reset.iter().map(|(_, message)| message)) {
            if !map::is_ignore_block(message) {
                replayed.observe_to_client(message, version);
            }
        }
        prop_assert!(replayed.hud.is_empty() && replayed.detached.is_empty());
        prop_assert!(replayed.players.is_empty());
        prop_assert!(replayed.spawners.is_empty());
        prop_assert!(replayed.sounds.keys().all(|id| replayed.sounds.get(id) == Some(false)));
        if replayed.local.is_some() {
            prop_assert!(replayed.objects.is_empty());
        }
        // What may stay by design is put back by hand; all else must be as at first.
        prop_assert!(state.is_clear());
        let blocks = reset.iter().filter(|(_, message)| map::is_ignore_block(message));
        for (_, message) in blocks {
            let position = map::block_position(message).unwrap();
            prop_assert!(state.blocks.swallow(position));
        }
        state.local = None;
        prop_assert_eq!(state, ClientState::new("Alice"));
    }

    #[test]
    fn any_bytes_are_followed_without_panic(
        messages in prop::collection::vec(
            (0u16..0x70, prop::collection::vec(any::<u8>(), 0..60)), 0..40),
        version in 37u16..54,
    ) {
        let mut state = ClientState::new("Alice");
        let version = ProtocolVersion(version);
        for (command, body) in messages {
            let message = message(command, |w| {
                w.raw(&body);
            });
            state.observe_to_client(&message, version);
            let _ = state.observe_to_server(&message);
            state.discarded(&message);
            state.observe_to_client(&body, version);
        }
        state.reset(version);
        prop_assert!(state.is_clear());
    }
}
