//! Bots and fake servers with nothing between them: what the other tests stand on.

use std::time::Duration;

use mesegate_protocol::login::DenyCode;
use mesegate_protocol::{to_client, to_server};
use mesegate_testkit::{
    Bot, BotOptions, Closed, FakeServer, FakeServerOptions, JoinError, LoginRule, Show, World,
};

const SOON: Duration = Duration::from_secs(5);

fn bot(server: &FakeServer, name: &str) -> BotOptions {
    BotOptions::new(server.addr(), name)
}

fn code(error: JoinError) -> Option<DenyCode> {
    match error {
        JoinError::Denied { code, .. } => Some(code),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_then_proves_its_password() {
    let server = FakeServer::of(World::new("a").with_spawn([8.0, 1.5, -8.0])).unwrap();
    let first = Bot::join(bot(&server, "Alice")).await.unwrap();
    assert!(first.registered());
    assert_eq!(first.look(|view| view.position), [8.0, 1.5, -8.0]);
    assert_eq!(server.players(), ["Alice"]);
    first.leave().await;
    assert!(server.until(|server| server.players().is_empty()).await);

    let wrong = Bot::join(bot(&server, "Alice").with_password("other")).await;
    assert_eq!(code(wrong.unwrap_err()), Some(DenyCode::WrongPassword));
    let again = Bot::join(bot(&server, "Alice")).await.unwrap();
    assert!(!again.registered());
    let twin = Bot::join(bot(&server, "Alice")).await;
    assert_eq!(code(twin.unwrap_err()), Some(DenyCode::AlreadyConnected));
    assert_eq!(server.joins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn plays_at_every_protocol_version() {
    let world = World::new("a").with_media("x.ogg", vec![7; 20_000]);
    let server = FakeServer::of(world).unwrap();
    for version in [37, 39, 40, 41, 43, 46, 47, 48, 51, 52, 53] {
        let options = bot(&server, &format!("v{version}")).with_version(version).with_download();
        let bot = Bot::join(options).await.unwrap();
        assert_eq!(bot.version().0, version);
        assert_eq!(bot.times().media_bytes, 20_067);
        bot.until("all blocks", |view| view.real_blocks() == 18).await.unwrap();
        bot.until("its inventory", |view| view.inventory.contains("testkit:stick 5"))
            .await
            .unwrap();
        assert_eq!(bot.view().violations, Vec::<String>::new());
        bot.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_it_does_and_sees_what_is_done() {
    let server = FakeServer::of(World::new("a")).unwrap();
    let alice = Bot::join(bot(&server, "alice")).await.unwrap();
    let bob = Bot::join(bot(&server, "bob")).await.unwrap();
    alice.expect_chat("welcome to a, alice", SOON).await.unwrap();
    alice.say("hello").await;
    bob.expect_chat("<alice> hello", SOON).await.unwrap();
    bob.say("ping 7").await;
    bob.expect_chat("pong 7", SOON).await.unwrap();
    assert_eq!(server.said_by("bob"), ["ping 7"]);
    alice.until("bob in the list", |view| view.players.contains("bob")).await.unwrap();

    // Entities move by unreliable messages, and the player's own steps arrive.
    let before = bob.look(|view| view.objects[&1].messages);
    bob.until("a moving entity", |view| view.objects[&1].messages > before + 3).await.unwrap();
    let walked = |server: &FakeServer| server.position("bob").is_some_and(|(n, _)| n > 5);
    assert!(server.until(walked).await);
    let confirmed =
        |server: &FakeServer| !server.arrived_from("bob", to_server::GOTBLOCKS).is_empty();
    assert!(server.until(confirmed).await);
    let events = bob.events();
    let first = |command| events.iter().position(|event| event.command == command).unwrap();
    assert!(first(to_client::MOVE_PLAYER) < first(to_client::ACTIVE_OBJECT_REMOVE_ADD));
    assert!(events.iter().any(|event| {
        event.command == to_client::ACTIVE_OBJECT_MESSAGES && !event.reliable && event.channel == 1
    }));
    bob.leave().await;
    alice.until("bob gone", |view| !view.players.contains("bob")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shown_things_are_held() {
    let mut world = World::new("a");
    world.show = Show::all(4);
    let server = FakeServer::of(world).unwrap();
    let alice = Bot::join(bot(&server, "alice")).await.unwrap();
    alice
        .until("the prepend", |view| view.states.contains_key(&to_client::FORMSPEC_PREPEND))
        .await
        .unwrap();
    alice.until("the HUD", |view| view.huds.contains_key(&4)).await.unwrap();
    server.show("alice", Show::Hud { id: 9, text: "late".into() });
    alice.until("the late HUD", |view| view.huds.contains_key(&9)).await.unwrap();
    let view = alice.view();
    assert_eq!(view.violations, Vec::<String>::new());
    assert!(view.sounds.contains_key(&4) && view.spawners.contains(&4));
    assert!(view.detached.contains_key("detached_4") && view.formspec.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_kicks_say_why() {
    let mut options = FakeServerOptions::new(World::new("a"));
    options.rule = LoginRule::Full;
    options.accounts = vec![("carol".into(), "geheim".into())];
    let server = FakeServer::start(options).unwrap();
    let full = Bot::join(bot(&server, "alice")).await;
    assert_eq!(code(full.unwrap_err()), Some(DenyCode::TooManyUsers));
    server.set_rule(LoginRule::Deny("not today".into()));
    let Err(JoinError::Denied { text, .. }) = Bot::join(bot(&server, "alice")).await else {
        panic!("let in");
    };
    assert_eq!(text, "not today");
    server.set_rule(LoginRule::Accept);
    let carol = Bot::join(bot(&server, "carol").with_password("geheim")).await.unwrap();
    assert!(!carol.registered());
    server.kick("carol", "out");
    let kicked =
        Closed::Denied { code: DenyCode::CustomString, text: "out".into(), reconnect: false };
    assert_eq!(carol.wait_closed(SOON).await, Some(kicked));
    assert!(server.until(|server| server.players().is_empty()).await);

    let dave = Bot::join(bot(&server, "dave")).await.unwrap();
    server.shutdown("maintenance", true).await;
    let shut =
        Closed::Denied { code: DenyCode::Shutdown, text: "maintenance".into(), reconnect: true };
    assert_eq!(dave.wait_closed(SOON).await, Some(shut));
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_servers_refuse_other_versions() {
    let mut options = FakeServerOptions::new(World::new("a"));
    options.strict_version = true;
    let server = FakeServer::start(options).unwrap();
    let old = Bot::join(bot(&server, "alice").with_version(46)).await;
    assert_eq!(code(old.unwrap_err()), Some(DenyCode::WrongVersion));
    assert!(Bot::join(bot(&server, "alice")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_silent_and_its_port_is_free_again() {
    let server = FakeServer::of(World::new("a")).unwrap();
    let addr = server.addr();
    let alice = Bot::join(bot(&server, "alice")).await.unwrap();
    server.die().await;
    assert_eq!(alice.wait_closed(Duration::from_millis(700)).await, None);
    let mut options = FakeServerOptions::new(World::new("a"));
    options.addr = addr;
    let reborn = FakeServer::start(options).unwrap();
    assert!(Bot::join(bot(&reborn, "bob")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_answers_nothing_until_it_thaws() {
    let server = FakeServer::of(World::new("a")).unwrap();
    let alice = Bot::join(bot(&server, "alice")).await.unwrap();
    server.set_frozen(true);
    tokio::time::sleep(Duration::from_millis(100)).await;
    alice.say("ping 1").await;
    assert!(alice.expect_chat("pong 1", Duration::from_millis(600)).await.is_err());
    server.set_frozen(false);
    alice.expect_chat("pong 1", SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_measure_both_ways() {
    let server = FakeServer::of(World::new("a")).unwrap();
    let mut options = bot(&server, "alice");
    options.probe = Some(Duration::from_millis(20));
    let alice = Bot::join(options).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (up, down) = alice.latency();
    assert!(up.len() > 5 && up.len() == down.len());
    assert!(up.summary().p50_ms < 100.0 && down.summary().p50_ms < 100.0);
}
