//! The control stream's side of the controller.

mod elsewhere;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesegate_admin::{Failure, Network, Peer, Work};
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::connect_request::Message as In;
use mesegate_proto::control::v1::connect_response::Message as Out;
use mesegate_proto::control::v1::control_service_server::ControlService;
use mesegate_proto::control::v1::{
    Ask, ConnectRequest, ConnectResponse, Heartbeat, Hello, Nack, PlayerReport, Role,
};
use mesegate_proto::control::{HEARTBEAT, PROTOCOL, SILENCE};
use mesegate_telemetry::span::TARGET;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use tracing::Span;

use crate::claims::{Claimant, Claims};
use crate::compile::Compiled;
use crate::fleet::{Fleet, Seat};
use crate::metrics::Metrics;
use crate::sync::Sync;
use crate::trust::Gate;
use elsewhere::Elsewhere;

/// Messages that may wait for the network.
const QUEUE: usize = 4;

/// Messages that may wait for that before commands, answers, news of other proxies, and what claims
/// lead to, wait elsewhere.
const AHEAD: usize = 64;

/// What streams need. Cloning shares it.
#[derive(Clone)]
pub struct Control {
    /// What is in force.
    pub compiled: watch::Receiver<Arc<Compiled>>,
    /// Who is connected.
    pub fleet: Fleet,
    /// Who has which name.
    pub claims: Claims,
    /// Who is let in.
    pub gate: Gate,
    /// What this replica is called.
    pub replica: String,
    /// Whether it leads.
    pub leads: watch::Receiver<bool>,
    /// Who does what proxies ask for; without, they hear nothing of each other.
    pub asked: Option<Asked>,
    /// Counters.
    pub metrics: Metrics,
    /// True from the moment the process was asked to stop.
    pub stopping: watch::Receiver<bool>,
}

/// Who does what proxies ask for. Cloning shares it.
#[derive(Clone)]
pub struct Asked {
    /// All proxies' players and servers.
    pub network: Arc<dyn Network>,
    /// Whether servers' states may be set.
    pub states: bool,
}

/// Characters of the name of whoever asks, in audit records.
const ACTOR: usize = 100;

