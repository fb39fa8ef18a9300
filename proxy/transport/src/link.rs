//! A connection with its I/O: what a task owns to talk to one peer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::config::Config;
use crate::connection::{Connection, Message, Ticket};
use crate::error::{CloseReason, SendError};
use crate::listener::{Inbound, NewPeer, Registration};
use crate::socket::{self, Socket};
use crate::stats::{ListenerStats, Stats};

thread_local! {
    static TRANSMIT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One peer's connection, driven by the task that owns it:
/// [`drive`](Self::drive), take messages, send messages, [`flush`](Self::flush), repeat.
pub struct Link {
    connection: Connection,
    remote: SocketAddr,
    /// Our address the peer talks to, where the socket has several.
    local: Option<IpAddr>,
    socket: Arc<Socket>,
    io: Io,
    timer: Pin<Box<Sleep>>,
    armed: Option<Instant>,
    blocked: Option<Blocked>,
    refused: u64,
}

enum Io {
    /// Client role: the socket is this link's alone.
    Owned,
    /// Server role: a listener reads the socket.
    Shared {
        inbox: mpsc::Receiver<Inbound>,
        inbox_bytes: Arc<AtomicUsize>,
        stats: ListenerStats,
        _registration: Registration,
    },
}

/// A run of datagrams the socket did not take, and the wait for it to do so.
struct Blocked {
    contents: Vec<u8>,
    segment_size: Option<usize>,
    writable: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Link {
    fn new(
        connection: Connection,
        remote: SocketAddr,
        local: Option<IpAddr>,
        socket: Arc<Socket>,
        io: Io,
    ) -> Self {
        Self {
            connection,
            remote,
            local,
            socket,
            io,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            blocked: None,
            refused: 0,
        }
    }

    /// Opens a connection to a server from a fresh port (engine servers do not take a second
    /// connection from one port until the first has timed out). The first packet is sent; that
    /// somebody answers shows in the messages that arrive.
    ///
    /// # Errors
    /// Those of creating the socket. An unreachable server is not an error here.
    #[allow(clippy::unused_async)] // Needs a runtime, and may have to wait one day.
    pub async fn connect(addr: SocketAddr, config: Arc<Config>) -> io::Result<Self> {
        let socket = Arc::new(Socket::client(addr, config.socket_receive_buffer)?);
        let connection = Connection::client(config, clock());
        let mut link = Self::new(connection, addr, None, socket, Io::Owned);
        link.flush();
        Ok(link)
    }

    pub(crate) fn accepted(peer: NewPeer, config: Arc<Config>, stats: ListenerStats) -> Self {
        let now = clock();
        let mut connection = Connection::server(config, now, peer.id);
        // What was held carries no id and comes before the datagram that proved it.
        for datagram in &peer.held {
            connection.handle_datagram(now, datagram);
        }
        let io = Io::Shared {
            inbox: peer.inbox,
            inbox_bytes: peer.inbox_bytes,
            stats,
            _registration: peer.registration,
        };
        let mut link = Self::new(connection, peer.addr, peer.local, peer.socket, io);
        link.drain_inbox();
        link.flush();
        link
    }

    /// The peer's address.
    pub fn remote_addr(&self) -> SocketAddr {
        self.remote
    }

    /// Waits until datagrams arrived, a timer fired or a blocked socket became writable, and
    /// processes all pending input. Returns at once when the connection is closed.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn drive(&mut self) {
        poll_fn(|cx| self.poll_drive(cx)).await;
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut progress = self.poll_writable(cx) | self.poll_input(cx);
        while let Some(deadline) = self.connection.poll_timeout() {
            // An armed timer is only moved forward; one that fires early is armed again. Most
            // deadlines move back with every packet and never cost a timer operation.
            if self.armed.is_none_or(|armed| deadline < armed) {
                self.timer.as_mut().reset(deadline.into());
                self.armed = Some(deadline);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return if progress { Poll::Ready(()) } else { Poll::Pending };
            }
            self.armed = None;
            let now = clock();
            if deadline <= now {
                self.connection.handle_timeout(now);
                progress = true;
            }
        }
        Poll::Ready(())
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.blocked {
            Some(blocked) => {
                let ready = blocked.writable.as_mut().poll(cx).is_ready();
                if ready {
                    self.retry_blocked();
                }
                ready
            }
            None => false,
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.io {
            Io::Owned => self.poll_socket(cx),
            Io::Shared { inbox, .. } => match inbox.poll_recv(cx) {
                Poll::Pending => false,
                Poll::Ready(None) => {
                    // The listener's task is gone, and with it the runtime.
                    self.connection.close(clock());
                    true
                }
                Poll::Ready(Some(inbound)) => {
                    self.take(inbound);
                    self.drain_inbox();
                    true
                }
            },
        }
    }

    fn drain_inbox(&mut self) {
        while let Io::Shared { inbox, .. } = &mut self.io
            && let Ok(inbound) = inbox.try_recv()
        {
            self.take(inbound);
        }
    }

    fn take(&mut self, inbound: Inbound) {
        if let Io::Shared { inbox_bytes, .. } = &self.io {
            inbox_bytes.fetch_sub(inbound.data.len(), Ordering::Relaxed);
        }
        let now = clock();
        for datagram in inbound.data.chunks(inbound.stride.max(1)) {
            self.connection.handle_datagram(now, datagram);
        }
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>) -> bool {
        /// Batches taken per turn, so that a flood leaves room for timers and sending.
        const BATCHES: usize = 16;
        let mut progress = false;
        for _ in 0..BATCHES {
            let received = socket::with_buffers(|buffers| {
                let received = self.socket.poll_recv(cx, buffers);
                if let Poll::Ready(Ok(count)) = received {
                    let now = clock();
                    for entry in buffers.entries(count) {
                        for datagram in entry.datagrams() {
                            self.connection.handle_datagram(now, datagram);
                        }
                    }
                }
                received
            });
            match received {
                Poll::Pending => break,
                Poll::Ready(Ok(_)) => progress = true,
                Poll::Ready(Err(error)) => {
                    self.note_error(&error);
                    progress = true;
                }
            }
        }
        progress
    }

    /// ICMP errors reach a connected socket as errors of the next call. The engine's sockets
    /// never see them, and neither may the connection: they can be forged.
    fn note_error(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            self.refused += 1;
        } else {
            tracing::debug!(%error, remote = %self.remote, "socket error");
        }
        if let Io::Shared { stats, .. } = &self.io {
            stats.on_send_error();
        }
    }

    /// The next received message.
    pub fn recv(&mut self) -> Option<Message> {
        self.connection.poll_message()
    }

    /// The next tracked message that was acknowledged.
    pub fn recv_acked(&mut self) -> Option<Ticket> {
        self.connection.poll_acked()
    }

    /// Queues a message; [`flush`](Self::flush) sends it.
    ///
    /// # Errors
    /// See [`SendError`]; the connection stays usable after all but `Closed`.
    pub fn send(&mut self, channel: u8, reliable: bool, data: Bytes) -> Result<(), SendError> {
        self.connection.send(clock(), channel, reliable, data)
    }

    /// Queues a reliable message whose acknowledgement [`recv_acked`](Self::recv_acked) tells.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_tracked(&mut self, channel: u8, data: Bytes) -> Result<Ticket, SendError> {
        self.connection.send_tracked(clock(), channel, data)
    }

    /// Transmits everything the connection allows now. To be called once per turn, after
    /// [`drive`](Self::drive) and the sends it led to: acknowledgements wait for it.
    pub fn flush(&mut self) {
        if self.blocked.is_some() {
            self.retry_blocked();
        }
        // Without a thread-local (thread shutdown) there is nobody left to send for.
        let _ = TRANSMIT.try_with(|buffer| {
            if let Ok(mut buffer) = buffer.try_borrow_mut() {
                self.flush_through(&mut buffer);
            }
        });
    }

    fn flush_through(&mut self, buffer: &mut Vec<u8>) {
        let now = clock();
        while self.blocked.is_none() {
            buffer.clear();
            let segments = self.socket.max_segments();
            let Some(transmit) = self.connection.poll_transmit(now, buffer, segments) else {
                break;
            };
            self.transmit(buffer, transmit.segment_size);
        }
    }

    fn transmit(&mut self, contents: &[u8], segment_size: Option<usize>) {
        let mut result = self.socket.try_send(self.remote, self.local, contents, segment_size);
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            // The error belongs to an earlier datagram; this one was not sent.
            self.refused += 1;
            result = self.socket.try_send(self.remote, self.local, contents, segment_size);
        }
        match result {
            Ok(()) => {
                if let Io::Shared { stats, .. } = &self.io {
                    let datagrams = segment_size.map_or(1, |size| contents.len().div_ceil(size));
                    stats.on_sent(datagrams as u64, contents.len() as u64);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let socket = self.socket.clone();
                self.blocked = Some(Blocked {
                    contents: contents.to_vec(),
                    segment_size,
                    writable: Box::pin(async move {
                        // An error shows up again in the retry.
                        let _ = socket.writable().await;
                    }),
                });
            }
            // Lost like on any path; what matters is sent again.
            Err(error) => self.note_error(&error),
        }
    }

    fn retry_blocked(&mut self) {
        if let Some(blocked) = self.blocked.take() {
            self.transmit(&blocked.contents, blocked.segment_size);
        }
    }

    /// See [`Connection::discard_unsent`].
    pub fn discard_unsent(&mut self, channel: u8) -> Vec<Bytes> {
        self.connection.discard_unsent(channel)
    }

    /// See [`Connection::lift_limits`].
    pub fn lift_limits(&mut self) {
        self.connection.lift_limits();
    }

    /// See [`Connection::ping`]; it goes out with the next flush.
    pub fn ping(&mut self) {
        self.connection.ping();
    }

    /// See [`Connection::close`]; the farewell goes out with the next flush or the drop.
    pub fn close(&mut self) {
        self.connection.close(clock());
    }

    /// See [`Connection::close_after_flush`]; keep driving and flushing until it is closed.
    pub fn close_after_flush(&mut self, limit: Duration) {
        self.connection.close_after_flush(clock(), limit);
    }

    /// Why the connection has ended, if it has. Messages received before may still be there.
    pub fn closed(&self) -> Option<CloseReason> {
        self.connection.closed()
    }

    /// See [`Connection::queued_bytes`].
    pub fn queued_bytes(&self) -> usize {
        self.connection.queued_bytes()
    }

    /// Counters and estimates.
    pub fn stats(&self) -> Stats {
        Stats { refused: self.refused, ..self.connection.stats() }
    }
}

impl Drop for Link {
    /// Says goodbye if nobody has yet; best effort.
    fn drop(&mut self) {
        self.connection.close(clock());
        self.flush();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("remote", &self.remote)
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}
