//! The control stream's side of the proxy.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesegate_admin::Network;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::control_service_client::ControlServiceClient;
use mesegate_proto::control::v1::{
    Ack, ConnectRequest, ConnectResponse, Heartbeat, Hello, Nack, Resource, Snapshot,
};
use mesegate_proto::control::{HEARTBEAT, MAX_MESSAGE, PROTOCOL, SILENCE};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;

use super::documents::{Documents, MAX_BYTES, MAX_DOCUMENTS, Refused};
use super::errands::Errands;
use super::last_good::LastGood;
use super::report::{Reporter, Sources};
use super::{Settings, Update};
use crate::metrics::Metrics;

/// The shortest and the longest time within which a lost stream is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// Messages that may wait for the network, besides answers.
const QUEUE: usize = 8;

/// Why a stream has ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("{0}")]
    Connect(#[from] tonic::transport::Error),
    #[error("{} ({:?})", .0.message(), .0.code())]
    Status(Box<tonic::Status>),
    #[error("no answer in {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("the controller was silent")]
    Silence,
    #[error("something that was sent did not arrive")]
    Gap,
    #[error("the controller ended the stream")]
    Ended,
    #[error("the proxy stops")]
    Stopping,
}

impl From<tonic::Status> for Lost {
    fn from(status: tonic::Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Follows a controller.
pub(super) struct Client {
    settings: Settings,
    last_good: LastGood,
    metrics: Metrics,
    updates: mpsc::Sender<Update>,
    sources: watch::Receiver<Option<Sources>>,
    /// The documents in force.
    good: Option<Documents>,
}

impl Client {
    pub(super) fn new(
        settings: Settings,
        last_good: LastGood,
        metrics: Metrics,
        updates: mpsc::Sender<Update>,
        sources: watch::Receiver<Option<Sources>>,
    ) -> Self {
        Self { settings, last_good, metrics, updates, sources, good: None }
    }

    /// Follows it until nobody takes networks any more.
    pub(super) async fn run(mut self) {
        self.begin().await;
        let mut limit = AGAIN.0;
        loop {
            let started = Instant::now();
            let lost = match self.stream().await {
                Ok(never) => match never {},
                Err(Lost::Stopping) => return,
                Err(lost) => lost,
            };
            self.metrics.control_stream_up.set(0);
            if started.elapsed() > AGAIN.1 {
                limit = AGAIN.0;
            }
            // Anything up to the limit, so that the proxies of a controller that was away do not
            // come back all at once.
            let pause = limit.mul_f64(rand::random_range(0.0..1.0));
            limit = (limit * 2).min(AGAIN.1);
            let pause_ms = pause.as_millis() as u64;
            tracing::warn!(pause_ms, "no control stream, the last good documents stay: {lost}");
            tokio::time::sleep(pause).await;
        }
    }

    /// Puts the documents on disk in force.
    async fn begin(&mut self) {
        match self.last_good.load() {
            Ok(None) => {}
            Ok(Some(documents)) => match self.enforce(documents).await {
                Ok(()) => tracing::info!("the documents that were good last are in force"),
                Err(error) => tracing::warn!("the last good documents are refused: {error}"),
            },
            Err(error) => tracing::warn!("the last good documents cannot be used: {error}"),
        }
    }

    /// Puts documents in force.
    async fn enforce(&mut self, documents: Documents) -> Result<(), Refused> {
        let network = documents.network()?;
        let (done, wait) = oneshot::channel();
        // Both fail only while the process stops.
        if self.updates.send(Update { network, done }).await.is_ok() {
            let _ = wait.await;
        }
        self.good = Some(documents);
        Ok(())
    }

    async fn stream(&mut self) -> Result<std::convert::Infallible, Lost> {
        let within = |limit| move |_| Lost::Timeout(limit);
        let connecting = self.settings.endpoint.connect();
        let channel =
            tokio::time::timeout(CONNECT, connecting).await.map_err(within(CONNECT))??;
        let mut client = ControlServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let (sender, requests) = mpsc::channel(QUEUE);
        let hello = Hello {
            protocol: PROTOCOL,
            release: env!("CARGO_PKG_VERSION").into(),
            proxy: self.settings.name.clone(),
            class: self.settings.class.clone(),
            resume: self.good.as_ref().map(|it| it.hash().to_vec()).unwrap_or_default(),
        };
        let mut waiting = VecDeque::from([Out::Hello(hello)]);
        if let Some(first) = waiting.pop_front() {
            // The queue is empty.
            let _ = sender.try_send(ConnectRequest { message: Some(first) });
        }
        let call = client.connect(ReceiverStream::new(requests));
        let response = tokio::time::timeout(CONNECT, call).await.map_err(within(CONNECT))??;
        let mut responses = response.into_inner();
        self.metrics.control_stream_up.set(1);
        tracing::info!("connected to the controller");
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut parts = Parts::default();
        let mut reporter: Option<Reporter> = None;
        let mut errands = Errands::default();
        let mut sources = self.sources.clone();
        sources.mark_changed();
        loop {
            tokio::select! {
                response = responses.message() => {
                    heard = Instant::now();
                    let Some(response) = response? else { return Err(Lost::Ended) };
                    match response.message {
                        Some(In::Command(command)) => errands.begin(self.network(), command),
                        message => {
                            let response = ConnectResponse { message };
                            waiting.extend(self.take(response, &mut parts).await?);
                        }
                    }
                }
                permit = sender.reserve(), if !waiting.is_empty() => {
                    let permit = permit.map_err(|_| Lost::Ended)?;
                    if let Some(message) = waiting.pop_front() {
                        permit.send(ConnectRequest { message: Some(message) });
                    }
                }
                result = errands.next(), if waiting.len() < QUEUE => {
                    waiting.push_back(Out::Result(result));
                }
                // Changes wait in bounded lists of their own until there is room.
                messages = changed(reporter.as_mut()), if waiting.len() < QUEUE => {
                    waiting.extend(messages);
                }
                changed = sources.changed() => {
                    if changed.is_err() {
                        return Err(Lost::Stopping);
                    }
                    if let Some(sources) = sources.borrow_and_update().clone() {
                        let (new, messages) = Reporter::new(sources);
                        reporter = Some(new);
                        waiting.extend(messages);
                    }
                }
                _ = heartbeat.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Lost::Silence);
                    }
                    let hash = self.good.as_ref().map(|it| it.hash().to_vec()).unwrap_or_default();
                    let now = Some(prost_types::Timestamp::from(SystemTime::now()));
                    if !waiting.iter().any(|it| matches!(it, Out::Heartbeat(_))) {
                        waiting.push_back(Out::Heartbeat(Heartbeat { hash, now }));
                    }
                }
            }
        }
    }

    /// Takes a message; gives the answer to it.
    async fn take(
        &mut self,
        response: ConnectResponse,
        parts: &mut Parts,
    ) -> Result<Option<Out>, Lost> {
        let (hash, documents) = match response.message {
            Some(In::Snapshot(snapshot)) => match parts.add(snapshot) {
                None => return Ok(None),
                Some((hash, resources)) => {
                    let documents =
                        resources.and_then(|resources| Documents::checked(resources, &hash));
                    (hash, documents)
                }
            },
            Some(In::Delta(delta)) => {
                let hash = delta.hash.clone();
                let documents = self.good.as_ref().ok_or(Refused::Base);
                (hash, documents.and_then(|it| it.after(delta)))
            }
            Some(In::Heartbeat(beat)) => {
                let known = |hash: &[u8]| {
                    let good = self.good.as_ref().is_some_and(|it| it.hash() == hash);
                    good || parts.refused.as_deref() == Some(hash)
                };
                // Empty as long as nothing was sent.
                if !beat.hash.is_empty() && !known(&beat.hash) {
                    return Err(Lost::Gap);
                }
                return Ok(None);
            }
            // Commands are not for here; the others are a newer controller's.
            Some(In::Command(_)) | None => return Ok(None),
        };
        let unchanged = self.good.as_ref().map(Documents::hash);
        let result = match documents {
            // Nothing to read again.
            Ok(documents) if Some(documents.hash()) == unchanged => Ok(()),
            Ok(documents) => self.enforce(documents).await,
            Err(refused) => Err(refused),
        };
        match result {
            Ok(()) => {
                self.keep(unchanged);
                Ok(Some(Out::Ack(Ack { hash })))
            }
            Err(refused) => {
                self.metrics.config_nacks_total.inc();
                tracing::error!("documents are refused, the last good ones stay: {refused}");
                parts.refused = Some(hash.clone());
                let (reason, resync) = (refused.to_string(), refused.resync());
                Ok(Some(Out::Nack(Nack { hash, reason, resync })))
            }
        }
    }

    /// Who carries commands out, once the proxy has started.
    fn network(&self) -> Option<Arc<dyn Network>> {
        let sources = self.sources.borrow();
        sources.as_ref().map(|sources| Arc::clone(&sources.local) as Arc<dyn Network>)
    }

    /// Writes the documents in force to disk if they are others than before.
    fn keep(&self, before: Option<mesegate_proto::control::Hash>) {
        let Some(good) = self.good.as_ref().filter(|it| Some(it.hash()) != before) else { return };
        if let Err(error) = self.last_good.store(good) {
            tracing::error!("the last good documents cannot be written: {error}");
        }
    }
}

