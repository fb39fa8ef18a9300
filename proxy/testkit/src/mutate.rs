//! Hostile traffic: random and mutated datagrams from strangers, and random and mutated messages
//! from players who are logged in.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mesegate_protocol::to_server;
use mesegate_protocol::wire::Writer;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use crate::Bot;

/// The protocol's magic number, with which most of the datagrams begin so that they get further.
const PROTOCOL_ID: u32 = 0x4f45_7403;

/// Longest hostile datagram.
const LONGEST: usize = 1400;

/// Source sockets that strangers use in turn.
const SOURCES: usize = 16;

/// How much to send, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// Start value of the generator.
    pub seed: u64,
    /// Number of datagrams or messages.
    pub count: u64,
    /// Per second.
    pub rate: u32,
}

impl Flood {
    /// Waits until datagram `index` may go.
    async fn pace(self, begun: Instant, index: u64) {
        let due = begun + Duration::from_secs_f64(index as f64 / f64::from(self.rate.max(1)));
        // Timers are coarse: catching up in bursts keeps the rate.
        if due > Instant::now() + Duration::from_millis(2) {
            sleep_until(due).await;
        }
    }
}

/// Sends datagrams from sources that never log in. Returns how many bytes came back, which a
/// server should keep small in comparison to what was sent.
///
/// # Errors
/// No socket can be bound.
pub async fn strangers(target: SocketAddr, flood: Flood) -> io::Result<Answered> {
    let mut rng = SmallRng::seed_from_u64(flood.seed);
    let mut sockets = Vec::with_capacity(SOURCES);
    for _ in 0..SOURCES {
        sockets.push(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    }
    let mut answered = Answered::default();
    let mut buffer = [0; 2048];
    let begun = Instant::now();
    for index in 0..flood.count {
        flood.pace(begun, index).await;
        let socket = &sockets[rng.random_range(0..SOURCES)];
        let datagram = datagram(&mut rng);
        if socket.send_to(&datagram, target).await.is_ok() {
            answered.sent += 1;
            answered.sent_bytes += datagram.len() as u64;
        }
        while let Ok(len) = socket.try_recv(&mut buffer) {
            answered.received += 1;
            answered.received_bytes += len as u64;
        }
    }
    Ok(answered)
}

/// What strangers sent and got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// Datagrams sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that came back.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
}

/// One hostile datagram: random bytes, or a well-formed one with random faults.
pub fn datagram(rng: &mut SmallRng) -> Vec<u8> {
    if rng.random_ratio(1, 10) {
        return random_bytes(rng, LONGEST);
    }
    let peer = *pick(rng, &[0, 0, 0, 1, 2, 1000, 65534, 65535]);
    let channel = rng.random_range(0..4);
    let mut w = Writer::new();
    w.u32(PROTOCOL_ID).u16(peer).u8(channel);
    packet(&mut w, rng, 2);
    let mut bytes = w.into_vec();
    if rng.random_ratio(1, 3) {
        damage(&mut bytes, rng);
    }
    bytes
}

fn packet(w: &mut Writer, rng: &mut SmallRng, depth: u8) {
    let near_start = 65500_u16.wrapping_add(rng.random_range(0..80));
    match rng.random_range(0..4) {
        0 => {
            w.u8(0).u8(rng.random_range(0..5)).u16(near_start);
        }
        1 => {
            let message = message(rng);
            w.u8(1).raw(&message);
        }
        2 => {
            let count = rng.random_range(0..6);
            let index = rng.random_range(0..6);
            w.u8(2).u16(near_start).u16(count).u16(index);
            let chunk = random_bytes(rng, 500);
            w.raw(&chunk);
        }
        _ if depth > 0 => {
            w.u8(3).u16(near_start);
            packet(w, rng, depth - 1);
        }
        _ => {
            w.u8(3).u16(near_start).u8(1);
        }
    }
}

/// A hostile application message: a command that exists, with a body that may not fit it.
pub fn message(rng: &mut SmallRng) -> Vec<u8> {
    let commands = to_server::COMMANDS;
    let command = if rng.random_ratio(1, 10) { rng.random() } else { pick(rng, commands).opcode };
    let mut w = Writer::command(command);
    match command {
        to_server::INIT => {
            w.u8(29).u16(0).u16(37).u16(rng.random_range(30..60)).str16(b"mutant");
        }
        to_server::INIT2 => {
            w.str16(b"de");
        }
        to_server::CHAT_MESSAGE => {
            w.u16(rng.random_range(0..9)).raw(b"\0h\0a\0l\0l\0o");
        }
        _ => {}
    }
    let tail = if rng.random_ratio(1, 4) { 2000 } else { 60 };
    let tail = random_bytes(rng, tail);
    w.raw(&tail);
    let mut bytes = w.into_vec();
    if rng.random_ratio(1, 4) {
        damage(&mut bytes, rng);
    }
    bytes
}

fn pick<'a, T>(rng: &mut SmallRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

fn random_bytes(rng: &mut SmallRng, longest: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(0..=longest)];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Cuts, lengthens or flips.
fn damage(bytes: &mut Vec<u8>, rng: &mut SmallRng) {
    match rng.random_range(0..3) {
        0 => bytes.truncate(rng.random_range(0..=bytes.len())),
        1 => {
            let tail = random_bytes(rng, 64);
            bytes.extend(tail);
        }
        _ if !bytes.is_empty() => {
            for _ in 0..rng.random_range(1..5) {
                let index = rng.random_range(0..bytes.len());
                bytes[index] ^= 1 << rng.random_range(0..8);
            }
        }
        _ => {}
    }
}

/// Sends hostile messages as a player who is logged in, on random channels. Commands that end a
/// session by design (a repeated CLIENT_READY, a failed password change) are left out, so that the
/// player should survive.
pub async fn player(bot: &Bot, flood: Flood) {
    let mut rng = SmallRng::seed_from_u64(flood.seed);
    let begun = Instant::now();
    let mut sent = 0;
    while sent < flood.count {
        flood.pace(begun, sent).await;
        let message = message(&mut rng);
        let command = message.first_chunk::<2>().map(|raw| u16::from_be_bytes(*raw));
        let ends = [
            to_server::CLIENT_READY,
            to_server::SRP_BYTES_A,
            to_server::SRP_BYTES_M,
            to_server::FIRST_SRP,
            to_server::CHAT_MESSAGE,
        ];
        if command.is_some_and(|command| ends.contains(&command)) {
            continue;
        }
        sent += 1;
        bot.send(rng.random_range(0..3), rng.random(), message.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_repeat_with_their_seed_and_differ_otherwise() {
        let make = |seed| {
            let mut rng = SmallRng::seed_from_u64(seed);
            (0..50).map(|_| datagram(&mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        assert!(make(3).iter().all(|bytes| bytes.len() <= 3000));
    }

    #[test]
    fn most_datagrams_pass_the_first_check() {
        let mut rng = SmallRng::seed_from_u64(5);
        let good = (0..1000)
            .filter(|_| datagram(&mut rng).starts_with(&PROTOCOL_ID.to_be_bytes()))
            .count();
        assert!(good > 600, "{good}");
    }
}
