use super::*;
use crate::world::objects::{NewObject, positions, remove_add};
use mesegate_protocol::wire::Writer;

fn view() -> View {
    let mut view = View::new(ProtocolVersion::MAX, "bot", BTreeSet::from([16]), true);
    view.set_ready();
    view
}

fn object(id: u16, name: &str, is_player: bool) -> NewObject<'_> {
    NewObject { id, name, is_player, position: [1.0, 2.0, 3.0] }
}

#[test]
fn own_object_comes_first_once_and_stays() {
    let mut good = view();
    good.observe(&remove_add(&[], &[object(7, "bot", true), object(8, "pig", false)]));
    good.observe(&remove_add(&[8], &[object(9, "cow", false)]));
    good.observe(&positions([(9, [4.0, 5.0, 6.0])]));
    assert_eq!(good.violations, Vec::<String>::new());
    assert_eq!(good.own_object, Some(7));
    assert_eq!(good.other_objects(), BTreeSet::from([9]));
    assert_eq!(good.objects[&9].position, [4.0, 5.0, 6.0]);

    let mut early = view();
    early.observe(&remove_add(&[], &[]));
    assert_eq!(early.violations, ["objects came before the own object"]);

    let mut twice = view();
    twice.observe(&remove_add(&[], &[object(7, "bot", true)]));
    twice.observe(&remove_add(&[], &[object(8, "bot", true)]));
    assert_eq!(twice.violations, ["the own object was added a second time"]);

    let mut removed = view();
    removed.observe(&remove_add(&[], &[object(7, "bot", true)]));
    removed.observe(&remove_add(&[7], &[]));
    assert_eq!(removed.violations, ["the own object was removed"]);

    // Another player's object is no own one, and case matters.
    let mut other = view();
    other.observe(&remove_add(&[], &[object(7, "Bot", true)]));
    assert_eq!(other.violations, ["objects came before the own object"]);
}

#[test]
fn definitions_abort_a_ready_client_only() {
    let mut loading = View::new(ProtocolVersion::MAX, "bot", BTreeSet::new(), true);
    loading.observe(&to_client::NODEDEF.to_be_bytes());
    assert_eq!(loading.violation_count, 0);
    let mut ready = view();
    for command in [to_client::NODEDEF, to_client::ITEMDEF, to_client::ANNOUNCE_MEDIA] {
        ready.observe(&command.to_be_bytes());
    }
    assert_eq!(ready.violation_count, 3);
}

#[test]
fn blocks_are_read_to_their_nodes() {
    // The overwriting block of all "ignore", as engine clients accept it.
    let ignore = [
        0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x06, 0x3f, 0x95, 0, 0, 0x38, 0x08, 0xff, 0xff, 2, 2, 0,
        0x7f, 2, 0, 0xfd, 0x0f, 0x7a, 0xc0, 0xff, 0xf5, 0xce, 0x08, 2,
    ];
    let mut view = view();
    let mut w = Writer::command(to_client::BLOCKDATA);
    w.v3s16([1, -2, 3]).raw(&ignore);
    let message = w.finish();
    view.observe(&message);
    assert_eq!(view.violations, Vec::<String>::new());
    let expected = BlockView { first: 127, highest: 127, ignored: true, sent: 1 };
    assert_eq!(view.blocks[&[1, -2, 3]], expected);
    view.observe(&message[..message.len() - 12]);
    assert_eq!(view.violation_count, 1);
}

#[test]
fn undefined_content_ids_are_violations() {
    let mut view = view();
    for id in [16, 125, 126, 127, 17] {
        let mut w = Writer::command(to_client::ADDNODE);
        w.v3s16([0; 3]).u16(id).u8(0).u8(0).u8(0);
        view.observe(&w.finish());
    }
    assert_eq!(view.violations, ["ADDNODE holds content id 17, which was never defined"]);
}

#[test]
fn messages_cut_short_are_violations_and_unknown_ones_are_not() {
    let mut view = view();
    view.observe(&[0, 0x34, 1, 2]);
    assert_eq!(view.violation_count, 1);
    view.observe(&[0x12, 0x34, 1, 2]);
    view.observe(&[0]);
    assert_eq!(view.violation_count, 1);
}
