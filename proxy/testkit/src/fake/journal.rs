//! What players sent.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mesegate_protocol::to_server;
use mesegate_protocol::wire::Reader;

/// Players of whom positions are kept.
const PLAYERS: usize = 100_000;

/// One message from a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Who sent it.
    pub player: String,
    /// Channel.
    pub channel: u8,
    /// Whether it came reliably.
    pub reliable: bool,
    /// Command.
    pub command: u16,
    /// Everything after the command.
    pub body: Bytes,
}

#[derive(Debug, Default)]
struct Entries {
    messages: VecDeque<Arrived>,
    positions: HashMap<String, (u64, [f32; 3])>,
}

/// The last messages, up to a limit; PLAYERPOS only as a count and the last place.
#[derive(Debug)]
pub(super) struct Journal {
    entries: Mutex<Entries>,
    limit: usize,
}

impl Journal {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: Mutex::default(), limit }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, entry: Arrived) {
        let mut entries = self.lock();
        if entry.command == to_server::PLAYERPOS {
            let Ok(position) = Reader::new(&entry.body).v3s32() else { return };
            if entries.positions.len() < PLAYERS || entries.positions.contains_key(&entry.player) {
                let last = entries.positions.entry(entry.player).or_default();
                *last = (last.0 + 1, position.map(|milli| milli as f32 / 1000.0));
            }
            return;
        }
        if self.limit == 0 {
            return;
        }
        if entries.messages.len() >= self.limit {
            entries.messages.pop_front();
        }
        entries.messages.push_back(entry);
    }

    pub(super) fn all(&self) -> Vec<Arrived> {
        self.lock().messages.iter().cloned().collect()
    }

    pub(super) fn position(&self, player: &str) -> Option<(u64, [f32; 3])> {
        self.lock().positions.get(player).copied()
    }
}
