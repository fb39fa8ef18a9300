use super::*;
use crate::testing::{Look, item as item_of};

const VERSION: ProtocolVersion = ProtocolVersion(53);

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn look(id: u16, look: Look<'_>, to: &[u16]) -> Node {
    Node { id, name: bytes(look.name), features: look.features(to) }
}

fn node(id: u16, name: &str, to: &[u16]) -> Node {
    look(id, Look::new(name), to)
}

fn item(name: &str, image: &str) -> Item {
    Item { name: bytes(name), raw: item_of(name, image, VERSION) }
}

fn file(name: &str, content: u8) -> MediaFile {
    MediaFile { name: name.to_owned(), hash: [content; 20], size: Some(1) }
}

fn part(name: &str, nodes: Vec<Node>) -> Part {
    Part { name: name.to_owned(), nodes, ..Part::default() }
}

fn join(parts: &[Part]) -> Union {
    let mut union = Union::new(VERSION, parts.iter().map(|part| part.media.as_slice()));
    for part in parts {
        union.add(part.clone()).unwrap();
    }
    union
}

fn table(union: &Union) -> Vec<(u16, String)> {
    let name = |node: &Node| String::from_utf8(node.name.to_vec()).unwrap();
    union.nodes().iter().map(|node| (node.id, name(node))).collect()
}

fn names(list: &[(u16, &str)]) -> Vec<(u16, String)> {
    list.iter().map(|(id, name)| (*id, (*name).to_owned())).collect()
}

fn connects(union: &Union, name: &str) -> Vec<u16> {
    let nodes = union.nodes();
    let node = nodes.iter().find(|node| node.name == name).unwrap();
    shape::connects_of(&node.features)
}

/// The client's name of an item of a part.
fn called(union: &Union, part: usize, name: &str) -> String {
    let new = union.parts[part].translation.names().item(name.as_bytes());
    new.map_or_else(|| name.to_owned(), |new| String::from_utf8(new.to_vec()).unwrap())
}

fn reasons(union: &Union, part: usize) -> Vec<String> {
    let conflicts = union.parts[part].conflicts.iter();
    let reason = |conflict: &Conflict| {
        let other = conflict.other.map_or("", |at| &union.parts[at].name);
        format!("{} {}: {}", conflict.subject.as_str(), conflict.name, conflict.reason(other))
    };
    conflicts.map(reason).collect()
}

#[test]
fn the_first_server_keeps_its_ids_and_others_fill_the_gaps() {
    let union = join(&[
        part("one", vec![node(0, "a", &[]), node(2, "c", &[]), node(200, "z", &[])]),
        part("two", vec![node(0, "z", &[]), node(1, "x", &[]), node(2, "y", &[])]),
        part("three", vec![node(9, "x", &[]), node(10, "w", &[])]),
    ]);
    let joined = [(0, "a"), (1, "x"), (2, "c"), (3, "y"), (4, "w"), (200, "z")];
    assert_eq!(table(&union), names(&joined));
    assert!(!union.nodes_of_first);
    let identity: Vec<bool> =
        union.parts.iter().map(|part| part.translation.is_identity()).collect();
    assert_eq!(identity, [true, false, false]);
    assert_eq!(union.parts[1].ids, [(0, 200), (1, 1), (2, 3)]);
}

#[test]
fn a_server_with_more_of_the_same_keeps_its_ids_where_that_makes_it_the_identity() {
    let union = join(&[
        part("one", vec![node(0, "a", &[]), node(1, "b", &[])]),
        part("two", vec![node(0, "a", &[]), node(1, "b", &[]), node(7, "c", &[])]),
        part("three", vec![node(0, "a", &[]), node(7, "d", &[])]),
    ]);
    assert_eq!(table(&union), names(&[(0, "a"), (1, "b"), (2, "d"), (7, "c")]));
    assert!(union.parts[1].translation.is_identity());
    assert!(!union.parts[2].translation.is_identity());
}

#[test]
fn equal_servers_add_nothing() {
    let nodes = vec![node(3, "a", &[4, 126]), node(4, "b", &[])];
    let whole = Part {
        items: vec![item("", ""), item("air", ""), item("a", "x.png"), item("t", "")],
        aliases: vec![(bytes("old"), bytes("a"))],
        media: vec![file("x.png", 1), file("heart.png", 2), file("s.ogg", 3)],
        ..part("one", nodes)
    };
    let two = Part { name: "two".to_owned(), ..whole.clone() };
    let union = join(&[whole, two]);
    assert!(union.nodes_of_first && union.items_of_first);
    assert_eq!(union.totals(), (2, 4, 3, 3));
    for part in 0..2 {
        assert!(union.parts[part].translation.is_identity());
        assert!(union.parts[part].conflicts.is_empty());
        assert_eq!(union.node_use(part).shared, 2);
        assert_eq!(union.media_use(part), Use { total: 3, shared: 3, bytes: 3, shared_bytes: 3 });
    }
}

