//! The relay between bots and a fake server, bare and impaired.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mesegate_testkit::{
    Bot, BotOptions, FakeServer, Impairment, Relay, RelayOptions, World, mutate,
};

const SOON: Duration = Duration::from_secs(10);

fn behind(server: &FakeServer, options: RelayOptions) -> Relay {
    Relay::loopback(server.addr(), options).expect("a free port")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_relay_passes_everything() {
    let server = FakeServer::of(World::new("a").padded(300_000, 1)).unwrap();
    let relay = behind(&server, RelayOptions::default());
    let mut bots = Vec::new();
    for index in 0..5 {
        let options = BotOptions::new(relay.addr(), &format!("bot{index}")).with_download();
        bots.push(Bot::join(options).await.unwrap());
    }
    for bot in &bots {
        assert_eq!(bot.times().media_bytes, 300_000);
        bot.say("ping 1").await;
        bot.expect_chat("pong 1", SOON).await.unwrap();
        assert_eq!(bot.view().violations, Vec::<String>::new());
    }
    assert_eq!(server.players().len(), 5);
    assert!(relay.stats().forwarded.load(Relaxed) > 3000);
    assert_eq!(relay.stats().lost.load(Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_path_loses_repeats_and_delays_but_the_game_goes_on() {
    let server = FakeServer::of(World::new("a").padded(200_000, 1)).unwrap();
    let bad = Impairment {
        loss: 0.1,
        duplicate: 0.02,
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(15),
    };
    let relay = behind(&server, RelayOptions::both(42, bad));
    let alice = Bot::join(BotOptions::new(relay.addr(), "alice").with_download()).await.unwrap();
    assert_eq!(alice.times().media_bytes, 200_000);
    for number in 0..20 {
        let begun = std::time::Instant::now();
        alice.say(&format!("ping {number}")).await;
        alice.expect_chat(&format!("pong {number}"), SOON).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(30), "the delay was skipped");
    }
    assert_eq!(alice.view().violations, Vec::<String>::new());
    let stats = relay.stats();
    assert!(stats.lost.load(Relaxed) > 20 && stats.duplicated.load(Relaxed) > 2);
    let share = stats.lost.load(Relaxed) as f64
        / (stats.lost.load(Relaxed) + stats.forwarded.load(Relaxed)) as f64;
    assert!((0.05..0.15).contains(&share), "{share}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_path_heals() {
    let server = FakeServer::of(World::new("a")).unwrap();
    let relay = behind(&server, RelayOptions::default());
    let alice = Bot::join(BotOptions::new(relay.addr(), "alice")).await.unwrap();
    relay.set_cut(true);
    alice.say("ping 1").await;
    assert!(alice.expect_chat("pong 1", Duration::from_millis(500)).await.is_err());
    relay.set_cut(false);
    alice.expect_chat("pong 1", SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vanished_player_is_not_noticed_at_once() {
    let server = FakeServer::of(World::new("a")).unwrap();
    let alice = Bot::join(BotOptions::new(server.addr(), "alice")).await.unwrap();
    alice.vanish().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.players(), ["alice"]);
    let bob = Bot::join(BotOptions::new(server.addr(), "bob")).await.unwrap();
    bob.leave().await;
    assert!(server.until(|server| server.players() == ["alice"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_traffic_disturbs_nobody() {
    let server = FakeServer::of(World::new("a")).unwrap();
    let alice = Bot::join(BotOptions::new(server.addr(), "alice")).await.unwrap();
    let mutant = Bot::join(BotOptions::new(server.addr(), "mutant")).await.unwrap();
    let flood = mutate::Flood { seed: 1, count: 3000, rate: 5000 };
    let strangers = mutate::strangers(server.addr(), flood).await.unwrap();
    assert_eq!(strangers.sent, 3000);
    assert!(
        strangers.received > 0 && strangers.received_bytes < 3 * strangers.sent_bytes,
        "{strangers:?}"
    );
    mutate::player(&mutant, mutate::Flood { seed: 2, count: 500, rate: 5000 }).await;
    alice.say("ping 1").await;
    alice.expect_chat("pong 1", SOON).await.unwrap();
    assert_eq!(alice.closed(), None);
    mutant.say("ping 2").await;
    mutant.expect_chat("pong 2", SOON).await.unwrap();
    assert_eq!(mutant.closed(), None);
}
