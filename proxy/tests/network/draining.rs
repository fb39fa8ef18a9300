//! A proxy that is left by its players before it ends.

use std::time::{Duration, Instant};

use mesegate_protocol::login::DenyCode;
use mesegate_testkit::{Bot, Closed, FakeServer};
use tokio::net::UdpSocket;

use crate::support::{
    ARENA, Documents, LOBBY, Launch, Pair, Proxy, SOON, arena, assert_sound, eventually, go, lobby,
    refusal, within,
};

const FOREVER: u64 = 60;

/// Two servers and a proxy with these flags and fields.
async fn pair(flags: &[(&str, &str)], fields: &str) -> Pair {
    let (lobby, arena) = (FakeServer::of(lobby()).unwrap(), FakeServer::of(arena()).unwrap());
    let documents = Documents::new().server("lobby", lobby.addr()).server("arena", arena.addr());
    let launch = Launch::new(documents.proxy(fields));
    let launch = flags.iter().fold(launch, |launch, (flag, value)| launch.arg(flag, value));
    Pair { lobby, arena, proxy: launch.start().await }
}

async fn told(bots: &[&Bot], words: &str) {
    for bot in bots {
        bot.expect_chat(words, SOON).await.unwrap();
    }
}

/// The client was sent away with the offer to reconnect.
fn assert_asked(bot: &Bot, closed: Option<&Closed>) {
    let Some(Closed::Denied { code, text, reconnect }) = closed else {
        panic!("{}: {closed:?}", bot.name());
    };
    assert_eq!((*code, *reconnect), (DenyCode::Shutdown, true), "{}", bot.name());
    assert_eq!(text, "The network restarts. Reconnect in a moment.");
}

