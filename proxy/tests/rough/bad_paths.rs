//! Playing over a path that loses, repeats, delays and reorders datagrams.

use std::time::Duration;

use mesegate_testkit::{Bot, BotOptions, FakeServer, Impairment, Relay, RelayOptions, World};
use tokio::time::Instant;

use crate::support::{ARENA, Documents, LOBBY, Launch, assert_sound, lobby, within};

const MEDIA: usize = 5_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// Each way.
const BAD: Impairment = Impairment {
    loss: 0.1,
    duplicate: 0.02,
    delay: Duration::from_millis(100),
    jitter: Duration::from_millis(50),
};

/// Numbers of the answers that come until there are `count`, and of what comes right after.
async fn answers(bot: &Bot, count: usize) -> Vec<u32> {
    let number = |text: &str| text.strip_prefix("pong ").and_then(|n| n.parse::<u32>().ok());
    let mut numbers = Vec::new();
    let end = Instant::now() + PATIENCE;
    while numbers.len() < count && Instant::now() < end {
        let line = bot.chat(end - Instant::now()).await;
        numbers.extend(line.and_then(|line| number(&line.text)));
    }
    while let Some(line) = bot.chat(Duration::from_millis(1500)).await {
        numbers.extend(number(&line.text));
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_over_a_bad_path() {
    within(240, async {
        let server = FakeServer::of(lobby().padded(MEDIA, 1)).unwrap();
        let arena = FakeServer::of(World::new("arena").with_spawn(ARENA)).unwrap();
        let documents =
            Documents::new().server("lobby", server.addr()).server("arena", arena.addr());
        let proxy = Launch::new(documents).start().await;
        let relay = Relay::loopback(proxy.addr, RelayOptions::both(42, BAD)).unwrap();

        let mut options = BotOptions::new(relay.addr(), "alice").with_download();
        options.deadline = Duration::from_mins(2);
        let alice = Bot::join(options).await.unwrap();
        let times = alice.times();
        println!("joined with {MEDIA} bytes of media: {times:?}");
        assert_eq!(times.media_bytes, MEDIA as u64);

        for hop in 0..10 {
            let (name, place) = if hop % 2 == 0 { ("arena", ARENA) } else { ("lobby", LOBBY) };
            let wish = format!(">server {name}");
            let taken = alice.travel(&wish, place, 1.0, PATIENCE).await.unwrap();
            println!("hop {hop} to {name}: {taken:?}");
            alice.say(&format!("ping {hop}")).await;
            let sent = Instant::now();
            alice.expect_chat(&format!("pong {hop}"), PATIENCE).await.unwrap();
            assert!(sent.elapsed() > Duration::from_millis(100), "the path is too good");
        }
        assert_eq!(server.players(), ["alice"]);

        let wanted: Vec<u32> = (100..200).collect();
        for number in &wanted {
            alice.say(&format!("ping {number}")).await;
        }
        assert_eq!(answers(&alice, wanted.len()).await, wanted);
        let said: Vec<String> = server.said_by("alice").split_off(5);
        let all: Vec<String> = wanted.iter().map(|number| format!("ping {number}")).collect();
        assert_eq!(said, all, "what the server heard");
        assert_sound(&alice);
        assert_eq!(alice.closed(), None);
    })
    .await;
}
