//! Definitions and media as an engine server sent them: read to the last byte, written back the
//! same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use bytes::Bytes;
use mesegate_protocol::content::{
    FeaturesView, Field, FieldKind, ItemType, ItemView, Media, MediaPush, PushContent, features,
    item, remap_connects_to,
};
use mesegate_protocol::wire::WireError;
use mesegate_protocol::{NameMap, ProtocolVersion};

fn vectors(id: &str) -> Vec<(ProtocolVersion, Bytes)> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors.json");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut found = Vec::new();
    for vector in json["vectors"].as_array().unwrap() {
        if vector["id"] == id {
            let bytes = unhex(vector["hex"].as_str().unwrap());
            for version in vector["protocol"].as_array().unwrap() {
                let version = ProtocolVersion(version.as_u64().unwrap() as u16);
                found.push((version, bytes.clone()));
            }
        }
    }
    assert!(!found.is_empty(), "no vector {id}");
    found
}

fn unhex(hex: &str) -> Bytes {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn values<'a>(fields: impl Iterator<Item = Field<'a>>, kind: FieldKind) -> Vec<&'a str> {
    fields
        .filter(|f| f.kind == kind && !f.value.is_empty())
        .map(|f| std::str::from_utf8(f.value).unwrap())
        .collect()
}

#[test]
fn content_features_are_read_to_the_last_byte() {
    for (version, raw) in vectors("content_features/zz:c") {
        let view = FeaturesView::parse(&raw).unwrap();
        assert_eq!(view.name(), b"zz:c", "{version}");
        assert_eq!(view.tail(), [127, 2, 0, 0, 0]);
        let textures = values(view.fields(), FieldKind::Texture);
        assert_eq!(textures.len(), 13);
        assert_eq!(textures[0], r"a.png^[combine:16x16:0,0=b.png\^[mask\:c.png");
        assert_eq!(textures[12], "s.png");
        assert_eq!(values(view.fields(), FieldKind::Palette), ["p.png"]);
        assert_eq!(values(view.fields(), FieldKind::Sound), ["f", "__group", "d"]);
        assert_eq!(values(view.fields(), FieldKind::Reference), ["basenodes:stone"]);
        assert_eq!(view.connects_to().count(), 28);
        assert_eq!(view.connects_to().last(), Some(126));
    }
}

#[test]
fn identity_changes_nothing() {
    for (_, raw) in vectors("content_features/zz:c") {
        assert_eq!(remap_connects_to(&raw, &|id| id).unwrap(), raw);
        let view = FeaturesView::parse(&raw).unwrap();
        assert_eq!(view.rename(&mut |_| None), raw);
        assert_eq!(view.rename(&mut |field| Some(field.value.to_vec())), raw);
        assert_eq!(view.completed(), None);
    }
}

#[test]
fn connected_ids_are_mapped_sorted_and_unique() {
    let (_, raw) = vectors("content_features/zz:c").remove(0);
    let before: Vec<u16> = FeaturesView::parse(&raw).unwrap().connects_to().collect();
    let map = |id: u16| if id == 126 { 126 } else { 2000 - id / 2 };
    let mapped = remap_connects_to(&raw, &map).unwrap();
    let view = FeaturesView::parse(&mapped).unwrap();
    let after: Vec<u16> = view.connects_to().collect();
    assert!(after.is_sorted_by(|a, b| a < b));
    assert!(before.iter().all(|id| after.contains(&map(*id))));
    assert!(after.len() < before.len());
    assert_eq!(view.name(), b"zz:c");
    assert_eq!(view.tail(), [127, 2, 0, 0, 0]);
}

#[test]
fn names_can_be_replaced_by_longer_ones() {
    let (_, raw) = vectors("content_features/zz:c").remove(0);
    let view = FeaturesView::parse(&raw).unwrap();
    let renamed = view.rename(&mut |field| match field.kind {
        FieldKind::Reference => Some([b"p_", field.value].concat()),
        FieldKind::Name => Some(b"p_zz:c".to_vec()),
        _ => None,
    });
    // Two empty liquid alternatives, the dig prediction and the name grow by two bytes each.
    assert_eq!(renamed.len(), raw.len() + 8);
    let view = FeaturesView::parse(&renamed).unwrap();
    assert_eq!(view.name(), b"p_zz:c");
    assert_eq!(values(view.fields(), FieldKind::Reference), ["p_", "p_", "p_basenodes:stone"]);
    assert_eq!(view.tail(), [127, 2, 0, 0, 0]);
}

#[test]
fn definitions_of_older_servers_are_completed() {
    let (_, raw) = vectors("content_features/zz:c").remove(0);
    for cut in 1..=5 {
        let old = raw.slice(..raw.len() - cut);
        let full = FeaturesView::parse(&old).unwrap().completed().unwrap();
        let view = FeaturesView::parse(&full).unwrap();
        assert_eq!(view.tail().len(), 5);
        // Draw type node box with legacy alpha 255 is clip; the sender had set opaque.
        let alpha = if cut >= 4 { 1 } else { 2 };
        assert_eq!(view.tail(), [127, alpha, 0, 0, 0], "{cut}");
        assert_eq!(full[..old.len()], old);
    }
}

