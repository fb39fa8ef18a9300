use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Test definitions are a list of ids that the node connects to.
fn connects(ids: &[u16]) -> Bytes {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect::<Vec<u8>>().into()
}

#[allow(clippy::unnecessary_wraps)] // the signature of the real one
fn remap(features: &Bytes, map: &dyn Fn(u16) -> u16) -> Option<Bytes> {
    let ids: Vec<u16> = features.chunks(2).map(|c| map(u16::from_be_bytes([c[0], c[1]]))).collect();
    Some(connects(&ids))
}

fn node(id: u16, name: &str, to: &[u16]) -> Node {
    Node { id, name: bytes(name), features: connects(to) }
}

fn nodes_part(server: &str, nodes: Vec<Node>) -> Part {
    Part { server: server.to_owned(), nodes, ..Part::default() }
}

fn item(name: &str, raw: &str) -> Item {
    Item { name: bytes(name), raw: bytes(raw) }
}

fn file(name: &str, content: u8) -> MediaFile {
    MediaFile { name: name.to_owned(), hash: [content; 20], size: Some(1) }
}

fn table(union: &Union) -> Vec<(u16, &str)> {
    union.nodes.iter().map(|n| (n.id, std::str::from_utf8(&n.name).unwrap())).collect()
}

#[test]
fn the_first_server_keeps_its_ids_and_others_fill_the_gaps() {
    let mut union = Union::new();
    let base = vec![node(0, "a", &[]), node(2, "c", &[]), node(200, "z", &[])];
    union.add(nodes_part("one", base), &remap).unwrap();
    assert!(union.nodes_of_first);
    let second = vec![node(0, "z", &[]), node(1, "x", &[]), node(2, "y", &[])];
    union.add(nodes_part("two", second), &remap).unwrap();
    union.add(nodes_part("three", vec![node(9, "x", &[]), node(10, "w", &[])]), &remap).unwrap();
    union.finish();
    assert_eq!(table(&union), [(0, "a"), (1, "x"), (2, "c"), (3, "y"), (4, "w"), (200, "z")]);
    assert!(!union.nodes_of_first);
    assert_eq!(union.servers, ["one", "two", "three"]);
    assert_eq!(union.node_ids()[&bytes("y")], 3);
}

#[test]
fn connections_follow_the_names() {
    let mut union = Union::new();
    union.add(nodes_part("one", vec![node(5, "wood", &[5])]), &remap).unwrap();
    // Connects to its own wood (1), itself (2), air (126), and an id that it never defined.
    let fence = node(2, "fence", &[1, 2, 126, 77]);
    union.add(nodes_part("two", vec![node(1, "wood", &[]), fence]), &remap).unwrap();
    let fence = union.nodes.iter().find(|n| n.name == "fence").unwrap();
    assert_eq!(fence.id, 0);
    assert_eq!(fence.features, connects(&[5, 0, 126, 125]));
    let wood = union.nodes.iter().find(|n| n.name == "wood").unwrap();
    assert_eq!(wood.features, connects(&[5]));
}

#[test]
fn a_definition_that_cannot_be_read_is_kept_as_it_is() {
    let mut union = Union::new();
    union.add(nodes_part("one", vec![node(0, "a", &[])]), &|_, _| None).unwrap();
    union.add(nodes_part("two", vec![node(0, "b", &[0])]), &|_, _| None).unwrap();
    assert_eq!(union.nodes[1].features, connects(&[0]));
}

#[test]
fn ids_run_out_as_a_whole_server() {
    let mut union = Union::new();
    let base = (0..65_500).filter(|id| !is_builtin(*id)).map(|id| node(id, &format!("n{id}"), &[]));
    union.add(nodes_part("one", base.collect()), &remap).unwrap();
    let many = (0..37).map(|id| node(id, &format!("m{id}"), &[])).collect();
    let error = union.add(nodes_part("two", many), &remap).unwrap_err();
    assert_eq!(error.to_string(), "nodes of all servers together are more than 65533");
    assert_eq!(union.servers, ["one"]);
    assert_eq!(union.nodes.len(), 65_497);
    // 36 ids are left, and a smaller server still fits.
    let fits = (0..36).map(|id| node(id, &format!("m{id}"), &[])).collect();
    union.add(nodes_part("three", fits), &remap).unwrap();
    union.finish();
    assert_eq!(union.nodes.len(), 65_533);
    assert_eq!(union.nodes.last().unwrap().id, 65_535);
    assert!(union.nodes.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[test]
fn items_aliases_and_media_of_the_first_server_win() {
    let mut union = Union::new();
    let one = Part {
        server: "one".to_owned(),
        items: vec![item("", "hand"), item("a", "1")],
        aliases: vec![(bytes("old"), bytes("a")), (bytes("b"), bytes("a"))],
        media: vec![file("x.png", 1)],
        remote: "http://a/, http://b/".to_owned(),
        ..Part::default()
    };
    let two = Part {
        server: "two".to_owned(),
        items: vec![item("", "fist"), item("a", "2"), item("b", "3")],
        aliases: vec![(bytes("old"), bytes("b")), (bytes("older"), bytes("b"))],
        media: vec![file("x.png", 2), file("y.png", 3), file("y.png", 4)],
        remote: "http://b/,http://c/".to_owned(),
        ..Part::default()
    };
    union.add(one, &remap).unwrap();
    union.add(two, &remap).unwrap();
    union.finish();
    assert_eq!(union.items, [item("", "hand"), item("a", "1"), item("b", "3")]);
    // "b" is an item now, so it is no alias any more.
    let old = (bytes("old"), bytes("a"));
    assert_eq!(union.aliases, [old, (bytes("older"), bytes("b"))]);
    assert_eq!(union.media, [file("x.png", 1), file("y.png", 3)]);
    assert_eq!(union.remotes, ["http://a/", "http://b/", "http://c/"]);
    assert!(!union.items_of_first);
}

#[test]
fn too_many_items_or_files_leave_a_server_out() {
    let many = |n: u32| (0..n).map(|i| item(&i.to_string(), "")).collect();
    let mut union = Union::new();
    let one = Part { server: "one".to_owned(), items: many(65_535), ..Part::default() };
    union.add(one, &remap).unwrap();
    let two = Part { server: "two".to_owned(), items: vec![item("x", "")], ..Part::default() };
    assert!(union.add(two, &remap).is_err());
    let files = (0..65_536).map(|i| file(&format!("{i}.png"), 0)).collect();
    let three = Part { server: "three".to_owned(), media: files, ..Part::default() };
    assert!(union.add(three, &remap).is_err());
    assert_eq!((union.items.len(), union.media.len()), (65_535, 0));
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
