mod many;

use std::sync::Arc;
use std::time::Duration;

use mesegate_protocol::content::AnnounceMedia;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::testing::World;
use crate::testing::fake::{Fake, Scene};

const NEW: ProtocolVersion = ProtocolVersion(53);
const LONG: Duration = Duration::from_secs(20);

fn config() -> LibraryConfig {
    LibraryConfig {
        check_interval: Duration::from_millis(300),
        retry_min: Duration::from_millis(50),
        retry_max: Duration::from_millis(200),
        enter_timeout: Duration::from_secs(2),
        ..LibraryConfig::new("mesegate")
    }
}

fn library(dir: &tempfile::TempDir) -> Library {
    Library::new(ContentStore::open(dir.path()).unwrap(), config())
}

fn scene(world: World) -> Scene {
    Scene { world, ..Scene::default() }
}

/// More than one message of the transport.
fn big() -> Vec<u8> {
    vec![7; 300_000]
}

fn lobby() -> World {
    World::nodes(&[(0, "m:stone", &[]), (1, "m:glass", &[1])])
        .file("stone.png", b"grey")
        .file("big.png", &big())
}

fn mine() -> World {
    World::nodes(&[(0, "m:ore", &[]), (1, "m:glass", &[1])]).file("ore.png", b"shiny")
}

/// Waits until `check` is satisfied by the library.
async fn until<T>(library: &Library, what: &str, check: impl Fn(&Library) -> Option<T>) -> T {
    let mut changes = library.changes();
    let start = Instant::now();
    loop {
        if let Some(found) = check(library) {
            return found;
        }
        assert!(start.elapsed() < LONG, "{what}: {:?}", library.server_status());
        let _ = timeout(Duration::from_millis(50), changes.changed()).await;
    }
}

async fn catalogue_of(library: &Library, version: u16, servers: &[&str]) -> Arc<Catalogue> {
    until(library, "catalogue", |library| {
        let all = library.shared.catalogues.load();
        all.get(&Pair::new(version, "")).filter(|c| c.servers() == servers).cloned()
    })
    .await
}

async fn file(catalogue: &Arc<Catalogue>, name: &str) -> Vec<u8> {
    let mut messages = catalogue.media_messages([name]);
    let message = messages.next().await.unwrap();
    let media = mesegate_protocol::content::Media::decode(&message.slice(2..)).unwrap();
    media.files[0].content(catalogue.version(), 1 << 20).unwrap().to_vec()
}

fn announced(catalogue: &Catalogue) -> Vec<String> {
    let message = catalogue.announce();
    let announce = AnnounceMedia::decode(&message[2..], catalogue.version()).unwrap();
    announce.files.into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn servers_are_fetched_joined_and_served_from_disk_when_they_are_down() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Fake::start(scene(lobby())), Fake::start(scene(mine())));
    let specs = vec![one.spec("lobby"), two.spec("mine")];
    let first = library(&dir);
    assert!(!first.ready());
    first.set_servers(specs.clone());
    let catalogue = catalogue_of(&first, 53, &["lobby", "mine"]).await;
    assert!(first.ready());
    assert_eq!(first.network_version(), NEW);
    assert_eq!(file(&catalogue, "big.png").await, big());
    assert_eq!(file(&catalogue, "ore.png").await, b"shiny");
    let lobby_defs = one.scene(|scene| scene.definitions(NEW, ""));
    let mine_defs = two.scene(|scene| scene.definitions(NEW, ""));
    assert!(catalogue.admit("lobby", &lobby_defs).unwrap().is_identity());
    let map = catalogue.admit("mine", &mine_defs).unwrap();
    assert_eq!((map.ids().get(0), map.ids().get(1)), (2, 1));
    assert_eq!(one.scene(|scene| scene.requested.len()), 2);
    let up = |library: &Library| {
        library
            .server_status()
            .iter()
            .all(|s| s.state.is_up() && s.last_fetch.is_some())
            .then_some(())
    };
    until(&first, "both are up", up).await;
    drop(first);
    one.stop().await;
    two.stop().await;

    let second = library(&dir);
    second.set_servers(specs);
    let again = second.catalogue(NEW, "", None, LONG).await.unwrap();
    assert_eq!(again.node_def(), catalogue.node_def());
    assert_eq!(file(&again, "big.png").await, big());
    until(&second, "both are down", |library| {
        let all = library.server_status();
        all.iter().all(|s| s.state.is_known_down() && s.newest == Some(NEW)).then_some(())
    })
    .await;
    assert!(second.ready());
}

