use super::*;
use crate::NameMap;
use crate::map::{IdMap, UNKNOWN};
use crate::objects::{ATTACH_TO, OwnState, own_state};
use proptest::prelude::*;

const NAME: &[u8] = b"Alice";

#[derive(Debug, Clone)]
struct Object {
    id: u16,
    name: &'static [u8],
    player: bool,
    messages: Vec<Vec<u8>>,
}

fn entity(id: u16) -> Object {
    Object { id, name: b"mod:thing", player: false, messages: vec![] }
}

fn alice(id: u16, messages: Vec<Vec<u8>>) -> Object {
    Object { id, name: NAME, player: true, messages }
}

fn attach(parent: u16) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(ATTACH_TO).u16(parent).str16(b"Head").v3f([1.0; 3]).v3f([0.0; 3]).bool(false);
    w.into_vec()
}

fn infant(child: u16) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(11).u16(child).u8(101);
    w.into_vec()
}

fn bone(name: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(7).str16(name).raw(&[0; 49]);
    w.into_vec()
}

fn remove_add(removed: &[u16], added: &[Object]) -> Bytes {
    let mut w = Writer::command(to_client::ACTIVE_OBJECT_REMOVE_ADD);
    w.u16(removed.len() as u16);
    for id in removed {
        w.u16(*id);
    }
    w.u16(added.len() as u16);
    for object in added {
        let mut init = Writer::new();
        init.u8(1).str16(object.name).bool(object.player).u16(object.id);
        init.v3f([1.0; 3]).v3f([2.0; 3]).u16(20).u8(object.messages.len() as u8);
        for message in &object.messages {
            init.str32(message);
        }
        w.u16(object.id).u8(101).str32(&init.into_vec());
    }
    w.finish()
}

fn messages(parts: &[(u16, Vec<u8>)]) -> Bytes {
    let mut w = Writer::command(to_client::ACTIVE_OBJECT_MESSAGES);
    for (id, data) in parts {
        w.u16(*id).str16(data);
    }
    w.finish()
}

fn only_ids(ids: IdMap) -> Translation {
    Translation::new(ids, NameMap::default())
}

fn run(map: &mut ObjectMap, message: &Bytes) -> RemoveAdd {
    map.remove_add(message, NAME, &only_ids(IdMap::identity())).unwrap()
}

/// The data of an object without its id outside, which are the last field of a packet that adds
/// one object.
fn init(object: &Object) -> Vec<u8> {
    remove_add(&[], std::slice::from_ref(object))[2 + 2 + 2 + 2 + 1 + 4..].to_vec()
}

#[test]
fn data_of_children_inside_messages_are_rewritten() {
    let child = |parent, own| Object { messages: vec![attach(parent)], ..entity(own) };
    let carrying = |id, object: Object| {
        let mut w = Writer::new();
        w.u8(11).u16(id).u8(101).str32(&init(&object));
        w.into_vec()
    };
    let nested = |inner, outer, top| {
        let messages = vec![carrying(inner, child(outer, inner))];
        let outer_object = Object { messages, ..entity(outer) };
        Object { messages: vec![carrying(outer, outer_object)], ..entity(top) }
    };
    // 9 is the client's own object, 2 is the player's on this backend.
    let mut map = ObjectMap::with_ids(9, Some(2));
    let result = run(&mut map, &remove_add(&[], &[nested(4, 9, 5)]));
    assert_eq!(result.messages, [remove_add(&[], &[nested(4, 2, 5)])]);
}

#[test]
fn children_inside_children_are_looked_into_to_a_limit() {
    let mut message = infant(9);
    for _ in 0..2000 {
        let parent = Object { messages: vec![message], ..entity(3) };
        let mut w = Writer::new();
        w.u8(11).u16(3).u8(101).str32(&init(&parent));
        message = w.into_vec();
    }
    let mut map = ObjectMap::with_ids(9, Some(2));
    let deep = remove_add(&[], &[Object { messages: vec![message], ..entity(5) }]);
    assert_eq!(run(&mut map, &deep).messages, [deep]);
}