#[test]
fn a_definition_that_differs_gets_a_name_and_what_refers_to_it_too() {
    let lava = |light| Look { light, ..Look::new("lava") };
    let source = Look { flowing: "lava", ..Look::new("source") };
    let nodes = |light| vec![look(0, lava(light), &[]), look(1, source, &[]), node(2, "same", &[])];
    let with_items = |name, light| Part {
        items: vec![item("lava", ""), item("source", ""), item("same", "")],
        aliases: vec![(bytes("hot"), bytes("lava")), (bytes("plain"), bytes("same"))],
        ..part(name, nodes(light))
    };
    let union = join(&[with_items("one", 3), with_items("two-b", 9), with_items("three", 9)]);
    let joined = [(0, "lava"), (1, "source"), (2, "same"), (3, "two_b_lava"), (4, "two_b_source")];
    assert_eq!(table(&union), names(&joined));
    for part in [1, 2] {
        let new = ["lava", "source", "same", "hot", "plain"].map(|name| called(&union, part, name));
        assert_eq!(new, ["two_b_lava", "two_b_source", "same", "two_b_lava", "plain"]);
        assert_eq!(union.parts[part].ids, [(0, 3), (1, 4), (2, 2)]);
    }
    let nodes = union.nodes();
    let view = mesegate_protocol::content::FeaturesView::parse(&nodes[4].features).unwrap();
    assert_eq!(view.name(), b"two_b_source");
    assert!(view.fields().any(|field| field.value == b"two_b_lava"));
    let items: Vec<Bytes> = union.items().into_iter().map(|item| item.name).collect();
    assert_eq!(items, ["lava", "same", "source", "two_b_lava", "two_b_source"]);
    assert_eq!(
        reasons(&union, 1),
        [
            "node lava: differs from `one` in light",
            "node source: differs from `one` in liquid_alternative_flowing",
            "alias hot: differs from `one` in target",
        ]
    );
}

#[test]
fn an_item_that_differs_takes_its_node_along() {
    let make = |name, image| Part {
        items: vec![item("n", image), item("tool", "")],
        ..part(name, vec![node(5, "n", &[])])
    };
    let union = join(&[make("one", "a.png"), make("two", "b.png")]);
    assert_eq!(table(&union), names(&[(0, "two_n"), (5, "n")]));
    assert_eq!(called(&union, 1, "tool"), "tool");
    assert_eq!(reasons(&union, 1), ["node n: differs from `one` in inventory_image"]);
}

#[test]
fn files_and_sounds_make_definitions_differ() {
    let sounding = Look { sound: "s", texture: "x.png^[brighten", ..Look::new("n") };
    let make = |name, picture, sound| Part {
        media: vec![file("x.png", picture), file("s.1.ogg", sound)],
        ..part(name, vec![look(0, sounding, &[])])
    };
    let union = join(&[make("one", 1, 1), make("two", 2, 1), make("three", 1, 2)]);
    assert_eq!(table(&union), names(&[(0, "n"), (1, "two_n"), (2, "three_n")]));
    let textures: Vec<Vec<u8>> = union
        .nodes()
        .iter()
        .map(|node| {
            let view = mesegate_protocol::content::FeaturesView::parse(&node.features).unwrap();
            view.fields().filter(|f| !f.value.is_empty()).nth(1).unwrap().value.to_vec()
        })
        .collect();
    assert_eq!(textures, [&b"x.png^[brighten"[..], b"two_x.png^[brighten", b"x.png^[brighten"]);
    assert_eq!(reasons(&union, 1)[0], "node n: differs from `one` in tiles");
    assert_eq!(reasons(&union, 2)[0], "node n: differs from `one` in sounds");
}

#[test]
fn a_base_whose_files_are_renamed_is_written_anew() {
    let heart = Look { texture: "heart.png", ..Look::new("n") };
    let one = Part { media: vec![file("heart.png", 1)], ..part("one", vec![look(0, heart, &[])]) };
    let two = part("two", vec![look(0, heart, &[])]);
    let union = join(&[one.clone(), two]);
    // The second server means the client's own picture.
    assert_eq!(table(&union), names(&[(0, "n"), (1, "two_n")]));
    assert!(!union.nodes_of_first);
    assert_eq!(union.parts[0].translation.names().texture(b"heart.png").unwrap(), b"one_heart.png");
    assert!(union.parts[0].translation.ids().is_identity());
    assert!(join(&[one]).nodes_of_first);
}

