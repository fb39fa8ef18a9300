//! Every reliable message arrives once and in order, whatever the network does.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside of test functions panic, too.

mod sim;

use std::time::Duration;

use bytes::Bytes;
use mesegate_transport::Config;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sim::{CLIENT, Network, Pair, SERVER};

fn schedules() -> u64 {
    std::env::var("MESEGATE_SIM_SCHEDULES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000)
}

/// A message that names itself, so that a mix-up shows.
fn message(rng: &mut SmallRng, number: u16) -> Bytes {
    let len = match rng.random_range(0..10) {
        0 => rng.random_range(495..=510),
        1 => rng.random_range(500..5000),
        _ => rng.random_range(2..100),
    };
    let mut data = vec![number as u8; len];
    data[..2].copy_from_slice(&number.to_be_bytes());
    data.into()
}

fn run_schedule(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let latency = Duration::from_millis(rng.random_range(1..150));
    let network = Network {
        loss: rng.random_range(0.0..0.3),
        duplication: rng.random_range(0.0..0.1),
        latency,
        jitter: latency.mul_f64(rng.random_range(0.0..1.0)),
        bottleneck: None,
    };
    let mut pair = Pair::connected(network, Config::default(), seed);
    let mut sent: [[Vec<Bytes>; 3]; 2] = Default::default();
    let mut unreliable: [Vec<Bytes>; 2] = Default::default();
    for number in 0..rng.random_range(1..120) {
        let side = rng.random_range(0..2);
        let channel = rng.random_range(0..3u8);
        let reliable = rng.random_bool(0.8);
        let data = message(&mut rng, number);
        pair.send(side, channel, reliable, data.clone());
        if reliable {
            sent[1 - side][usize::from(channel)].push(data);
        } else {
            unreliable[1 - side].push(data);
        }
        if rng.random_bool(0.3) {
            pair.run_for(rng.random_range(0..200_000));
        }
    }
    let expected: usize = sent.iter().flatten().map(Vec::len).sum();
    let idle = |pair: &Pair| {
        let got = pair.received.iter().flatten().filter(|(_, m)| m.reliable).count();
        got >= expected && pair.ends.iter().flatten().all(|end| end.queued_bytes() == 0)
    };
    let finished = pair.run_until(120_000_000, idle);
    assert!(finished, "schedule {seed} did not finish: {network:?}");
    // A PING may have been under way at the end.
    let quiet = |pair: &Pair| pair.ends.iter().flatten().all(|end| end.stats().in_flight == 0);
    assert!(pair.run_until(20_000_000, quiet), "schedule {seed}");
    // What is still on the way must not deliver anything twice.
    pair.run_for(1_000_000);
    for side in [CLIENT, SERVER] {
        assert_eq!(pair.end(side).closed(), None, "schedule {seed}");
        for channel in 0..3u8 {
            let got = pair.reliables(side, channel);
            assert!(got == sent[side][usize::from(channel)], "schedule {seed}");
        }
        for (_, message) in pair.received[side].iter().filter(|(_, m)| !m.reliable) {
            assert!(unreliable[side].contains(&message.data), "schedule {seed}");
        }
        let stats = pair.end(side).stats();
        assert!(stats.receive_high_water < 256 << 10, "schedule {seed}: {stats:?}");
        assert!(stats.send_high_water < 256 << 10, "schedule {seed}: {stats:?}");
    }
    assert!(pair.config.budget.used() <= 512 << 10);
}

#[test]
fn reliable_messages_arrive_once_and_in_order() {
    for seed in 0..schedules() {
        run_schedule(seed);
    }
}