#[test]
fn first_backend_passes_through_and_sets_both_ids() {
    let mut map = ObjectMap::new();
    let message = remove_add(&[], &[entity(4), alice(9, vec![bone(b"Arm")]), entity(5)]);
    let result = run(&mut map, &message);
    assert_eq!(result.messages, std::slice::from_ref(&message));
    assert_eq!((map.local(), map.backend()), (Some(9), Some(9)));
    assert_eq!(result.own, Some(OwnObject::Created));
    assert_eq!(result.added, [4, 5]);
    let later = remove_add(&[4], &[entity(6)]);
    let result = run(&mut map, &later);
    assert_eq!((result.removed, result.added), (vec![4], vec![6]));
    assert_eq!(result.messages, [later]);
}

#[test]
fn nothing_reaches_a_client_without_its_own_object() {
    let mut map = ObjectMap::new();
    assert_eq!(run(&mut map, &remove_add(&[], &[])), RemoveAdd::default());
    assert_eq!(run(&mut map, &remove_add(&[3], &[entity(4)])), RemoveAdd::default());
    let other_case = Object { name: b"alice", ..alice(5, vec![]) };
    assert_eq!(run(&mut map, &remove_add(&[], &[other_case])), RemoveAdd::default());
    let no_player = Object { player: false, ..alice(5, vec![]) };
    assert_eq!(run(&mut map, &remove_add(&[], &[no_player])), RemoveAdd::default());
    assert_eq!(map, ObjectMap::new());
}

#[test]
fn own_object_is_never_removed() {
    let mut map = ObjectMap::with_ids(9, Some(9));
    let result = run(&mut map, &remove_add(&[9], &[]));
    assert!(result.messages.is_empty() && result.removed.is_empty());
    let result = run(&mut map, &remove_add(&[3, 9], &[entity(9)]));
    assert_eq!(result.messages, [remove_add(&[3], &[])]);
    // On a later backend the client's id belongs to something else, the player's is another.
    let mut map = ObjectMap::with_ids(9, Some(2));
    let result = run(&mut map, &remove_add(&[9, 2, 3], &[]));
    assert_eq!(result.messages, [remove_add(&[2, 3], &[])]);
}

#[test]
fn later_backend_updates_the_object_and_swaps_the_ids() {
    let mut map = ObjectMap::with_ids(9, Some(9));
    map.enter_backend();
    let own = alice(2, vec![attach(9), infant(3), bone(b"Arm")]);
    let rider = Object { messages: vec![attach(2), infant(9)], ..entity(9) };
    let result = run(&mut map, &remove_add(&[], &[rider, own, entity(3)]));
    assert_eq!(result.own, Some(OwnObject::Updated));
    assert_eq!(result.added, [2, 3]);
    let rider = Object { messages: vec![attach(9), infant(2)], ..entity(2) };
    let expected = [
        remove_add(&[], &[rider, entity(3)]),
        messages(&[(9, attach(2)), (9, infant(3)), (9, bone(b"Arm"))]),
    ];
    assert_eq!(result.messages, expected);
    assert_eq!((map.local(), map.backend()), (Some(9), Some(2)));
}

#[test]
fn later_backend_with_the_same_id_still_updates() {
    let mut map = ObjectMap::with_ids(9, None);
    let result = run(&mut map, &remove_add(&[], &[alice(9, vec![bone(b"Arm")])]));
    assert_eq!(result.messages, [messages(&[(9, bone(b"Arm"))])]);
    assert!(map.is_identity());
}

#[test]
fn own_object_under_a_new_id_takes_the_swapped_one_along() {
    let mut map = ObjectMap::with_ids(9, Some(2));
    let result = run(&mut map, &remove_add(&[], &[alice(7, vec![])]));
    assert_eq!(result.messages, [remove_add(&[2], &[])]);
    assert_eq!(map.backend(), Some(7));
}

