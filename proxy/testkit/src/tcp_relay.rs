//! A TCP relay that makes a path long: data arrives later, and a sender may have no more of it
//! under way than TCP would let it on such a path. On loopback neither is the case by itself.
//! It can also fall silent, or cut connections in the middle of what they carry.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
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

/// What happens to data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// It arrives.
    Open,
    /// It is kept until the relay is open again; nobody is told.
    Stalled,
    /// This many bytes more arrive at clients on each connection, which is closed then.
    Cutting(usize),
}

/// A running relay; it stops when dropped.
#[derive(Debug)]
pub struct TcpRelay {
    addr: SocketAddr,
    mood: watch::Sender<Mood>,
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
        let (mood, watched) = watch::channel(Mood::Open);
        let way = Way { upstream, delay, mood: watched };
        Ok(Self { addr, mood, task: tokio::spawn(run(listener, way)) })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Passes nothing on while `stalled`, as a path whose packets are lost without a word.
    /// Connections stay, and new ones are accepted.
    pub fn set_stalled(&self, stalled: bool) {
        self.mood.send_replace(if stalled { Mood::Stalled } else { Mood::Open });
    }

    /// Closes every connection after `bytes` more bytes to its client, also those that are made
    /// later, until [`set_stalled`](Self::set_stalled) says otherwise.
    pub fn cut_after(&self, bytes: usize) {
        self.mood.send_replace(Mood::Cutting(bytes));
    }
}

impl Drop for TcpRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where connections go, and how.
#[derive(Debug, Clone)]
struct Way {
    upstream: SocketAddr,
    delay: Duration,
    mood: watch::Receiver<Mood>,
}

async fn run(listener: TcpListener, way: Way) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(connect(client, way.clone()));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connect(client: TcpStream, way: Way) {
    let Way { upstream, delay, mood } = way;
    // The client believes that it is connected; what it sends leaves a round trip later.
    let opened = Instant::now() + 2 * delay;
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    sleep_until(opened).await;
    let up = pass(from_client, to_server, delay, Gate::new(mood.clone(), false));
    let down = pass(from_server, to_client, delay, Gate::new(mood, true));
    // A side that fails ends its half only; the other one then fails as well. A cut ends both.
    let _ = tokio::try_join!(up, down);
}

/// The connection was cut.
struct Cut;

/// Passes one direction on until its end.
async fn pass(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    mut gate: Gate,
) -> Result<(), Cut> {
    let (sender, mut arriving) = mpsc::channel::<(Instant, Bytes)>(PIECES);
    let deliver = async move {
        while let Some((due, data)) = arriving.recv().await {
            sleep_until(due).await;
            let room = gate.room(data.len()).await;
            if to.write_all(&data[..room]).await.is_err() {
                return Ok(());
            }
            if room < data.len() {
                return Err(Cut);
            }
        }
        let _ = to.shutdown().await;
        Ok(())
    };
    let take = async {
        let _ = take(from, sender, delay).await;
        Ok(())
    };
    tokio::try_join!(take, deliver).map(|_| ())
}

/// Lets the data of one direction through, or not.
struct Gate {
    mood: watch::Receiver<Mood>,
    /// Whether cuts are counted here.
    counts: bool,
    /// What was told last, and what has passed since.
    last: Mood,
    passed: usize,
}

impl Gate {
    fn new(mood: watch::Receiver<Mood>, counts: bool) -> Self {
        Self { mood, counts, last: Mood::Open, passed: 0 }
    }

    /// How much of the next `length` bytes goes on, once anything does.
    async fn room(&mut self, length: usize) -> usize {
        // The relay itself is gone when this fails.
        let _ = self.mood.wait_for(|it| *it != Mood::Stalled).await;
        let mood = *self.mood.borrow();
        if mood != self.last {
            (self.last, self.passed) = (mood, 0);
        }
        let Mood::Cutting(limit) = mood else { return length };
        if !self.counts {
            return length;
        }
        let room = length.min(limit.saturating_sub(self.passed));
        self.passed += room;
        room
    }
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
    async fn nothing_comes_while_it_is_stalled_and_all_of_it_afterwards() {
        let relay = TcpRelay::loopback(echo().await, Duration::ZERO).await.unwrap();
        let mut stream = TcpStream::connect(relay.addr()).await.unwrap();
        let mut word = [0; 4];
        stream.write_all(b"word").await.unwrap();
        stream.read_exact(&mut word).await.unwrap();
        relay.set_stalled(true);
        stream.write_all(b"more").await.unwrap();
        let nothing = tokio::time::timeout(2 * DELAY, stream.read_exact(&mut word)).await;
        assert!(nothing.is_err());
        relay.set_stalled(false);
        stream.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"more");
    }

    #[tokio::test]
    async fn a_cut_lets_so_many_bytes_through_and_closes() {
        let relay = TcpRelay::loopback(echo().await, Duration::ZERO).await.unwrap();
        let mut stream = TcpStream::connect(relay.addr()).await.unwrap();
        stream.write_all(b"before").await.unwrap();
        stream.read_exact(&mut [0; 6]).await.unwrap();
        relay.cut_after(3);
        stream.write_all(b"words").await.unwrap();
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        assert_eq!(received, b"wor");
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
