//! The streams to one address of a controller, one after the other.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use mesegate_admin::{Errander, Errands, Network, Work};
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::control_service_client::ControlServiceClient;
use mesegate_proto::control::v1::{
    Ask, Command, ConnectRequest, ConnectResponse, Follow, Heartbeat, Hello, Role,
};
use mesegate_proto::control::{HEARTBEAT, MAX_MESSAGE, PROTOCOL, SILENCE};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use super::Common;
use super::credentials::CredentialError;
use super::given::Given;
use super::hub::{Event, Ruling};
use super::report::{Reporter, Sources};
use super::site::Site;
use crate::shared::Shared;

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
    Credentials(#[from] CredentialError),
    #[error("{}", chain(.0))]
    Connect(#[from] tonic::transport::Error),
    #[error("this proxy is not let in: {}", .0.message())]
    Denied(Box<tonic::Status>),
    #[error("{} ({:?})", .0.message(), .0.code())]
    Status(Box<tonic::Status>),
    #[error("no answer in {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("the controller was silent")]
    Silence,
    #[error("something that was sent did not arrive")]
    Gap,
    #[error("too many claims wait")]
    Overrun,
    #[error("another address leads to the same controller")]
    Twin,
    #[error("the controller ended the stream")]
    Ended,
    #[error("the proxy stops")]
    Stopping,
}

impl Lost {
    /// One name of the cause.
    fn reason(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "credentials",
            Self::Connect(_) => "connect",
            Self::Denied(_) => "denied",
            Self::Status(_) => "status",
            Self::Timeout(_) => "timeout",
            Self::Silence => "silence",
            Self::Gap => "gap",
            Self::Overrun => "overrun",
            Self::Twin => "twin",
            Self::Ended => "ended",
            Self::Stopping => "stopping",
        }
    }
}

/// An error of a connection with its causes; the first one alone says nothing.
fn chain(error: &tonic::transport::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<tonic::Status> for Lost {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => Self::Denied(Box::new(status)),
            _ => Self::Status(Box::new(status)),
        }
    }
}

/// One address.
pub(super) struct Line {
    addr: SocketAddr,
    site: Arc<Site>,
    common: Arc<Common>,
    ruling: watch::Receiver<Ruling>,
}

impl Line {
    pub(super) fn new(addr: SocketAddr, site: Arc<Site>, common: Arc<Common>) -> Self {
        let ruling = common.ruling.clone();
        Self { addr, site, common, ruling }
    }

    /// Keeps a stream open for as long as the address is one of the controllers'.
    pub(super) async fn run(mut self) {
        let mut limit = AGAIN.0;
        let mut told = None;
        loop {
            let addr = self.addr;
            if self.ruling.wait_for(|it| !it.twins.contains_key(&addr)).await.is_err() {
                return;
            }
            let started = Instant::now();
            let lost = match self.stream().await {
                Ok(never) => match never {},
                Err(lost) => lost,
            };
            let heard = self.common.events.send(Event::Lost(addr)).await;
            if heard.is_err() || matches!(lost, Lost::Stopping) {
                return;
            }
            let reason = lost.reason();
            self.common.metrics.control_failures_total.with_label_values(&[reason]).inc();
            if started.elapsed() > AGAIN.1 {
                limit = AGAIN.0;
                told = None;
            }
            // Anything up to the limit, so that the proxies of a controller that was away do not
            // come back all at once.
            let pause = limit.mul_f64(rand::random_range(0.0..1.0));
            limit = (limit * 2).min(AGAIN.1);
            let pause_ms = pause.as_millis() as u64;
            if told.replace(reason) == Some(reason) {
                tracing::debug!(controller = %addr, reason, pause_ms, "no control stream: {lost}");
            } else {
                tracing::warn!(controller = %addr, reason, pause_ms, "no control stream: {lost}");
            }
            self.common.lost.notify_one();
            tokio::time::sleep(pause).await;
            if !self.common.wanted.borrow().contains(&addr) {
                tracing::info!(controller = %addr, "the address is not used any more");
                return;
            }
        }
    }