#[test]
fn object_with_the_clients_id_waits_for_the_own_one() {
    let mut map = ObjectMap::with_ids(9, None);
    let result = run(&mut map, &remove_add(&[], &[entity(9), entity(4)]));
    assert_eq!(result.messages, [remove_add(&[], &[entity(4)])]);
    assert_eq!(result.added, [4]);
}

#[test]
fn messages_are_swapped_outside_and_inside() {
    let map = ObjectMap::with_ids(9, Some(2));
    let ids = only_ids(IdMap::identity());
    let sent = messages(&[(2, attach(9)), (9, infant(2)), (3, attach(0)), (3, vec![4, 0, 10])]);
    let mapped = messages(&[(9, attach(2)), (2, infant(9)), (3, attach(0)), (3, vec![4, 0, 10])]);
    assert_eq!(map.messages(&sent, &ids).unwrap(), Some(mapped.clone()));
    assert_eq!(map.messages(&mapped, &ids).unwrap(), Some(sent.clone()));
    assert_eq!(map.messages(&messages(&[(3, attach(4))]), &ids).unwrap(), None);
    assert_eq!(ObjectMap::with_ids(9, None).messages(&sent, &ids).unwrap(), None);
    assert!(map.messages(&sent[..sent.len() - 1], &ids).is_err());
}

#[test]
fn sounds_and_interactions_name_the_swapped_object() {
    let map = ObjectMap::with_ids(9, Some(2));
    let sound = |object| {
        let mut w = Writer::command(to_client::PLAY_SOUND);
        w.i32(5).str16(b"snd").f32(1.0).u8(2).v3f([0.0; 3]).u16(object).bool(true);
        w.f32(0.0).f32(1.0).bool(false);
        w.finish()
    };
    assert_eq!(map.play_sound(&sound(2)).unwrap(), Some(sound(9)));
    assert_eq!(map.play_sound(&sound(0)).unwrap(), None);
    let interact = |kind, object| {
        let mut w = Writer::command(crate::to_server::INTERACT);
        let mut pointed = Writer::new();
        pointed.u8(0).u8(kind).u16(object);
        w.u8(0).u16(3).str32(&pointed.into_vec()).raw(&[7; 38]);
        w.finish()
    };
    assert_eq!(map.interact(&interact(2, 9)).unwrap(), Some(interact(2, 2)));
    assert_eq!(map.interact(&interact(1, 9)).unwrap(), None);
    assert_eq!(ObjectMap::with_ids(9, Some(9)).interact(&interact(2, 9)).unwrap(), None);
}

#[test]
fn node_visual_gets_the_clients_content_id() {
    let properties = |node: Option<u16>| {
        let mut w = Writer::new();
        w.u8(0).u8(4).u16(10).u8(0).u32(0).raw(&[0; 48]).u8(1).str16(b"node").v3f([1.0; 3]);
        w.u16(2).str16(b"a.png").str16(b"").raw(&[0; 8]).u8(1).u8(0).f32(0.0).str16(b"");
        w.u16(1).u32(0xffff_ffff).u8(0).f32(0.0).u8(0).f32(0.0).u8(1).str16(b"tag").u32(0);
        w.f32(0.0).str16(b"info").str16(b"").i8(0).u16(10).f32(1.0).f32(0.0).u8(0);
        if let Some(node) = node {
            w.str16(b"^x").u8(1).u8(0).u32(0).u8(0).u16(node).u8(0).u8(0).u32(0).u8(0);
        }
        w.into_vec()
    };
    let map = ObjectMap::with_ids(9, Some(9));
    let ids = only_ids(IdMap::new([(16, 70)]));
    let with = |node| messages(&[(3, properties(Some(node)))]);
    assert_eq!(map.messages(&with(16), &ids).unwrap(), Some(with(70)));
    assert_eq!(map.messages(&with(17), &ids).unwrap(), Some(with(UNKNOWN)));
    assert_eq!(map.messages(&with(127), &ids).unwrap(), None);
    assert_eq!(map.messages(&messages(&[(3, properties(None))]), &ids).unwrap(), None);
    let mut first = ObjectMap::new();
    let packet = |node| {
        let thing = Object { messages: vec![properties(Some(node))], ..entity(3) };
        remove_add(&[], &[thing, alice(9, vec![])])
    };
    let result = first.remove_add(&packet(16), NAME, &ids).unwrap();
    assert_eq!(result.messages, [packet(70)]);
}

