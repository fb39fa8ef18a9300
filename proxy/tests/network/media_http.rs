//! Media over HTTP, as clients with cURL load it.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use mesegate_testkit::{Bot, FakeServer, World};
use sha1::{Digest, Sha1};

use crate::support::{Documents, Launch, Pair, Proxy, SOON, eventually, lobby, within};

/// Status line and headers, and the body.
type Answer = (String, Vec<u8>);

/// Sends a request with these further lines, and a body.
fn ask(addr: SocketAddr, line: &str, lines: &[&str], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut request = format!("{line} HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n");
    for line in lines {
        write!(request, "{line}\r\n").unwrap();
    }
    if !body.is_empty() {
        write!(request, "content-length: {}\r\n", body.len()).unwrap();
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    (head, answer.split_off(end + 4))
}

fn code(answer: &Answer) -> u16 {
    answer.0.split(' ').nth(1).unwrap().parse().unwrap()
}

fn hex(hash: &[u8]) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn sha1(data: &[u8]) -> [u8; 20] {
    Sha1::digest(data).into()
}

/// Where the proxy says that it serves media.
async fn media_addr(proxy: &Proxy) -> SocketAddr {
    let line = proxy.logged("clients can load media over HTTP").await;
    let url = line.split("http://").nth(1).unwrap();
    url.split('/').next().unwrap().parse().unwrap()
}

/// The lobby's media are not all of the arena's.
fn arena() -> World {
    crate::support::arena().with_media("arena.png", &b"arena"[..])
}

async fn pair() -> (FakeServer, FakeServer, Proxy, SocketAddr) {
    let big = vec![7; 3_000_000];
    let lobby = FakeServer::of(lobby().with_media("big.png", big)).unwrap();
    let arena = FakeServer::of(arena()).unwrap();
    let documents = Documents::new().server("lobby", lobby.addr()).server("arena", arena.addr());
    let launch = Launch::new(documents).arg("--media-http", "127.0.0.1:0");
    let proxy = launch.start().await;
    let addr = media_addr(&proxy).await;
    (lobby, arena, proxy, addr)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_media_and_nothing_else_is_served_over_http() {
    within(60, async {
        let (_lobby, _arena, proxy, addr) = pair().await;
        let alice = proxy.join("alice").await;
        assert_eq!(alice.remote_media(), format!("http://{addr}/"));
        let mut wanted: Vec<[u8; 20]> = alice.announced().iter().map(|(_, hash)| *hash).collect();
        wanted.sort_unstable();
        let listed = || {
            let (_, body) = ask(addr, "GET /index.mth", &[], b"");
            assert_eq!(body[..6], *b"MTHS\0\x01");
            let mut hashes: Vec<[u8; 20]> =
                body[6..].chunks_exact(20).map(|hash| hash.try_into().unwrap()).collect();
            hashes.sort_unstable();
            hashes
        };
        eventually("the list", SOON, || listed() == wanted).await;

        let index = ask(addr, "GET /index.mth", &[], b"");
        // A client before 5.12 that wants one file.
        let post = [&b"MTHS\0\x01"[..], &wanted[0]].concat();
        let kind = "content-type: application/octet-stream";
        let posted = ask(addr, "POST /index.mth", &[kind], &post);
        assert_eq!((code(&posted), &posted.1), (200, &index.1));
        let behind = ask(addr, "GET /some/public/path/index.mth", &[], b"");
        assert_eq!((code(&behind), &behind.1), (200, &index.1));

        for hash in &wanted {
            let answer = ask(addr, &format!("GET /{}", hex(hash)), &[], b"");
            assert_eq!(code(&answer), 200);
            assert_eq!(sha1(&answer.1), *hash);
            assert!(answer.0.contains(&format!("content-length: {}", answer.1.len())));
            assert!(answer.0.contains("cache-control: public, max-age=31536000, immutable"));
        }

        // Definitions are in the same store, but they are not media.
        for stored in stored(&proxy) {
            let media = wanted.iter().any(|hash| hex(hash) == stored);
            let answer = code(&ask(addr, &format!("GET /{stored}"), &[], b""));
            assert_eq!(answer, if media { 200 } else { 404 }, "{stored}");
        }
        for path in ["/", "/index.mth/", "/../../auth.sqlite", "/blobs", "/INDEX.MTH"] {
            assert_eq!(code(&ask(addr, &format!("GET {path}"), &[], b"")), 404, "{path}");
        }
        proxy.counts("media_http_requests_total", &[("code", "200")], 6.0).await;
        proxy.counts("media_http_requests_total", &[("code", "404")], 7.0).await;
        assert!(proxy.metric("media_http_bytes_total", &[]) >= 3_000_000.0);
    })
    .await;
}

/// Names of all contents in the store.
fn stored(proxy: &Proxy) -> Vec<String> {
    let mut names = Vec::new();
    for folder in std::fs::read_dir(proxy.file("data/content/blobs")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            names.push(file.unwrap().file_name().into_string().unwrap());
        }
    }
    // The definitions of two servers at least.
    assert!(names.len() > 4, "{names:?}");
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_heads_and_wrong_requests() {
    within(60, async {
        let (_lobby, _arena, proxy, addr) = pair().await;
        let path = format!("/{}", hex(&sha1(&vec![7; 3_000_000])));
        let listed = || code(&ask(addr, &format!("HEAD {path}"), &[], b"")) == 200;
        eventually("the file", SOON, listed).await;

        let head = ask(addr, &format!("HEAD {path}"), &[], b"");
        assert!(head.0.contains("content-length: 3000000"), "{}", head.0);
        assert_eq!(head.1, b"");
        let part = ask(addr, &format!("GET {path}"), &["range: bytes=2999990-"], b"");
        assert_eq!((code(&part), part.1), (206, vec![7; 10]));
        assert!(part.0.contains("content-range: bytes 2999990-2999999/3000000"), "{}", part.0);
        let beyond = ask(addr, &format!("GET {path}"), &["range: bytes=3000000-"], b"");
        assert_eq!((code(&beyond), beyond.1.len()), (416, 0));
        let tag = format!("if-none-match: \"{}\"", &path[1..]);
        assert_eq!(code(&ask(addr, &format!("GET {path}"), &[&tag], b"")), 304);
        assert_eq!(code(&ask(addr, &format!("POST {path}"), &[], b"x")), 405);
        assert_eq!(code(&ask(addr, "DELETE /index.mth", &[], b"")), 405);
        // The proxy hangs up on what is too long, perhaps before it was all sent.
        for (head, body) in [("content-length: 3000000", 3_000_000), ("x: ", 0)] {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let _ = write!(stream, "POST /index.mth HTTP/1.1\r\nhost: proxy\r\n{head}");
            let filler = if body == 0 { vec![b'a'; 200_000] } else { Vec::new() };
            let _ = stream.write_all(&filler);
            let _ = stream.write_all(b"\r\n\r\n");
            let _ = stream.write_all(&vec![0; body]);
            let mut answer = Vec::new();
            let ended = stream.read_to_end(&mut answer);
            println!("{head}: {ended:?} {}", String::from_utf8_lossy(&answer));
            assert!(!answer.starts_with(b"HTTP/1.1 200"));
        }
        proxy.counts("media_http_requests_total", &[("code", "413")], 1.0).await;
        assert!(proxy.metric("media_http_requests_total", &[("code", "206")]) >= 1.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_many_readers_hold_nothing_but_their_share() {
    within(60, async {
        let server = FakeServer::of(lobby().with_media("big.png", vec![7; 16_000_000])).unwrap();
        let documents = Documents::new().server("lobby", server.addr());
        let launch = Launch::new(documents)
            .arg("--media-http", "127.0.0.1:0")
            .arg("--media-connections", "100");
        let proxy = launch.start().await;
        let addr = media_addr(&proxy).await;
        let path = format!("/{}", hex(&sha1(&vec![7; 16_000_000])));
        let listed = || code(&ask(addr, &format!("HEAD {path}"), &[], b"")) == 200;
        eventually("the file", SOON, listed).await;
        eventually("an end", SOON, || proxy.metric("media_http_connections", &[]) == 0.0).await;
        let before = mesegate_testkit::procfs::resident(proxy.pid()).unwrap();
        let readers: Vec<TcpStream> = (0..25)
            .map(|_| {
                let mut stream = TcpStream::connect(addr).unwrap();
                write!(stream, "GET {path} HTTP/1.1\r\nhost: proxy\r\n\r\n").unwrap();
                stream
            })
            .collect();
        eventually("readers", SOON, || proxy.metric("media_http_connections", &[]) == 25.0).await;
        // One address may have a quarter of all; whoever is refused is refused at once.
        let mut more = TcpStream::connect(addr).unwrap();
        more.set_read_timeout(Some(SOON)).unwrap();
        let ended = more.read(&mut [0; 10]);
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
        proxy.counts("media_http_refused_total", &[("reason", "source_limit")], 1.0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let after = mesegate_testkit::procfs::resident(proxy.pid()).unwrap();
        println!("25 readers that take nothing: {} KiB", after.saturating_sub(before) / 1024);
        assert!(after < before + 25 * 1024 * 1024, "{before} to {after} bytes");
        drop(readers);
        eventually("an end", SOON, || proxy.metric("media_http_connections", &[]) == 0.0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_nothing_is_announced() {
    within(60, async {
        let pair = Pair::start().await;
        let alice = pair.proxy.join("alice").await;
        assert_eq!(alice.remote_media(), "");
        let options = pair.proxy.bot("bob").with_download();
        let bob = Bot::join(options).await.unwrap();
        assert!(bob.times().media_bytes > 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_gets_all_over_http_or_else_over_udp() {
    within(60, async {
        let (_lobby, _arena, proxy, addr) = pair().await;
        let alice = Bot::join(proxy.bot("alice").with_http()).await.unwrap();
        let times = alice.times();
        assert!(times.media_bytes > 3_000_000, "{times:?}");
        assert_eq!(times.http_bytes, times.media_bytes);
        assert_eq!(proxy.metric("media_sent_bytes_total", &[]), 0.0);
        assert!(proxy.metric("media_http_bytes_total", &[]) >= times.http_bytes as f64);

        // A URL that leads to the first proxy, which has not all of it.
        let other = FakeServer::of(World::new("other").with_media("o.png", &b"o"[..])).unwrap();
        let documents = Documents::new().server("other", other.addr());
        let proxy = Launch::new(documents)
            .arg("--media-http", "127.0.0.1:0")
            .arg("--media-url", &format!("http://{addr}/"))
            .start()
            .await;
        let bob = Bot::join(proxy.bot("bob").with_http()).await.unwrap();
        let times = bob.times();
        // The first server has the file that both announce, and not the other one.
        assert_eq!(times.media_bytes, other.world().media_bytes() as u64);
        assert_eq!(times.media_bytes - times.http_bytes, 1);
        assert_eq!(proxy.metric("media_http_requests_total", &[]), 0.0);
        assert!(proxy.metric("media_sent_bytes_total", &[]) > 0.0);
    })
    .await;
}
