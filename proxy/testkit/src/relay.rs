//! A UDP relay between clients and one server, each client behind its own upstream socket.
//!
//! Without impairments it is the plainest relay one can write with tokio: one `recv_from` and one
//! `send` per datagram. That is the yardstick for the CPU time a proxy may use. With impairments
//! datagrams are lost, repeated and delayed by a seeded generator.

mod impair;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, JoinSet};

use impair::{Lane, Target};

/// Most clients one relay serves; datagrams of further ones are ignored.
const MAX_CLIENTS: usize = 8192;

/// Larger than any datagram of the protocol, which stays below 1500 bytes.
const DATAGRAM: usize = 2048;

/// Buffers asked of the kernel per socket, in bytes.
const BUFFER: usize = 4 << 20;

/// What happens to datagrams of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Impairment {
    /// Share of datagrams that are lost, 0 to 1.
    pub loss: f64,
    /// Share of datagrams that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Mean delay.
    pub delay: Duration,
    /// Largest deviation from the mean delay, uniform; also what reorders datagrams.
    pub jitter: Duration,
}

impl Impairment {
    /// True if datagrams pass as they come.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How a relay treats datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RelayOptions {
    /// Start value of the generator; the same seed gives the same decisions per datagram.
    pub seed: u64,
    /// From clients to the server.
    pub up: Impairment,
    /// From the server to clients.
    pub down: Impairment,
}

impl RelayOptions {
    /// The same impairment both ways.
    pub fn both(seed: u64, impairment: Impairment) -> Self {
        Self { seed, up: impairment, down: impairment }
    }
}

/// Counters of a relay.
#[derive(Debug, Default)]
pub struct RelayStats {
    /// Datagrams sent on, both directions.
    pub forwarded: AtomicU64,
    /// Datagrams dropped on purpose.
    pub lost: AtomicU64,
    /// Extra copies sent.
    pub duplicated: AtomicU64,
    /// Datagrams dropped because too many were waiting for their time.
    pub overflow: AtomicU64,
}

/// A running relay; it stops when dropped.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    stats: Arc<RelayStats>,
    cut: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens on `listen` (port 0: any) and passes datagrams to and from `upstream`. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn open(
        listen: SocketAddr,
        upstream: SocketAddr,
        options: RelayOptions,
    ) -> io::Result<Self> {
        let front = std::net::UdpSocket::bind(listen)?;
        front.set_nonblocking(true)?;
        enlarge(&SockRef::from(&front));
        let front = Arc::new(UdpSocket::from_std(front)?);
        let addr = front.local_addr()?;
        let stats = Arc::new(RelayStats::default());
        let cut = Arc::new(AtomicBool::new(false));
        let bare = options.up.is_none() && options.down.is_none();
        let task = if bare {
            tokio::spawn(run_bare(front, upstream, stats.clone(), cut.clone()))
        } else {
            tokio::spawn(run_impaired(front, upstream, options, stats.clone(), cut.clone()))
        };
        Ok(Self { addr, stats, cut, task })
    }

    /// A relay on any loopback port.
    ///
    /// # Errors
    /// No port can be bound.
    pub fn loopback(upstream: SocketAddr, options: RelayOptions) -> io::Result<Self> {
        Self::open((Ipv4Addr::LOCALHOST, 0).into(), upstream, options)
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The counters.
    pub fn stats(&self) -> &RelayStats {
        &self.stats
    }

    /// While cut, every datagram is lost both ways, as when a cable is pulled.
    pub fn set_cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// Waits until the relay's socket fails, which on loopback is never.
    pub async fn run(mut self) {
        let _ = (&mut self.task).await;
    }

    /// Stops, and waits until the port is free again.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
        // The tasks of single clients are dropped soon after, each with its share of the socket.
        for _ in 0..200 {
            if std::net::UdpSocket::bind(self.addr).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A path holds more than the kernel's default of a few hundred datagrams: without this a relay
/// that waits for its turn on a busy machine would lose some.
fn enlarge(socket: &SockRef<'_>) {
    // The kernel may grant less; then the path is a worse one.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
}

async fn upstream_socket(upstream: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if upstream.is_ipv4() {
        (Ipv4Addr::LOCALHOST, 0).into()
    } else {
        (std::net::Ipv6Addr::LOCALHOST, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    enlarge(&SockRef::from(&socket));
    socket.connect(upstream).await?;
    // Sending without waiting works only once the runtime knows that the socket is writable.
    socket.writable().await?;
    Ok(socket)
}

async fn run_bare(
    front: Arc<UdpSocket>,
    upstream: SocketAddr,
    stats: Arc<RelayStats>,
    cut: Arc<AtomicBool>,
) {
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut back = JoinSet::new();
    let mut buffer = [0; DATAGRAM];
    loop {
        // A refused datagram shows up as an error on the next call; it is no reason to stop.
        let Ok((len, client)) = front.recv_from(&mut buffer).await else { continue };
        if cut.load(Ordering::Relaxed) {
            stats.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let socket = if let Some(socket) = clients.get(&client) {
            socket
        } else {
            if clients.len() >= MAX_CLIENTS {
                continue;
            }
            let Ok(socket) = upstream_socket(upstream).await else { continue };
            let socket = Arc::new(socket);
            back.spawn(bare_back(
                socket.clone(),
                front.clone(),
                client,
                stats.clone(),
                cut.clone(),
            ));
            clients.entry(client).or_insert(socket)
        };
        if socket.send(&buffer[..len]).await.is_ok() {
            stats.forwarded.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn bare_back(
    socket: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    client: SocketAddr,
    stats: Arc<RelayStats>,
    cut: Arc<AtomicBool>,
) {
    let mut buffer = [0; DATAGRAM];
    loop {
        let Ok(len) = socket.recv(&mut buffer).await else { continue };
        if cut.load(Ordering::Relaxed) {
            stats.lost.fetch_add(1, Ordering::Relaxed);
        } else if front.send_to(&buffer[..len], client).await.is_ok() {
            stats.forwarded.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn run_impaired(
    front: Arc<UdpSocket>,
    upstream: SocketAddr,
    options: RelayOptions,
    stats: Arc<RelayStats>,
    cut: Arc<AtomicBool>,
) {
    if front.writable().await.is_err() {
        return;
    }
    let mut tasks = JoinSet::new();
    let up = Lane::new(options.up, options.seed, stats.clone(), cut.clone(), &mut tasks);
    // The other direction draws from its own sequence, so that one does not disturb the other.
    let down = Lane::new(options.down, !options.seed, stats, cut, &mut tasks);
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = [0; DATAGRAM];
    loop {
        let Ok((len, client)) = front.recv_from(&mut buffer).await else { continue };
        let socket = if let Some(socket) = clients.get(&client) {
            socket
        } else {
            if clients.len() >= MAX_CLIENTS {
                continue;
            }
            let Ok(socket) = upstream_socket(upstream).await else { continue };
            let socket = Arc::new(socket);
            let target = Target { socket: front.clone(), to: Some(client) };
            tasks.spawn(impaired_back(socket.clone(), target, down.clone()));
            clients.entry(client).or_insert(socket)
        };
        up.pass(&buffer[..len], &Target { socket: socket.clone(), to: None });
    }
}

async fn impaired_back(socket: Arc<UdpSocket>, target: Target, lane: Lane) {
    let mut buffer = [0; DATAGRAM];
    loop {
        let Ok(len) = socket.recv(&mut buffer).await else { continue };
        lane.pass(&buffer[..len], &target);
    }
}