#[test]
fn item_definitions_are_read_to_the_last_byte_at_every_version() {
    let mut versions = Vec::new();
    for (version, raw) in vectors("item_definition/zz:t") {
        let view = ItemView::parse(&raw, version).unwrap();
        assert_eq!((view.name(), view.item_type()), (&b"zz:t"[..], ItemType::Tool), "{version}");
        assert_eq!(view.unknown(), b"", "{version}");
        let textures = values(view.fields(), FieldKind::Texture);
        if version.item_image_animation() {
            assert_eq!(textures, ["default_dirt.png", "a.png", "b.png"]);
        } else {
            let combined = "[combine:16x16:0,0=default_dirt.png";
            assert_eq!(textures, [combined, "a.png", "b.png"]);
        }
        assert_eq!(values(view.fields(), FieldKind::Sound), ["s1", "s2"]);
        assert_eq!(values(view.fields(), FieldKind::Reference), ["basenodes:stone"]);
        assert_eq!(view.rename(&mut |_| None), raw);
        assert_eq!(view.rename(&mut |field| Some(field.value.to_vec())), raw);
        versions.push(version.0);
    }
    versions.sort_unstable();
    assert_eq!(versions, [37, 39, 43, 45, 49, 51, 53]);
}

#[test]
fn names_of_nodes_an_item_points_at_can_be_replaced() {
    for (version, raw) in vectors("item_definition/zz:t") {
        let view = ItemView::parse(&raw, version).unwrap();
        let renamed = view.rename(&mut |field| {
            (field.value == b"basenodes:stone").then(|| b"p_basenodes:stone".to_vec())
        });
        assert_eq!(renamed.len(), raw.len() + 2);
        let view = ItemView::parse(&renamed, version).unwrap();
        assert_eq!(view.unknown(), b"");
        assert_eq!(values(view.fields(), FieldKind::Reference), ["p_basenodes:stone"]);
    }
}

#[test]
fn builtin_items() {
    let (version, raw) = vectors("item_definition/(hand)").remove(0);
    let hand = ItemView::parse(&raw, version).unwrap();
    assert_eq!((hand.name(), hand.unknown()), (&b""[..], &b""[..]));
    assert_eq!(values(hand.fields(), FieldKind::Texture), ["wieldhand.png"]);
    let (version, raw) = vectors("item_definition/air").remove(0);
    let air = ItemView::parse(&raw, version).unwrap();
    assert_eq!((air.name(), air.item_type()), (&b"air"[..], ItemType::Node));
    assert_eq!(air.unknown(), b"");
}

#[test]
fn older_item_definitions_end_after_any_group() {
    let (version, raw) = vectors("item_definition/air").remove(0);
    // Ends of the groups of 5.9, 5.8, 5.7, 5.4 and 5.0, counted from the end.
    let tail = |n: usize| raw.slice(..raw.len() - n);
    for cut in [7, 8, 8 + 28, 8 + 28 + 2] {
        let view_of = tail(cut);
        let view = ItemView::parse(&view_of, version).unwrap();
        assert_eq!((view.name(), view.unknown()), (&b"air"[..], &b""[..]), "{cut}");
        // A server that knows the fields and was told nothing about them sends what is added here.
        assert_eq!(view.completed().unwrap(), raw, "{cut}");
    }
    assert_eq!(ItemView::parse(&raw, version).unwrap().completed(), None);
    assert!(ItemView::parse(&tail(3), version).is_err());
}

#[test]
fn pushes_and_the_pushed_file() {
    let (version, body) = vectors("TOCLIENT_MEDIA_PUSH").remove(0);
    let push = MediaPush::decode(&body, version).unwrap();
    assert_eq!(push.name, "dyn_T53_804.png");
    assert_eq!(push.content, PushContent::Token(0x720d_6bdc));
    assert_eq!(push.encode()[2..], body);

    let (version, body) = vectors("TOCLIENT_MEDIA_PUSH (legacy)").remove(0);
    let old = MediaPush::decode(&body, version).unwrap();
    assert_eq!(old.encode()[2..], body);

    let (version, body) = vectors("TOCLIENT_MEDIA (pushed file)").remove(0);
    let media = Media::decode(&body).unwrap();
    assert_eq!((media.bunches, media.index, media.files.len()), (1, 0, 1));
    assert_eq!(media.encode()[2..], body);
    let PushContent::Data(data) = old.content else { panic!("no data") };
    assert_eq!(media.files[0].content(version, 1000).unwrap(), data);
    assert!(media.files[0].content(version, data.len() - 1).is_err());
}