#[test]
fn connections_follow_the_names() {
    // Connects to its own wood (1), itself (2), air (126), and an id that it never defined.
    let fence = node(2, "fence", &[1, 2, 126, 77]);
    let union = join(&[
        part("one", vec![node(5, "wood", &[5])]),
        part("two", vec![node(1, "wood", &[1]), fence]),
    ]);
    assert_eq!(connects(&union, "fence"), [0, 5, 126]);
    assert_eq!(connects(&union, "wood"), [5]);
}

#[test]
fn what_only_others_have_makes_no_difference_to_what_a_node_connects_to() {
    let plain = vec![node(0, "fence", &[0]), node(1, "wall", &[])];
    let more = vec![node(0, "fence", &[0, 2]), node(1, "wall", &[]), node(2, "gate", &[0])];
    let union = join(&[part("one", plain.clone()), part("two", more.clone())]);
    assert_eq!(table(&union), names(&[(0, "fence"), (1, "wall"), (2, "gate")]));
    assert_eq!(connects(&union, "fence"), [0, 2]);
    assert!(union.parts.iter().all(|part| part.translation.is_identity()));
    let union = join(&[part("two", more), part("one", plain.clone())]);
    assert_eq!(union.nodes().len(), 3);
    // A wall that both have is another matter.
    let walled = vec![node(0, "fence", &[0, 1]), node(1, "wall", &[])];
    for parts in [[&plain, &walled], [&walled, &plain]] {
        let union = join(&[part("one", parts[0].clone()), part("two", parts[1].clone())]);
        assert_eq!(table(&union), names(&[(0, "fence"), (1, "wall"), (2, "two_fence")]));
        assert_eq!(reasons(&union, 1), ["node fence: differs from `one` in connects_to"]);
    }
}

#[test]
fn nodes_of_older_servers_are_completed_and_then_equal() {
    let new = node(0, "n", &[]);
    let old = Node { features: new.features.slice(..new.features.len() - 5), ..new.clone() };
    let union = join(&[part("one", vec![old]), part("two", vec![new.clone(), node(1, "m", &[])])]);
    assert_eq!(union.nodes()[0].features, new.features);
    assert_eq!(union.nodes().len(), 2);
}

#[test]
fn items_of_older_servers_are_completed_and_then_equal() {
    let new = item("i", "");
    // Without what came with 5.7, 5.8 and 5.9.
    let old = Item { raw: new.raw.slice(..new.raw.len() - 36), ..new.clone() };
    let with = |name, item: &Item| Part { items: vec![item.clone()], ..part(name, Vec::new()) };
    let mut second = with("two", &new);
    second.items.push(item("j", ""));
    let union = join(&[with("one", &old), second]);
    assert_eq!(union.items(), [new, item("j", "")]);
}

#[test]
fn a_hand_that_differs_becomes_an_item() {
    let make = |name, image| Part { items: vec![item("", image)], ..part(name, Vec::new()) };
    let union = join(&[make("one", ""), make("two", "fist.png"), make("three", "fist.png")]);
    let items = union.items();
    assert_eq!(items, [item("", ""), item("two_hand", "fist.png")]);
    let hands = [0, 1, 2].map(|at| union.parts[at].translation.names().hand().cloned());
    assert_eq!(hands, [None, Some(bytes("two_hand")), Some(bytes("two_hand"))]);
    assert_eq!(reasons(&union, 1), ["hand : differs from `one` in inventory_image"]);
}

#[test]
fn aliases_meet_definitions() {
    let one = Part {
        items: vec![item("a", ""), item("b", "")],
        aliases: vec![(bytes("x"), bytes("a")), (bytes("nothing"), bytes("gone"))],
        ..part("one", Vec::new())
    };
    let two = Part {
        // What is an alias there is an item here, and the other way round.
        items: vec![item("x", ""), item("a", ""), item("c", "")],
        aliases: vec![(bytes("b"), bytes("a")), (bytes("y"), bytes("x")), (bytes("a"), bytes("c"))],
        ..part("two", Vec::new())
    };
    let union = join(&[one, two]);
    let new = ["x", "a", "b", "y", "c"].map(|name| called(&union, 1, name));
    assert_eq!(new, ["two_x", "a", "a", "y", "c"]);
    let alias = |a, b| (bytes(a), bytes(b));
    assert_eq!(union.aliases(), [alias("nothing", "gone"), alias("x", "a"), alias("y", "two_x")]);
}

#[test]
fn builtin_items_are_there_once_and_never_renamed() {
    let make = |name, image| Part {
        items: vec![item("air", image), item("ignore", image), item("unknown", image)],
        ..part(name, vec![node(7, "air", &[]), node(126, "x", &[]), node(8, "n", &[])])
    };
    let union = join(&[make("one", ""), make("two", "b.png")]);
    assert_eq!(union.items(), [item("air", ""), item("ignore", ""), item("unknown", "")]);
    assert_eq!(table(&union), names(&[(8, "n")]));
    assert!(union.parts[1].translation.is_identity());
}