/// Nobody of that name gets in, and is told to try again.
async fn assert_kept_out(proxy: &Proxy, name: &str) {
    let (code, _, reconnect) = refusal(Bot::join(proxy.bot(name)).await);
    assert_eq!((code, reconnect), (DenyCode::Shutdown, true), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn players_are_told_and_play_on_and_the_last_who_leaves_ends_it() {
    within(FOREVER, async {
        let mut pair = pair(&[("--drain-timeout", "12")], "").await;
        let [alice, bob] = [pair.proxy.join("alice").await, pair.proxy.join("bob").await];
        let asked = Instant::now();
        pair.proxy.terminate();
        told(&[&alice, &bob], "Maintenance in 12 s: you will be asked to reconnect by then.").await;
        assert_kept_out(&pair.proxy, "carol").await;
        pair.proxy.counts("sessions_total", &[("reason", "draining")], 1.0).await;
        for page in ["/readyz", "/livez"] {
            assert_eq!(pair.proxy.page(page).0, 200, "{page}");
        }
        pair.proxy.counts("draining", &[], 1.0).await;
        pair.proxy.counts("drain_remaining_sessions", &[], 2.0).await;
        let until = pair.proxy.metric("drain_deadline_timestamp_seconds", &[]);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert!((5.0..=13.0).contains(&(until - now)), "{until} at {now}");
        go(&alice, "arena", ARENA).await;
        go(&alice, "lobby", LOBBY).await;
        told(&[&alice, &bob], "Maintenance in 6 s").await;
        assert_sound(&alice);
        alice.leave().await;
        let remaining = || pair.proxy.metric("drain_remaining_sessions", &[]);
        eventually("one player", SOON, || remaining() < 1.5).await;
        assert!(pair.proxy.is_running());
        bob.leave().await;
        let (status, after) = pair.proxy.ended().await;
        println!("ended {after:?} after the last player, {:?} after SIGTERM", asked.elapsed());
        assert!(status.success(), "{status}");
        assert!(after < Duration::from_secs(3) && asked.elapsed() < Duration::from_secs(12));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_in_the_end_is_asked_to_reconnect_and_comes_back_to_where_they_were() {
    within(FOREVER, async {
        let mut pair = pair(&[("--drain-timeout", "3")], "").await;
        let mut bots = Vec::new();
        for name in ["alice", "bob", "carol"] {
            bots.push(pair.proxy.join(name).await);
        }
        go(&bots[0], "arena", ARENA).await;
        let asked = Instant::now();
        pair.proxy.terminate();
        for bot in &bots {
            told(&[bot], "Maintenance in 3 s").await;
            let closed = bot.wait_closed(SOON).await;
            let stayed = asked.elapsed();
            assert!(stayed > Duration::from_millis(2900), "{stayed:?}");
            assert!(stayed < Duration::from_secs(6), "{stayed:?}");
            assert_asked(bot, closed.as_ref());
        }
        assert!(pair.proxy.ended().await.0.success());
        println!("ended {:?} after SIGTERM with {} players", asked.elapsed(), bots.len());
        let documents = Documents::new().server("lobby", pair.lobby.addr());
        let documents = documents.server("arena", pair.arena.addr());
        let proxy = pair.proxy.again(documents).start().await;
        let _alice = proxy.join("alice").await;
        let _bob = proxy.join("bob").await;
        assert!(pair.arena.until(|it| it.players() == ["alice"]).await);
        assert!(pair.lobby.until(|it| it.players() == ["bob"]).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_waits_for_nobody() {
    within(FOREVER, async {
        let mut pair = pair(&[("--drain-timeout", "600")], "").await;
        let [alice, bob] = [pair.proxy.join("alice").await, pair.proxy.join("bob").await];
        pair.proxy.terminate();
        told(&[&alice, &bob], "Maintenance in 10 min").await;
        // Whose goodbye is never acknowledged is waited for.
        bob.vanish().await;
        let asked = Instant::now();
        pair.proxy.terminate();
        assert_asked(&alice, alice.wait_closed(SOON).await.as_ref());
        // While that lasts, probes and Prometheus are answered.
        assert_eq!(pair.proxy.page("/readyz").0, 200);
        assert!(pair.proxy.metric("draining", &[]) > 0.5);
        assert!(pair.proxy.is_running());
        assert!(pair.proxy.ended().await.0.success());
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_trickle_away_if_that_is_wanted() {
    within(FOREVER, async {
        let flags = [("--drain-timeout", "40"), ("--drain-nudge", "2")];
        let mut pair = pair(&flags, "").await;
        let mut bots = Vec::new();
        for name in ["alice", "bob", "carol", "dave", "eve", "frank"] {
            bots.push(pair.proxy.join(name).await);
        }
        let asked = Instant::now();
        pair.proxy.terminate();
        let mut left = Vec::new();
        let mut closed = vec![None; bots.len()];
        while left.len() < bots.len() {
            for (bot, closed) in bots.iter().zip(&mut closed) {
                if closed.is_none()
                    && let Some(how) = bot.closed()
                {
                    assert_asked(bot, Some(&how));
                    *closed = Some(how);
                    left.push(asked.elapsed());
                    if left.len() == 1 {
                        // They are to get to another proxy.
                        assert_kept_out(&pair.proxy, bot.name()).await;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("six players at two a second left after {left:?}");
        let span = left[5].saturating_sub(left[0]);
        assert!(span > Duration::from_millis(1800) && span < Duration::from_secs(5), "{left:?}");
        for bot in &bots {
            told(&[bot], "Maintenance in 40 s").await;
        }
        assert!(pair.proxy.ended().await.0.success());
        assert!(asked.elapsed() < Duration::from_secs(12));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_connection_is_lost_comes_back_while_strangers_are_kept_out() {
    within(FOREVER, async {
        let mut pair = pair(&[("--drain-timeout", "50")], "duplicateLogin: KickOld").await;
        let mut bots = Vec::new();
        for name in ["alice", "bob", "carol"] {
            bots.push(pair.proxy.join(name).await);
        }
        pair.proxy.terminate();
        for bot in &bots {
            told(&[bot], "Maintenance in 50 s").await;
        }
        let [alice, bob, carol] = bots.try_into().unwrap();
        alice.leave().await;
        let alice = pair.proxy.join("alice").await;
        // The proxy has not noticed yet.
        bob.vanish().await;
        let bob = pair.proxy.join("bob").await;
        assert_kept_out(&pair.proxy, "Alice").await;
        assert_kept_out(&pair.proxy, "dave").await;
        go(&alice, "arena", ARENA).await;
        for bot in [alice, bob, carol] {
            bot.leave().await;
        }
        assert!(pair.proxy.ended().await.0.success());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ready_stays_ready() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby()).unwrap();
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let before = Documents::new().server("lobby", server.addr());
        let after = before.clone().server("silent", silent.local_addr().unwrap());
        let proxy = Launch::new(before).start().await;
        proxy.edit(&after.yaml());
        proxy.logged("the documents were read again").await;
        // Nobody knows yet what is there, which would have been reason enough before.
        assert_eq!(proxy.page("/readyz").0, 200);
        let known = proxy.log().matches("server is").count();
        assert_eq!(known, 1, "the silent server was looked at too soon for this test");
        server.die().await;
        assert_eq!(proxy.page("/readyz").0, 200);
    })
    .await;
}
