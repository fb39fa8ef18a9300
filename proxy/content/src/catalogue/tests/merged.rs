//! Several servers in one catalogue.

use super::*;

/// As [`mine`], but what it calls stone looks like something else.
fn other() -> World {
    let mut world = mine();
    world.media[0].1 = b"other".to_vec();
    world
}

#[test]
fn what_conflicts_is_renamed_and_reported() {
    let shelf = Shelf::new();
    let sources = [shelf.put("lobby", NEW, &lobby()), shelf.put("mine", NEW, &other())];
    let catalogue = shelf.build(NEW, &sources);
    assert!(catalogue.admit("lobby", &lobby().definitions(NEW)).unwrap().is_identity());
    let map = catalogue.admit("mine", &other().definitions(NEW)).unwrap();
    assert_eq!(map.names().item(b"m:glass").unwrap(), &b"mine_m:glass"[..]);
    assert_eq!(map.names().texture(b"stone.png").unwrap(), b"mine_stone.png");
    assert_eq!(map.names().item(b"m:rail"), None);
    // The same for the same definitions, whoever asks.
    let again = catalogue.admit("mine", &other().definitions(NEW)).unwrap();
    assert!(Arc::ptr_eq(&map, &again));
    let rebuilt = shelf.build(NEW, &sources);
    assert_eq!(rebuilt.node_def(), catalogue.node_def());
    assert_eq!(rebuilt.item_def(), catalogue.item_def());
    assert_eq!(rebuilt.announce(), catalogue.announce());
    assert_eq!(rebuilt.report(), catalogue.report());

    let report = catalogue.report();
    let mine = report.part_of("mine").unwrap();
    assert_eq!((mine.nodes.total, mine.nodes.own, mine.nodes.renamed), (3, 3, 1));
    assert_eq!((mine.items.total, mine.items.shared, mine.items.renamed), (6, 5, 0));
    assert_eq!((mine.media.total, mine.media.shared, mine.media.renamed), (2, 0, 1));
    assert_eq!((mine.media.bytes, mine.media.own_bytes), (6, 6));
    assert_eq!((mine.ids_kept, mine.ids_moved, mine.identity), (0, 3, false));
    let renamed: Vec<String> = mine.renamed.iter().map(ToString::to_string).collect();
    assert_eq!(
        renamed,
        [
            "node `m:glass` is `mine_m:glass` for clients: differs from `lobby` in tiles",
            "media `stone.png` is `mine_stone.png` for clients: other content than in `lobby`",
        ]
    );
    assert!(report.part_of("lobby").unwrap().identity);
    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["parts"][1]["renamed"][0]["kind"], "node");
    assert!(catalogue.bytes() > 1000);
}

#[test]
fn two_equal_servers_are_sent_as_one() {
    for version in [OLD, NEW] {
        let shelf = Shelf::new();
        let alone = shelf.build(version, &[shelf.put("lobby", version, &lobby())]);
        let sources = ["lobby", "other"].map(|name| shelf.put(name, version, &lobby()));
        let both = shelf.build(version, &sources);
        assert_eq!(both.item_def(), alone.item_def());
        assert_eq!(both.node_def(), alone.node_def());
        assert_eq!(both.announce(), alone.announce());
        for server in ["lobby", "other"] {
            let definitions = lobby().definitions(version);
            assert!(both.admit(server, &definitions).unwrap().is_identity());
        }
    }
}

#[test]
fn servers_of_a_pool_come_and_go() {
    let shelf = Shelf::new();
    let pool = Source {
        name: "games".to_owned(),
        pooled: true,
        members: vec!["game-1".to_owned(), "game-2".to_owned()],
        ..shelf.put("pool:games", NEW, &other())
    };
    let catalogue = shelf.build(NEW, &[shelf.put("lobby", NEW, &lobby()), pool]);
    assert_eq!(catalogue.servers(), ["lobby", "game-1", "game-2"]);
    let definitions = other().definitions(NEW);
    let map = catalogue.admit("game-2", &definitions).unwrap();
    assert_eq!(map.names().item(b"m:glass").unwrap(), &b"games_m:glass"[..]);
    let late = catalogue.admit("game-3", &definitions).unwrap_err();
    assert_eq!(late, AdmitError::NotIncluded { reason: None });
    let members = [("game-3", "games"), ("elsewhere", "others")];
    let members = members.map(|(server, pool)| (server.to_owned(), pool.to_owned()));
    shelf.workshop.roster.set(members.into());
    assert!(Arc::ptr_eq(&catalogue.admit("game-3", &definitions).unwrap(), &map));
    assert!(!catalogue.has("elsewhere"));
}

#[test]
fn nobody_gets_another_servers_things() {
    let shelf = Shelf::new();
    let sources = [shelf.put("lobby", NEW, &lobby()), shelf.put("mine", NEW, &mine())];
    let catalogue = shelf.build(NEW, &sources);
    // The lobby has a rail now, but what clients know by that name is another server's.
    let mut railed = lobby();
    railed.nodes.push((9, "m:rail", vec![]));
    railed.items.push("m:rail");
    let error = catalogue.admit("lobby", &railed.file("b.png", b"b").definitions(NEW));
    let AdmitError::Missing(missing) = error.unwrap_err() else { panic!("other error") };
    assert_eq!([missing.nodes.count, missing.items.count, missing.media.count], [1, 1, 1]);
}

#[test]
fn pushed_files_get_names_that_nobody_else_uses() {
    let shelf = Shelf::new();
    let one = lobby().file("s.1.ogg", b"s").file("mine_x.png", b"?");
    let two = other().file("s.1.ogg", b"t").file("x.png", b"x");
    let catalogue =
        shelf.build(NEW, &[shelf.put("lobby", NEW, &one), shelf.put("mine", NEW, &two)]);
    let push = |server: &str, name: &str, content: &[u8]| {
        let name = catalogue.pushed_media(server, name, &sha1(content));
        String::from_utf8(name.to_vec()).unwrap()
    };
    // New to everybody.
    assert_eq!(push("mine", "new.png", b"new"), "new.png");
    // What it has anyway, under the name that it goes by.
    assert_eq!(push("mine", "stone.png", b"other"), "mine_stone.png");
    // A change of something of its own.
    assert_eq!(push("mine", "stone.png", b"changed"), "mine_stone.png");
    assert_eq!(push("lobby", "stone.png", b"changed"), "stone.png");
    // Somebody else's.
    assert_eq!(push("lobby", "b.png", b"mine"), "lobby_b.png");
    assert_eq!(push("lobby", "b.png", b"b"), "b.png");
    assert_eq!(push("lobby", "x.png", b"y"), "lobby_x.png");
    assert_eq!(push("nobody", "mine_x.png", b"y"), "nobody_mine_x.png");
    // The client's own.
    assert_eq!(push("lobby", "heart.png", b"y"), "lobby_heart.png");
    // Sounds join their groups.
    assert_eq!(push("lobby", "s.2.ogg", b"u"), "s.2.ogg");
    assert_eq!(push("mine", "s.2.ogg", b"u"), "mine_s.2.ogg");
    assert_eq!(push("nobody", "s.2.ogg", b"u"), "nobody_s.2.ogg");
    assert_eq!(push("mine", "regular.ttf", b"f"), "regular.ttf");
}
