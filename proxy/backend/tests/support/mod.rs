//! A server that goes through the login as an engine does, or misbehaves as told.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mesegate_auth::srp::{ServerHandshake, Verifier};
use mesegate_auth::{Password, legacy_hash};
use mesegate_backend::{Credentials, Dial};
use mesegate_protocol::content::{Media, MediaFile, RequestMedia, frame};
use mesegate_protocol::login::{
    AccessDenied, AuthAccept, DenyCode, FirstSrp, Hello, Init, Init2, Mechanisms, SrpBytesA,
    SrpBytesM, SrpBytesSB,
};
use mesegate_protocol::{ProtocolVersion, split_command, to_client, to_server};
use mesegate_transport::{CloseReason, Link, ListenConfig, Listener};
use tokio::sync::mpsc;

/// How the server behaves.
#[derive(Default)]
pub struct Script {
    /// Newest protocol version, 53 if 0.
    pub newest: u16,
    /// INITs that get no answer.
    pub ignore_inits: AtomicUsize,
    /// INITs that are refused with code 8 before one is accepted.
    pub name_in_use: AtomicUsize,
    /// Refuse every INIT.
    pub refuse: Option<AccessDenied>,
    /// Say nothing any more from this command on.
    pub mute_at: Option<u16>,
    /// Files that exist.
    pub files: Vec<(String, Bytes)>,
    /// Files per MEDIA message.
    pub bunch: usize,
}

pub struct FakeServer {
    pub address: SocketAddr,
    pub script: Arc<Script>,
    pub accounts: Arc<Mutex<HashMap<String, Password>>>,
    pub registrations: Arc<Mutex<Vec<FirstSrp>>>,
    pub languages: Arc<Mutex<Vec<String>>>,
    /// How each connection ended.
    pub ends: mpsc::UnboundedReceiver<CloseReason>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    script: Arc<Script>,
    accounts: Arc<Mutex<HashMap<String, Password>>>,
    registrations: Arc<Mutex<Vec<FirstSrp>>>,
    languages: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    pub fn start(script: Script) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let mut listener = Listener::bind(address, 1, ListenConfig::default()).unwrap();
        let address = listener.local_addr();
        let shared = Shared {
            script: Arc::new(script),
            accounts: Arc::default(),
            registrations: Arc::default(),
            languages: Arc::default(),
        };
        let (ended, ends) = mpsc::unbounded_channel();
        let for_task = shared.clone();
        let task = tokio::spawn(async move {
            while let Some(link) = listener.accept().await {
                let (shared, ended) = (for_task.clone(), ended.clone());
                tokio::spawn(async move {
                    let _ = ended.send(serve(link, shared).await);
                });
            }
        });
        let Shared { script, accounts, registrations, languages } = shared;
        Self { address, script, accounts, registrations, languages, ends, task }
    }

    pub fn add_account(&self, name: &str, password: &str) {
        let verifier = Verifier::from_password(name, password.as_bytes());
        self.accounts.lock().unwrap().insert(name.to_owned(), Password::Srp(verifier));
    }

    pub fn add_legacy_account(&self, name: &str, password: &str) {
        let hash = Password::Legacy(legacy_hash(name, password));
        self.accounts.lock().unwrap().insert(name.to_owned(), hash);
    }

    pub fn dial(&self, name: &str, password: &str) -> Dial {
        let credentials = if password.is_empty() {
            Credentials::Empty
        } else {
            Credentials::Secret(password.to_owned())
        };
        let mut dial = Dial::new(self.address.into(), name, credentials);
        dial.deadline = Duration::from_secs(10);
        dial
    }
}

/// What the server sends before the login is accepted, and before the definitions.
pub const TIME_OF_DAY: &[u8] = b"\x00\x29\x30\x39\x42\x90\x00\x00";
pub const MOVEMENT: &[u8] = b"\x00\x45movement";

fn message(command: u16, body: &[u8]) -> Bytes {
    [&command.to_be_bytes()[..], body].concat().into()
}

async fn serve(mut link: Link, shared: Shared) -> CloseReason {
    link.lift_limits();
    let mut player = Player { shared, name: String::new(), version: 0, handshake: None };
    loop {
        while let Some(received) = link.recv() {
            let Some((command, body)) = split_command(&received.data) else {
                continue;
            };
            if player.shared.script.mute_at == Some(command) {
                continue;
            }
            for (channel, reply) in player.answer(command, body) {
                let denied = split_command(&reply).unwrap().0 == to_client::ACCESS_DENIED;
                link.send(channel, true, reply).unwrap();
                if denied {
                    link.close_after_flush(Duration::from_secs(1));
                }
            }
        }
        if let Some(reason) = link.closed() {
            return reason;
        }
        link.flush();
        link.drive().await;
    }
}

