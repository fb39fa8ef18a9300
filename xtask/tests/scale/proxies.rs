//! Proxies that are made up: real control streams over loopback, checked documents, and reports of
//! players.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use mesegate_proto::admin::v1::Player;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::control_service_client::ControlServiceClient;
use mesegate_proto::control::v1::{Ack, ConnectRequest, Heartbeat, Hello, PlayerReport, Resource};
use mesegate_proto::control::{HEARTBEAT, Hash, MAX_MESSAGE, PROTOCOL, hash};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

/// What all of them have seen.
#[derive(Default)]
struct Board {
    /// Streams whose first documents were acknowledged, and when the last one was.
    synced: AtomicUsize,
    last: Mutex<Option<Instant>>,
    /// Whether a new stream has to begin from nothing.
    forget: AtomicBool,
    /// When documents of each change arrived, and how many of them.
    arrived: Mutex<HashMap<usize, (Vec<Instant>, usize)>>,
}

/// Many proxies. Dropping them ends their streams.
pub(crate) struct Proxies {
    board: Arc<Board>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Proxies {
    /// Connects so many proxies, over which the players are spread, and these over the servers.
    /// Must be called within a runtime.
    pub(crate) fn start(url: &str, proxies: usize, players: usize, servers: usize) -> Self {
        let board = Arc::new(Board::default());
        let each = players / proxies;
        let task = |number: usize| {
            let players = (0..each).map(|it| Player {
                name: format!("player-{number}-{it}"),
                server: format!("server-{}", (number * each + it) % servers),
                ..Player::default()
            });
            let proxy = Proxy {
                name: format!("proxy-{number}"),
                endpoint: Endpoint::from_shared(url.to_owned()).unwrap(),
                players: players.collect(),
                board: Arc::clone(&board),
                documents: BTreeMap::new(),
            };
            tokio::spawn(proxy.run())
        };
        let tasks = (0..proxies).map(task).collect();
        Self { board, tasks }
    }

    /// Streams that have the documents.
    pub(crate) fn synced(&self) -> usize {
        self.board.synced.load(Ordering::SeqCst)
    }

    /// When the last one got them.
    pub(crate) fn last_sync(&self) -> Instant {
        self.board.last.lock().unwrap().unwrap()
    }

    /// Counts streams from zero again; whether they begin from nothing.
    pub(crate) fn begin_again(&self, forget: bool) {
        self.board.synced.store(0, Ordering::SeqCst);
        self.board.forget.store(forget, Ordering::SeqCst);
    }

    /// When documents of a change arrived.
    pub(crate) fn arrivals(&self, change: usize) -> Vec<Instant> {
        self.board.arrived.lock().unwrap().get(&change).map_or_else(Vec::new, |it| it.0.clone())
    }

    /// How many documents of a change have arrived everywhere.
    pub(crate) fn documents(&self, change: usize) -> usize {
        self.board.arrived.lock().unwrap().get(&change).map_or(0, |it| it.1)
    }
}

impl Drop for Proxies {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct Proxy {
    name: String,
    endpoint: Endpoint,
    players: Vec<Player>,
    board: Arc<Board>,
    /// Hashes by kind and name.
    documents: BTreeMap<(String, String), Hash>,
}

impl Proxy {
    async fn run(mut self) {
        let mut limit = Duration::from_millis(200);
        loop {
            let started = Instant::now();
            // As proxies do it.
            let _ = self.stream().await;
            if started.elapsed() > Duration::from_secs(30) {
                limit = Duration::from_millis(200);
            }
            tokio::time::sleep(limit.mul_f64(rand::random_range(0.0..1.0))).await;
            limit = (limit * 2).min(Duration::from_secs(30));
        }
    }

    fn hash(&self) -> Hash {
        hash(self.documents.values())
    }

    async fn stream(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let channel = self.endpoint.connect().await?;
        let mut client = ControlServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let (sender, receiver) = mpsc::channel(8);
        let send =
            async |message: Out| sender.send(ConnectRequest { message: Some(message) }).await;
        if self.board.forget.load(Ordering::SeqCst) {
            self.documents.clear();
        }
        let resume = if self.documents.is_empty() { Vec::new() } else { self.hash().to_vec() };
        let hello = Hello {
            protocol: PROTOCOL,
            release: "0.0.0".into(),
            proxy: self.name.clone(),
            class: "default".into(),
            resume,
        };
        send(Out::Hello(hello)).await?;
        let mut responses = client.connect(ReceiverStream::new(receiver)).await?.into_inner();
        let report =
            PlayerReport { full: true, present: self.players.clone(), ..PlayerReport::default() };
        send(Out::Players(report)).await?;
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut first = true;
        let mut parts: Vec<Resource> = Vec::new();
        loop {
            let message = tokio::select! {
                message = responses.message() => message?.ok_or("the end")?.message,
                _ = heartbeat.tick() => {
                    let now = Some(prost_types::Timestamp::from(SystemTime::now()));
                    let hash = self.hash().to_vec();
                    send(Out::Heartbeat(Heartbeat { hash, now })).await?;
                    continue;
                }
            };
            let hash = match message {
                Some(In::Snapshot(part)) => {
                    parts.extend(part.resources);
                    if !part.complete {
                        continue;
                    }
                    self.documents.clear();
                    self.take(std::mem::take(&mut parts));
                    part.hash
                }
                Some(In::Delta(delta)) => {
                    assert_eq!(delta.base_hash, self.hash(), "{}", self.name);
                    for gone in delta.removals {
                        self.documents.remove(&(gone.kind, gone.name));
                    }
                    self.take(delta.upserts);
                    delta.hash
                }
                _ => continue,
            };
            assert_eq!(hash, self.hash(), "{}", self.name);
            send(Out::Ack(Ack { hash })).await?;
            if std::mem::take(&mut first) {
                *self.board.last.lock().unwrap() = Some(Instant::now());
                self.board.synced.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn take(&mut self, resources: Vec<Resource>) {
        let now = Instant::now();
        let mut changes: HashMap<usize, usize> = HashMap::new();
        for resource in resources {
            let text = resource.spec.split_once("Change-").and_then(|it| it.1.split_once('.'));
            if let Some(change) = text.and_then(|it| it.0.parse::<usize>().ok()) {
                *changes.entry(change).or_default() += 1;
            }
            let digest = resource.digest();
            self.documents.insert((resource.kind, resource.name), digest);
        }
        let mut arrived = self.board.arrived.lock().unwrap();
        for (change, count) in changes {
            let entry = arrived.entry(change).or_default();
            entry.0.push(now);
            entry.1 += count;
        }
    }
}