#[test]
fn new_names_avoid_those_that_are_there() {
    let make = |name, light, more: &[&str]| {
        let mut nodes = vec![look(0, Look { light, ..Look::new("n") }, &[])];
        nodes.extend(more.iter().zip(1..).map(|(name, id)| node(id, name, &[])));
        part(name, nodes)
    };
    let union = join(&[make("one", 0, &["two_n"]), make("two", 1, &["two_2_n"])]);
    assert_eq!(called(&union, 1, "n"), "two_3_n");
    assert_eq!(union.nodes().len(), 4);
}

#[test]
fn a_long_chain_of_references_settles() {
    let name = |at: u16| format!("n{at}");
    let chain = |light| -> Vec<Node> {
        let link = |at: u16| {
            let (own, next) = (name(at), name(at + 1));
            let last = at == 299;
            let light = if last { light } else { 0 };
            let flowing = if last { "" } else { &next };
            look(at, Look { flowing, light, ..Look::new(&own) }, &[])
        };
        (0..300).filter(|id| !is_builtin(*id)).map(link).collect()
    };
    let union = join(&[part("one", chain(0)), part("two", chain(1))]);
    // Up to the gap that the builtin ids leave in the chain, all are others.
    assert_eq!(called(&union, 1, "n299"), "two_n299");
    assert_eq!(called(&union, 1, "n128"), "two_n128");
    assert_eq!(called(&union, 1, "n124"), "n124");
}

#[test]
fn definitions_that_cannot_be_read_name_the_culprit() {
    let broken = Node { id: 0, name: bytes("bad"), features: Bytes::from_static(b"\x0d\0\x03bad") };
    let mut union = Union::new(VERSION, std::iter::empty());
    let error = union.add(part("one", vec![broken])).unwrap_err().to_string();
    assert!(error.contains("`bad`"), "{error}");
    // A newer layout passes only while nothing has to be changed.
    let mut newer = node(0, "new", &[]);
    newer.features = [&[14], &newer.features[1..]].concat().into();
    let mut union = Union::new(VERSION, std::iter::empty());
    union.add(part("one", vec![newer.clone()])).unwrap();
    assert_eq!(union.nodes()[0].features, newer.features);
    let two = Part { media: vec![file("x.png", 2)], ..part("two", vec![newer]) };
    let mut union = Union::new(VERSION, std::iter::empty());
    union.add(Part { media: vec![file("x.png", 1)], ..part("one", Vec::new()) }).unwrap();
    assert!(union.add(two).is_err());
}

#[test]
fn odd_lists_are_read_as_clients_read_them() {
    let list = vec![
        node(1, "a", &[]),
        node(2, "a", &[]),
        node(3, "", &[]),
        node(126, "fake_air", &[]),
        node(4, "b", &[]),
        node(4, "c", &[]),
    ];
    assert_eq!(effective_nodes(list), [node(1, "a", &[]), node(4, "c", &[])]);
}

#[test]
fn as_few_servers_as_possible_make_room() {
    let many = |name: &'static str, count: u16| {
        let ids = (0..=u16::MAX).filter(|id| !is_builtin(*id)).take(count.into());
        part(name, ids.map(|id| node(id, &format!("{name}{id}"), &[])).collect())
    };
    let parts = [many("a", 200), many("b", 30), many("c", 50), many("d", 40)];
    let union = join(&parts);
    assert_eq!(union.overflow(&Limits::default()), None);
    let mut limits = Limits::default();
    limits.set_bytes(true, union.node_bytes() * 285 / 320);
    let overflow = union.overflow(&limits).unwrap();
    assert_eq!(overflow.leave_out, [3]);
    assert!(overflow.to_string().contains("bytes of node definitions"), "{overflow}");
    limits.set_bytes(true, 1);
    assert!(union.overflow(&limits).unwrap().leave_out.is_empty());
}

#[test]
fn ids_run_out() {
    let many = |name: &'static str, count: u16| {
        let ids = (0..=u16::MAX).filter(|id| !is_builtin(*id)).take(count.into());
        part(name, ids.map(|id| node(id, &format!("{name}{id}"), &[])).collect())
    };
    let union = join(&[many("a", 65_497), many("b", 36)]);
    assert_eq!(union.overflow(&Limits::default()), None);
    assert_eq!(union.nodes().last().unwrap().id, 65_535);
    let union = join(&[many("a", 65_497), many("b", 37), many("c", 36)]);
    let overflow = union.overflow(&Limits::default()).unwrap();
    assert_eq!(overflow.leave_out, [1]);
    let union = join(&[many("a", 65_497), many("b", 37)]);
    let overflow = union.overflow(&Limits::default()).unwrap();
    assert_eq!(overflow.leave_out, [1]);
    let text = "65534 nodes of all servers together are more than 65533";
    assert_eq!(overflow.to_string(), text);
}
