//! Names in messages about objects.

use mesegate_protocol::objects::ObjectMap;
use mesegate_protocol::to_client;
use mesegate_protocol::wire::Writer;

use super::captured::vectors;
use super::{count, translation};

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
