//! Arbitrary and mutated datagrams: no panic, no hang, bounded memory.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside of test functions panic, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_transport::{Config, Connection};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

const ID: u16 = 0x1234;

fn rounds() -> u32 {
    std::env::var("MESEGATE_FUZZ_ROUNDS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(100_000)
}

/// A datagram with a valid frame around mostly sensible, partly random content.
fn shaped(rng: &mut SmallRng, sender: u16) -> Vec<u8> {
    let mut datagram = b"OEt\x03".to_vec();
    let sender = if rng.random_bool(0.9) { sender } else { rng.random_range(0..3) };
    datagram.extend_from_slice(&sender.to_be_bytes());
    datagram.push(rng.random_range(0..4));
    if rng.random_bool(0.6) {
        datagram.push(3);
        // Near where the counters start, so that some are next and some are early.
        let seqnum = 65_500u16.wrapping_add(rng.random_range(0..200));
        datagram.extend_from_slice(&seqnum.to_be_bytes());
    }
    match rng.random_range(0..6) {
        0 | 1 => {
            let seqnum = 65_500u16.wrapping_add(rng.random_range(0..100));
            datagram.extend_from_slice(&[0, rng.random_range(0..3)]);
            datagram.extend_from_slice(&seqnum.to_be_bytes());
        }
        2 => datagram.push(1),
        3 | 4 => {
            datagram.push(2);
            for _ in 0..3 {
                let number: u16 = match rng.random_range(0..3) {
                    0 => rng.random(),
                    _ => rng.random_range(0..6),
                };
                datagram.extend_from_slice(&number.to_be_bytes());
            }
        }
        _ => {}
    }
    let mut tail = vec![0; rng.random_range(0..600)];
    rng.fill_bytes(&mut tail);
    datagram.extend_from_slice(&tail);
    if rng.random_bool(0.1) {
        let at = rng.random_range(0..datagram.len());
        datagram[at] = rng.random();
    }
    if rng.random_bool(0.05) {
        datagram.truncate(rng.random_range(0..datagram.len()));
    }
    datagram
}

fn fuzz(server: bool, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let config = Arc::new(Config::default());
    let mut buf = Vec::new();
    let mut connection: Option<(Connection, Instant)> = None;
    let mut lives = 0;
    let start = Instant::now();
    for round in 0..rounds() {
        let (mut c, mut now) = connection.take().unwrap_or_else(|| {
            lives += 1;
            let c = if server {
                Connection::server(config.clone(), start, ID)
            } else {
                Connection::client(config.clone(), start)
            };
            (c, start)
        });
        now += Duration::from_micros(rng.random_range(0..20_000));
        let datagram = if round % 10 == 0 {
            let mut noise = vec![0; rng.random_range(0..2000)];
            rng.fill_bytes(&mut noise);
            noise
        } else {
            shaped(&mut rng, if server { ID } else { 1 })
        };
        c.handle_datagram(now, &datagram);
        if round % 50 == 0 {
            let data = Bytes::from(vec![1; rng.random_range(0..3000)]);
            let channel = rng.random_range(0..4);
            let _ = c.send(now, channel, rng.random_bool(0.7), data);
        }
        if round % 1000 == 0 {
            c.lift_limits();
        }
        if c.poll_timeout().is_some_and(|at| at <= now) {
            c.handle_timeout(now);
        }
        buf.clear();
        let mut runs = 0;
        while let Some(transmit) = c.poll_transmit(now, &mut buf, 10) {
            assert!(transmit.len > 0);
            runs += 1;
            assert!(runs < 10_000, "sending comes to an end");
            buf.clear();
        }
        if rng.random_bool(0.5) {
            while c.poll_message().is_some() {}
        }
        while c.poll_acked().is_some() {}
        let stats = c.stats();
        assert!(stats.receive_high_water < 40 << 20);
        assert!(stats.send_high_water <= 8 << 20);
        if c.closed().is_none() {
            connection = Some((c, now));
        }
    }
    println!("{lives} connections");
    assert!(config.budget.used() < 64 << 20);
}

#[test]
fn a_server_survives_anything() {
    fuzz(true, 1);
}

#[test]
fn a_client_survives_anything() {
    fuzz(false, 2);
}
