//! The server side endpoint: many peers on few sockets.

mod peers;
mod reader;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

use crate::admission::Admission;
use crate::config::ListenConfig;
use crate::link::Link;
use crate::socket::Socket;
use crate::stats::ListenerStats;

pub(crate) use peers::{Inbound, NewPeer, Registration};

/// Accepts peers on one address. Needs a tokio runtime.
///
/// Each socket has a task that reads it and hands datagrams to the links; links send on the
/// socket themselves. Dropping the listener ends the accepting of new peers; the tasks live on
/// until the last link is dropped.
#[derive(Debug)]
pub struct Listener {
    addr: SocketAddr,
    shared: Arc<Shared>,
    new_peers: mpsc::Receiver<NewPeer>,
}

/// What the reader tasks have in common.
#[derive(Debug)]
struct Shared {
    config: ListenConfig,
    stats: ListenerStats,
    admission: Mutex<Admission>,
    closing: AtomicBool,
    /// Wakes the readers to look whether they are still needed.
    changed: Notify,
}

impl Shared {
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// Locks without caring for poison: the tables are consistent between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener {
    /// Binds `sockets` sockets (at least one) to `addr`; port 0 picks a free one. `[::]`
    /// serves IPv4 too, whose peers then have mapped addresses.
    ///
    /// # Errors
    /// What the operating system says, above all that the address is in use.
    pub fn bind(addr: SocketAddr, sockets: usize, config: ListenConfig) -> io::Result<Self> {
        let sockets = Socket::listen(
            addr,
            sockets.max(1),
            config.socket_receive_buffer,
            config.socket_send_buffer,
        )?;
        let mut addr = addr;
        if let Some(socket) = sockets.first() {
            addr = socket.local_addr()?;
        }
        let (opened, new_peers) = mpsc::channel(config.accept_backlog.max(1));
        let shared = Arc::new(Shared {
            admission: Mutex::new(Admission::new(&config, Instant::now())),
            config,
            stats: ListenerStats::default(),
            closing: AtomicBool::new(false),
            changed: Notify::new(),
        });
        for socket in sockets {
            reader::spawn(Arc::new(socket), shared.clone(), opened.clone(), addr);
        }
        Ok(Self { addr, shared, new_peers })
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits for a peer that has used its id. What it sent so far, above all its INIT, is
    /// ready to be taken with [`Link::recv`]. `None` when the readers are gone.
    ///
    /// Cancel safe.
    pub async fn accept(&mut self) -> Option<Link> {
        let peer = self.new_peers.recv().await?;
        let config = self.shared.config.connection.clone();
        Some(Link::accepted(peer, config, self.shared.stats.clone()))
    }

    /// Live counters, which outlive the listener.
    pub fn stats(&self) -> ListenerStats {
        self.shared.stats.clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.changed.notify_waiters();
    }
}
