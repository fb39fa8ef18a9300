//! A TCP relay that makes a path long: data arrives later, and a sender may have no more of it
//! under way than TCP would let it on such a path. On loopback neither is the case by itself.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// What may be under way at first: ten segments (RFC 6928).
const FIRST_WINDOW: usize = 10 * 1460;

/// The window doubles each round trip up to this, as long as nothing is lost.
const LAST_WINDOW: usize = 4 * 1024 * 1024;

/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// Pieces that may be under way in one direction.
const PIECES: usize = 4096;

/// A running relay; it stops when dropped.
#[derive(Debug)]
pub struct TcpRelay {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl TcpRelay {
    /// Listens on any loopback port and passes connections on to `upstream`; data takes `delay`
    /// each way. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn loopback(upstream: SocketAddr, delay: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        Ok(Self { addr, task: tokio::spawn(run(listener, upstream, delay)) })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for TcpRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(listener: TcpListener, upstream: SocketAddr, delay: Duration) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(connect(client, upstream, delay));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connect(client: TcpStream, upstream: SocketAddr, delay: Duration) {
    // The client believes that it is connected; what it sends leaves a round trip later.
    let opened = Instant::now() + 2 * delay;
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    sleep_until(opened).await;
    tokio::join!(pass(from_client, to_server, delay), pass(from_server, to_client, delay));
}

/// Passes one direction on until its end.
async fn pass(from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut arriving) = mpsc::channel::<(Instant, Bytes)>(PIECES);
    let deliver = async move {
        while let Some((due, data)) = arriving.recv().await {
            sleep_until(due).await;
            if to.write_all(&data).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    // A side that fails ends its half only; the other one then fails as well.
    let _ = tokio::join!(take(from, sender, delay), deliver);
}

/// Reads no faster than the window allows.
async fn take(
    mut from: OwnedReadHalf,
    sender: mpsc::Sender<(Instant, Bytes)>,
    delay: Duration,
) -> io::Result<()> {
    let mut window = Window::new(2 * delay);
    let mut buffer = vec![0; CHUNK];
    loop {
        let room = window.room().await.min(CHUNK);
        let length = from.read(&mut buffer[..room]).await?;
        if length == 0 {
            return Ok(());
        }
        window.sent(length);
        let data = Bytes::copy_from_slice(&buffer[..length]);
        if sender.send((Instant::now() + delay, data)).await.is_err() {
            return Ok(());
        }
    }
}

/// What is under way and has not been confirmed.
#[derive(Debug)]
struct Window {
    round_trip: Duration,
    size: usize,
    under_way: usize,
    /// When each piece is confirmed, and its size.
    pieces: VecDeque<(Instant, usize)>,
}

impl Window {
    fn new(round_trip: Duration) -> Self {
        Self { round_trip, size: FIRST_WINDOW, under_way: 0, pieces: VecDeque::new() }
    }

    /// Waits until something may be sent and tells how much.
    async fn room(&mut self) -> usize {
        self.confirm();
        while self.under_way >= self.size {
            let Some((due, _)) = self.pieces.front() else { break };
            sleep_until(*due).await;
            self.confirm();
        }
        self.size.saturating_sub(self.under_way).max(1)
    }

    fn confirm(&mut self) {
        let now = Instant::now();
        while self.pieces.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, length)) = self.pieces.pop_front() else { break };
            self.under_way -= length;
            // Slow start: every confirmed byte allows one more.
            self.size = (self.size + length).min(LAST_WINDOW);
        }
    }

    fn sent(&mut self, length: usize) {
        self.under_way += length;
        self.pieces.push_back((Instant::now() + self.round_trip, length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(50);

    /// Sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        addr
    }

    #[tokio::test]
    async fn a_word_takes_a_round_trip_and_the_first_one_two() {
        let relay = TcpRelay::loopback(echo().await, DELAY).await.unwrap();
        let mut stream = TcpStream::connect(relay.addr()).await.unwrap();
        for trips in [2, 1, 1] {
            let begun = Instant::now();
            stream.write_all(b"word").await.unwrap();
            stream.read_exact(&mut [0; 4]).await.unwrap();
            let taken = begun.elapsed();
            // The connection began a little before the first word.
            assert!(taken + Duration::from_millis(5) >= 2 * DELAY * trips, "{taken:?}");
            assert!(taken < 2 * DELAY * trips + Duration::from_millis(80), "{taken:?}");
        }
    }

    #[tokio::test]
    async fn much_comes_whole_and_no_faster_than_the_window_grows() {
        const SIZE: usize = 1_000_000;
        let relay = TcpRelay::loopback(echo().await, DELAY).await.unwrap();
        let stream = TcpStream::connect(relay.addr()).await.unwrap();
        let (mut from, mut to) = stream.into_split();
        let begun = Instant::now();
        let sent: Vec<u8> = (0..SIZE).map(|i| (i * 7 % 251) as u8).collect();
        let copy = sent.clone();
        tokio::spawn(async move {
            to.write_all(&copy).await.unwrap();
            to.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        from.read_to_end(&mut received).await.unwrap();
        assert!(received == sent);
        // 14.6 kB, doubled each round trip, are a megabyte after more than six of them.
        assert!(begun.elapsed() > 2 * DELAY * 6, "{:?}", begun.elapsed());
    }
}
