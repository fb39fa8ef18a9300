//! Pools, servers that do not fit, and servers that cannot be used.

use super::*;

#[tokio::test]
async fn servers_of_a_pool_are_fetched_once_and_new_ones_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Fake::start(scene(lobby())), Fake::start(scene(lobby())));
    let base = Fake::start(scene(mine()));
    let pooled = |fake: &Fake, name| ServerSpec { pool: Some("p".into()), ..fake.spec(name) };
    let library = library(&dir);
    library.set_servers(vec![base.spec("mine"), pooled(&one, "p1")]);
    let first = catalogue_of(&library, 53, &["mine", "p1"]).await;
    library.set_servers(vec![base.spec("mine"), pooled(&one, "p1"), pooled(&two, "p2")]);
    until(&library, "both are up", |library| {
        let all = library.server_status();
        (all.len() == 3 && all.iter().all(|status| status.state.is_up())).then_some(())
    })
    .await;
    let definitions = two.scene(|scene| scene.definitions(NEW, ""));
    // Who logged in before the second one was there can enter it too.
    assert!(first.admit("p2", &definitions).is_ok());
    sleep(Duration::from_secs(1)).await;
    assert!(two.scene(|scene| scene.visits.is_empty()));
    assert_eq!(one.scene(|scene| scene.visits.len()), 1);
    let digests: Vec<_> = library.server_status().iter().map(|status| status.digest).collect();
    assert!(digests[1].is_some() && digests[1] == digests[2]);

    // What a player finds on one of them is fetched from there, for all.
    two.scene(|scene| scene.world.media.push(("new.png", b"new".to_vec())));
    let changed = two.scene(|scene| scene.definitions(NEW, ""));
    library.report_definitions("p2", NEW, "", &changed);
    let after = until(&library, "new catalogue", |library| {
        let all = library.shared.catalogues.load();
        all.get(&Pair::new(53, "")).filter(|c| c.media_file("new.png").is_some()).cloned()
    })
    .await;
    assert!(after.admit("p1", &changed).is_ok());

    // With one of them down, the other one does the work.
    one.stop().await;
    until(&library, "down", |l| l.server_status()[1].state.is_known_down().then_some(())).await;
    let old = library.catalogue(ProtocolVersion(41), "", None, LONG).await.unwrap();
    assert!(old.has("p1") && old.has("p2"));
}

/// Two servers that have more files than can be announced together.
fn crowds() -> [World; 3] {
    let many = |first: &'static str, count: usize| {
        let mut world = World::nodes(&[]).file(first, b"x");
        let names = (0..count).map(|at| &*format!("{first}{at}.png").leak());
        world.media.extend(names.map(|name| (name, b"x".to_vec())));
        world
    };
    [World::nodes(&[(0, "m:stone", &[])]), many("a", 40_000), many("b", 30_000)]
}

#[tokio::test]
async fn who_is_left_out_for_want_of_room_is_reached_by_a_catalogue_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let fakes = crowds().map(|world| Fake::start(scene(world)));
    let library = library(&dir);
    let specs = ["lobby", "a", "b"].iter().zip(&fakes).map(|(name, fake)| fake.spec(name));
    library.set_servers(specs.collect());
    let out = until(&library, "status", |l| l.server_status()[2].left_out.clone()).await;
    let common = catalogue_of(&library, 53, &["lobby", "a"]).await;
    assert!(out.contains("media files"), "{out}");
    let definitions = fakes[2].scene(|scene| scene.definitions(NEW, ""));
    let refused = common.admit("b", &definitions).unwrap_err().to_string();
    assert!(refused.contains(&out), "{refused}");
    let to = |target: &'static str| library.catalogue(NEW, "", Some(target), LONG);
    assert!(Arc::ptr_eq(&to("a").await.unwrap(), &common));
    let special = to("b").await.unwrap();
    assert_eq!(special.servers(), ["b", "lobby"]);
    assert!(special.admit("b", &definitions).unwrap().is_identity());
    assert!(Arc::ptr_eq(&to("b").await.unwrap(), &special));
    let memory = library.memory();
    assert!(memory.catalogue_bytes >= common.bytes() + special.bytes());
}

