//! Every sequence of login messages up to a length, from somebody who does not know the password.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::login::client::AwaitHello;
use mesegate_protocol::login::{BasedOn, FirstSrp, SrpBytesA, SrpBytesM};
use mesegate_protocol::{split_command, to_client};
use mesegate_testkit::FakeServer;
use mesegate_transport::{Config, Link};
use tokio::task::JoinSet;

use crate::support::{Documents, Launch, lobby, within};

const LENGTH: usize = 5;
const AT_ONCE: usize = 48;

/// How long an answer to the last message is waited for.
const QUIET: Duration = Duration::from_millis(120);

/// What somebody may send who is not let in yet.
fn alphabet() -> Vec<(&'static str, Bytes)> {
    let raw = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let first = FirstSrp { salt: vec![1; 16], verifier: vec![2; 256], empty: false };
    vec![
        ("INIT", AwaitHello::new("Alice", ProtocolVersion::MAX).1),
        ("FIRST_SRP", first.encode()),
        ("A", SrpBytesA { a: vec![7; 256], based_on: BasedOn::Password }.encode()),
        ("A=0", SrpBytesA { a: vec![0; 256], based_on: BasedOn::Password }.encode()),
        ("M", SrpBytesM { m: vec![9; 32] }.encode()),
        ("INIT2", raw(&[0, 0x11, 0, 0])),
        ("READY", raw(b"\0\x43\x05\x11\0\0\0\x065.17.0\0\x0b")),
        ("CHAT", raw(&[0, 0x32, 0, 1, 0, b'x'])),
    ]
}

/// What came of a sequence.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nothing more came.
    Open,
    /// Refused or cut off.
    Closed,
    /// Let in, which must not be.
    Accepted,
}

async fn send_all(proxy: std::net::SocketAddr, messages: Vec<Bytes>) -> End {
    let mut link = Link::connect(proxy, Arc::new(Config::default())).await.unwrap();
    for message in messages {
        link.send(1, true, message).unwrap();
    }
    let (mut heard, mut end) = (Instant::now(), End::Open);
    // The first answer may take a while on a busy machine; a HELLO or a denial is one.
    while heard.elapsed() < QUIET {
        link.flush();
        while let Some(message) = link.recv() {
            heard = Instant::now();
            match split_command(&message.data) {
                Some((to_client::AUTH_ACCEPT, _)) => return End::Accepted,
                Some((to_client::ACCESS_DENIED, _)) => end = End::Closed,
                _ => {}
            }
        }
        if end == End::Closed || link.closed().is_some() {
            return End::Closed;
        }
        let _ = tokio::time::timeout(Duration::from_millis(20), link.drive()).await;
    }
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sequence_of_messages_lets_a_stranger_through() {
    within(300, async {
        let server = FakeServer::of(lobby()).unwrap();
        // One address sends all of them; waits after wrong passwords are not what is looked at.
        let fields = "admission: { freeFailures: 1000, longestWaitSeconds: 1 }";
        let documents = Documents::new().server("lobby", server.addr()).proxy(fields);
        let proxy = Launch::new(documents).start().await;
        proxy.join("Alice").await.leave().await;
        assert!(server.until(|server| server.players().is_empty()).await);
        let joins = server.joins();
        let address = proxy.bot("Alice").addr;

        let alphabet = alphabet();
        // Whatever follows the end of a connection is not read by anybody.
        let mut open: Vec<Vec<usize>> = vec![Vec::new()];
        let (mut tried, mut refused) = (0, 0);
        for _ in 0..LENGTH {
            let mut next = Vec::new();
            let longer = open.iter().flat_map(|it| {
                (0..alphabet.len()).map(move |letter| [it.as_slice(), &[letter]].concat())
            });
            let mut longer = longer.peekable();
            let mut running = JoinSet::new();
            while longer.peek().is_some() || !running.is_empty() {
                while running.len() < AT_ONCE
                    && let Some(sequence) = longer.next()
                {
                    let messages = sequence.iter().map(|it| alphabet[*it].1.clone()).collect();
                    running.spawn(async move { (send_all(address, messages).await, sequence) });
                }
                let Some(done) = running.join_next().await else { break };
                let (end, sequence) = done.unwrap();
                let names: Vec<&str> = sequence.iter().map(|it| alphabet[*it].0).collect();
                tried += 1;
                match end {
                    End::Accepted => panic!("{names:?} was let in"),
                    End::Closed => refused += 1,
                    End::Open => next.push(sequence),
                }
            }
            open = next;
        }
        println!("{tried} sequences tried, {refused} refused, {} still open", open.len());
        assert!(tried > 100 && refused > 20, "{tried} tried, {refused} refused");
        assert_eq!(server.joins(), joins, "somebody reached the backend");
        assert_eq!(server.players(), Vec::<String>::new());
        // And the account is what it was.
        assert!(!proxy.join("Alice").await.registered());
    })
    .await;
}
