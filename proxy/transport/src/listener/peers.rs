//! The table of one socket: who is half-open, who is open, and where their datagrams go.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{Shared, lock};
use crate::half_open::{HalfOpenTable, Proven, Verdict};
use crate::packet::{self, NO_ID};
use crate::socket::Socket;
use crate::stats::DropReason;

/// Batches that may wait for a peer's task; their bytes are limited by the configuration.
const QUEUE: usize = 1024;

/// Datagrams of one peer received together; all are `stride` bytes but the last.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) data: Bytes,
    pub(crate) stride: usize,
}

/// A peer that has opened and waits to be accepted.
#[derive(Debug)]
pub(crate) struct NewPeer {
    pub(crate) id: u16,
    pub(crate) addr: SocketAddr,
    /// Which of our addresses it talks to, if the socket is bound to a wildcard.
    pub(crate) local: Option<IpAddr>,
    pub(crate) held: Vec<Box<[u8]>>,
    pub(crate) inbox: mpsc::Receiver<Inbound>,
    pub(crate) inbox_bytes: Arc<AtomicUsize>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) registration: Registration,
}

/// Keeps a peer in the table for as long as it lives.
#[derive(Debug)]
pub(crate) struct Registration {
    addr: SocketAddr,
    table: Arc<Mutex<Table>>,
    shared: Arc<Shared>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&self.table).open.remove(&self.addr);
        self.shared.stats.on_removed();
        if self.shared.is_closing() {
            self.shared.changed.notify_waiters();
        }
    }
}

#[derive(Debug)]
struct Open {
    id: u16,
    inbox: mpsc::Sender<Inbound>,
    inbox_bytes: Arc<AtomicUsize>,
}

/// Peers are found by address and must show the id they were given, so ids need not be unique.
#[derive(Debug)]
pub(super) struct Table {
    half_open: HalfOpenTable,
    open: HashMap<SocketAddr, Open>,
}

/// What the caller of [`Table::handle`] has to do.
#[derive(Debug)]
pub(super) enum Action {
    Nothing,
    Reply(Vec<u8>),
    Opened(Proven),
}

impl Table {
    pub(super) fn new(shared: &Shared) -> Self {
        let config = &shared.config;
        Self {
            half_open: HalfOpenTable::new(config.half_open_life, config.max_id_resends),
            open: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Hands datagrams to the open peer of `addr`; false if there is none. `copy` makes the
    /// bytes that are kept.
    pub(super) fn deliver(
        &self,
        shared: &Shared,
        addr: SocketAddr,
        bytes: &[u8],
        stride: usize,
        mut copy: impl FnMut(&[u8]) -> Bytes,
    ) -> bool {
        let Some(peer) = self.open.get(&addr) else {
            return false;
        };
        let accepts = |datagram: &[u8]| {
            packet::sender(datagram).is_some_and(|id| id == peer.id || id == NO_ID)
        };
        if bytes.chunks(stride).all(accepts) {
            peer.push(shared, copy(bytes), stride);
        } else {
            for datagram in bytes.chunks(stride) {
                if accepts(datagram) {
                    peer.push(shared, copy(datagram), datagram.len());
                } else {
                    shared.stats.on_dropped(DropReason::UnknownPeer, 1);
                }
            }
        }
        true
    }

    /// Judges one datagram of an address that has no open peer.
    pub(super) fn handle(
        &mut self,
        shared: &Shared,
        now: Instant,
        addr: SocketAddr,
        datagram: &[u8],
    ) -> Action {
        let before = self.half_open.len();
        let verdict = self.half_open.handle(now, addr, datagram);
        let action = match verdict {
            Verdict::New => match self.admit(shared, now, addr) {
                Ok(()) => {
                    let id = rand::random_range(2..=65534);
                    Action::Reply(self.half_open.insert(now, addr, id, datagram))
                }
                Err(reason) => {
                    shared.stats.on_dropped(reason, 1);
                    Action::Nothing
                }
            },
            Verdict::Reply(reply) => Action::Reply(reply),
            Verdict::Ignore => Action::Nothing,
            Verdict::Drop(reason) => {
                shared.stats.on_dropped(reason, 1);
                Action::Nothing
            }
            Verdict::Proven(proven) => Action::Opened(proven),
        };
        self.count_half_open(shared, before);
        action
    }

    fn admit(&self, shared: &Shared, now: Instant, addr: SocketAddr) -> Result<(), DropReason> {
        let config = &shared.config;
        if shared.is_closing()
            || self.open.len() >= config.max_peers
            || config.connection.budget.exhausted()
        {
            return Err(DropReason::PeerLimit);
        }
        if self.half_open.len() >= config.max_half_open {
            return Err(DropReason::HalfOpenLimit);
        }
        lock(&shared.admission).admit(now, addr.ip())
    }

    fn count_half_open(&self, shared: &Shared, before: usize) {
        let change = self.half_open.len() as i64 - before as i64;
        if change != 0 {
            shared.stats.on_half_open(change);
        }
    }

    pub(super) fn expire(&mut self, shared: &Shared, now: Instant) {
        let before = self.half_open.len();
        self.half_open.expire(now);
        self.count_half_open(shared, before);
        if self.open.is_empty() {
            self.open = HashMap::new();
        }
    }

    /// Enters an open peer into the table.
    pub(super) fn open(
        &mut self,
        table: &Arc<Mutex<Self>>,
        shared: &Arc<Shared>,
        socket: &Arc<Socket>,
        addr: SocketAddr,
        local: Option<IpAddr>,
        proven: Proven,
    ) -> Option<NewPeer> {
        let Slot::Vacant(slot) = self.open.entry(addr) else {
            return None;
        };
        let (sender, inbox) = mpsc::channel(QUEUE);
        let inbox_bytes = Arc::new(AtomicUsize::new(0));
        slot.insert(Open { id: proven.id, inbox: sender, inbox_bytes: inbox_bytes.clone() });
        shared.stats.on_opened();
        Some(NewPeer {
            id: proven.id,
            addr,
            local,
            held: proven.held,
            inbox,
            inbox_bytes,
            socket: socket.clone(),
            registration: Registration { addr, table: table.clone(), shared: shared.clone() },
        })
    }
}

impl Open {
    fn push(&self, shared: &Shared, data: Bytes, stride: usize) {
        let count = data.len().div_ceil(stride) as u64;
        let len = data.len();
        let queued = self.inbox_bytes.fetch_add(len, Ordering::Relaxed) + len;
        let result = if queued > shared.config.peer_queue_bytes {
            Err(())
        } else {
            self.inbox
                .try_send(Inbound { data, stride })
                .map_err(|error: TrySendError<Inbound>| drop(error))
        };
        if result.is_err() {
            self.inbox_bytes.fetch_sub(len, Ordering::Relaxed);
            shared.stats.on_dropped(DropReason::QueueFull, count);
        }
    }
}