#[tokio::test]
async fn a_server_counts_as_down_after_as_many_looks_as_its_probe_says() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(scene(lobby()));
    let probed = |name: &str, interval, threshold| ServerSpec {
        probe: Some(Probe { interval, timeout: Duration::from_secs(1), threshold, rise: 1 }),
        ..fake.spec(name)
    };
    let often = Duration::from_millis(50);
    let specs = vec![
        probed("hasty", often, 1),
        probed("patient", often, 4),
        probed("seldom", Duration::from_hours(1), 9),
    ];
    let library = library(&dir);
    library.set_servers(specs);
    let are = |library: &Library, up: [bool; 3]| {
        let found: Vec<bool> =
            library.server_status().iter().map(|status| status.state.is_up()).collect();
        (found == up).then_some(())
    };
    until(&library, "all are up", |library| are(library, [true; 3])).await;
    catalogue_of(&library, 53, &["hasty", "patient", "seldom"]).await;
    fake.stop().await;
    until(&library, "one is down", |library| are(library, [false, true, true])).await;
    until(&library, "two are down", |library| are(library, [false, false, true])).await;
    // Players who lose a server know better than any count.
    library.report_lost("seldom");
    until(&library, "all are down", |library| are(library, [false; 3])).await;
}

#[tokio::test]
async fn a_server_that_was_down_counts_as_up_after_as_many_answers_as_its_probe_says() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(scene(lobby()));
    let probed = |name: &str, rise| ServerSpec {
        probe: Some(Probe {
            interval: Duration::from_millis(200),
            timeout: Duration::from_secs(1),
            threshold: 1,
            rise,
        }),
        ..fake.spec(name)
    };
    let specs = vec![probed("quick", 1), probed("slow", 5)];
    let library = library(&dir);
    library.set_servers(specs);
    let are = |library: &Library, up: [bool; 2]| {
        let found: Vec<bool> =
            library.server_status().iter().map(|status| status.state.is_up()).collect();
        (found == up).then_some(())
    };
    // The first time, one answer is enough.
    until(&library, "both are up", |library| are(library, [true; 2])).await;
    catalogue_of(&library, 53, &["quick", "slow"]).await;
    let address = fake.stop().await;
    until(&library, "both are down", |library| are(library, [false; 2])).await;
    let _fake = Fake::start_at(address, scene(lobby()));
    until(&library, "one is up", |library| are(library, [true, false])).await;
    until(&library, "both are up", |library| are(library, [true; 2])).await;
}

#[tokio::test]
async fn a_server_that_was_never_seen_joins_when_it_comes_up() {
    let dir = tempfile::tempdir().unwrap();
    let one = Fake::start(scene(lobby()));
    let two = Fake::start(scene(mine()));
    let spec = two.spec("mine");
    let address = two.stop().await;
    let library = library(&dir);
    library.set_servers(vec![one.spec("lobby"), spec]);
    let before = catalogue_of(&library, 53, &["lobby"]).await;
    let _two = Fake::start_at(address, scene(mine()));
    let after = catalogue_of(&library, 53, &["lobby", "mine"]).await;
    // Who is in already keeps what there was.
    assert_eq!(before.servers(), ["lobby"]);
    assert_eq!(after.counts().0, 3);
}

#[tokio::test]
async fn the_base_is_waited_for_and_nobody_waits_longer_than_told() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(&dir);
    let start = Instant::now();
    assert!(library.catalogue(NEW, "", None, Duration::from_millis(100)).await.is_none());
    assert!(start.elapsed() < Duration::from_secs(2));
    let (one, two) = (Fake::start(scene(lobby())), Fake::start(scene(mine())));
    library.set_servers(vec![one.spec("lobby"), two.spec("mine")]);
    let catalogue = library.catalogue(NEW, "", None, LONG).await.unwrap();
    assert_eq!(catalogue.servers()[0], "lobby");
}

