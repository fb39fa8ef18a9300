//! Servers whose content cannot be used, beside one whose players must not notice.

use std::process::Command;
use std::time::Duration;

use mesegate_testkit::{Bot, FakeServer, Show, World, forge, procfs};

use crate::support::{ARENA, Documents, LOBBY, Launch, Proxy, SOON, assert_sound, lobby, within};

/// What the process may grow by while it looks at one such server.
const GROWTH: u64 = 160 * 1024 * 1024;

/// More than any content may unpack to.
const BOMB: u64 = 4 << 30;

/// A good server with a player on it, and then a bad one beside it.
struct Scene {
    lobby: FakeServer,
    bad: FakeServer,
    proxy: Proxy,
    alice: Bot,
    before: u64,
}

impl Scene {
    /// The bad server is called `bad`.
    async fn start(bad: World) -> Self {
        let lobby = FakeServer::of(lobby()).unwrap();
        let documents = Documents::new().server("lobby", lobby.addr());
        let proxy = Launch::new(documents.clone()).start().await;
        let alice = proxy.join("alice").await;
        let before = procfs::resident(proxy.pid()).unwrap();
        let bad = FakeServer::of(bad).unwrap();
        proxy.edit(&documents.server("bad", bad.addr()).yaml());
        Self { lobby, bad, proxy, alice, before }
    }

    /// The reason stands in the log, with the server's name, and a metric says that the server is
    /// not in use; nobody else has noticed anything.
    async fn set_aside(&mut self, reason: &str) {
        let words = |line: &str| line.contains("server=\"bad\"") && line.contains(reason);
        let log = &self.proxy;
        let what = format!("a line about `bad` with {reason:?}");
        crate::support::eventually(&what, 2 * SOON, || log.log().lines().any(words)).await;
        println!("{}", log.log().lines().find(|line| words(line)).unwrap());
        let told = || {
            let page = log.page("/metrics").1;
            ["backend_up{server=\"bad\"} 0", "content_left_out{server=\"bad\"} 1"]
                .iter()
                .any(|series| page.contains(&format!("mesegate_proxy_{series}\n")))
        };
        crate::support::eventually("a metric about `bad`", SOON, told).await;
        self.unnoticed().await;
    }

    /// It is set aside, and the wish to go there is refused in words: the player stays.
    async fn refused(&mut self, reason: &str) {
        self.set_aside(reason).await;
        self.no_way_in().await;
    }

    async fn no_way_in(&mut self) {
        self.alice.say(">server bad").await;
        let mut answer = self.alice.chat(SOON).await.expect("an answer");
        if answer.text.starts_with("Going to") {
            answer = self.alice.chat(SOON).await.expect("a second answer");
        }
        println!("{}", answer.text);
        assert!(answer.text.contains("its content cannot be used"));
        assert_ne!(self.bad.players(), ["alice"]);
        self.unnoticed().await;
    }

    async fn unnoticed(&mut self) {
        self.alice.say("ping 7").await;
        self.alice.expect_chat("pong 7", SOON).await.unwrap();
        assert_sound(&self.alice);
        assert_eq!(self.alice.closed(), None);
        assert_eq!(self.lobby.players().first().map(String::as_str), Some("alice"));
        let newcomer = self.proxy.join("newcomer").await;
        assert_sound(&newcomer);
        newcomer.leave().await;
        assert!(self.lobby.until(|lobby| lobby.players().len() == 1).await);
        let now = procfs::resident(self.proxy.pid()).unwrap();
        println!("memory: {} KiB, then {} KiB", self.before / 1024, now / 1024);
        assert!(now < self.before + GROWTH, "{} to {now} bytes", self.before);
        assert!(self.proxy.is_running());
        assert!(!self.proxy.log().contains("panicked"), "{}", self.proxy.log());
    }
}

