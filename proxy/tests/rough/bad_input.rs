//! Random and mutated input, from strangers and from players, while somebody plays.
//!
//! `MESEGATE_FUZZ` is the number of datagrams or messages of each kind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mesegate_testkit::mutate::{self, Flood};
use mesegate_testkit::samples::Samples;
use mesegate_testkit::{Bot, BotOptions, FakeServer, procfs};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::injector::{self, Injector, is_goodbye};
use crate::support::{Documents, Launch, Proxy, SOON, assert_sound, lobby, within};

/// Per second, of each kind.
const RATE: u32 = 10_000;

/// What the process may grow by. Buffers of hostile peers are limited one by one.
const GROWTH: u64 = 128 * 1024 * 1024;

/// How long somebody's words may take there and back, for 99 of 100 of them, while everything
/// runs on the same few cores.
const ECHO: f64 = 500.0;

fn count() -> u64 {
    let text = std::env::var("MESEGATE_FUZZ").unwrap_or_default();
    if text.is_empty() { 50_000 } else { text.parse().expect("MESEGATE_FUZZ is a number") }
}

/// Somebody who talks all the time, and what that tells.
struct Watch<'a> {
    alice: &'a Bot,
    proxy: &'a Proxy,
    done: &'a AtomicBool,
    memory: &'a AtomicU64,
}

impl Watch<'_> {
    async fn run(&self) -> Samples {
        let mut samples = Samples::new();
        let mut number = 0;
        while !self.done.load(Ordering::Relaxed) {
            number += 1;
            let said = Instant::now();
            self.alice.say(&format!("ping {number}")).await;
            self.alice.expect_chat(&format!("pong {number}"), SOON).await.unwrap();
            samples.add(said.elapsed());
            let used = procfs::resident(self.proxy.pid()).unwrap();
            self.memory.fetch_max(used, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        samples
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_disturb_the_others() {
    let count = count();
    within(120 + count / 1000, async {
        let server = FakeServer::of(lobby()).unwrap();
        let documents = Documents::new().server("lobby", server.addr());
        let mut proxy = Launch::new(documents).start().await;
        let alice = proxy.join("alice").await;
        let before = procfs::resident(proxy.pid()).unwrap();
        let (done, memory) = (AtomicBool::new(false), AtomicU64::new(before));
        let watch = Watch { alice: &alice, proxy: &proxy, done: &done, memory: &memory };
        let attack = async {
            strangers(&proxy, count).await;
            players(&proxy, &server, count).await;
            outlaws(&proxy, count / 10).await;
            forgers(&proxy, count).await;
            done.store(true, Ordering::Relaxed);
        };
        let (samples, ()) = tokio::join!(watch.run(), attack);

        let echo = samples.summary();
        let most = memory.load(Ordering::Relaxed);
        println!("echo under attack: {echo:?}");
        println!("memory: {} KiB before, at most {} KiB", before / 1024, most / 1024);
        assert!(echo.p99_ms < ECHO, "{echo:?}");
        assert!(most < before + GROWTH, "{before} to {most} bytes");
        assert_eq!(alice.closed(), None);
        assert_sound(&alice);
        let dropped = |reason| {
            proxy.metric("datagrams_dropped_total", &[("side", "client"), ("reason", reason)])
        };
        for reason in ["malformed", "unknown_peer"] {
            println!("dropped as {reason}: {}", dropped(reason));
            assert!(dropped(reason) > count as f64 / 100.0, "{reason}: {}", dropped(reason));
        }
        // Whoever is new still gets in, as soon as the address is no longer held back.
        tokio::time::sleep(Duration::from_millis(500)).await;
        proxy.join("newcomer").await;
        assert!(proxy.is_running());
        assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
        assert!(!proxy.log().contains("a session failed"), "{}", proxy.log());
    })
    .await;
}

/// Datagrams from addresses that never log in.
async fn strangers(proxy: &Proxy, count: u64) {
    let flood = Flood { seed: 1, count, rate: RATE };
    let answered = mutate::strangers(proxy.addr, flood).await.unwrap();
    println!("strangers: {answered:?}");
    // A full send buffer drops some.
    assert!(answered.sent > count * 9 / 10, "{answered:?}");
    assert!(answered.received_bytes < answered.sent_bytes / 4, "{answered:?}");
}

/// Messages of somebody who is logged in, without those that end a session by design.
async fn players(proxy: &Proxy, server: &FakeServer, count: u64) {
    let mutant = proxy.join("mutant").await;
    mutate::player(&mutant, Flood { seed: 2, count, rate: RATE }).await;
    mutant.say("ping 1").await;
    let answer = mutant.expect_chat("pong 1", SOON).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(mutant.closed(), None);
    // Most are passed on as they are; the server keeps the last of them.
    let arrived = server.arrived().len() as u64;
    println!("players: {count} messages, of which the server keeps {arrived}");
    assert!(arrived > count.min(100_000) / 4, "{arrived}");
}

/// Any messages at all, one visit after the other.
async fn outlaws(proxy: &Proxy, count: u64) {
    let mut rng = SmallRng::seed_from_u64(3);
    let (mut sent, mut visits) = (0, 0);
    while sent < count {
        visits += 1;
        let outlaw = proxy.join(&format!("outlaw{}", visits % 7)).await;
        while sent < count && outlaw.closed().is_none() {
            for _ in 0..20 {
                outlaw
                    .send((sent % 3) as u8, sent % 2 == 0, mutate::message(&mut rng).into())
                    .await;
                sent += 1;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        outlaw.leave().await;
        // New visits from one address are let in so many a second.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    println!("outlaws: {sent} messages in {visits} visits");
}

/// Datagrams in the name of somebody who is logged in.
async fn forgers(proxy: &Proxy, count: u64) {
    let mut rng = SmallRng::seed_from_u64(4);
    let (mut sent, mut visits) = (0, 0);
    while sent < count {
        visits += 1;
        let injector = Injector::open(proxy.addr).await;
        let options = BotOptions { addr: injector.addr(), ..proxy.bot(&format!("forger{visits}")) };
        let forger = Bot::join(options).await.unwrap();
        let begun = Instant::now();
        let mut burst = 0;
        while sent < count && forger.closed().is_none() {
            let mut datagram = mutate::datagram(&mut rng);
            if is_goodbye(&datagram) {
                continue;
            }
            // Two packets of one number end a visit, so most get one from far and wide.
            if rng.random_ratio(19, 20) {
                injector::renumber(&mut datagram, rng.random());
            }
            injector.inject(datagram).await;
            sent += 1;
            burst += 1;
            let due = begun + Duration::from_secs_f64(f64::from(burst) / f64::from(RATE));
            if due > Instant::now() + Duration::from_millis(2) {
                tokio::time::sleep_until(due).await;
            }
        }
        println!("forger {visits}: {burst} datagrams, then {:?}", forger.closed());
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    println!("forgers: {sent} datagrams in {visits} visits");
}