#[tokio::test]
async fn bad_servers_are_set_aside_and_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let good = Fake::start(scene(mine()));
    let spoil = |change: fn(&mut mesegate_backend::Definitions)| {
        Fake::start(Scene { spoil: Some(change), ..scene(lobby()) })
    };
    let broken = spoil(|sent| sent.item_def = bytes::Bytes::from_static(b"\0\0\0\x01x"));
    let bomb = spoil(|sent| {
        let zeros = vec![0; 70 * 1024 * 1024];
        let frame = mesegate_protocol::content::compression::zstd_compress(&zeros).unwrap();
        let mut writer = mesegate_protocol::wire::Writer::new();
        writer.str32(&frame);
        sent.node_def = writer.finish();
    });
    let many = spoil(|sent| sent.node_def = crate::testing::nodes_beyond_count());
    let names = Fake::start(scene(lobby().file("sp ace.png", b"1").file("huge.png", &huge())));
    let library = library(&dir);
    library.set_servers(vec![
        broken.spec("broken"),
        good.spec("good"),
        bomb.spec("bomb"),
        many.spec("many"),
        names.spec("names"),
    ]);
    let catalogue = catalogue_of(&library, 53, &["good", "names"]).await;
    let texts = until(&library, "reasons", |library| {
        let all = library.server_status();
        let texts = [0, 2, 3].map(|at| match &all[at].state {
            ServerState::Down { reason: "unusable_content", text, .. } => Some(text.clone()),
            _ => None,
        });
        texts.iter().all(Option::is_some).then(|| texts.map(Option::unwrap))
    })
    .await;
    assert!(texts[0].contains("item definitions cannot be read"), "{texts:?}");
    assert!(texts[1].contains("larger than"), "{texts:?}");
    assert!(texts[2].contains("more than it counts"), "{texts:?}");
    let report = catalogue.report().part_of("names").unwrap();
    assert_eq!((report.illegal_files, report.undelivered_files), (1, 1));
    assert!(!announced(&catalogue).contains(&"sp ace.png".to_owned()));
    assert!(catalogue.admit("good", &good.scene(|s| s.definitions(NEW, ""))).is_ok());
}

/// More than the transport carries, but not when it is compressed.
fn huge() -> Vec<u8> {
    vec![5; crate::BLOB_MAX + 1]
}

#[tokio::test]
async fn a_report_needs_no_servers() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Fake::start(scene(lobby())), Fake::start(scene(mine())));
    let specs = vec![one.spec("lobby"), two.spec("mine")];
    let library = library(&dir);
    library.set_servers(specs.clone());
    let catalogue = catalogue_of(&library, 53, &["lobby", "mine"]).await;
    drop(library);
    let store = Arc::new(ContentStore::open(dir.path()).unwrap());
    let mut more = specs.clone();
    more.push(ServerSpec { name: "never".into(), ..one.spec("never") });
    let report = offline_report(&store, &more, None, "");
    assert_eq!(report.parts, catalogue.report().parts);
    assert_eq!((report.version, report.left_out.len()), (53, 1));
    let none = offline_report(&store, &specs, Some(ProtocolVersion(40)), "");
    assert!(none.parts.is_empty() && none.left_out.len() == 2);
}

#[tokio::test]
async fn twenty_servers_of_five_pools_are_ready_from_disk_in_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let fakes: Vec<Fake> = (0..5)
        .map(|pool| {
            let nodes = (0..1500u16).filter(|id| !(125..=127).contains(id)).map(|id| {
                // A third of them is everywhere the same.
                let name = if id % 3 == 0 { format!("m:n{id}") } else { format!("m{pool}:n{id}") };
                (id, &*name.leak(), vec![])
            });
            let world = World { nodes: nodes.collect(), ..World::nodes(&[]) };
            Fake::start(scene(world.file("stone.png", &[pool; 9])))
        })
        .collect();
    let specs: Vec<ServerSpec> = (0..20)
        .map(|at| ServerSpec {
            pool: Some(format!("pool{}", at / 4)),
            ..fakes[at / 4].spec(&format!("server{at}"))
        })
        .collect();
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let first = library(&dir);
    first.set_servers(specs.clone());
    let cold = catalogue_of(&first, 53, &names).await;
    drop(first);
    let start = Instant::now();
    let second = library(&dir);
    second.set_servers(specs.clone());
    let warm = catalogue_of(&second, 53, &names).await;
    let took = start.elapsed();
    assert_eq!(warm.node_def(), cold.node_def());
    println!("20 servers from disk in {took:?}: {:?}", second.memory());
    assert!(took < Duration::from_secs(5), "{took:?}");
}