type Responses = Pin<Box<dyn Stream<Item = Result<ConnectResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ControlService for Control {
    type ConnectStream = Responses;

    async fn connect(
        &self,
        request: Request<Streaming<ConnectRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let names = request.extensions().get::<Peer>().map(|it| Arc::clone(&it.names));
        let who = self.gate.admit(request.metadata(), names.as_deref().unwrap_or_default()).await;
        let who = who.inspect_err(|_| self.metrics.refused_total.inc())?;
        let mut requests = request.into_inner();
        let (sender, responses) = mpsc::channel(QUEUE);
        let control = self.clone();
        tokio::spawn(async move {
            let result = control.serve(&who, &mut requests, &sender).await;
            if let Err(status) = result {
                tracing::debug!(code = ?status.code(), "a stream ends: {}", status.message());
                // A proxy that does not read does not need to know, either.
                let _ = sender.try_send(Err(status));
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}

impl Control {
    async fn serve(
        mut self,
        who: &str,
        requests: &mut Streaming<ConnectRequest>,
        sender: &mpsc::Sender<Result<ConnectResponse, Status>>,
    ) -> Result<(), Status> {
        let hello = tokio::time::timeout(SILENCE, requests.message()).await;
        let hello = hello.map_err(|_| Status::deadline_exceeded("no hello"))??;
        let Some(ConnectRequest { message: Some(In::Hello(hello)) }) = hello else {
            return Err(Status::invalid_argument("the first message has to be a hello"));
        };
        check(&hello)?;
        let (class, proxy) = (hello.class.clone(), hello.proxy.clone());
        tracing::info!(proxy, class, who, release = hello.release, "a proxy has connected");
        let key = (class, proxy.clone());
        let (claimant, letters) = self.claims.enter(key.clone());
        let seat = self.fleet.enter(key, hello.release);
        self.metrics.streams_total.inc();
        let mut stream = Running {
            seat,
            claimant,
            letters,
            asked: self.asked.clone(),
            work: Work::new(Arc::default()),
            follows: None,
            fleet: self.fleet.clone(),
            proxy: proxy.clone(),
            class: hello.class,
            sync: Sync::new(hello.resume.try_into().ok()),
            waiting: VecDeque::new(),
            heard: Instant::now(),
            sent: Instant::now(),
            push: Span::none(),
            metrics: self.metrics.clone(),
        };
        let result = stream.run(&mut self, requests, sender).await;
        tracing::info!(proxy, class = stream.class, "a proxy's stream has ended");
        result
    }
}

fn check(hello: &Hello) -> Result<(), Status> {
    if hello.protocol != PROTOCOL {
        return Err(Status::failed_precondition(format!(
            "protocol {} is not known; this controller speaks {PROTOCOL}",
            hello.protocol
        )));
    }
    let fits = |text: &str, most: usize| !text.is_empty() && text.len() <= most;
    if !fits(&hello.proxy, 253) || !fits(&hello.class, 253) || hello.release.len() > 253 {
        return Err(Status::invalid_argument("the names of a hello have 1 to 253 characters"));
    }
    Ok(())
}

struct Running {
    seat: Seat,
    claimant: Claimant,
    /// What its claims lead to.
    letters: mpsc::Receiver<Out>,
    asked: Option<Asked>,
    /// What the proxy asked for.
    work: Work,
    /// What it is told of other proxies' players, if it wants to be.
    follows: Option<Elsewhere>,
    fleet: Fleet,
    proxy: String,
    class: String,
    sync: Sync,
    waiting: VecDeque<ConnectResponse>,
    heard: Instant,
    /// When the last set was put on its way.
    sent: Instant,
    /// From then until the answer.
    push: Span,
    metrics: Metrics,
}

impl Running {
    async fn run(
        &mut self,
        control: &mut Control,
        requests: &mut Streaming<ConnectRequest>,
        sender: &mpsc::Sender<Result<ConnectResponse, Status>>,
    ) -> Result<(), Status> {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let age = Duration::from_secs(rand::random_range(30 * 60..60 * 60));
        let end = tokio::time::sleep(age);
        tokio::pin!(end);
        let mut leads = control.leads.clone();
        self.say_role(&control.replica, *leads.borrow_and_update());
        loop {
            let set = control.compiled.borrow_and_update().sets.get(&self.class).cloned();
            if let Some(messages) = set.and_then(|set| self.sync.next(&set)) {
                self.metrics.updates_total.inc();
                self.sent = Instant::now();
                self.push = tracing::info_span!(
                    target: TARGET,
                    "push documents",
                    messages = messages.len(),
                    result = tracing::field::Empty,
                );
                self.waiting.extend(messages);
            }
            tokio::select! {
                request = requests.next() => match request {
                    Some(request) => self.take(request?)?,
                    None => return Ok(()),
                },
                permit = sender.reserve(), if !self.waiting.is_empty() => {
                    let permit = permit.map_err(|_| Status::cancelled("the proxy is gone"))?;
                    if let Some(message) = self.waiting.pop_front() {
                        permit.send(Ok(message));
                    }
                }
                changed = control.compiled.changed() => {
                    changed.map_err(|_| Status::unavailable("the controller stops"))?;
                }
                command = self.seat.next_command(), if self.waiting.len() < AHEAD => {
                    let message = Some(Out::Command(command));
                    self.waiting.push_back(ConnectResponse { message });
                }
                changed = leads.changed() => {
                    changed.map_err(|_| Status::unavailable("the controller stops"))?;
                    self.say_role(&control.replica, *leads.borrow_and_update());
                }
                letter = self.letters.recv(), if self.waiting.len() < AHEAD => {
                    let gone = || Status::resource_exhausted("too many answers wait");
                    let message = Some(letter.ok_or_else(gone)?);
                    self.waiting.push_back(ConnectResponse { message });
                }
                answer = self.work.next(), if self.waiting.len() < AHEAD => {
                    let message = Some(Out::Answer(answer));
                    self.waiting.push_back(ConnectResponse { message });
                }
                report = news(self.follows.as_mut()), if self.waiting.len() < AHEAD => {
                    let message = Some(Out::Elsewhere(report));
                    self.waiting.push_back(ConnectResponse { message });
                }
                _ = heartbeat.tick() => self.beat()?,
                () = &mut end => return Err(Status::unavailable("the stream is old")),
                _ = control.stopping.wait_for(|it| *it) => {
                    return Err(Status::unavailable("the controller stops"));
                }
            }
        }
    }

    /// Says whether this replica leads. Before anything that it does as a leader.
    fn say_role(&mut self, replica: &str, leader: bool) {
        let asks = self.asked.is_some();
        let states = self.asked.as_ref().is_some_and(|it| it.states);
        let role = Role { replica: replica.to_owned(), leader, asks, states };
        self.waiting.push_back(ConnectResponse { message: Some(Out::Role(role)) });
    }

    fn beat(&mut self) -> Result<(), Status> {
        if self.seat.replaced() {
            return Err(Status::aborted("a newer stream has the same name"));
        }
        if self.heard.elapsed() > SILENCE {
            return Err(Status::deadline_exceeded("the proxy was silent"));
        }
        if self.sync.waits() && self.sent.elapsed() > SILENCE {
            return Err(Status::deadline_exceeded("the proxy did not answer an update"));
        }
        let hash = self.sync.last_sent().map(|it| it.to_vec()).unwrap_or_default();
        let now = Some(prost_types::Timestamp::from(SystemTime::now()));
        // Behind what waits, so that the hash is that of what the proxy was sent before it. One is
        // enough for a proxy that does not read.
        let beats = |it: &ConnectResponse| matches!(it.message, Some(Out::Heartbeat(_)));
        if !self.waiting.iter().any(beats) {
            let message = Some(Out::Heartbeat(Heartbeat { hash, now }));
            self.waiting.push_back(ConnectResponse { message });
        }
        Ok(())
    }

    fn take(&mut self, request: ConnectRequest) -> Result<(), Status> {
        self.heard = Instant::now();
        match request.message {
            Some(In::Ack(ack)) => {
                let waits = self.sync.waits();
                if self.sync.ack(&ack.hash)
                    && let Some(set) = self.sync.have()
                {
                    self.seat.acked(Arc::clone(set));
                    if waits {
                        self.answered("ok");
                    }
                }
            }
            Some(In::Nack(nack)) => self.refused(nack),
            Some(In::Heartbeat(beat)) => self.sync.believes(&beat.hash),
            Some(In::Players(report)) => self.seat.players(report),
            Some(In::Probes(report)) => self.seat.probes(report.probes),
            Some(In::Result(result)) => self.seat.answered(result),
            Some(In::Proxy(proxy)) => self.seat.proxy(proxy),
            Some(In::Claim(request)) => self.claimant.claim(request),
            Some(In::Release(release)) => self.claimant.release(&release),
            Some(In::Claims(report)) => self.claimant.report(report),
            Some(In::Ask(ask)) => self.ask(ask),
            Some(In::Follow(follow)) => {
                let wanted = follow.on && self.asked.is_some();
                self.follows =
                    wanted.then(|| Elsewhere::new(self.fleet.clone(), self.proxy.clone()));
            }
            Some(In::Hello(_)) => return Err(Status::invalid_argument("a second hello")),
            // A newer proxy's.
            None => {}
        }
        Ok(())
    }

    /// Begins to do what the proxy asks for.
    fn ask(&mut self, ask: Ask) {
        let Ask { command, actor } = ask;
        let Some(command) = command else { return };
        let Some(Asked { network, states }) = self.asked.clone() else {
            return self.work.begin(None, command);
        };
        if matches!(command.op, Some(Op::State(_))) && !states {
            let text = "this controller has no --admin, and sets no states";
            return self.work.refuse(command.id, Failure::new(Reason::Permission, text));
        }
        let actor: String = actor.chars().filter(|it| !it.is_control()).take(ACTOR).collect();
        self.work.ask(network, command, format!("{actor} at proxy {}", self.proxy));
    }

    /// What was sent last was answered.
    fn answered(&mut self, result: &str) {
        let taken = self.sent.elapsed().as_secs_f64();
        self.metrics.push_duration.with_label_values(&[result]).observe(taken);
        self.push.record("result", result);
        self.push = Span::none();
    }

    fn refused(&mut self, nack: Nack) {
        let counts = !nack.resync && !nack.elsewhere;
        if !self.sync.nack(&nack.hash, nack.resync) {
            return;
        }
        self.answered(if nack.elsewhere { "elsewhere" } else { "refused" });
        if counts {
            let mut reason = nack.reason;
            reason.truncate(reason.floor_char_boundary(1000));
            tracing::warn!(class = self.class, "a proxy refuses documents: {reason}");
            self.metrics.nacks_total.inc();
            self.seat.refused(reason);
        }
    }
}

async fn news(follows: Option<&mut Elsewhere>) -> PlayerReport {
    match follows {
        Some(follows) => follows.next().await,
        None => std::future::pending().await,
    }
}
