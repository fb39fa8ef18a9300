//! The end of the process.

use std::time::{Duration, Instant};

use mesegate_protocol::login::DenyCode;
use mesegate_testkit::{Bot, Closed, FakeServer};

use crate::support::{Documents, Launch, Pair, SOON, lobby, refusal, within};

const FOREVER: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_why_and_the_process_ends_at_once() {
    within(FOREVER, async {
        let mut pair = Pair::start().await;
        let mut bots = Vec::new();
        for name in ["alice", "bob", "carol", "dave", "eve"] {
            bots.push(pair.proxy.join(name).await);
        }
        bots[0].say(">server arena").await;
        assert!(pair.arena.until(|arena| arena.players() == ["alice"]).await);

        let told = Instant::now();
        pair.proxy.terminate();
        for bot in &bots {
            let closed = bot.wait_closed(SOON).await;
            let Some(Closed::Denied { code, text, reconnect }) = closed else {
                panic!("{}: {closed:?}", bot.name());
            };
            assert_eq!((code, reconnect), (DenyCode::Shutdown, true));
            assert_eq!(text, "The network restarts. Reconnect in a moment.");
        }
        let (status, _) = pair.proxy.ended().await;
        println!("ended {:?} after SIGTERM with {} players", told.elapsed(), bots.len());
        assert!(status.success(), "{status}");
        assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
        // The servers were told too, so that nobody hangs about there.
        assert!(pair.lobby.until(|server| server.players().is_empty()).await);
        assert!(pair.arena.until(|server| server.players().is_empty()).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_is_gone_is_waited_for_only_so_long() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby()).unwrap();
        let documents = Documents::new().server("lobby", server.addr());
        let documents = documents.proxy("messages: { shutdown: Good night. }");
        let mut proxy = Launch::new(documents).arg("--stop-seconds", "1").start().await;
        let alice = proxy.join("alice").await;
        let bob = proxy.join("bob").await;
        bob.vanish().await;
        let told = Instant::now();
        proxy.terminate();
        let farewell = Closed::Denied {
            code: DenyCode::Shutdown,
            text: "Good night.".into(),
            reconnect: true,
        };
        assert_eq!(alice.wait_closed(SOON).await, Some(farewell));
        assert!(proxy.ended().await.0.success());
        let taken = told.elapsed();
        assert!(taken > Duration::from_millis(800) && taken < Duration::from_secs(4), "{taken:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_neither_accounts_nor_content() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby().padded(300_000, 1)).unwrap();
        let documents = Documents::new().server("lobby", server.addr());
        let mut proxy = Launch::new(documents.clone()).start().await;
        proxy.join("alice").await.leave().await;
        proxy.terminate();
        assert!(proxy.ended().await.0.success());

        let mut proxy = proxy.again(documents.clone()).start().await;
        let wrong = Bot::join(proxy.bot("alice").with_password("guess")).await;
        assert_eq!(refusal(wrong).0, DenyCode::WrongPassword);
        // The server knows alice by the same secret as before.
        let alice = Bot::join(proxy.bot("alice").with_download()).await.unwrap();
        assert!(!alice.registered());
        assert_eq!(alice.times().media_bytes, 300_000);
        assert_eq!(server.players(), ["alice"]);
        proxy.terminate();
        assert!(proxy.ended().await.0.success());

        // Definitions and media come from disk while no server is there.
        server.die().await;
        let proxy = proxy.again(documents).start().await;
        let (_, text, reconnect) = refusal(Bot::join(proxy.bot("alice").with_download()).await);
        assert!(text.starts_with("No server of the network"), "{text}");
        assert!(reconnect);
    })
    .await;
}