struct Player {
    shared: Shared,
    name: String,
    version: u16,
    handshake: Option<ServerHandshake>,
}

/// Counts down to 0; true while it was not there yet.
fn take_one(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

impl Player {
    fn answer(&mut self, command: u16, body: &[u8]) -> Vec<(u8, Bytes)> {
        let deny = |code| vec![(0, AccessDenied::new(code).encode())];
        let script = self.shared.script.clone();
        match command {
            to_server::INIT if self.name.is_empty() => {
                if take_one(&script.ignore_inits) {
                    return vec![];
                }
                if let Some(denied) = &script.refuse {
                    return vec![(0, denied.encode())];
                }
                if take_one(&script.name_in_use) {
                    return deny(DenyCode::AlreadyConnected);
                }
                let init = Init::decode(body).unwrap();
                let newest = if script.newest == 0 { 53 } else { script.newest };
                self.version = init.max_version.min(newest);
                self.name = init.name;
                let version = ProtocolVersion(self.version);
                let mechanisms = match self.shared.accounts.lock().unwrap().get(&self.name) {
                    None => Mechanisms::FIRST_SRP,
                    Some(Password::Srp(_)) => Mechanisms::SRP,
                    Some(Password::Legacy(_)) => Mechanisms::LEGACY_PASSWORD,
                };
                let serialization = version.serialization_version();
                let hello = Hello { serialization, version: self.version, mechanisms };
                vec![(0, hello.encode()), (0, Bytes::from_static(TIME_OF_DAY))]
            }
            to_server::FIRST_SRP => {
                let first = FirstSrp::decode(body).unwrap();
                let verifier = Verifier::new(first.salt.clone(), first.verifier.clone()).unwrap();
                let mut accounts = self.shared.accounts.lock().unwrap();
                accounts.insert(self.name.clone(), Password::Srp(verifier));
                self.shared.registrations.lock().unwrap().push(first);
                vec![(0, AuthAccept::standard().encode())]
            }
            to_server::SRP_BYTES_A => {
                let a = SrpBytesA::decode(body).unwrap();
                let stored = self.shared.accounts.lock().unwrap()[&self.name].clone();
                let verifier = stored.verifier(&self.name);
                let (handshake, b) = ServerHandshake::start(&self.name, &verifier, &a.a).unwrap();
                self.handshake = Some(handshake);
                vec![(0, SrpBytesSB { salt: verifier.salt, b }.encode())]
            }
            to_server::SRP_BYTES_M => {
                let m = SrpBytesM::decode(body).unwrap();
                if self.handshake.take().unwrap().verify(&m.m) {
                    vec![(0, AuthAccept::standard().encode())]
                } else {
                    deny(DenyCode::WrongPassword)
                }
            }
            to_server::INIT2 => {
                let language = Init2::decode(body).unwrap().language;
                self.shared.languages.lock().unwrap().push(language);
                vec![
                    (0, message(to_client::ITEMDEF, b"items")),
                    (0, Bytes::from_static(MOVEMENT)),
                    // Large enough to arrive in many datagrams.
                    (0, message(to_client::NODEDEF, &[7; 300_000])),
                    (0, message(to_client::ANNOUNCE_MEDIA, b"media")),
                    (0, Bytes::from_static(TIME_OF_DAY)),
                ]
            }
            to_server::REQUEST_MEDIA => self.media(&RequestMedia::decode(body).unwrap().names),
            _ => vec![],
        }
    }

    /// As the engine: the last bunch may be empty, and unknown names are left out.
    fn media(&self, names: &[String]) -> Vec<(u8, Bytes)> {
        let script = &self.shared.script;
        let found: Vec<(String, Bytes)> =
            script.files.iter().filter(|(name, _)| names.contains(name)).cloned().collect();
        let mut bunches: Vec<_> = found.chunks(script.bunch.max(1)).map(<[_]>::to_vec).collect();
        bunches.push(Vec::new());
        let count = bunches.len() as u16;
        let version = ProtocolVersion(self.version);
        let file = |(name, content): (String, Bytes)| {
            // Damaged on purpose: what is sent for it is no zstd frame, or too long.
            let broken = name.starts_with("broken");
            let data = if broken { content } else { frame(&content, version).unwrap() };
            MediaFile { name, data }
        };
        let encode = |(index, files): (usize, Vec<(String, Bytes)>)| {
            let files = files.into_iter().map(file).collect();
            (2, Media { bunches: count, index: index as u16, files }.encode())
        };
        bunches.into_iter().enumerate().map(encode).collect()
    }
}