#[tokio::test]
async fn the_networks_version_is_the_lowest_and_a_strict_server_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let old = Fake::start(Scene { newest: 46, ..scene(lobby()) });
    let strict = Fake::start(Scene { strict: true, ..scene(mine()) });
    let new = Fake::start(scene(mine()));
    let library = library(&dir);
    library.set_servers(vec![old.spec("old"), strict.spec("strict"), new.spec("new")]);
    let catalogue = catalogue_of(&library, 46, &["old", "new"]).await;
    assert_eq!(library.network_version(), ProtocolVersion(46));
    assert_eq!(catalogue.version().0, 46);
    assert_eq!(file(&catalogue, "big.png").await, big());
    let text = until(&library, "refused", |library| match &library.server_status()[1].state {
        ServerState::VersionRefused { text } => Some(text.clone()),
        _ => None,
    })
    .await;
    assert!(text.contains("strict_protocol_version_checking"), "{text}");
    assert_eq!(library.server_status()[1].newest, Some(NEW));
    let text = format!("{:?}", library.server_status()[2].state);
    assert_eq!(text, "Up");
    // Nobody waits for what cannot come.
    let start = Instant::now();
    assert!(library.catalogue(ProtocolVersion(54), "", None, LONG).await.is_none());
    assert!(start.elapsed() < LONG / 2);
    // Clients of the newest version could still go where that is spoken.
    let newest = library.catalogue(NEW, "", None, LONG).await.unwrap();
    assert!(newest.servers().contains(&"strict".to_owned()));
    assert!(!newest.servers().contains(&"old".to_owned()));
}

#[tokio::test]
async fn a_language_is_fetched_when_it_is_first_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut german = scene(lobby());
    german.translations.insert("de", ("m.de.tr", b"# textdomain: m".to_vec()));
    let one = Fake::start(german);
    let mut other = scene(mine());
    other.translations.insert("de", ("o.de.tr", b"# textdomain: o".to_vec()));
    let two = Fake::start(other);
    let library = library(&dir);
    library.set_servers(vec![one.spec("lobby"), two.spec("mine")]);
    let plain = catalogue_of(&library, 53, &["lobby", "mine"]).await;
    assert!(plain.media_file("m.de.tr").is_none());
    assert!(one.scene(|scene| scene.visits.iter().all(String::is_empty)));
    let german = library.catalogue(NEW, "de", None, LONG).await.unwrap();
    assert_eq!(german.language(), "de");
    // The first one gets the translations of all servers that are up.
    assert_eq!(german.servers(), ["lobby", "mine"]);
    assert_eq!(file(&german, "m.de.tr").await, b"# textdomain: m");
    assert_eq!(file(&german, "o.de.tr").await, b"# textdomain: o");
    assert!(announced(&german).contains(&"m.de.tr".to_owned()));
    // Nothing but the translation was downloaded for it.
    let (requested, files) = one.scene(|scene| (scene.requested.clone(), scene.world.media.len()));
    assert_eq!(requested.len(), files + 1);
    // With the first server down there is nothing to wait for, and no Spanish.
    one.stop().await;
    until(&library, "down", |l| l.server_status()[0].state.is_known_down().then_some(())).await;
    let start = Instant::now();
    let spanish = library.catalogue(NEW, "es", None, LONG).await.unwrap();
    assert!(start.elapsed() < LONG / 2);
    assert!(spanish.servers().contains(&"lobby".to_owned()));
    // An odd language is none.
    let odd = library.catalogue(NEW, "../../x", None, LONG).await.unwrap();
    assert_eq!(odd.language(), "");
}

#[tokio::test]
async fn reported_changes_are_fetched_and_only_what_is_new_is_downloaded() {
    let dir = tempfile::tempdir().unwrap();
    let one = Fake::start(scene(lobby()));
    let library = library(&dir);
    library.set_servers(vec![one.spec("lobby")]);
    let before = catalogue_of(&library, 53, &["lobby"]).await;
    let same = one.scene(|scene| scene.definitions(NEW, ""));
    let visits = one.scene(|scene| scene.visits.len());
    library.report_definitions("lobby", NEW, "", &same);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(one.scene(|scene| scene.visits.len()), visits);
    // Neither are the same things in another order a change: engines write them as they come.
    let turned = one.scene(|scene| {
        scene.world.items.reverse();
        scene.world.media.reverse();
        scene.definitions(NEW, "")
    });
    assert_ne!(turned.item_def, same.item_def);
    library.report_definitions("lobby", NEW, "", &turned);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(one.scene(|scene| scene.visits.len()), visits);

    one.scene(|scene| {
        scene.world.nodes.push((9, "m:new", vec![]));
        scene.world.media.push(("new.png", b"new".to_vec()));
        scene.requested.clear();
    });
    let changed = one.scene(|scene| scene.definitions(NEW, ""));
    assert!(before.admit("lobby", &changed).is_err());
    library.report_definitions("lobby", NEW, "", &changed);
    let after = until(&library, "new catalogue", |library| {
        let all = library.shared.catalogues.load();
        all.get(&Pair::new(53, "")).filter(|c| c.media_file("new.png").is_some()).cloned()
    })
    .await;
    assert!(after.admit("lobby", &changed).is_ok());
    assert_eq!(one.scene(|scene| scene.requested.clone()), ["new.png"]);
    assert_eq!(file(&after, "big.png").await, big());
    // Nobody knows that server or that language.
    library.report_definitions("nobody", NEW, "", &same);
    library.report_definitions("lobby", NEW, "xx", &same);
}