async fn changed(reporter: Option<&mut Reporter>) -> Vec<Out> {
    match reporter {
        Some(reporter) => reporter.changed().await,
        None => std::future::pending().await,
    }
}

/// Messages of a snapshot that is not complete yet.
#[derive(Default)]
struct Parts {
    hash: Vec<u8>,
    resources: Vec<Resource>,
    bytes: usize,
    /// Hash of what was refused last.
    refused: Option<Vec<u8>>,
}

/// The hash of a snapshot, and its documents.
type Whole = (Vec<u8>, Result<Vec<Resource>, Refused>);

impl Parts {
    /// All documents once they are complete.
    fn add(&mut self, part: Snapshot) -> Option<Whole> {
        if part.hash != self.hash {
            self.resources.clear();
            self.bytes = 0;
            self.hash = part.hash;
        }
        self.bytes += part.resources.iter().map(|it| it.spec.len()).sum::<usize>();
        let fits =
            self.bytes <= MAX_BYTES && self.resources.len() + part.resources.len() <= MAX_DOCUMENTS;
        if fits {
            self.resources.extend(part.resources);
        } else {
            // The rest is passed over, and counted.
            self.resources = Vec::new();
            self.bytes = self.bytes.max(MAX_BYTES + 1);
        }
        if !part.complete {
            return None;
        }
        let resources = std::mem::take(&mut self.resources);
        self.bytes = 0;
        let hash = std::mem::take(&mut self.hash);
        Some((hash, if fits { Ok(resources) } else { Err(Refused::TooMuch) }))
    }
}