    async fn stream(&mut self) -> Result<Infallible, Lost> {
        let common = Arc::clone(&self.common);
        let serial = common.serial.fetch_add(1, Ordering::Relaxed);
        let good = self.ruling.borrow_and_update().good.clone();
        let given = Given::new(self.addr, good);
        let (sender, requests) = mpsc::channel(QUEUE);
        let hello = Hello {
            protocol: PROTOCOL,
            release: env!("CARGO_PKG_VERSION").into(),
            proxy: common.name.clone(),
            class: common.class.clone(),
            resume: given.hash(),
        };
        // The queue is empty.
        let _ = sender.try_send(ConnectRequest { message: Some(Out::Hello(hello)) });
        let responses = self.open(requests).await?;
        common.events.send(Event::Up(self.addr)).await.map_err(|_| Lost::Stopping)?;
        tracing::info!(controller = %self.addr, "connected to the controller");
        let mut talk = Talk {
            addr: self.addr,
            serial,
            given,
            waiting: VecDeque::new(),
            claims: None,
            role: Role::default(),
            asks: None,
            common: Arc::clone(&common),
        };
        let result = talk.run(responses, sender, self.ruling.clone()).await;
        common.claims.lost(serial);
        talk.leave_desk();
        result
    }

    async fn open(
        &self,
        requests: mpsc::Receiver<ConnectRequest>,
    ) -> Result<Streaming<ConnectResponse>, Lost> {
        let within = |limit| move |_| Lost::Timeout(limit);
        let credentials = &self.common.credentials;
        let endpoint = credentials.endpoint(&self.site, self.addr).await?;
        let header = credentials.header().await?;
        let connecting = tokio::time::timeout(CONNECT, endpoint.connect()).await;
        let channel = connecting.map_err(within(CONNECT))??;
        let mut client = ControlServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let mut request = Request::new(ReceiverStream::new(requests));
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header);
        }
        let call = tokio::time::timeout(CONNECT, client.connect(request)).await;
        Ok(call.map_err(within(CONNECT))??.into_inner())
    }
}

/// A stream that is open.
struct Talk {
    addr: SocketAddr,
    serial: u64,
    given: Given,
    waiting: VecDeque<Out>,
    /// What the controller is asked for, as long as it leads.
    claims: Option<mpsc::Receiver<Out>>,
    /// What the controller has said that it does.
    role: Role,
    /// What it is asked to do, as long as this is the stream for that.
    asks: Option<Errands>,
    common: Arc<Common>,
}

impl Talk {
    async fn run(
        &mut self,
        mut responses: Streaming<ConnectResponse>,
        sender: mpsc::Sender<ConnectRequest>,
        mut ruling: watch::Receiver<Ruling>,
    ) -> Result<Infallible, Lost> {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut reporter: Option<Reporter> = None;
        let mut work = Work::new(Arc::clone(&self.common.repeats));
        let mut sources: watch::Receiver<Option<Sources>> = self.common.sources.clone();
        sources.mark_changed();
        loop {
            let due = self.given.due();
            tokio::select! {
                response = responses.message() => {
                    heard = Instant::now();
                    let Some(response) = response? else { return Err(Lost::Ended) };
                    match response.message {
                        Some(In::Command(command)) => work.begin(self.network(), command),
                        message => {
                            let ruling = ruling.borrow().clone();
                            self.take(message, &ruling).await?;
                            self.settle_desk(&ruling);
                        }
                    }
                }
                permit = sender.reserve(), if !self.waiting.is_empty() => {
                    let permit = permit.map_err(|_| Lost::Ended)?;
                    if let Some(message) = self.waiting.pop_front() {
                        permit.send(ConnectRequest { message: Some(message) });
                    }
                }
                changed = ruling.changed() => {
                    changed.map_err(|_| Lost::Stopping)?;
                    let ruling = ruling.borrow_and_update();
                    if ruling.twins.contains_key(&self.addr) {
                        return Err(Lost::Twin);
                    }
                    self.waiting.extend(self.given.ruled(&ruling));
                    self.settle_desk(&ruling);
                }
                () = until(due) => {
                    let answer = self.given.late(&ruling.borrow());
                    self.waiting.extend(answer);
                }
                message = claims(self.claims.as_mut()), if self.waiting.len() < QUEUE => {
                    self.waiting.push_back(message.ok_or(Lost::Overrun)?);
                }
                result = work.next(), if self.waiting.len() < QUEUE => {
                    self.waiting.push_back(Out::Result(result));
                }
                (command, actor) = asks(self.asks.as_mut()), if self.waiting.len() < QUEUE => {
                    self.waiting.push_back(Out::Ask(Ask { command: Some(command), actor }));
                }
                // Changes wait in bounded lists of their own until there is room.
                messages = changed(reporter.as_mut()), if self.waiting.len() < QUEUE => {
                    self.waiting.extend(messages);
                }
                changed = sources.changed() => {
                    changed.map_err(|_| Lost::Stopping)?;
                    if let Some(sources) = sources.borrow_and_update().clone() {
                        let (new, messages) = Reporter::new(sources);
                        reporter = Some(new);
                        self.waiting.extend(messages);
                    }
                    self.settle_desk(&ruling.borrow());
                }
                _ = heartbeat.tick() => {
                    let now = Some(prost_types::Timestamp::from(SystemTime::now()));
                    if !self.waiting.iter().any(|it| matches!(it, Out::Heartbeat(_))) {
                        let hash = self.given.hash();
                        self.waiting.push_back(Out::Heartbeat(Heartbeat { hash, now }));
                    }
                }
                () = tokio::time::sleep_until(heard + SILENCE) => return Err(Lost::Silence),
            }
        }
    }

