//! Names, each given to one proxy at a time, and the way of the answers to the streams.

mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesegate_proto::control::v1::connect_response::Message;
use mesegate_proto::control::v1::{ClaimRelease, ClaimReport, ClaimRequest};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::fleet::Key;
use table::{Letters, Table};

/// Answers that may wait for one stream.
const QUEUE: usize = 4096;

/// All names. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    serial: u64,
    table: Table,
    streams: BTreeMap<Key, (u64, mpsc::Sender<Message>)>,
}

/// A stream's part in it. Dropping it ends that.
#[derive(Debug)]
pub struct Claimant {
    claims: Claims,
    key: Key,
    serial: u64,
}

impl Claims {
    /// This replica leads from now on, or does not any more. A new leader decides once the proxies
    /// have said what they hold; it knows all of them when `expected` are connected.
    pub fn lead(&self, leads: bool, expected: usize) {
        self.lock().table.lead(leads, expected, Instant::now());
    }

    /// How many names are held.
    pub fn len(&self) -> usize {
        self.lock().table.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A proxy has connected. What comes out of the receiver is to be sent to it; when that ends,
    /// so has the stream to.
    pub fn enter(&self, key: Key) -> (Claimant, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut state = self.lock();
        state.serial += 1;
        let serial = state.serial;
        state.table.enter(key.clone(), Instant::now());
        state.streams.insert(key.clone(), (serial, sender));
        drop(state);
        (Claimant { claims: self.clone(), key, serial }, receiver)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn deliver(&mut self, letters: Letters) {
        for (key, message) in letters {
            let Some((_, sender)) = self.streams.get(&key) else { continue };
            if sender.try_send(message).is_err() {
                // Without its sender the stream ends, and begins anew with a report.
                self.streams.remove(&key);
            }
        }
    }
}

impl Claimant {
    fn change(&self, change: impl FnOnce(&mut Table, &Key, Instant) -> Letters) {
        let mut state = self.claims.lock();
        // A newer stream of the same proxy speaks for it.
        if state.streams.get(&self.key).is_some_and(|(serial, _)| *serial == self.serial) {
            let letters = change(&mut state.table, &self.key, Instant::now());
            state.deliver(letters);
        }
    }

    /// The proxy asks for a name.
    pub fn claim(&self, request: ClaimRequest) {
        self.change(|table, key, now| table.claim(key, request, now));
    }

    /// It gives one back.
    pub fn release(&self, release: &ClaimRelease) {
        self.change(|table, key, now| table.release(key, release, now));
    }

    /// It says what it holds.
    pub fn report(&self, report: ClaimReport) {
        self.change(|table, key, now| table.report(key, report, now));
    }
}

impl Drop for Claimant {
    fn drop(&mut self) {
        let mut state = self.claims.lock();
        let current = state.streams.get(&self.key).is_none_or(|(it, _)| *it == self.serial);
        if current {
            state.streams.remove(&self.key);
            state.table.leave(&self.key, Instant::now());
        }
    }
}
