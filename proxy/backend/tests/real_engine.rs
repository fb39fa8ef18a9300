//! Entering a real engine server. Run with `--ignored`, the server's address in
//! `MESEGATE_TEST_BACKEND` (`HOST:PORT`) and its world folder, with `auth_backend = sqlite3`, in
//! `MESEGATE_TEST_WORLD`. The server must let new names register.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesegate_auth::{Accounts, DEFAULT_PRIVILEGES, Password, legacy_hash, srp::Verifier};
use mesegate_backend::{
    Credentials, Dial, DownloadLimits, EnterError, Entered, download, enter, hello, leave,
};
use mesegate_protocol::content::{AnnounceMedia, ItemDefs, NodeDefs};
use mesegate_protocol::{ProtocolVersion, to_client};

/// A dial under a name that the server has not seen.
fn dial(credentials: Credentials) -> Dial {
    let address = std::env::var("MESEGATE_TEST_BACKEND")
        .expect("MESEGATE_TEST_BACKEND must hold the address of an engine server");
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("t{:x}", nanos % (1 << 60));
    let mut dial = Dial::new(address.parse().unwrap(), &name, credentials);
    dial.retry_already_connected = true;
    dial
}

fn secret() -> Credentials {
    Credentials::Secret("0123456789abcdef".repeat(4))
}

/// The definitions must be what the protocol crate can read, and not empty.
fn assert_definitions(entered: &Entered) -> AnnounceMedia {
    let Entered { version, definitions, .. } = entered;
    let nodes = NodeDefs::decode(&definitions.node_def, *version).unwrap();
    let items = ItemDefs::decode(&definitions.item_def, *version).unwrap();
    let media = AnnounceMedia::decode(&definitions.announce, *version).unwrap();
    assert!(!nodes.nodes.is_empty() && !items.items.is_empty() && !media.files.is_empty());
    media
}

#[tokio::test]
#[ignore = "needs an engine server"]
async fn registers_then_logs_in_and_is_refused_with_another_password() {
    for credentials in [secret(), Credentials::Empty] {
        let dial = dial(credentials);
        let entered = enter(&dial).await.unwrap();
        assert!(entered.registered);
        assert_definitions(&entered);
        leave(entered.link);

        let begun = std::time::Instant::now();
        let entered = enter(&dial).await.unwrap();
        assert!(!entered.registered);
        assert_definitions(&entered);
        println!("{entered:?} in {:?}", begun.elapsed());
        leave(entered.link);

        let mut wrong = dial.clone();
        wrong.credentials = Credentials::Secret("wrong".into());
        let error = enter(&wrong).await.unwrap_err();
        assert!(matches!(error, EnterError::WrongPassword), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs an engine server"]
async fn every_version_up_to_the_servers_newest_is_entered() {
    let base = dial(secret());
    let newest = hello(&base).await.unwrap();
    println!("newest protocol: {newest}, engine {}", newest.releases());
    for version in ProtocolVersion::MIN.0..=newest.0 {
        let mut dial = base.clone();
        dial.max_version = ProtocolVersion(version);
        let entered = enter(&dial).await.unwrap();
        assert_eq!(entered.version, dial.max_version);
        assert_definitions(&entered);
        leave(entered.link);
    }
    let mut dial = base.clone();
    dial.max_version = ProtocolVersion::MAX;
    let entered = enter(&dial).await.unwrap();
    assert_eq!(entered.version, newest.min(ProtocolVersion::MAX));
    leave(entered.link);
}

#[tokio::test]
#[ignore = "needs an engine server"]
async fn all_announced_media_can_be_downloaded() {
    let dial = dial(secret());
    for version in [ProtocolVersion(41), ProtocolVersion::MAX] {
        let mut dial = dial.clone();
        dial.max_version = version;
        let mut entered = enter(&dial).await.unwrap();
        let media = assert_definitions(&entered);
        let names: Vec<String> = media.files.iter().map(|entry| entry.0.clone()).collect();
        let limits = DownloadLimits { deadline: Duration::from_mins(1), ..Default::default() };
        let begun = std::time::Instant::now();
        let mut total = 0;
        let done = download(&mut entered.link, &names, entered.version, &limits, |_, data| {
            total += data.len() as u64;
        })
        .await
        .unwrap();
        println!("{} files, {} bytes in {:?}", done.files, done.bytes, begun.elapsed());
        assert!(done.missing.is_empty(), "{:?}", done.missing);
        assert_eq!((done.files, done.bytes), (names.len(), total));
        leave(entered.link);
    }
}

#[tokio::test]
#[ignore = "needs an engine server"]
async fn a_player_who_is_on_the_server_cannot_enter_twice() {
    let mut dial = dial(secret());
    let mut first = enter(&dial).await.unwrap();
    // The engine keeps a name busy from CLIENT_READY on, when the player object exists.
    let ready = mesegate_protocol::login::ClientReady::new((5, 10, 0), "5.10.0", 8);
    first.link.send(1, true, ready.encode()).unwrap();
    let mut joined = false;
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while !joined {
        first.link.flush();
        tokio::time::timeout_at(until, first.link.drive()).await.expect("no answer to ready");
        while let Some(message) = first.link.recv() {
            joined |= message.data.starts_with(&to_client::MOVE_PLAYER.to_be_bytes());
        }
    }
    dial.retry_already_connected = false;
    let error = enter(&dial).await.unwrap_err();
    assert!(matches!(error, EnterError::AlreadyConnected), "{error}");
    leave(first.link);
    dial.retry_already_connected = true;
    leave(enter(&dial).await.unwrap().link);
}

#[tokio::test]
#[ignore = "needs an engine server and its world"]
async fn accounts_are_shared_with_the_engine_through_its_own_file() {
    let world = std::env::var("MESEGATE_TEST_WORLD")
        .expect("MESEGATE_TEST_WORLD must hold the world folder of the engine server");
    // The engine makes the file when the first player comes.
    let registered = dial(secret());
    leave(enter(&registered).await.unwrap().link);
    let url = format!("sqlite:{world}/auth.sqlite");
    let accounts = Accounts::open(&url.parse().unwrap()).await.unwrap();

    let account = accounts.get(&registered.name).await.unwrap().unwrap();
    let Password::Srp(verifier) = &account.password else { panic!("{account:?}") };
    let password = "0123456789abcdef".repeat(4);
    assert!(verifier.matches_password(&registered.name, password.as_bytes()));
    assert_eq!(account.last_login, mesegate_auth::accounts::NEVER);
    for privilege in DEFAULT_PRIVILEGES {
        assert!(account.privileges.contains(*privilege), "{account:?}");
    }

    for credentials in [secret(), Credentials::Empty] {
        let password = if credentials == Credentials::Empty { "" } else { &password };
        for legacy in [false, true] {
            let mut dial = dial(credentials.clone());
            let stored = if legacy {
                Password::Legacy(legacy_hash(&dial.name, password))
            } else {
                Password::Srp(Verifier::from_password(&dial.name, password.as_bytes()))
            };
            accounts.create(&dial.name, &stored, DEFAULT_PRIVILEGES).await.unwrap();
            let entered = enter(&dial).await.unwrap();
            assert!(!entered.registered);
            leave(entered.link);
            dial.credentials = Credentials::Secret("wrong".into());
            let error = enter(&dial).await.unwrap_err();
            assert!(matches!(error, EnterError::WrongPassword), "{error}");
        }
    }
}