fn bad() -> World {
    World::new("bad").with_spawn(ARENA)
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_are_broken() {
    within(120, async {
        for world in [
            bad().with_forged_nodes(&b"no frame at all"[..]),
            bad().with_forged_items(forge::definitions_of(b"no frame")),
            bad().with_forged_nodes(&b""[..]),
        ] {
            Scene::start(world).await.refused("cannot be read").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_unpack_to_gigabytes() {
    within(120, async {
        let bomb = forge::definitions_of(&forge::bomb(BOMB));
        Scene::start(bad().with_forged_nodes(bomb.clone())).await.refused("cannot be read").await;
        Scene::start(bad().with_forged_items(bomb)).await.refused("cannot be read").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seventy_thousand_nodes() {
    within(120, async {
        let world = bad().with_forged_nodes(forge::many_nodes(70_000));
        Scene::start(world).await.refused("node").await;
        // As many as there are ids, but not beside those of another server: that takes a new login.
        let world = bad().with_forged_nodes(forge::many_nodes(65_535));
        Scene::start(world).await.set_aside("node").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_too_large_or_have_no_proper_name_are_left_out() {
    within(120, async {
        let world = bad()
            .with_media("seventeen.png", vec![0; 17_000_000])
            .with_media("bomb.png", &b"small"[..])
            .with_forged_file("bomb.png", forge::bomb(BOMB))
            .with_media("../../escaped.png", &b"up"[..])
            .with_media("with blank.png", &b"blank"[..])
            .with_media("a/b.png", &b"slash"[..])
            .with_media("new\nline.png", &b"newline"[..])
            .with_media("", &b"nameless"[..])
            .with_media("good.png", &b"good"[..]);
        let mut scene = Scene::start(world).await;
        // The server itself is usable; what is wrong with the files is told.
        let names = ["lobby".to_owned(), "bad".to_owned()];
        scene.proxy.known(&names).await;
        scene.unnoticed().await;
        let bob = Bot::join(scene.proxy.bot("bob")).await.unwrap();
        let announced: Vec<&str> = bob.announced().iter().map(|(name, _)| name.as_str()).collect();
        println!("{announced:?}");
        assert!(announced.contains(&"good.png"));
        for name in &announced {
            let legal = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            assert!(!name.is_empty() && name.chars().all(legal), "{name:?}");
        }
        let log = scene.proxy.log();
        for words in ["seventeen.png", "bomb.png", "escaped.png"] {
            assert!(log.lines().any(|line| line.contains(words)), "{words} in\n{log}");
        }
        let report = Command::new(env!("CARGO_BIN_EXE_mesegate-proxy"))
            .args(["content", "--resources"])
            .arg(scene.proxy.file("network.yaml"))
            .arg("--data")
            .arg(scene.proxy.file("data"))
            .output()
            .unwrap();
        let report = String::from_utf8(report.stdout).unwrap();
        println!("{report}");
        assert!(report.contains("bad: 5 files have names that no client accepts"));
        assert!(report.contains("bad: 2 files were announced but not delivered"));
        bob.travel(">server bad", ARENA, 1.0, SOON).await.unwrap();
        assert_sound(&bob);
        let outside = scene.proxy.file("data");
        assert!(!outside.join("escaped.png").exists());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn map_blocks_that_unpack_to_gigabytes() {
    within(120, async {
        // Other ids than the lobby's, so that blocks are looked into.
        let world = bad().with_nodes([("testkit:dirt", 200), ("testkit:stone", 201)]);
        let lobby = FakeServer::of(lobby()).unwrap();
        let bad = FakeServer::of(world).unwrap();
        let documents = Documents::new().server("lobby", lobby.addr()).server("bad", bad.addr());
        let mut proxy = Launch::new(documents).start().await;
        let (alice, bob) = (proxy.join("alice").await, proxy.join("bob").await);
        let before = procfs::resident(proxy.pid()).unwrap();
        bob.travel(">server bad", ARENA, 1.0, SOON).await.unwrap();
        let (bomb, broken) = (forge::bomb(BOMB), forge::bomb(100));
        for x in 0..20 {
            for frame in [&bomb[..], &broken[..], b"no frame"] {
                let message = forge::block_of([100 + x, 0, 0], frame);
                bad.show("bob", Show::Raw { channel: 2, reliable: true, message });
            }
        }
        bob.say("ping 1").await;
        bob.expect_chat("pong 1", 2 * SOON).await.unwrap();
        alice.say("ping 2").await;
        alice.expect_chat("pong 2", SOON).await.unwrap();
        proxy.counts("bad_messages_total", &[("direction", "to_client")], 60.0).await;
        let now = procfs::resident(proxy.pid()).unwrap();
        println!("memory: {} KiB, then {} KiB", before / 1024, now / 1024);
        assert!(now < before + GROWTH, "{before} to {now} bytes");
        assert_sound(&alice);
        assert_sound(&bob);
        // Back home, and all is well.
        bob.travel(">server lobby", LOBBY, 1.0, SOON).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_sound(&bob);
        assert!(proxy.is_running());
        assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
    })
    .await;
}
