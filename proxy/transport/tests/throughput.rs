//! How fast, and how little in the way of play.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside of test functions panic, too.

mod sim;

use std::time::Duration;

use bytes::Bytes;
use mesegate_transport::Config;
use sim::{CLIENT, Network, Pair, SERVER};

const MEGABYTE: usize = 1_000_000;

/// Seconds that `bytes` on channel 2 take from server to client.
fn transfer(network: Network, bytes: usize, seed: u64) -> (f64, Pair) {
    let mut pair = Pair::connected(network, Config::default(), seed);
    let began = pair.now;
    for _ in 0..bytes / 50_000 {
        pair.send(SERVER, 2, true, Bytes::from(vec![7; 50_000]));
    }
    let expected = bytes / 50_000;
    let finished = pair.run_until(300_000_000, |pair| pair.received[CLIENT].len() == expected);
    assert!(finished, "{:?}", pair.end(SERVER).stats());
    ((pair.now - began) as f64 / 1e6, pair)
}

fn lossy() -> Network {
    Network {
        loss: 0.1,
        duplication: 0.02,
        latency: Duration::from_millis(100),
        jitter: Duration::from_millis(50),
        bottleneck: None,
    }
}

#[test]
fn five_megabytes_cross_a_lossy_path_in_time() {
    for seed in 0..5 {
        let (seconds, mut pair) = transfer(lossy(), 5 * MEGABYTE, seed);
        let stats = pair.end(SERVER).stats();
        println!("seed {seed}: {seconds:.1} s, {stats:?}");
        assert!(seconds < 25.0, "{seconds} s");
        let repeated = stats.retransmits as f64 / stats.reliables_out as f64;
        assert!(repeated < 0.4, "{repeated} of the packets were repeated");
    }
}

#[test]
fn a_bottleneck_is_filled_and_not_flooded() {
    let network = Network {
        bottleneck: Some((1_250_000, 125_000)),
        ..Network::ideal(Duration::from_millis(50))
    };
    let (seconds, mut pair) = transfer(network, 7 * MEGABYTE, 1);
    let stats = pair.end(SERVER).stats();
    println!("{seconds:.1} s, {stats:?}");
    assert!(seconds < 8.5, "{seconds} s, ideal is 6.3");
    let repeated = stats.retransmits as f64 / stats.reliables_out as f64;
    assert!(repeated < 0.1, "{repeated} of the packets were repeated");
}

#[test]
fn a_slow_bottleneck_with_a_small_buffer_still_works() {
    let network =
        Network { bottleneck: Some((60_000, 10_000)), ..Network::ideal(Duration::from_millis(30)) };
    let (seconds, mut pair) = transfer(network, MEGABYTE, 2);
    println!("{seconds:.1} s, {:?}", pair.end(SERVER).stats());
    assert!(seconds < 30.0, "{seconds} s, ideal is 18.6");
}

#[test]
fn chat_overtakes_bulk_data() {
    for (loss, limit) in [(0.0, 220_000), (0.02, 700_000)] {
        let network = Network {
            loss,
            bottleneck: Some((1_250_000, 500_000)),
            ..Network::ideal(Duration::from_millis(50))
        };
        let mut pair = Pair::connected(network, Config::default(), 3);
        for _ in 0..100 {
            pair.send(SERVER, 2, true, Bytes::from(vec![7; 50_000]));
        }
        let mut worst = 0;
        for number in 0..20u16 {
            pair.run_for(100_000);
            let began = pair.now;
            pair.send(SERVER, 0, true, Bytes::from(number.to_be_bytes().to_vec()));
            let arrived = pair.run_until(5_000_000, |pair| {
                pair.reliables(CLIENT, 0).len() == usize::from(number) + 1
            });
            assert!(arrived);
            worst = worst.max(pair.now - began);
        }
        println!("worst chat latency at {loss} loss: {} ms", worst / 1000);
        assert!(worst < limit, "{worst} µs");
        assert!(pair.end(SERVER).queued_bytes() > 0, "the bulk transfer was still going on");
    }
}

#[test]
fn a_blackout_is_survived_and_speed_comes_back() {
    let network = Network::ideal(Duration::from_millis(40));
    let mut pair = Pair::connected(network, Config::default(), 4);
    for _ in 0..100 {
        pair.send(SERVER, 2, true, Bytes::from(vec![7; 50_000]));
    }
    pair.run_for(300_000);
    pair.cut = [true; 2];
    pair.run_for(8_000_000);
    pair.cut = [false; 2];
    let began = pair.now;
    assert!(pair.run_until(20_000_000, |pair| pair.received[CLIENT].len() == 100));
    let seconds = (pair.now - began) as f64 / 1e6;
    assert!(seconds < 5.0, "{seconds} s after the blackout");
}
