//! Listener and links over real sockets, on the loopback interface only.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside of test functions panic, too.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_transport::{
    CloseReason, Config, DropReason, Link, ListenConfig, Listener, Message, SendError,
};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> ListenConfig {
    ListenConfig {
        source_peers_per_second: 10_000,
        source_peers_burst: 10_000,
        new_peers_per_second: 10_000,
        new_peers_burst: 10_000,
        ..ListenConfig::default()
    }
}

fn listen(addr: &str, sockets: usize) -> Listener {
    Listener::bind(addr.parse().unwrap(), sockets, config()).unwrap()
}

async fn next(link: &mut Link) -> Option<Message> {
    let received = async {
        loop {
            if let Some(message) = link.recv() {
                return Some(message);
            }
            if link.closed().is_some() {
                return None;
            }
            link.drive().await;
            link.flush();
        }
    };
    timeout(PATIENCE, received).await.expect("in time")
}

async fn wait_closed(link: &mut Link) -> CloseReason {
    while next(link).await.is_some() {}
    link.closed().unwrap()
}

/// Accepts peers and returns to each what it sends, on the same channel.
async fn echo(mut listener: Listener) {
    while let Some(mut link) = listener.accept().await {
        link.lift_limits();
        tokio::spawn(async move {
            while let Some(message) = next(&mut link).await {
                let sent = link.send(message.channel, message.reliable, message.data);
                assert_ne!(sent, Err(SendError::QueueFull));
                link.flush();
            }
        });
    }
}

async fn client(addr: SocketAddr) -> Link {
    let mut link = Link::connect(addr, Arc::default()).await.unwrap();
    link.lift_limits();
    link
}

async fn ping(link: &mut Link, channel: u8, data: &[u8]) {
    link.send(channel, true, Bytes::copy_from_slice(data)).unwrap();
    link.flush();
    let answer = next(link).await.unwrap();
    assert_eq!((answer.channel, answer.reliable), (channel, true));
    assert_eq!(answer.data, data);
}

async fn settle(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "it did not settle");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn messages_go_both_ways_and_a_goodbye_empties_the_table() {
    let listener = listen("127.0.0.1:0", 1);
    let (addr, stats) = (listener.local_addr(), listener.stats());
    tokio::spawn(echo(listener));
    let mut link = client(addr).await;
    for channel in 0..3 {
        ping(&mut link, channel, b"hello").await;
        ping(&mut link, channel, &vec![channel; 100_000]).await;
    }
    assert_eq!(stats.snapshot().open, 1);
    drop(link);
    settle(|| stats.snapshot().open == 0).await;
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.accepted, snapshot.half_open), (1, 0));
    assert_eq!(snapshot.dropped, [0; DropReason::ALL.len()]);
}

