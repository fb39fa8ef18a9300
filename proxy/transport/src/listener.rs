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
        Self::serve(Binding::bind(addr, sockets, config)?)
    }

    /// Serves the sockets of `bindings`, which are of one address, in the current runtime.
    fn serve(bindings: Vec<Binding>) -> io::Result<Self> {
        let Some(first) = bindings.first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let (addr, shared) = (first.addr, first.shared.clone());
        let (opened, new_peers) = mpsc::channel(shared.config.accept_backlog.max(1));
        for binding in bindings {
            let socket = Arc::new(Socket::new(binding.socket)?);
            reader::spawn(socket, shared.clone(), opened.clone(), addr);
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

/// A bound socket that nobody reads yet.
///
/// Of an address with several sockets each can be given to a runtime of its own, usually one
/// thread per core: then a peer's datagrams are read and handled on one thread, and nothing has to
/// wake another. They share limits and counters, and dropping one of the listeners ends the
/// accepting of all.
#[derive(Debug)]
pub struct Binding {
    addr: SocketAddr,
    socket: socket2::Socket,
    shared: Arc<Shared>,
}

impl Binding {
    /// As [`Listener::bind`], without reading. Needs no runtime.
    ///
    /// # Errors
    /// What the operating system says, above all that the address is in use.
    pub fn bind(addr: SocketAddr, sockets: usize, config: ListenConfig) -> io::Result<Vec<Self>> {
        let sockets = Socket::listen(
            addr,
            sockets.max(1),
            config.socket_receive_buffer,
            config.socket_send_buffer,
        )?;
        let shared = Arc::new(Shared {
            admission: Mutex::new(Admission::new(&config, Instant::now())),
            config,
            stats: ListenerStats::default(),
            closing: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let mut bindings = Vec::with_capacity(sockets.len());
        for socket in sockets {
            let bound = socket.local_addr()?.as_socket();
            let port = bound.map_or(addr.port(), |bound| bound.port());
            let addr = SocketAddr::new(addr.ip(), port);
            bindings.push(Self { addr, socket, shared: shared.clone() });
        }
        Ok(bindings)
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Live counters of all sockets of the address.
    pub fn stats(&self) -> ListenerStats {
        self.shared.stats.clone()
    }

    /// Begins to read in the current runtime.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn listen(self) -> io::Result<Listener> {
        Listener::serve(vec![self])
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.changed.notify_waiters();
    }
}