    async fn take(&mut self, message: Option<In>, ruling: &Ruling) -> Result<(), Lost> {
        let now = Instant::now();
        let taken = match message {
            Some(In::Snapshot(part)) => self.given.snapshot(part, ruling, now),
            Some(In::Delta(delta)) => self.given.delta(delta, ruling, now),
            Some(In::Heartbeat(beat)) => {
                let arrived = self.given.arrived(&beat.hash);
                return if arrived { Ok(()) } else { Err(Lost::Gap) };
            }
            Some(In::Role(role)) => return self.role(role).await,
            Some(In::Answer(result)) => {
                if let Some(asks) = &mut self.asks {
                    asks.answered(result);
                }
                return Ok(());
            }
            Some(In::Elsewhere(report)) => {
                if let Some(shared) = self.shared() {
                    let news = shared.abroad.report(self.serial, report);
                    shared.attendance.elsewhere(news);
                }
                return Ok(());
            }
            Some(In::Claim(answer)) => {
                self.common.claims.answered(&answer);
                return Ok(());
            }
            Some(In::Revoked(revoked)) => {
                self.common.claims.revoked(&revoked);
                return Ok(());
            }
            // Commands are not for here; the others are a newer controller's.
            Some(In::Command(_)) | None => return Ok(()),
        };
        if let Some(refused) = taken.refused {
            self.common.metrics.config_nacks_total.inc();
            tracing::error!("documents are refused, the last good ones stay: {refused}");
        }
        self.waiting.extend(taken.answer);
        match taken.offer {
            Some(documents) => self.tell(Event::Offer(self.addr, documents)).await,
            None => Ok(()),
        }
    }

    /// Who carries commands out, once the proxy has started.
    fn network(&self) -> Option<Arc<dyn Network>> {
        let sources = self.common.sources.borrow();
        sources.as_ref().map(|sources| Arc::clone(&sources.local) as Arc<dyn Network>)
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        let sources = self.common.sources.borrow();
        sources.as_ref().map(|sources| Arc::clone(&sources.local.shared))
    }

    /// The controller whose documents count is the one that is asked, and that tells of other
    /// proxies' players.
    fn settle_desk(&mut self, ruling: &Ruling) {
        let wanted = ruling.primary == Some(self.addr) && self.role.asks;
        if wanted == self.asks.is_some() {
            return;
        }
        if !wanted {
            self.leave_desk();
            self.waiting.push_back(Out::Follow(Follow { on: false }));
        } else if let Some(shared) = self.shared() {
            let (errander, errands) = Errander::new("the controller");
            shared.abroad.up(self.serial, errander, self.role.states);
            self.asks = Some(errands);
            self.waiting.push_back(Out::Follow(Follow { on: true }));
        }
    }

    fn leave_desk(&mut self) {
        self.asks = None;
        if let Some(shared) = self.shared() {
            shared.abroad.down(self.serial);
        }
    }

    async fn role(&mut self, role: Role) -> Result<(), Lost> {
        let claims = &self.common.claims;
        if role.leader {
            self.claims = claims.lead(self.serial);
        } else {
            claims.lost(self.serial);
            self.claims = None;
        }
        tracing::debug!(controller = %self.addr, replica = role.replica, leads = role.leader);
        let replica = role.replica.clone();
        self.role = role;
        self.tell(Event::Welcome(self.addr, replica)).await
    }

    async fn tell(&self, event: Event) -> Result<(), Lost> {
        self.common.events.send(event).await.map_err(|_| Lost::Stopping)
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn claims(receiver: Option<&mut mpsc::Receiver<Out>>) -> Option<Out> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

async fn asks(errands: Option<&mut Errands>) -> (Command, String) {
    match errands {
        Some(errands) => errands.next().await,
        None => std::future::pending().await,
    }
}

async fn changed(reporter: Option<&mut Reporter>) -> Vec<Out> {
    match reporter {
        Some(reporter) => reporter.changed().await,
        None => std::future::pending().await,
    }
}