#[tokio::test]
async fn the_wildcard_serves_both_families() {
    let listener = listen("[::]:0", 2);
    let port = listener.local_addr().port();
    tokio::spawn(echo(listener));
    for addr in ["127.0.0.1", "127.0.0.2", "[::1]"] {
        let mut link = client(format!("{addr}:{port}").parse().unwrap()).await;
        ping(&mut link, 0, b"hello").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_peers_share_few_sockets() {
    let listener = listen("127.0.0.1:0", 4);
    let (addr, stats) = (listener.local_addr(), listener.stats());
    tokio::spawn(echo(listener));
    let clients: Vec<_> = (0..200u16)
        .map(|number| {
            tokio::spawn(async move {
                let mut link = client(addr).await;
                for turn in 0..10u16 {
                    let data = [number.to_be_bytes(), turn.to_be_bytes()].concat();
                    ping(&mut link, (turn % 3) as u8, &data).await;
                }
                link
            })
        })
        .collect();
    let mut links = Vec::new();
    for client in clients {
        links.push(client.await.unwrap());
    }
    assert_eq!(stats.snapshot().open, 200);
    drop(links);
    settle(|| stats.snapshot().open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_data_is_fast_on_loopback() {
    let mut listener = listen("127.0.0.1:0", 1);
    let addr = listener.local_addr();
    let server = tokio::spawn(async move {
        let mut link = listener.accept().await.unwrap();
        let block = Bytes::from(vec![9; 1 << 20]);
        for _ in 0..64 {
            while link.send(2, true, block.clone()) == Err(SendError::QueueFull) {
                link.drive().await;
                link.flush();
            }
            link.flush();
        }
        wait_closed(&mut link).await;
        link.stats()
    });
    let mut link = client(addr).await;
    let began = Instant::now();
    for _ in 0..64 {
        assert_eq!(next(&mut link).await.unwrap().data.len(), 1 << 20);
    }
    let seconds = began.elapsed().as_secs_f64();
    drop(link);
    let stats = server.await.unwrap();
    let megabits = 64.0 * 8.388_608 / seconds;
    println!("{megabits:.0} Mbit/s, {stats:?}");
    assert!(megabits > 50.0, "{megabits} Mbit/s");
}

/// A peer by hand.
struct Raw {
    socket: UdpSocket,
}

impl Raw {
    fn new(addr: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(addr).unwrap();
        Self { socket }
    }

    fn send(&self, datagram: &[u8]) {
        self.socket.send(datagram).unwrap();
    }

    /// What comes; `None` after a while of nothing.
    fn recv(&self) -> Option<Vec<u8>> {
        self.recv_within(Duration::from_secs(5))
    }

    fn hears_nothing(&self) -> bool {
        self.recv_within(Duration::from_millis(300)).is_none()
    }

    fn recv_within(&self, patience: Duration) -> Option<Vec<u8>> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut buf = [0; 1500];
        let len = self.socket.recv(&mut buf).ok()?;
        Some(buf[..len].to_vec())
    }
}

const CONNECT: &[u8] = b"OEt\x03\0\0\0\x03\xff\xdc\x01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_server_lists_ping_is_answered() {
    let listener = listen("127.0.0.1:0", 1);
    let stats = listener.stats();
    let raw = Raw::new(listener.local_addr());
    raw.send(b"OEt\x03\0\0\0\x01");
    let answer = raw.recv().unwrap();
    assert_eq!(answer.len(), 14);
    assert_eq!(answer[..12], *b"OEt\x03\0\x01\0\x03\xff\xdc\0\x01");
    raw.send(&[b"OEt\x03", &answer[12..14], b"\0\0\x03"].concat());
    settle(|| stats.snapshot().half_open == 0 && stats.snapshot().datagrams_in == 2).await;
    assert_eq!(stats.snapshot().accepted, 0, "a ping makes no connection");
    assert!(raw.hears_nothing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_sent_before_the_id_is_there_at_once() {
    let mut listener = listen("127.0.0.1:0", 2);
    let stats = listener.stats();
    let raw = Raw::new(listener.local_addr());
    let init = b"\0\x02\x1d\0\0\0\x25\0\x35\0\x05Alice";
    raw.send(CONNECT);
    let id = raw.recv().unwrap()[12..14].to_vec();
    raw.send(&[&b"OEt\x03\0\0\x01\x01"[..], init].concat());
    assert_eq!(raw.recv().unwrap()[12..14], id[..], "the same id again, and nothing else");
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err());
    // Nobody else's id opens anything.
    raw.send(&[b"OEt\x03", &[id[0], id[1] ^ 1][..], b"\0\0\0\xff\xdc"].concat());
    settle(|| stats.dropped(DropReason::UnknownPeer) == 1).await;
    raw.send(&[b"OEt\x03", &id[..], b"\0\0\0\xff\xdc"].concat());
    let mut link = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let message = link.recv().unwrap();
    assert_eq!((message.channel, message.reliable), (1, false));
    assert_eq!(message.data, &init[..]);
    assert_eq!(raw.recv().unwrap(), b"OEt\x03\0\x01\0\0\0\xff\xdc", "the ACK of the connect");
    // A client before 5.11 whose ACK got lost repeats it with id 0.
    raw.send(CONNECT);
    link.drive().await;
    link.flush();
    assert_eq!(raw.recv().unwrap(), b"OEt\x03\0\x01\0\0\0\xff\xdc");
    assert_eq!(stats.snapshot().open, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_with_an_id_hear_nothing() {
    let listener = listen("127.0.0.1:0", 1);
    let stats = listener.stats();
    let raw = Raw::new(listener.local_addr());
    raw.send(b"OEt\x03\x12\x34\0\x03\xff\xdc\x01");
    raw.send(b"OEt\x02\0\0\0\x03\xff\xdc\x01");
    raw.send(b"");
    raw.send(b"OEt\x03\0\0\x03\x03\xff\xdc\x01");
    assert!(raw.hears_nothing());
    assert_eq!(stats.dropped(DropReason::UnknownPeer), 1);
    assert_eq!(stats.dropped(DropReason::Malformed), 2, "an empty datagram is not even one");
    assert_eq!(stats.snapshot().datagrams_out, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_peers_are_limited_per_source() {
    let config = ListenConfig {
        source_peers_per_second: 0,
        source_peers_burst: 3,
        ..ListenConfig::default()
    };
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), 1, config).unwrap();
    let addr = listener.local_addr();
    let answered = (0..5)
        .filter(|_| {
            let raw = Raw::new(addr);
            raw.send(CONNECT);
            !raw.hears_nothing()
        })
        .count();
    assert_eq!(answered, 3);
    let snapshot = listener.stats().snapshot();
    assert!(snapshot.bytes_out <= 2 * snapshot.bytes_in);
    assert_eq!(listener.stats().dropped(DropReason::SourceRate), 2);
}

#[tokio::test]
async fn an_unreachable_server_is_no_error_but_a_hint() {
    let addr = {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let mut link = Link::connect(addr, Arc::default()).await.unwrap();
    let hint = async {
        while link.stats().refused == 0 {
            link.drive().await;
            link.flush();
        }
    };
    timeout(PATIENCE, hint).await.unwrap();
    assert_eq!(link.closed(), None);
}

#[tokio::test]
async fn an_address_in_use_is_not_shared() {
    let listener = listen("127.0.0.1:0", 2);
    let error = Listener::bind(listener.local_addr(), 2, config()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn links_outlive_their_listener_and_free_the_address() {
    let mut listener = listen("127.0.0.1:0", 2);
    let addr = listener.local_addr();
    let mut near = client(addr).await;
    let (accepted, ()) = tokio::join!(listener.accept(), async {
        while near.stats().datagrams_in == 0 {
            near.drive().await;
            near.flush();
        }
    });
    let mut far = accepted.unwrap();
    drop(listener);
    near.send(0, true, Bytes::from_static(b"still here")).unwrap();
    near.flush();
    assert_eq!(next(&mut far).await.unwrap().data, "still here");
    let mut late = client(addr).await;
    let refused = timeout(Duration::from_millis(200), next(&mut late)).await;
    assert!(refused.is_err(), "nobody accepts any more");
    drop(late);
    drop(far);
    assert_eq!(wait_closed(&mut near).await, CloseReason::PeerDisconnected);
    settle(|| Listener::bind(addr, 1, config()).is_ok()).await;
}

#[tokio::test]
async fn a_refusal_is_flushed_before_the_goodbye() {
    let mut listener = listen("127.0.0.1:0", 1);
    let mut near = client(listener.local_addr()).await;
    let server = tokio::spawn(async move {
        let mut link = listener.accept().await.unwrap();
        let ticket = link.send_tracked(0, Bytes::from_static(b"\0\x0a\x04")).unwrap();
        link.close_after_flush(Duration::from_secs(2));
        link.flush();
        assert_eq!(wait_closed(&mut link).await, CloseReason::Local);
        assert_eq!(link.recv_acked(), Some(ticket));
        listener
    });
    assert_eq!(next(&mut near).await.unwrap().data, b"\0\x0a\x04"[..]);
    near.flush();
    assert_eq!(wait_closed(&mut near).await, CloseReason::PeerDisconnected);
    server.await.unwrap();
}

#[tokio::test]
async fn a_dropped_drive_loses_nothing() {
    let listener = listen("127.0.0.1:0", 1);
    let addr = listener.local_addr();
    tokio::spawn(echo(listener));
    let mut link = Link::connect(addr, Arc::new(Config::default())).await.unwrap();
    for number in 0..50u16 {
        link.send(0, true, Bytes::copy_from_slice(&number.to_be_bytes())).unwrap();
        link.flush();
        let _ = timeout(Duration::from_micros(50), link.drive()).await;
        link.flush();
    }
    for number in 0..50u16 {
        assert_eq!(next(&mut link).await.unwrap().data, number.to_be_bytes()[..]);
    }
}
