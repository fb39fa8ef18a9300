//! Logging in to a server that does what an engine does, over loopback.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mesegate_backend::{EnterError, Step, enter, hello, leave};
use mesegate_protocol::login::{AccessDenied, DenyCode};
use mesegate_protocol::{ProtocolVersion, to_server};
use mesegate_transport::CloseReason;
use support::{FakeServer, MOVEMENT, Script, TIME_OF_DAY};

fn refusing(code: DenyCode, text: &str) -> FakeServer {
    let denied = AccessDenied { code, text: text.to_owned(), reconnect: true };
    FakeServer::start(Script { refuse: Some(denied), ..Script::default() })
}

#[tokio::test]
async fn a_new_name_is_registered_and_then_proved() {
    let server = FakeServer::start(Script::default());
    let mut dial = server.dial("Alice", "secret");
    dial.language = "de".to_owned();
    let entered = enter(&dial).await.unwrap();
    assert!(entered.registered);
    assert_eq!((entered.version, entered.server_newest), (ProtocolVersion::MAX, None));
    assert_eq!(&entered.definitions.item_def[..], b"items");
    assert_eq!(entered.definitions.node_def, vec![7; 300_000]);
    assert_eq!(&entered.definitions.announce[..], b"media");
    leave(entered.link);

    let entered = enter(&dial).await.unwrap();
    assert!(!entered.registered);
    leave(entered.link);
    let registrations = server.registrations.lock().unwrap();
    assert_eq!(registrations.len(), 1);
    assert!(!registrations[0].empty);
    assert_eq!(*server.languages.lock().unwrap(), ["de", "de"]);
}

#[tokio::test]
async fn registering_without_a_password_says_so() {
    let server = FakeServer::start(Script::default());
    let dial = server.dial("Alice", "");
    assert!(enter(&dial).await.unwrap().registered);
    assert!(server.registrations.lock().unwrap()[0].empty);
    assert!(!enter(&dial).await.unwrap().registered);
}

#[tokio::test]
async fn legacy_accounts_are_entered_with_their_password() {
    let server = FakeServer::start(Script::default());
    server.add_legacy_account("Alice", "secret");
    server.add_legacy_account("Bob", "");
    assert!(!enter(&server.dial("Alice", "secret")).await.unwrap().registered);
    assert!(!enter(&server.dial("Bob", "")).await.unwrap().registered);
    let wrong = enter(&server.dial("Alice", "other")).await.unwrap_err();
    assert_eq!(wrong.reason(), "wrong_password");
}

#[tokio::test]
async fn other_messages_are_kept_in_order_for_the_player() {
    let server = FakeServer::start(Script::default());
    server.add_account("Alice", "secret");
    let mut entered = enter(&server.dial("Alice", "secret")).await.unwrap();
    let early: Vec<&[u8]> = entered.early.iter().map(|message| &message.data[..]).collect();
    assert_eq!(early, [TIME_OF_DAY, MOVEMENT]);
    // What came after the last definition is still in the link.
    let after = loop {
        if let Some(message) = entered.link.recv() {
            break message;
        }
        entered.link.flush();
        tokio::time::timeout(Duration::from_secs(5), entered.link.drive()).await.unwrap();
    };
    assert_eq!(&after.data[..], TIME_OF_DAY);
}

#[tokio::test]
async fn the_servers_version_counts_if_it_is_new_enough() {
    let server = FakeServer::start(Script { newest: 41, ..Script::default() });
    let mut dial = server.dial("Alice", "secret");
    assert_eq!(hello(&dial).await.unwrap(), ProtocolVersion(41));
    let entered = enter(&dial).await.unwrap();
    assert_eq!(entered.version, ProtocolVersion(41));
    assert_eq!(entered.server_newest, Some(ProtocolVersion(41)));
    dial.max_version = ProtocolVersion(39);
    assert_eq!(enter(&dial).await.unwrap().version, ProtocolVersion(39));
    dial.max_version = ProtocolVersion(46);
    dial.min_version = ProtocolVersion(46);
    let error = enter(&dial).await.unwrap_err();
    assert_eq!(error.reason(), "version_too_old");
    assert_eq!(error.to_string(), "the server speaks protocol 41, at least 46 is needed");
}