#[tokio::test]
async fn a_damaged_content_is_downloaded_again() {
    let dir = tempfile::tempdir().unwrap();
    let one = Fake::start(scene(lobby()));
    let library = library(&dir);
    library.set_servers(vec![one.spec("lobby")]);
    let catalogue = catalogue_of(&library, 53, &["lobby"]).await;
    let hex = crate::to_hex(&crate::sha1(b"grey"));
    let path = dir.path().join("blobs").join(&hex[..2]).join(&hex);
    std::fs::write(&path, b"gray").unwrap();
    assert_eq!(file(&catalogue, "stone.png").await, b"");
    until(&library, "file is back", |_| {
        (std::fs::read(&path).is_ok_and(|data| data == b"grey")).then_some(())
    })
    .await;
    assert_eq!(file(&catalogue, "stone.png").await, b"grey");
}

#[tokio::test]
async fn files_that_are_withheld_or_altered_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut odd = scene(lobby().file("gone.png", b"gone"));
    odd.withheld.push("gone.png");
    odd.altered.insert("stone.png", b"edited since the server started".to_vec());
    let one = Fake::start(odd);
    let library = library(&dir);
    library.set_servers(vec![one.spec("lobby")]);
    let catalogue = catalogue_of(&library, 53, &["lobby"]).await;
    assert_eq!(file(&catalogue, "gone.png").await, b"");
    assert_eq!(file(&catalogue, "stone.png").await, b"edited since the server started");
    let hash = catalogue.media_file("stone.png").unwrap().hash;
    assert_eq!(hash, crate::sha1(b"edited since the server started"));
    let definitions = one.scene(|scene| scene.definitions(NEW, ""));
    assert!(catalogue.admit("lobby", &definitions).is_ok());
}

#[tokio::test]
async fn too_much_media_keeps_a_server_out_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Fake::start(scene(lobby())), Fake::start(scene(mine())));
    let config = LibraryConfig { max_media_bytes: 100_000, ..config() };
    let library = Library::new(ContentStore::open(dir.path()).unwrap(), config);
    library.set_servers(vec![one.spec("lobby"), two.spec("mine")]);
    catalogue_of(&library, 53, &["mine"]).await;
    let text = until(&library, "down", |library| match &library.server_status()[0].state {
        ServerState::Down { text, .. } => Some(text.clone()),
        _ => None,
    })
    .await;
    assert!(text.contains("100000 bytes"), "{text}");
}

#[tokio::test]
async fn servers_can_come_go_and_change_places() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Fake::start(scene(lobby())), Fake::start(scene(mine())));
    let library = library(&dir);
    library.set_servers(vec![one.spec("lobby"), two.spec("mine")]);
    catalogue_of(&library, 53, &["lobby", "mine"]).await;
    library.set_servers(vec![two.spec("mine"), one.spec("lobby")]);
    let swapped = catalogue_of(&library, 53, &["mine", "lobby"]).await;
    let definitions = two.scene(|scene| scene.definitions(NEW, ""));
    assert!(swapped.admit("mine", &definitions).unwrap().is_identity());
    library.set_servers(vec![one.spec("lobby"), one.spec("lobby")]);
    catalogue_of(&library, 53, &["lobby"]).await;
    assert_eq!(library.server_status().len(), 1);
    let fetchers = library.tasks.fetchers.lock().unwrap().len();
    assert_eq!(fetchers, 1);
}
