mod merged;

use std::collections::HashMap;
use std::time::Duration;

use mesegate_backend::Definitions;
use mesegate_protocol::content::{AnnounceMedia, ItemDefs, Media, NodeDef, NodeDefs};
use mesegate_protocol::map::UNKNOWN;
use mesegate_protocol::{split_command, to_client};

use super::*;
use crate::codec;
use crate::hash::sha1;
use crate::store::{ContentStore, Manifest};
use crate::testing::{World, features};

const NEW: ProtocolVersion = ProtocolVersion(53);
const OLD: ProtocolVersion = ProtocolVersion(41);

struct Shelf {
    _dir: tempfile::TempDir,
    store: Arc<ContentStore>,
    workshop: Workshop,
}

impl Shelf {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(ContentStore::open(dir.path()).unwrap());
        let workshop = Workshop {
            store: store.clone(),
            frames: Arc::new(FrameCache::new(store.clone(), 1 << 20)),
            roster: Arc::default(),
            media_url: None,
        };
        Self { _dir: dir, store, workshop }
    }

    fn put(&self, server: &str, version: ProtocolVersion, world: &World) -> Source {
        self.put_raw(server, version, &world.definitions(version), world)
    }

    fn put_raw(
        &self,
        server: &str,
        version: ProtocolVersion,
        definitions: &Definitions,
        world: &World,
    ) -> Source {
        let media = world.media.iter().map(|(name, data)| MediaFile {
            name: (*name).to_owned(),
            hash: self.store.put_blob(data).unwrap(),
            size: Some(data.len() as u32),
        });
        source(Manifest {
            server: server.to_owned(),
            pair: Pair::new(version.0, ""),
            newest: 53,
            digest: [0; 20],
            item_def: self.store.put_blob(&definitions.item_def).unwrap(),
            node_def: self.store.put_blob(&definitions.node_def).unwrap(),
            media: media.collect(),
            remote: world.remote.to_owned(),
            fetched_at: 0,
        })
    }

    fn build(&self, version: ProtocolVersion, sources: &[Source]) -> Arc<Catalogue> {
        Arc::new(build(&self.workshop, &Pair::new(version.0, ""), sources).unwrap())
    }
}

fn source(manifest: Manifest) -> Source {
    let name = manifest.server.clone();
    Source { members: vec![name.clone()], name, pooled: false, manifest: Arc::new(manifest) }
}

/// The same with another manifest.
fn changed(of: &Source, change: impl FnOnce(&mut Manifest)) -> Source {
    let mut manifest = of.manifest.as_ref().clone();
    change(&mut manifest);
    Source { manifest: Arc::new(manifest), ..of.clone() }
}

fn body(message: &Bytes, command: u16) -> &[u8] {
    let (found, body) = split_command(message).unwrap();
    assert_eq!(found, command);
    body
}

fn lobby() -> World {
    let world = World::nodes(&[(0, "m:stone", &[]), (1, "m:fence", &[1]), (3, "m:glass", &[])]);
    world.items(&["m:stone", "m:pick"]).file("stone.png", b"grey").file("a.ogg", b"sound")
}

