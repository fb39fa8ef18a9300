//! The bridge: one player in the game, both legs, in one task.
//!
//! Messages are routed by command ([`mesegate_protocol::routing`]); most are passed on as the
//! same bytes. What the client comes to hold is recorded on the way, because a hop has to take
//! all of it back.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_auth::srp::ServerHandshake;
use mesegate_protocol::Translation;
use mesegate_protocol::client_state::ClientState;
use mesegate_protocol::login::sudo::Sudo;
use mesegate_protocol::objects::ObjectMap;
use mesegate_protocol::play::ChatMessage;
use mesegate_transport::{Link, Message, SendError};
use tokio::sync::mpsc;
use tracing::Span;

use super::company::{Company, News};
use super::denial::Denial;
use super::gate::Gate;
use super::losses::LostLately;
use super::media::MediaQueue;
use super::password::{Done, Work};
use super::pushes::Pushes;
use super::reconnect::Reconnect;
use super::spans::SessionId;
use super::traffic::Traffic;
use super::travel::{Outcome, Traveller};
use crate::console::Said;
use crate::losses::LossNotice;
use crate::mod_api::{ModLink, Parcel};
use crate::players::{Move, Order, Place};
use crate::selection::Seat;
use crate::shared::{Shared, unix_now};

/// While more bytes than this wait for the client, nothing more is taken from the backend, whose
/// own window then closes: a slow player slows only themselves.
const CLIENT_BACKLOG: usize = 1024 * 1024;

/// How often a lost backend is looked for: its players notice the loss within a second of each
/// other.
const TICK: Duration = Duration::from_millis(250);

/// Counters are handed to the metrics every so many ticks.
const REPORT: u8 = 4;

/// Of so many messages of a player one is measured.
const SAMPLE: u8 = 64;

/// A player in the game.
pub(super) struct Player {
    pub(super) shared: Arc<Shared>,
    pub(super) who: Traveller,
    /// The client's CLIENT_READY, repeated to every backend.
    pub(super) ready: Bytes,
    pub(super) client: Link,
    pub(super) state: ClientState,
    pub(super) objects: ObjectMap,
    pub(super) world: Option<World>,
    pub(super) gate: Gate,
    pub(super) journey: Option<Journey>,
    pub(super) media: MediaQueue,
    pub(super) pushes: Pushes,
    /// Chat for the server the player is on the way to.
    pub(super) held_chat: Vec<Message>,
    /// What the server's mods have to do with this session.
    pub(super) mods: ModLink,
    pub(super) sudo: Sudo,
    /// What the player's proof of the old password is checked against.
    pub(super) handshake: Option<ServerHandshake>,
    /// A step of a password change that is being computed.
    pub(super) work: Option<Work>,
    pub(super) client_traffic: Traffic,
    pub(super) ticks: u8,
    /// What the session is called in traces.
    pub(super) session: SessionId,
    /// The login, until the first position on a server.
    pub(super) login: Span,
    /// When the wish for the journey that is being finished was made, and its span.
    pub(super) moving: Option<(Instant, Span)>,
    /// Counts messages, to measure some of them.
    pub(super) messages: u8,
    /// The entry in the list of players, and where orders come from.
    pub(super) place: Place,
    /// What is heard of the other players.
    pub(super) company: Company,
    /// The order that the journey under way carries out.
    pub(super) ordered: Option<Move>,
    /// Ordered moves that wait for the journey under way.
    pub(super) waiting_moves: VecDeque<Move>,
    /// What was lost on the way.
    pub(super) lost: LostLately,
    /// Lines for the console that wait for the command under way.
    pub(super) waiting_lines: VecDeque<String>,
    /// What the command under way has to say.
    pub(super) command: Option<mpsc::Receiver<Said>>,
}

/// The backend a player is on.
pub(super) struct World {
    pub(super) server: String,
    pub(super) title: String,
    /// The player counts there for as long as this is held.
    pub(super) _seat: Seat,
    pub(super) link: Link,
    /// What the client knows its names and ids as.
    pub(super) translation: Arc<Translation>,
    pub(super) traffic: Traffic,
    /// Other players' losses of this backend.
    pub(super) notice: LossNotice,
}

