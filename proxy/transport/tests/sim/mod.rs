//! Two connections and a bad network between them, in virtual time.
#![allow(dead_code, unreachable_pub)] // Each test binary uses its part.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_transport::{Config, Connection, Message};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;
const ID: u16 = 0x1234;

/// One direction's behaviour; the other's is the same.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    pub loss: f64,
    pub duplication: f64,
    pub latency: Duration,
    /// Added or taken at random; reorders.
    pub jitter: Duration,
    /// Bytes per second and queue in bytes of the bottleneck.
    pub bottleneck: Option<(u64, u64)>,
}

impl Network {
    pub fn ideal(latency: Duration) -> Self {
        Self { loss: 0.0, duplication: 0.0, latency, jitter: Duration::ZERO, bottleneck: None }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: u64,
    order: u64,
    to: usize,
    datagram: Vec<u8>,
}

pub struct Pair {
    pub network: Network,
    pub config: Arc<Config>,
    rng: SmallRng,
    start: Instant,
    /// Microseconds since `start`.
    pub now: u64,
    order: u64,
    flights: BinaryHeap<Reverse<Flight>>,
    link_free: [u64; 2],
    pub ends: [Option<Connection>; 2],
    pub received: [Vec<(u64, Message)>; 2],
    pub cut: [bool; 2],
    buf: Vec<u8>,
}

impl Pair {
    /// A client that starts connecting now; its server comes into being with the first
    /// datagram.
    pub fn new(network: Network, config: Config, seed: u64) -> Self {
        let start = Instant::now();
        let config = Arc::new(config);
        Self {
            network,
            rng: SmallRng::seed_from_u64(seed),
            start,
            now: 0,
            order: 0,
            flights: BinaryHeap::new(),
            link_free: [0; 2],
            ends: [Some(Connection::client(config.clone(), start)), None],
            received: [Vec::new(), Vec::new()],
            cut: [false; 2],
            config,
            buf: Vec::new(),
        }
    }

    /// A pair that has shaken hands, with login limits lifted.
    pub fn connected(network: Network, config: Config, seed: u64) -> Self {
        let mut pair = Self::new(network, config, seed);
        pair.run_until(60_000_000, |pair| pair.ends[SERVER].is_some());
        for end in pair.ends.iter_mut().flatten() {
            end.lift_limits();
        }
        pair
    }

    pub fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    pub fn end(&mut self, side: usize) -> &mut Connection {
        self.ends[side].as_mut().unwrap()
    }

    pub fn send(&mut self, side: usize, channel: u8, reliable: bool, data: impl Into<Bytes>) {
        let now = self.instant();
        self.end(side).send(now, channel, reliable, data.into()).unwrap();
    }

    fn launch(&mut self, to: usize, datagram: &[u8]) {
        assert!(datagram.len() <= 512);
        if self.cut[to] {
            return;
        }
        let mut at = self.now;
        if let Some((rate, queue)) = self.network.bottleneck {
            let free = &mut self.link_free[to];
            let waiting = (*free).saturating_sub(self.now) * rate / 1_000_000;
            if waiting > queue {
                return;
            }
            *free = (*free).max(self.now) + datagram.len() as u64 * 1_000_000 / rate;
            at = *free;
        }
        if self.rng.random_bool(self.network.loss) {
            return;
        }
        let copies = 1 + u32::from(self.rng.random_bool(self.network.duplication));
        let latency = self.network.latency.as_micros() as u64;
        let jitter = self.network.jitter.as_micros() as u64;
        for _ in 0..copies {
            let delay = latency - jitter + self.rng.random_range(0..=2 * jitter);
            self.order += 1;
            self.flights.push(Reverse(Flight {
                at: at + delay,
                order: self.order,
                to,
                datagram: datagram.to_vec(),
            }));
        }
    }

    /// Sends what both ends have to send, and takes what they received.
    pub fn flush(&mut self) {
        let now = self.instant();
        for side in [CLIENT, SERVER] {
            let Some(mut end) = self.ends[side].take() else {
                continue;
            };
            let mut buf = std::mem::take(&mut self.buf);
            buf.clear();
            while let Some(transmit) = end.poll_transmit(now, &mut buf, 64) {
                assert_eq!(transmit.len, buf.len());
                let size = transmit.segment_size.unwrap_or(buf.len());
                for datagram in buf.chunks(size) {
                    self.launch(1 - side, datagram);
                }
                buf.clear();
            }
            self.buf = buf;
            while let Some(message) = end.poll_message() {
                self.received[side].push((self.now, message));
            }
            self.ends[side] = Some(end);
        }
    }

    /// Goes on to the next thing that happens; false if nothing will before `limit`.
    pub fn step(&mut self, limit: u64) -> bool {
        self.flush();
        let mut next = self.flights.peek().map_or(u64::MAX, |flight| flight.0.at);
        for end in self.ends.iter().flatten() {
            if let Some(at) = end.poll_timeout() {
                let at = at.saturating_duration_since(self.start).as_micros() as u64;
                next = next.min(at);
            }
        }
        if next > limit {
            self.now = limit;
            return false;
        }
        assert!(next != u64::MAX);
        self.now = self.now.max(next);
        let now = self.instant();
        while let Some(flight) = self.flights.peek()
            && flight.0.at <= self.now
        {
            let Reverse(flight) = self.flights.pop().unwrap();
            if flight.to == SERVER && self.ends[SERVER].is_none() {
                self.ends[SERVER] = Some(Connection::server(self.config.clone(), now, ID));
                let id = ID.to_be_bytes();
                let answer = [b"OEt\x03\0\x01\0\x03\xff\xdc\0\x01", &id[..]].concat();
                self.launch(CLIENT, &answer);
            }
            if let Some(end) = &mut self.ends[flight.to] {
                end.handle_datagram(now, &flight.datagram);
            }
        }
        for end in self.ends.iter_mut().flatten() {
            if end.poll_timeout().is_some_and(|at| at <= now) {
                end.handle_timeout(now);
            }
        }
        self.flush();
        true
    }

    /// Runs until `done` or the time is up; false in the latter case.
    pub fn run_until(&mut self, limit: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let limit = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(limit) {
                return done(self);
            }
        }
    }

    pub fn run_for(&mut self, micros: u64) {
        self.run_until(micros, |_| false);
    }

    /// The reliable messages one side got on a channel.
    pub fn reliables(&self, side: usize, channel: u8) -> Vec<Bytes> {
        self.received[side]
            .iter()
            .filter(|(_, message)| message.reliable && message.channel == channel)
            .map(|(_, message)| message.data.clone())
            .collect()
    }
}