/// A map of everything that the captured definitions name.
fn renames(prefix: &str) -> (NameMap, NameMap) {
    let pairs = |names: &[&str]| -> Vec<(Bytes, Bytes)> {
        names.iter().map(|n| (n.to_string().into(), format!("{prefix}{n}").into())).collect()
    };
    let media = pairs(&["a.png", "b.png", "c.png", "s.png", "p.png", "default_dirt.png"]);
    let sounds = pairs(&["f", "d", "__group", "s1", "s2"]);
    let items = pairs(&["zz:c", "zz:t", "basenodes:stone"]);
    let back = |pairs: &[(Bytes, Bytes)]| -> Vec<_> {
        pairs.iter().map(|(old, new)| (new.clone(), old.clone())).collect()
    };
    let inverse = NameMap::new(back(&media), back(&sounds), back(&items), None);
    (NameMap::new(media, sounds, items, None), inverse)
}

#[test]
fn definitions_are_rewritten_there_and_back() {
    let (names, inverse) = renames("p_");
    for (_, raw) in vectors("content_features/zz:c") {
        let there = features::rewrite(&raw, &names, &|id| id + 1).unwrap();
        let view = FeaturesView::parse(&there).unwrap();
        assert_eq!(view.name(), b"p_zz:c");
        let textures = values(view.fields(), FieldKind::Texture);
        assert_eq!(textures[0], r"p_a.png^[combine:16x16:0,0=p_b.png\^[mask\:p_c.png");
        assert_eq!(textures[12], "p_s.png");
        assert_eq!(values(view.fields(), FieldKind::Palette), ["p_p.png"]);
        assert_eq!(values(view.fields(), FieldKind::Sound), ["p_f", "__group", "p_d"]);
        assert_eq!(values(view.fields(), FieldKind::Reference), ["p_basenodes:stone"]);
        let before: Vec<u16> = FeaturesView::parse(&raw).unwrap().connects_to().collect();
        let after = features::connects(&there).unwrap();
        assert_eq!(after, before.iter().map(|id| id + 1).collect::<Vec<_>>());
        assert_eq!(features::rewrite(&there, &inverse, &|id| id - 1).unwrap(), raw);
    }
    for (version, raw) in vectors("item_definition/zz:t") {
        let there = item::rewrite(&raw, &names, version).unwrap();
        let view = ItemView::parse(&there, version).unwrap();
        assert_eq!((view.name(), view.unknown()), (&b"p_zz:t"[..], &b""[..]));
        assert_eq!(values(view.fields(), FieldKind::Sound), ["p_s1", "p_s2"]);
        assert_eq!(values(view.fields(), FieldKind::Reference), ["p_basenodes:stone"]);
        assert!(values(view.fields(), FieldKind::Texture)[0].ends_with("p_default_dirt.png"));
        assert_eq!(item::rewrite(&there, &inverse, version).unwrap(), raw);
    }
}

#[test]
fn definitions_that_stay_are_the_same_buffer_with_what_a_newer_engine_adds() {
    let (names, _) = renames("");
    let (_, raw) = vectors("content_features/zz:c").remove(0);
    let same = features::rewrite(&raw, &names, &|id| id).unwrap();
    assert_eq!(same.as_ptr(), raw.as_ptr());
    let longer: Bytes = [&raw, &b"future"[..]].concat().into();
    let (names, _) = renames("p_");
    let there = features::rewrite(&longer, &names, &|id| id).unwrap();
    assert!(there.ends_with(b"future"));
    let (version, raw) = vectors("item_definition/zz:t").remove(0);
    let longer: Bytes = [&raw, &b"future"[..]].concat().into();
    let there = item::rewrite(&longer, &names, version).unwrap();
    assert!(there.ends_with(b"future"));
}

#[test]
fn definitions_of_unknown_layout_pass_only_where_nothing_is_renamed() {
    let (names, _) = renames("p_");
    let (_, raw) = vectors("content_features/zz:c").remove(0);
    let newer: Bytes = [&[14], &raw[1..]].concat().into();
    assert_eq!(features::rewrite(&newer, &NameMap::default(), &|id| id), Ok(newer.clone()));
    let refused = features::rewrite(&newer, &names, &|id| id);
    assert!(matches!(refused, Err(WireError::Newer { offset: 0, .. })), "{refused:?}");
    let older: Bytes = [&[12], &raw[1..]].concat().into();
    assert!(features::rewrite(&older, &NameMap::default(), &|id| id).is_err());
    let (version, raw) = vectors("item_definition/zz:t").remove(0);
    let newer: Bytes = [&[7], &raw[1..]].concat().into();
    assert_eq!(item::rewrite(&newer, &NameMap::default(), version), Ok(newer.clone()));
    assert!(item::rewrite(&newer, &names, version).is_err());
}

#[test]
fn a_node_that_grows_too_long_loses_its_tiles() {
    let (_, raw) = vectors("content_features/zz:c").remove(0);
    let long = "x".repeat(14_000) + ".png";
    let names = NameMap::new([(Bytes::from("x.png"), long.into())], [], [], None);
    let there = features::rewrite(&raw, &names, &|id| id).unwrap();
    let view = FeaturesView::parse(&there).unwrap();
    assert_eq!(view.name(), b"zz:c");
    assert_eq!(values(view.fields(), FieldKind::Texture), [""; 0]);
    assert_eq!(values(view.fields(), FieldKind::Palette), ["p.png"]);
}