#[test]
fn objects_whose_two_ids_differ_are_refused() {
    let mut message = remove_add(&[], &[alice(9, vec![])]).to_vec();
    message[7] ^= 1;
    let mut map = ObjectMap::new();
    assert!(map.remove_add(&message.into(), NAME, &only_ids(IdMap::identity())).is_err());
    assert_eq!(map, ObjectMap::new());
}

#[test]
fn lasting_state_is_read_from_messages() {
    assert_eq!(own_state(&bone(b"Arm")), Some(OwnState::Bone(b"Arm")));
    let mut animation = Writer::new();
    animation.u8(6).raw(&[0; 17]);
    assert_eq!(own_state(&animation.clone().into_vec()), None, "before 5.17");
    animation.u16(2).i32(0).f32(0.0);
    assert_eq!(own_state(&animation.into_vec()), Some(OwnState::Track(&[0, 2])));
    let named = [13, 0, 0, 0, 1, b'w'];
    assert_eq!(own_state(&named), Some(OwnState::TrackStopped(&named[1..])));
    assert_eq!(own_state(&[]), None);
}

fn any_object() -> impl Strategy<Value = Object> {
    let message = prop_oneof![
        any::<u16>().prop_map(attach),
        any::<u16>().prop_map(infant),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    (1u16..12, prop::collection::vec(message, 0..4))
        .prop_map(|(id, messages)| Object { messages, ..entity(id) })
}

proptest! {
    #[test]
    fn swapping_twice_gives_the_message_back(
        local in 1u16..12, backend in 1u16..12,
        removed in prop::collection::vec(1u16..12, 0..6),
        added in prop::collection::vec(any_object(), 0..6),
    ) {
        let mut map = ObjectMap::with_ids(local, Some(backend));
        let removed: Vec<_> = removed.into_iter().filter(|id| *id != backend).collect();
        let added: Vec<_> = added.into_iter().filter(|object| object.id != backend).collect();
        let parts: Vec<_> = added
            .iter()
            .flat_map(|object| object.messages.iter().map(|m| (object.id, m.clone())))
            .collect();
        let message = remove_add(&removed, &added);
        let once = run(&mut map, &message);
        prop_assert!(!once.added.contains(&local) && !once.removed.contains(&local));
        if let Some(mapped) = once.messages.first() {
            // The inverse swap goes from the client's ids to the backend's.
            let mut inverse = ObjectMap::with_ids(backend, Some(local));
            let twice = run(&mut inverse, mapped);
            prop_assert_eq!(&twice.messages, &[message]);
        }
        let ids = only_ids(IdMap::identity());
        let sent = messages(&parts);
        let once = map.messages(&sent, &ids).unwrap().unwrap_or_else(|| sent.clone());
        let twice = map.messages(&once, &ids).unwrap().unwrap_or_else(|| once.clone());
        prop_assert_eq!(twice, sent);
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        version in 37u16..54,
    ) {
        let ids = only_ids(IdMap::new([(1, 2)]));
        let mut map = ObjectMap::with_ids(1, Some(2));
        let version = ProtocolVersion(version);
        let _ = map.remove_add(&Bytes::copy_from_slice(&bytes), NAME, &ids);
        let _ = map.messages(&bytes, &ids);
        let _ = map.play_sound(&bytes);
        let _ = map.interact(&bytes);
        let _ = map.particle_spawner(&bytes, version);
        let _ = crate::particle::spawner_id(&bytes, version);
        let _ = own_state(&bytes);
    }
}