fn mine() -> World {
    let nodes: &[(u16, &'static str, &[u16])] =
        &[(0, "m:glass", &[]), (1, "m:rail", &[0, 1, 126]), (500, "m:ore", &[])];
    World::nodes(nodes).items(&["m:rail", "m:pick"]).file("stone.png", b"grey").file("b.png", b"b")
}

#[test]
fn one_server_is_passed_on_byte_by_byte() {
    for version in [OLD, NEW] {
        let shelf = Shelf::new();
        let definitions = lobby().definitions(version);
        let catalogue = shelf.build(version, &[shelf.put("lobby", version, &lobby())]);
        let (items, nodes) = (catalogue.item_def(), catalogue.node_def());
        assert_eq!(body(&items, to_client::ITEMDEF), definitions.item_def);
        assert_eq!(body(&nodes, to_client::NODEDEF), definitions.node_def);
        let announce = catalogue.announce();
        assert_eq!(body(&announce, to_client::ANNOUNCE_MEDIA), definitions.announce);
        assert!(catalogue.admit("lobby", &definitions).unwrap().is_identity());
    }
}

#[test]
fn two_servers_are_joined_and_both_can_be_entered() {
    for version in [OLD, NEW] {
        let shelf = Shelf::new();
        let manifests =
            [shelf.put("lobby", version, &lobby()), shelf.put("mine", version, &mine())];
        let catalogue = shelf.build(version, &manifests);
        assert!(catalogue.has("mine") && !catalogue.has("nobody"));
        assert_eq!(catalogue.servers(), ["lobby", "mine"]);
        assert_eq!(catalogue.counts(), (5, 7, 3));

        let message = catalogue.node_def();
        let nodes = NodeDefs::decode(body(&message, to_client::NODEDEF), version).unwrap().nodes;
        let table: Vec<(u16, &str)> = nodes.iter().map(|n| (n.id, n.name.as_str())).collect();
        let joined = [(0, "m:stone"), (1, "m:fence"), (2, "m:rail"), (3, "m:glass"), (4, "m:ore")];
        assert_eq!(table, joined);
        // The rail connects to glass, itself and air: 3, 2 and 126 now.
        assert_eq!(nodes[2].features, features("m:rail", &[2, 3, 126]));
        assert_eq!(nodes[1].features, features("m:fence", &[1]));

        let message = catalogue.item_def();
        let items = ItemDefs::decode(body(&message, to_client::ITEMDEF), version).unwrap().items;
        let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["", "air", "ignore", "m:pick", "m:rail", "m:stone", "unknown"]);

        let message = catalogue.announce();
        let announced = body(&message, to_client::ANNOUNCE_MEDIA);
        let files: HashMap<String, [u8; 20]> =
            AnnounceMedia::decode(announced, version).unwrap().files.into_iter().collect();
        assert_eq!(files.len(), 3);
        assert_eq!(files["stone.png"], sha1(b"grey"));

        assert!(catalogue.admit("lobby", &lobby().definitions(version)).unwrap().is_identity());
        let map = catalogue.admit("mine", &mine().definitions(version)).unwrap();
        assert!(map.names().is_identity());
        let ids = [0, 1, 500, 126, 2].map(|id| map.ids().get(id));
        assert_eq!(ids, [3, 2, 4, 126, UNKNOWN]);
    }
}

#[test]
fn nodes_of_older_servers_do_not_inherit_from_the_node_before_them() {
    let shelf = Shelf::new();
    let full = features("m:old", &[]);
    // A server of release 5.2 does not know the last five fields.
    let nodes =
        vec![NodeDef { id: 0, name: "m:old".into(), features: full.slice(..full.len() - 5) }];
    let node_def = NodeDefs { nodes }.encode(NEW).unwrap().slice(2..);
    let old = Definitions { node_def, ..World::nodes(&[]).definitions(NEW) };
    let old = shelf.put_raw("old", NEW, &old, &World::default());
    let catalogue = shelf.build(NEW, &[shelf.put("lobby", NEW, &lobby()), old]);
    let message = catalogue.node_def();
    let nodes = NodeDefs::decode(body(&message, to_client::NODEDEF), NEW).unwrap().nodes;
    let old = nodes.iter().find(|node| node.name == "m:old").unwrap();
    assert_eq!(old.features.len(), full.len());
}

#[test]
fn ids_come_from_the_connection_and_not_from_the_store() {
    let shelf = Shelf::new();
    let manifests = [shelf.put("lobby", NEW, &lobby()), shelf.put("mine", NEW, &mine())];
    let catalogue = shelf.build(NEW, &manifests);
    // The server was restarted and numbers its nodes differently now.
    let restarted = World::nodes(&[(7, "m:ore", &[]), (8, "m:rail", &[]), (9, "m:glass", &[])]);
    let map = catalogue.admit("mine", &restarted.definitions(NEW)).unwrap();
    assert_eq!([7, 8, 9, 0, 500].map(|id| map.ids().get(id)), [4, 2, 3, UNKNOWN, UNKNOWN]);
}

#[test]
fn what_is_missing_is_named() {
    let shelf = Shelf::new();
    let catalogue = shelf.build(NEW, &[shelf.put("lobby", NEW, &lobby())]);
    let error = catalogue.admit("lobby", &mine().definitions(NEW)).unwrap_err();
    let AdmitError::Missing(missing) = &error else { panic!("{error}") };
    assert_eq!(missing.nodes, Names { first: vec!["m:rail".into(), "m:ore".into()], count: 2 });
    assert_eq!(missing.items.count, 1);
    assert_eq!(missing.media.first, ["b.png"]);
    assert_eq!(
        error.to_string(),
        "the client does not have 2 nodes (m:rail, m:ore); 1 item (m:rail); 1 media file (b.png)"
    );
    // The remembered answer is the same.
    assert_eq!(catalogue.admit("lobby", &mine().definitions(NEW)).unwrap_err(), error);

    let many = World::nodes(&[(0, "a", &[]), (1, "b", &[]), (2, "c", &[]), (3, "d", &[])]);
    let error = catalogue.admit("lobby", &many.definitions(NEW)).unwrap_err().to_string();
    assert_eq!(error, "the client does not have 4 nodes (a, b, c, …)");
    let error = catalogue.admit("nobody", &many.definitions(NEW)).unwrap_err();
    assert_eq!(error, AdmitError::NotIncluded { reason: None });
}

#[test]
fn translations_keep_nobody_out() {
    let shelf = Shelf::new();
    let catalogue = shelf.build(NEW, &[shelf.put("lobby", NEW, &lobby())]);
    let german = lobby().file("m.de.tr", b"tr").file("n.de.po", b"po").file("o.de.mo", b"mo");
    assert!(catalogue.admit("lobby", &german.definitions(NEW)).is_ok());
}

#[test]
fn definitions_that_cannot_be_read_are_an_error() {
    let shelf = Shelf::new();
    let catalogue = shelf.build(NEW, &[shelf.put("lobby", NEW, &lobby())]);
    let good = lobby().definitions(NEW);
    for what in ["NODEDEF", "ITEMDEF", "ANNOUNCE_MEDIA"] {
        let mut bad = good.clone();
        *match what {
            "NODEDEF" => &mut bad.node_def,
            "ITEMDEF" => &mut bad.item_def,
            _ => &mut bad.announce,
        } = Bytes::from_static(b"\0\0\0\x05hello");
        let error = catalogue.admit("lobby", &bad).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn answers_do_not_pile_up() {
    let shelf = Shelf::new();
    let catalogue = shelf.build(NEW, &[shelf.put("lobby", NEW, &lobby())]);
    for id in 0..500 {
        let world = World::nodes(&[(id, "m:stone", &[])]);
        let map = catalogue.admit("lobby", &world.definitions(NEW));
        assert_eq!(map.unwrap().is_identity(), id == 0 || (125..=127).contains(&id));
    }
    assert!(catalogue.admissions.remembered() <= 3 * 64);
}

#[test]
fn a_server_that_cannot_be_read_is_left_out_and_a_damaged_one_too() {
    let shelf = Shelf::new();
    let broken = Definitions { node_def: Bytes::from_static(b"x"), ..mine().definitions(NEW) };
    let broken = shelf.put_raw("broken", NEW, &broken, &mine());
    let lost = changed(&shelf.put("lost", NEW, &mine()), |lost| lost.item_def = [9; 20]);
    let manifests = [broken.clone(), shelf.put("lobby", NEW, &lobby()), lost];
    let catalogue = shelf.build(NEW, &manifests);
    assert_eq!(catalogue.servers(), ["lobby"]);
    let out: Vec<&str> = catalogue.left_out().iter().map(|out| out.server.as_str()).collect();
    assert_eq!(out, ["lost", "broken"]);
    let error = catalogue.admit("lost", &mine().definitions(NEW)).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
    let pair = Pair::new(NEW.0, "");
    assert_eq!(build(&shelf.workshop, &pair, &[broken]).unwrap_err().len(), 1);
    assert!(build(&shelf.workshop, &pair, &[]).unwrap_err().is_empty());
}

#[test]
fn catalogues_of_equal_input_have_equal_keys() {
    let shelf = Shelf::new();
    let pair = Pair::new(NEW.0, "");
    let (one, two) = (shelf.put("lobby", NEW, &lobby()), shelf.put("mine", NEW, &mine()));
    let key_of = |sources: &[&Source]| {
        let sources: Vec<Source> = sources.iter().map(|source| (*source).clone()).collect();
        key(&pair, &sources)
    };
    let later = changed(&one, |one| one.fetched_at = 9);
    assert_eq!(key_of(&[&one, &two]), key_of(&[&later, &two]));
    assert_ne!(key_of(&[&one, &two]), key_of(&[&two, &one]));
    assert_ne!(key_of(&[&one]), key_of(&[&one, &two]));
    assert_ne!(key_of(&[&one]), key_of(&[&changed(&one, |one| one.media[0].size = None)]));
    // Who is in a pool does not matter.
    let pool = |members: &[&str]| Source {
        pooled: true,
        members: members.iter().map(|member| (*member).to_owned()).collect(),
        ..one.clone()
    };
    assert_eq!(key_of(&[&pool(&["a"])]), key_of(&[&pool(&["a", "b"])]));
    assert_ne!(key_of(&[&pool(&["a"])]), key_of(&[&one]));
}

#[test]
fn files_with_illegal_names_are_left_out_and_counted() {
    let shelf = Shelf::new();
    let world = lobby().file("a b.png", b"?").file("../x.png", b"?");
    let mut put = shelf.put("lobby", NEW, &world);
    put = changed(&put, |manifest| manifest.media[0].size = None);
    let catalogue = shelf.build(NEW, &[put]);
    assert_eq!(catalogue.counts().2, 2);
    let part = &catalogue.report().parts[0];
    assert_eq!((part.illegal_files, part.undelivered_files), (2, 1));
    assert!(catalogue.admit("lobby", &world.definitions(NEW)).unwrap().is_identity());
}

#[test]
fn a_definition_that_is_broken_sets_its_server_aside() {
    let shelf = Shelf::new();
    let features = Bytes::from_static(b"\x0d\0\x05m:bad");
    let nodes = vec![NodeDef { id: 0, name: "m:bad".into(), features }];
    let node_def = NodeDefs { nodes }.encode(NEW).unwrap().slice(2..);
    let bad = Definitions { node_def, ..lobby().definitions(NEW) };
    assert!(codec::check(&bad, NEW).unwrap_err().contains("`m:bad`"));
    let bad = shelf.put_raw("bad", NEW, &bad, &World::default());
    let catalogue = shelf.build(NEW, &[bad, shelf.put("lobby", NEW, &lobby())]);
    assert_eq!(catalogue.servers(), ["lobby"]);
    assert!(catalogue.why_left_out("bad").unwrap().reason.contains("`m:bad`"));
    assert!(catalogue.admit("lobby", &lobby().definitions(NEW)).unwrap().is_identity());
}

/// Takes all messages for a request and returns the files, decoded.
async fn receive(catalogue: &Arc<Catalogue>, names: &[&str]) -> (Vec<(String, Bytes)>, usize) {
    let mut messages = catalogue.media_messages(names);
    let (count, mut got, mut files) = (messages.len(), 0, Vec::new());
    while let Some(message) = messages.next().await {
        let (command, _) = split_command(&message).unwrap();
        assert_eq!(command, to_client::MEDIA);
        let media = Media::decode(&message.slice(2..)).unwrap();
        assert_eq!((usize::from(media.bunches), usize::from(media.index)), (count, got));
        got += 1;
        for file in media.files {
            let content = file.content(catalogue.version(), 1 << 20).unwrap();
            files.push((file.name, content));
        }
    }
    assert_eq!(got, count);
    (files, count)
}

#[tokio::test]
async fn requested_media_comes_in_bunches() {
    for version in [OLD, NEW] {
        let shelf = Shelf::new();
        let noise: Vec<u8> = (0..20_000u32).map(|i| ((i * i) >> 7) as u8).collect();
        let world = World::nodes(&[])
            .file("big.png", &noise)
            .file("a.png", &noise[..3000])
            .file("b.png", &noise[1..3000])
            .file("c.png", b"c")
            .file("empty.png", b"");
        let catalogue = shelf.build(version, &[shelf.put("lobby", version, &world)]);
        let asked = ["c.png", "big.png", "a.png", "nothing.png", "b.png", "a.png", "empty.png"];
        assert_eq!(catalogue.media_messages(asked).unknown(), 1);
        for _ in 0..2 {
            let (files, bunches) = receive(&catalogue, &asked).await;
            let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["c.png", "big.png", "a.png", "b.png", "empty.png"]);
            for (name, data) in &files {
                let (_, expected) = world.media.iter().find(|(known, _)| known == name).unwrap();
                assert_eq!(data, expected);
            }
            assert_eq!(bunches, 3);
        }
        assert!(catalogue.media_messages(["nothing.png"]).is_empty());
    }
}

#[tokio::test]
async fn a_lost_or_undelivered_file_is_sent_empty_so_that_nobody_waits_for_it() {
    for version in [OLD, NEW] {
        let shelf = Shelf::new();
        let world = World::nodes(&[]).file("lost.png", b"lost").file("never.png", b"never");
        let put = changed(&shelf.put("lobby", version, &world), |manifest| {
            manifest.media[0].hash = [1; 20];
            manifest.media[1].size = None;
        });
        let catalogue = shelf.build(version, &[put]);
        let (files, _) = receive(&catalogue, &["lost.png", "never.png"]).await;
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|(_, data)| data.is_empty()));
    }
}

#[test]
fn a_message_is_not_lost_when_waiting_for_it_is_given_up() {
    let shelf = Shelf::new();
    let world = World::nodes(&[]).file("a.png", &[1; 6000]).file("b.png", &[2; 6000]);
    let catalogue = shelf.build(NEW, &[shelf.put("lobby", NEW, &world)]);
    let mut messages = catalogue.media_messages(["a.png", "b.png"]);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().max_blocking_threads(1).build().unwrap().block_on(async {
        // The only thread for disk reads is busy.
        let (release, busy) = std::sync::mpsc::channel::<()>();
        let task = tokio::task::spawn_blocking(move || busy.recv());
        for _ in 0..3 {
            let wait = tokio::time::timeout(Duration::from_millis(1), messages.next());
            assert!(wait.await.is_err());
        }
        drop(release);
        assert!(task.await.unwrap().is_err());
        assert!(messages.next().await.is_some());
        assert!(messages.next().await.is_some());
        assert!(messages.next().await.is_none());
    });
}
