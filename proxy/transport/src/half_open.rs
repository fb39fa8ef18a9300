//! Peers that were given an id and have not used it: all that is remembered about them.
//!
//! The source address of a datagram proves nothing until its sender shows that it received
//! the id. Until then a peer costs a table entry, is sent SET_PEER_ID and nothing else, and
//! nothing it says is acted upon. Its INIT is kept, as clients repeat it only after 1.5 s and
//! leave for another address after 1.8 s (`client/client.cpp`, `client/game.cpp`).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::packet::{self, Content, Header, NO_ID, Packet, SERVER_ID};
use crate::seqnum;
use crate::stats::DropReason;

/// Longest datagram that is kept; an INIT is at most 50 bytes.
const MAX_HELD: usize = 64;
/// Datagrams kept beside the INIT.
const MAX_OTHERS: usize = 3;

/// What to do with a datagram from an address that has no open peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The first sign of a peer; [`HalfOpenTable::insert`] it if it is to be admitted.
    New,
    /// Send this back.
    Reply(Vec<u8>),
    /// Nothing.
    Ignore,
    /// Nothing, and count it.
    Drop(DropReason),
    /// The peer has used its id: it is open.
    Proven(Proven),
}

/// A peer that has just opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) id: u16,
    /// What it sent before, oldest first, the last INIT at the end.
    pub(crate) held: Vec<Box<[u8]>>,
}

#[derive(Debug)]
struct HalfOpen {
    id: u16,
    created: Instant,
    resends: u8,
    init: Option<Box<[u8]>>,
    others: Vec<Box<[u8]>>,
}

#[derive(Debug)]
pub(crate) struct HalfOpenTable {
    peers: HashMap<SocketAddr, HalfOpen>,
    /// In order of creation, which is the order of expiry.
    order: VecDeque<(Instant, SocketAddr)>,
    life: Duration,
    max_resends: u8,
}

impl HalfOpenTable {
    pub(crate) fn new(life: Duration, max_resends: u8) -> Self {
        Self { peers: HashMap::new(), order: VecDeque::new(), life, max_resends }
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Judges a datagram; `now` decides whether the peer is still remembered.
    pub(crate) fn handle(&mut self, now: Instant, addr: SocketAddr, datagram: &[u8]) -> Verdict {
        let Some((header, packet)) = packet::split_header(datagram) else {
            return Verdict::Drop(DropReason::Malformed);
        };
        let Some(peer) = self.peers.get_mut(&addr) else {
            // Strangers with an id hear nothing: an answer would help guessing.
            return if header.sender == NO_ID {
                Verdict::New
            } else {
                Verdict::Drop(DropReason::UnknownPeer)
            };
        };
        if now.saturating_duration_since(peer.created) >= self.life {
            self.peers.remove(&addr);
            return self.handle(now, addr, datagram);
        }
        if header.sender == peer.id {
            return self.prove(addr, packet);
        }
        if header.sender != NO_ID {
            return Verdict::Drop(DropReason::UnknownPeer);
        }
        let held = peer.hold(header, packet, datagram);
        if peer.resends < self.max_resends {
            peer.resends += 1;
            return Verdict::Reply(set_peer_id(peer.id));
        }
        if held { Verdict::Ignore } else { Verdict::Drop(DropReason::NotHeld) }
    }

    fn prove(&mut self, addr: SocketAddr, packet: &[u8]) -> Verdict {
        let Some(peer) = self.peers.remove(&addr) else {
            return Verdict::Ignore;
        };
        if let Some(Packet::Plain(Content::Disco)) = Packet::parse(packet) {
            // The public server list's ping says hello and goodbye (`server.py`).
            return Verdict::Ignore;
        }
        let mut held = peer.others;
        held.extend(peer.init);
        Verdict::Proven(Proven { id: peer.id, held })
    }

    /// Remembers a new peer and its first datagram; returns the datagram to answer with.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        id: u16,
        datagram: &[u8],
    ) -> Vec<u8> {
        let mut peer = HalfOpen { id, created: now, resends: 0, init: None, others: Vec::new() };
        if let Some((header, packet)) = packet::split_header(datagram) {
            peer.hold(header, packet, datagram);
        }
        self.peers.insert(addr, peer);
        self.order.push_back((now, addr));
        set_peer_id(id)
    }

    /// Forgets peers that did not use their id in time.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(created, addr)) = self.order.front()
            && now.saturating_duration_since(created) >= self.life
        {
            self.order.pop_front();
            if self.peers.get(&addr).is_some_and(|peer| peer.created == created) {
                self.peers.remove(&addr);
            }
        }
        if self.peers.is_empty() {
            self.peers = HashMap::new();
            if self.order.is_empty() {
                self.order = VecDeque::new();
            }
        }
    }
}

impl HalfOpen {
    /// Keeps a datagram for later if it is small and can mean something.
    fn hold(&mut self, header: Header, packet: &[u8], datagram: &[u8]) -> bool {
        if datagram.len() > MAX_HELD {
            return false;
        }
        match Packet::parse(packet) {
            Some(Packet::Plain(Content::Original(_))) if header.channel == 1 => {
                self.init = Some(datagram.into());
                true
            }
            Some(Packet::Reliable { .. }) => {
                let known = self.others.iter().any(|other| **other == *datagram);
                if !known && self.others.len() < MAX_OTHERS {
                    self.others.push(datagram.into());
                    return true;
                }
                known
            }
            _ => false,
        }
    }
}

/// The datagram that tells a peer its id: always the first reliable packet of channel 0.
pub(crate) fn set_peer_id(id: u16) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(packet::SET_PEER_ID_SIZE);
    packet::write_header(&mut datagram, SERVER_ID, 0);
    packet::write_reliable(&mut datagram, seqnum::INITIAL);
    packet::write_set_peer_id(&mut datagram, id);
    datagram
}

#[cfg(test)]
mod tests;
