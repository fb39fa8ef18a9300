//! Servers whose worlds differ under the same names, in one client.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use mesegate_protocol::content::{ItemDefs, Media, MediaFile, MediaPush, PushContent, frame};
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{to_client, to_server};
use mesegate_testkit::{Bot, FakeServer, FakeServerOptions, Show, World};
use sha1::{Digest as _, Sha1};

use crate::support::{
    ARENA, Documents, LOBBY, Launch, Pair, SOON, arena, assert_sound, block_at, eventually, go,
    lobby, node_name, settled, within,
};

const FOREVER: u64 = 60;

/// What both worlds have, with other content and other definitions in each.
fn with_own(mut world: World, mark: &[u8]) -> World {
    world.media.clear();
    for name in ["testkit_stone.png", "hum.ogg"] {
        world = world.with_media(name, [name.as_bytes(), mark].concat());
    }
    world.with_media("same.png", &b"the same"[..])
}

fn forest() -> World {
    let mut world = with_own(lobby(), b"forest");
    world.hand = "testkit_stone.png".into();
    world.show = shown();
    world
}

fn desert() -> World {
    let mut world = with_own(arena(), b"desert");
    world.hand = "testkit_stone.png^[invert:rgb".into();
    world.show = shown();
    world
}

/// Things with names in them, and texts that only look like names.
fn shown() -> Vec<Show> {
    let form = "size[8,9]image[0,0;1,1;testkit_stone.png^[colorize:red:50]\
                image[1,0;1,1;same.png]label[0,1;testkit_stone.png]\
                item_image_button[0,2;1,1;testkit:stone;testkit:stone;]";
    let list = "List main 2\nWidth 0\nItem testkit:stone 7\nItem testkit:stick\n\
                EndInventoryList\nEndInventory\n";
    let mut chest = Writer::command(to_client::DETACHED_INVENTORY);
    chest.str16(b"chest").bool(true).u16(list.len() as u16).raw(list.as_bytes());
    vec![
        Show::Formspec { name: "shop".into(), text: form.into() },
        Show::Sound { id: 5, name: "hum".into() },
        Show::Raw { channel: 0, reliable: true, message: chest.finish() },
    ]
}

async fn differing() -> Pair {
    Pair::of(FakeServerOptions::new(forest()), FakeServerOptions::new(desert())).await
}