#[tokio::test]
async fn wrong_password_and_refusals_are_told_apart() {
    let server = FakeServer::start(Script::default());
    server.add_account("Alice", "secret");
    for password in ["Secret", ""] {
        let error = enter(&server.dial("Alice", password)).await.unwrap_err();
        assert!(matches!(error, EnterError::WrongPassword), "{error}");
    }
    for (code, text, reason, shown) in [
        (DenyCode::WrongVersion, "", "version_refused", "strict_protocol_version_checking"),
        (DenyCode::TooManyUsers, "Try later", "full", "Try later"),
        (DenyCode::EmptyPassword, "", "empty_password_refused", "disallow_empty_password"),
        (DenyCode::AlreadyConnected, "", "already_connected", "already on the server"),
        (DenyCode::CustomString, "You are banned", "denied", "You are banned"),
        (DenyCode::Shutdown, "", "denied", "shutting down"),
    ] {
        let server = refusing(code, text);
        let error = enter(&server.dial("Alice", "secret")).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert!(error.to_string().contains(shown), "{error}");
    }
}

#[tokio::test]
async fn a_name_still_in_use_is_tried_again_if_wished() {
    let server = FakeServer::start(Script { name_in_use: 3.into(), ..Script::default() });
    let mut dial = server.dial("Alice", "secret");
    let error = enter(&dial).await.unwrap_err();
    assert_eq!(error.reason(), "already_connected");
    dial.retry_already_connected = true;
    assert!(enter(&dial).await.unwrap().registered);

    server.script.name_in_use.store(usize::MAX, Ordering::SeqCst);
    dial.deadline = Duration::from_millis(700);
    let begun = Instant::now();
    let error = enter(&dial).await.unwrap_err();
    assert_eq!(error.reason(), "already_connected");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn init_is_repeated_until_the_server_answers() {
    let server = FakeServer::start(Script { ignore_inits: 2.into(), ..Script::default() });
    assert!(enter(&server.dial("Alice", "secret")).await.unwrap().registered);
    assert_eq!(server.script.ignore_inits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn closed_port_is_found_out_quickly_and_silence_at_the_deadline() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let closed = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let closed = {
        let address = closed.local_addr().unwrap();
        drop(closed);
        address
    };
    let server = FakeServer::start(Script::default());
    let mut dial = server.dial("Alice", "secret");
    dial.address = closed.into();
    let begun = Instant::now();
    let error = enter(&dial).await.unwrap_err();
    assert!(matches!(error, EnterError::Unreachable { refused: true, .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(error.to_string().contains("port is closed"), "{error}");

    dial.address = silent.local_addr().unwrap().into();
    dial.deadline = Duration::from_millis(800);
    let error = enter(&dial).await.unwrap_err();
    assert!(matches!(error, EnterError::Unreachable { refused: false, .. }), "{error}");
    assert_eq!(hello(&dial).await.unwrap_err().reason(), "unreachable");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_at_the_deadline() {
    for (command, step) in [
        (to_server::INIT, Step::Hello),
        (to_server::FIRST_SRP, Step::Auth),
        (to_server::INIT2, Step::Definitions),
    ] {
        let mut server = FakeServer::start(Script { mute_at: Some(command), ..Script::default() });
        let mut dial = server.dial("Alice", "secret");
        dial.deadline = Duration::from_secs(1);
        let begun = Instant::now();
        let error = enter(&dial).await.unwrap_err();
        assert!(matches!(error, EnterError::Timeout { step: s } if s == step), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(next_end(&mut server).await, CloseReason::PeerDisconnected);
    }
}

#[tokio::test]
async fn leaving_and_giving_up_say_goodbye() {
    let mut server = FakeServer::start(Script::default());
    let entered = enter(&server.dial("Alice", "secret")).await.unwrap();
    leave(entered.link);
    assert_eq!(next_end(&mut server).await, CloseReason::PeerDisconnected);
    hello(&server.dial("Bob", "")).await.unwrap();
    assert_eq!(next_end(&mut server).await, CloseReason::PeerDisconnected);

    let mut server =
        FakeServer::start(Script { mute_at: Some(to_server::INIT2), ..Script::default() });
    let dial = server.dial("Alice", "secret");
    let given_up = tokio::time::timeout(Duration::from_millis(500), enter(&dial)).await;
    assert!(given_up.is_err());
    assert_eq!(next_end(&mut server).await, CloseReason::PeerDisconnected);
}

async fn next_end(server: &mut FakeServer) -> CloseReason {
    tokio::time::timeout(Duration::from_secs(3), server.ends.recv()).await.unwrap().unwrap()
}
