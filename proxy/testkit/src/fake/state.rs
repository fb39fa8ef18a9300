//! What all sessions of a fake server share.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mesegate_auth::srp::Verifier;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::MediaFile;
use mesegate_protocol::to_client;
use mesegate_protocol::wire::{WireError, Writer};
use tokio::sync::{mpsc, watch};

use super::journal::Journal;
use super::session::Order;
use super::{FakeServerOptions, LoginRule};
use crate::talk::Traffic;
use crate::world::Definitions;

/// Orders that may wait for a session.
const ORDERS: usize = 1024;

/// Accounts in memory.
const ACCOUNTS: usize = 100_000;

/// What every client of one version gets alike.
#[derive(Debug)]
pub(super) struct Prepared {
    pub definitions: Definitions,
    pub frames: HashMap<String, MediaFile>,
    pub blocks: Vec<Bytes>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub options: FakeServerOptions,
    pub journal: Journal,
    pub traffic: Traffic,
    pub frozen: watch::Sender<bool>,
    rule: Mutex<LoginRule>,
    accounts: Mutex<HashMap<String, Verifier>>,
    players: Mutex<BTreeMap<String, mpsc::Sender<Order>>>,
    prepared: Mutex<HashMap<ProtocolVersion, Arc<Prepared>>>,
    next_object: AtomicU16,
    joins: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(options: FakeServerOptions) -> Self {
        let verifier = |(name, password): &(String, String)| {
            (name.clone(), Verifier::from_password(name, password.as_bytes()))
        };
        Self {
            journal: Journal::new(options.journal),
            traffic: Traffic::default(),
            frozen: watch::channel(false).0,
            rule: Mutex::new(options.rule.clone()),
            accounts: Mutex::new(options.accounts.iter().map(verifier).collect()),
            players: Mutex::default(),
            prepared: Mutex::default(),
            next_object: AtomicU16::new(options.first_player_object),
            joins: AtomicU64::new(0),
            options,
        }
    }

    pub(super) fn rule(&self) -> LoginRule {
        lock(&self.rule).clone()
    }

    pub(super) fn set_rule(&self, rule: LoginRule) {
        *lock(&self.rule) = rule;
    }

    pub(super) fn account(&self, name: &str) -> Option<Verifier> {
        lock(&self.accounts).get(name).cloned()
    }

    /// False if the name was taken meanwhile.
    pub(super) fn register(&self, name: &str, verifier: Verifier) -> bool {
        let mut accounts = lock(&self.accounts);
        if accounts.contains_key(name) || accounts.len() >= ACCOUNTS {
            return false;
        }
        accounts.insert(name.to_owned(), verifier);
        true
    }

    pub(super) fn account_names(&self) -> Vec<String> {
        let mut names: Vec<_> = lock(&self.accounts).keys().cloned().collect();
        names.sort_unstable();
        names
    }

    pub(super) fn is_playing(&self, name: &str) -> bool {
        lock(&self.players).contains_key(name)
    }

    pub(super) fn players(&self) -> Vec<String> {
        lock(&self.players).keys().cloned().collect()
    }

    pub(super) fn joins(&self) -> u64 {
        self.joins.load(Ordering::Relaxed)
    }

    /// Takes a player in, or says that the name is in use.
    pub(super) fn enter(&self, name: &str) -> Option<mpsc::Receiver<Order>> {
        let mut players = lock(&self.players);
        if players.contains_key(name) {
            return None;
        }
        let (orders, receiver) = mpsc::channel(ORDERS);
        players.insert(name.to_owned(), orders);
        self.joins.fetch_add(1, Ordering::Relaxed);
        Some(receiver)
    }

    pub(super) fn leave(&self, name: &str) {
        lock(&self.players).remove(name);
        self.broadcast(player_list(2, &[name]));
    }

    /// An object id for a player, never 0 and never one of the entities.
    pub(super) fn object_id(&self) -> u16 {
        loop {
            let id = self.next_object.fetch_add(1, Ordering::Relaxed);
            if id > self.options.world.entities {
                return id;
            }
        }
    }

    pub(super) fn order(&self, player: &str, order: Order) {
        if let Some(orders) = lock(&self.players).get(player) {
            // A session that does not keep up loses orders rather than holding up the others.
            let _ = orders.try_send(order);
        }
    }

    pub(super) fn order_all(&self, order: &Order) {
        for orders in lock(&self.players).values() {
            let _ = orders.try_send(order.clone());
        }
    }

    /// Sends a message to all players, reliably on channel 0.
    pub(super) fn broadcast(&self, data: Bytes) {
        self.order_all(&Order::Send { channel: 0, reliable: true, data });
    }

    pub(super) fn prepared(&self, version: ProtocolVersion) -> Result<Arc<Prepared>, WireError> {
        let mut prepared = lock(&self.prepared);
        if let Some(found) = prepared.get(&version) {
            return Ok(found.clone());
        }
        let world = &self.options.world;
        let made = Arc::new(Prepared {
            definitions: world.definitions(version)?,
            frames: world
                .frames(version)?
                .into_iter()
                .map(|file| (file.name.clone(), file))
                .collect(),
            blocks: world.block_messages(version),
        });
        prepared.insert(version, made.clone());
        Ok(made)
    }
}

/// UPDATE_PLAYER_LIST; `kind` 0 all, 1 come, 2 gone.
pub(super) fn player_list(kind: u8, names: &[&str]) -> Bytes {
    let mut w = Writer::command(to_client::UPDATE_PLAYER_LIST);
    w.u8(kind).u16(names.len() as u16);
    for name in names {
        w.str16(name.as_bytes());
    }
    w.finish()
}