/// The form, the chest, the sound and the inventory that a player has on a server.
async fn told(bot: &Bot, server: &FakeServer) -> [String; 4] {
    settled(bot, server).await;
    let all = |view: &mesegate_testkit::View| {
        view.formspec.is_some() && !view.sounds.is_empty() && !view.detached.is_empty()
    };
    bot.until("all that is shown", all).await.unwrap();
    bot.look(|view| {
        let form = view.formspec.clone().unwrap().1;
        [form, view.detached["chest"].clone(), view.sounds[&5].clone(), view.inventory.clone()]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_conflicts_has_a_name_of_its_own_and_the_rest_is_shared() {
    within(FOREVER, async {
        let pair = differing().await;
        for version in [37, 46, 53] {
            let bot = pair.proxy.bot(&format!("v{version}")).with_version(version);
            let alice = Bot::join(bot.with_download()).await.unwrap();
            let announced: BTreeMap<_, _> = alice.announced().iter().cloned().collect();
            for (name, content) in [
                ("testkit_stone.png", &b"testkit_stone.pngforest"[..]),
                ("arena_testkit_stone.png", b"testkit_stone.pngdesert"),
                ("hum.ogg", b"hum.oggforest"),
                ("arena_hum.ogg", b"hum.oggdesert"),
                ("same.png", b"the same"),
            ] {
                let hash: [u8; 20] = Sha1::digest(content).into();
                assert_eq!(announced.get(name), Some(&hash), "{name}");
            }
            assert_eq!(announced.len(), 5, "{announced:?}");
            let items = ItemDefs::decode(alice.item_def(), alice.version()).unwrap();
            let has = |name: &str| items.items.iter().any(|item| item.name == name);
            assert!(has("testkit:stone") && has("arena_testkit:stone") && has("testkit:stick"));
            assert!(!has("arena_testkit:stick"), "it is the same on both");

            let before = told(&alice, &pair.lobby).await;
            let [form, chest, sound, inventory] = &before;
            assert_eq!(form, &forest_form());
            assert!(chest.contains("Item testkit:stone 7\nItem testkit:stick\n"), "{chest}");
            assert_eq!(sound, "hum");
            assert!(!inventory.contains("hand"), "{inventory}");
            let first = |place| alice.look(|view| view.blocks[&block_at(place)].first);
            assert_eq!(node_name(&alice, first(LOBBY)), "testkit:stone");

            go(&alice, "arena", ARENA).await;
            let [form, chest, sound, inventory] = told(&alice, &pair.arena).await;
            let desert_form = forest_form()
                .replace("1;testkit_stone.png^", "1;arena_testkit_stone.png^")
                .replace("1;testkit:stone;", "1;arena_testkit:stone;");
            assert_eq!(form, desert_form);
            assert!(chest.contains("Item arena_testkit:stone 7\nItem testkit:stick\n"), "{chest}");
            assert_eq!(sound, "arena_hum");
            let hand = "List hand 1\nWidth 0\nItem arena_hand\nEndInventoryList\n";
            assert!(inventory.contains(hand), "{inventory}");
            assert!(inventory.contains("Item testkit:stick 5\n"), "{inventory}");
            assert_eq!(node_name(&alice, first(ARENA)), "arena_testkit:dirt");

            // What the form was made of comes back under the server's names. Actions pass once the
            // client has shown that it knows where it is.
            let there = |arena: &FakeServer| arena.position(alice.name()).is_some_and(|p| p.0 > 12);
            assert!(pair.arena.until(there).await);
            let mut fields = Writer::command(to_server::INVENTORY_FIELDS);
            fields.str16(b"shop").u16(1).str16(b"testkit:stone").str32(b"testkit_stone.png");
            let fields = fields.finish();
            alice.send(0, true, fields.clone()).await;
            let arrived =
                |arena: &FakeServer| arena.arrived_from(alice.name(), to_server::INVENTORY_FIELDS);
            assert!(pair.arena.until(|arena| !arrived(arena).is_empty()).await);
            assert_eq!(arrived(&pair.arena)[0].body, fields.slice(2..));

            go(&alice, "lobby", LOBBY).await;
            assert_eq!(told(&alice, &pair.lobby).await, before);
            assert_sound(&alice);
            alice.leave().await;
        }
        let renamed = [("server", "arena"), ("kind", "renamed")];
        assert!(pair.proxy.metric("content_nodes", &renamed) >= 2.0);
        assert_eq!(pair.proxy.metric("content_identity", &[("server", "lobby")]), 1.0);
        assert_eq!(pair.proxy.metric("content_identity", &[("server", "arena")]), 0.0);
    })
    .await;
}

fn forest_form() -> String {
    let Show::Formspec { text, .. } = &shown()[0] else { panic!("the form is the first") };
    text.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_offered_later_do_not_replace_those_of_others() {
    within(FOREVER, async {
        let lobby = forest().with_media("late.png", &b"long there"[..]);
        let pair = Pair::of(FakeServerOptions::new(lobby), FakeServerOptions::new(desert())).await;
        let alice = Bot::join(pair.proxy.bot("alice").with_download()).await.unwrap();
        go(&alice, "arena", ARENA).await;
        told(&alice, &pair.arena).await;
        let content = Bytes::from(vec![42; 70_000]);
        let push = MediaPush {
            sha1: Sha1::digest(&content).into(),
            name: "late.png".into(),
            cache: false,
            content: PushContent::Token(77),
        };
        pair.arena.send("alice", 0, true, push.encode());
        let asked = |arena: &FakeServer| arena.arrived_from("alice", to_server::REQUEST_MEDIA);
        assert!(pair.arena.until(|arena| !asked(arena).is_empty()).await);
        assert_eq!(&asked(&pair.arena)[0].body[..], b"\0\x01\0\x08late.png");
        let data = frame(&content, alice.version()).unwrap();
        let files = vec![MediaFile { name: "late.png".into(), data }];
        let media = Media { bunches: 1, index: 0, files };
        pair.arena.send("alice", 2, true, media.encode());
        alice.until("the file", |view| view.pushed.contains("arena_late.png")).await.unwrap();
        let confirmed = |arena: &FakeServer| arena.arrived_from("alice", to_server::HAVE_MEDIA);
        assert!(pair.arena.until(|arena| !confirmed(arena).is_empty()).await);
        assert_eq!(&confirmed(&pair.arena)[0].body[..], [1, 0, 0, 0, 77]);

        let text = "image[0,0;1,1;late.png]".to_owned();
        pair.arena.show("alice", Show::Formspec { name: "new".into(), text });
        let new = |view: &mesegate_testkit::View| {
            view.formspec.as_ref().is_some_and(|(_, text)| text.contains("arena_late.png"))
        };
        alice.until("the file in a form", new).await.unwrap();
        // Others are not concerned.
        let bob = pair.proxy.join("bob").await;
        told(&bob, &pair.lobby).await;
        let text = "image[0,0;1,1;late.png]".to_owned();
        pair.lobby.show("bob", Show::Formspec { name: "old".into(), text: text.clone() });
        let form = Some(("old".to_owned(), text));
        bob.until("his form", |view| view.formspec == form).await.unwrap();
        assert_sound(&alice);
        assert_sound(&bob);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_unpacked_where_nothing_differs() {
    within(FOREVER, async {
        let same = lobby().with_spawn(ARENA);
        let pair = Pair::of(FakeServerOptions::new(lobby()), FakeServerOptions::new(same)).await;
        let alice = pair.proxy.join("alice").await;
        settled(&alice, &pair.lobby).await;
        go(&alice, "arena", ARENA).await;
        settled(&alice, &pair.arena).await;
        for server in ["lobby", "arena"] {
            pair.proxy.counts("content_identity", &[("server", server)], 1.0).await;
            let moved = [("server", server), ("kind", "moved")];
            assert_eq!(pair.proxy.metric("content_ids", &moved), 0.0);
        }
        // Counters are copied once a second.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        assert_eq!(pair.proxy.metric("blocks_decompressed_total", &[]), 0.0);
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_share_the_blocks_that_were_translated() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let mut blocks = 0;
        for name in ["alice", "bob", "carol"] {
            let bot = pair.proxy.join(name).await;
            go(&bot, "arena", ARENA).await;
            settled(&bot, &pair.arena).await;
            blocks += bot.look(|view| view.blocks.values().filter(|b| !b.ignored).count());
            assert_sound(&bot);
            bot.leave().await;
        }
        let unpacked = || pair.proxy.metric("blocks_decompressed_total", &[]);
        let kept = || pair.proxy.metric("block_cache_hits_total", &[]);
        let all = || unpacked() > 0.0 && unpacked() + kept() >= blocks as f64;
        eventually("all blocks to be counted", SOON, all).await;
        // The landscape is made of a few blocks, and everybody gets the same.
        assert!(kept() >= 2.0 * unpacked(), "{} kept, {} unpacked", kept(), unpacked());
        assert!(pair.proxy.metric("block_cache_bytes", &[]) > 0.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_shows_what_clients_are_given_and_why() {
    within(FOREVER, async {
        let Pair { lobby, arena, proxy } = differing().await;
        // What is on disk is enough.
        lobby.die().await;
        arena.die().await;
        let content_of = |data: &Path, args: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mesegate-proxy"));
            command.arg("content").arg("--resources").arg(proxy.file("network.yaml"));
            command.arg("--data").arg(data).args(args).output().unwrap()
        };
        let content = |args: &[&str]| content_of(&proxy.file("data"), args);
        let json = content(&["--json"]);
        assert!(json.status.success(), "{json:?}");
        let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(report["version"], 53);
        let [lobby, arena] = [&report["parts"][0], &report["parts"][1]];
        assert_eq!((&lobby["name"], &lobby["identity"]), (&"lobby".into(), &true.into()));
        assert_eq!((&arena["name"], &arena["identity"]), (&"arena".into(), &false.into()));
        assert_eq!(arena["media"]["renamed"], 1, "{arena}");
        assert_eq!(arena["media"]["shared"], 1, "{arena}");

        let table = content(&[]);
        let table = String::from_utf8(table.stdout).unwrap();
        for part in [
            "node `testkit:stone` is `arena_testkit:stone` for clients: differs from `lobby` in tiles",
            "media `testkit_stone.png` is `arena_testkit_stone.png` for clients",
        ] {
            assert!(table.contains(part), "{table}");
        }
        println!("{table}");
        let old = content(&["--version", "40"]);
        assert!(String::from_utf8(old.stdout).unwrap().contains("nothing is stored of it"));
        let nowhere = content_of(Path::new("/nowhere"), &[]);
        assert!(!nowhere.status.success());
        assert!(String::from_utf8(nowhere.stderr).unwrap().contains("/nowhere/content"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_known_pool_are_entered_without_a_look_at_them() {
    within(FOREVER, async {
        let lobby = FakeServer::of(lobby()).unwrap();
        let arena = FakeServer::of(desert()).unwrap();
        // Nobody but players gets in.
        let closed = || {
            let mut options = FakeServerOptions::new(desert().with_spawn([77.0, 1.5, 77.0]));
            options.accounts = vec![("mesegate-proxy".into(), "taken".into())];
            FakeServer::start(options).unwrap()
        };
        let (second, third) = (closed(), closed());
        let documents = Documents::new()
            .server("lobby", lobby.addr())
            .server_with("arena", arena.addr(), "mediaPool: sand-worlds")
            .server_with("second", second.addr(), "mediaPool: sand-worlds");
        let proxy = Launch::new(documents.clone()).start().await;
        let alice = proxy.join("alice").await;
        go(&alice, "second", [77.0, 1.5, 77.0]).await;
        let [form, ..] = told(&alice, &second).await;
        assert!(form.contains("1;sand_worlds_testkit_stone.png^"), "{form}");

        // One that comes later, while the player is in the game.
        let more = documents.server_with("third", third.addr(), "mediaPool: sand-worlds");
        proxy.edit(&more.yaml());
        let known = || proxy.metric("backend_up", &[("server", "third")]) >= 0.0;
        eventually("the third server", SOON, known).await;
        proxy.logged("documents were read again").await;
        go(&alice, "third", [77.0, 1.5, 77.0]).await;
        let [form, ..] = told(&alice, &third).await;
        assert!(form.contains("1;sand_worlds_testkit_stone.png^"), "{form}");
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_its_server_does_not_deliver_before_the_hop_is_not_waited_for() {
    within(FOREVER, async {
        let pair = Pair::of(FakeServerOptions::new(forest()), FakeServerOptions::new(desert()));
        let pair = pair.await;
        let alice = Bot::join(pair.proxy.bot("alice").with_download()).await.unwrap();
        go(&alice, "arena", ARENA).await;
        let push = MediaPush {
            sha1: Sha1::digest(b"never").into(),
            name: "never.png".into(),
            cache: false,
            content: PushContent::Token(5),
        };
        pair.arena.send("alice", 0, true, push.encode());
        let asked = |arena: &FakeServer| arena.arrived_from("alice", to_server::REQUEST_MEDIA);
        assert!(pair.arena.until(|arena| !asked(arena).is_empty()).await);
        go(&alice, "lobby", LOBBY).await;
        let answered = |view: &mesegate_testkit::View| view.undelivered.contains("never.png");
        alice.until("an answer", answered).await.unwrap();
        assert_sound(&alice);
        assert!(pair.lobby.arrived_from("alice", to_server::HAVE_MEDIA).is_empty());
    })
    .await;
}