/// A backend that is being entered.
pub(super) struct Journey {
    pub(super) purpose: Purpose,
    pub(super) started: Instant,
    pub(super) span: Span,
    pub(super) end: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// Why a journey was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The player has just logged in.
    Join {
        /// The server for whose sake they did so again.
        returning: Option<String>,
    },
    /// The player asked for it.
    Wish {
        /// The target.
        server: String,
    },
    /// An operator ordered it.
    Order {
        /// The first target.
        server: String,
        /// Whether the player may be asked to connect anew for it.
        allow_reconnect: bool,
    },
    /// The backend was lost.
    Fallback {
        /// The lost backend.
        lost: String,
    },
}

/// What made the task look.
enum Wake {
    Links,
    Doubt,
    Arrived(Box<Outcome>),
    Worked(Done),
    Ordered(Order),
    Heard(News),
    Said(Option<Said>),
    ForMods(Parcel),
    Tick,
    Stop,
}

/// How a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// The client left or was lost; the transport's reason.
    ClientGone(&'static str),
    /// The client is to be sent away.
    Deny(Denial),
    /// The client is to connect anew for a server's sake.
    Reconnect(Reconnect),
    /// The client is to connect anew, as the proxy is being left or stops; the cause.
    Leave(&'static str),
}

impl Player {
    /// Plays until the end.
    pub(super) async fn play(&mut self) -> End {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stopping = self.shared.stopping.clone();
        loop {
            let wake = tokio::select! {
                () = self.client.drive() => Wake::Links,
                wake = drive(self.world.as_mut()) => wake,
                end = arrival(self.journey.as_mut()) => Wake::Arrived(Box::new(end)),
                done = working(self.work.as_mut()) => Wake::Worked(done),
                order = self.place.next_order() => Wake::Ordered(order),
                news = self.company.next() => Wake::Heard(news),
                said = hear(self.command.as_mut()) => Wake::Said(said),
                parcel = self.mods.next() => Wake::ForMods(parcel),
                _ = tick.tick() => Wake::Tick,
                _ = stopping.wait_for(|stop| *stop) => Wake::Stop,
            };
            let turn = match wake {
                Wake::Links => Ok(()),
                Wake::Doubt => {
                    self.doubt_world();
                    Ok(())
                }
                Wake::Arrived(result) => self.journey_ended(*result),
                Wake::Worked(done) => self.worked(done),
                Wake::Ordered(order) => self.order(order),
                Wake::Heard(news) => self.heard(news),
                Wake::Said(said) => self.said(said),
                Wake::ForMods(parcel) => {
                    self.tell_mods(parcel);
                    Ok(())
                }
                Wake::Tick => self.tick(),
                Wake::Stop => Err(End::Leave("shutdown")),
            };
            let turn = match turn {
                Ok(()) => self.turn().await,
                Err(end) => Err(end),
            };
            if let Err(end) = turn {
                self.report_traffic();
                return end;
            }
        }
    }

    /// Moves everything that can be moved now, in both directions.
    async fn turn(&mut self) -> Result<(), End> {
        self.pull_client()?;
        self.pull_world()?;
        if let Some(reason) = self.world.as_ref().and_then(|w| w.link.closed()) {
            self.world_lost(reason.as_str(), "")?;
        }
        if self.world.as_ref().is_some_and(|w| w.traffic.is_doubted()) {
            self.look_for_world()?;
        }
        self.serve_media().await?;
        while let Some(ticket) = self.client.recv_acked() {
            self.gate.acknowledged(ticket, Instant::now());
        }
        if let Some(world) = &mut self.world {
            world.link.flush();
        }
        self.client.flush();
        if let Some(reason) = self.client.closed() {
            return Err(End::ClientGone(reason.as_str()));
        }
        Ok(())
    }

    fn pull_client(&mut self) -> Result<(), End> {
        while let Some(message) = self.client.recv() {
            let began = self.sample();
            self.client_message(message)?;
            self.sampled(0, began);
        }
        Ok(())
    }

    fn pull_world(&mut self) -> Result<(), End> {
        while self.client.queued_bytes() < CLIENT_BACKLOG {
            let Some(message) = self.world.as_mut().and_then(|w| w.link.recv()) else { break };
            let began = self.sample();
            self.world_message(message)?;
            self.sampled(1, began);
        }
        for message in self.state.take_evicted(self.who.version) {
            self.send_client(2, true, message)?;
        }
        Ok(())
    }

    /// Looks at the clock for some messages only: it costs as much as passing a small one on.
    fn sample(&mut self) -> Option<Instant> {
        self.messages = self.messages.wrapping_add(1);
        self.messages.is_multiple_of(SAMPLE).then(Instant::now)
    }

    fn sampled(&self, direction: usize, began: Option<Instant>) {
        if let Some(began) = began {
            let taken = began.elapsed().as_secs_f64();
            self.shared.metrics.message_processing[direction].observe(taken);
        }
    }

    async fn serve_media(&mut self) -> Result<(), End> {
        let pumped = self.media.pump(&mut self.client, &self.shared.metrics).await;
        pumped.map_err(client_failed)
    }

    /// Sends to the client and records what it thereby holds.
    pub(super) fn send_client(
        &mut self,
        channel: u8,
        reliable: bool,
        data: Bytes,
    ) -> Result<(), End> {
        self.state.observe_to_client(&data, self.who.version);
        self.client.send(channel, reliable, data).map_err(client_failed)
    }

    /// Sends to the backend. A backend that does not take it any more is noticed when its link
    /// closes, so failures end here.
    pub(super) fn send_world(&mut self, channel: u8, reliable: bool, data: Bytes) {
        if let Some(world) = &mut self.world
            && let Err(error) = world.link.send(channel, reliable, data)
        {
            tracing::debug!(server = world.server, %error, "a message for the backend was dropped");
        }
    }

    /// Writes a line into the player's chat.
    pub(super) fn tell(&mut self, text: &str) -> Result<(), End> {
        self.send_client(0, true, ChatMessage::system(text, unix_now()).encode())
    }

    fn tick(&mut self) -> Result<(), End> {
        self.ticks = (self.ticks + 1) % REPORT;
        if self.ticks == 0 {
            self.report_traffic();
        }
        self.gate.tick(Instant::now());
        self.expire_moves()?;
        self.look_for_world()
    }

    fn look_for_world(&mut self) -> Result<(), End> {
        let gone = |w: &mut World| w.traffic.unreachable(&w.link.stats(), Instant::now());
        if self.world.as_mut().is_some_and(gone) {
            self.world_lost("unreachable", "")?;
        }
        Ok(())
    }

    /// Another player has lost the backend: it is asked for a sign of life.
    fn doubt_world(&mut self) {
        if let Some(world) = &mut self.world {
            world.traffic.doubt(Instant::now());
            world.link.ping();
        }
    }

    fn report_traffic(&mut self) {
        let metrics = &self.shared.metrics;
        self.client_traffic.report(&self.client, metrics);
        if let Some(world) = &mut self.world {
            world.traffic.report(&world.link, metrics);
        }
    }
}

/// A client that does not take a message any more.
pub(super) fn client_failed(error: SendError) -> End {
    End::ClientGone(error.as_str())
}

async fn drive(world: Option<&mut World>) -> Wake {
    let Some(world) = world else { return std::future::pending().await };
    tokio::select! {
        () = world.link.drive() => Wake::Links,
        Ok(()) = world.notice.changed() => Wake::Doubt,
    }
}

async fn arrival(journey: Option<&mut Journey>) -> Outcome {
    match journey {
        Some(journey) => journey.end.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn hear(command: Option<&mut mpsc::Receiver<Said>>) -> Option<Said> {
    match command {
        Some(said) => said.recv().await,
        None => std::future::pending().await,
    }
}

async fn working(work: Option<&mut Work>) -> Done {
    match work {
        Some(work) => work.as_mut().await,
        None => std::future::pending().await,
    }
}
