//! From the first datagram to CLIENT_READY.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use mesegate_auth::{legacy_hash, srp};
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::{AnnounceMedia, NodeDefs};
use mesegate_protocol::login::client::{
    AwaitAccept, AwaitHello, Ended, Entered, Greeted, Method, Outcome,
};
use mesegate_protocol::login::{BasedOn, ClientReady, FirstSrp, Step};
use mesegate_transport::{Link, Message};
use tokio::time::Instant;

use super::media::{download, fetch};
use super::{BotOptions, JoinError, JoinTimes};
use crate::talk::{self, NoMessage};
use crate::view::View;

/// Time between two INIT, as the engine client's.
const INIT_INTERVAL: Duration = Duration::from_millis(1500);

/// Messages that may arrive before the view exists; an engine server sends a handful.
const EARLY: usize = 10_000;

/// A client that sent CLIENT_READY.
pub(super) struct Loaded {
    pub link: Link,
    pub version: ProtocolVersion,
    pub view: View,
    pub early: Vec<Message>,
    pub announced: Vec<(String, [u8; 20])>,
    pub remote_media: String,
    pub item_def: Bytes,
    pub node_def: Bytes,
    pub registered: bool,
    pub times: JoinTimes,
}

impl From<Ended> for JoinError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Denied(denied) => denied.into(),
            other => Self::Login(other.to_string()),
        }
    }
}

pub(super) async fn wait(
    link: &mut Link,
    deadline: Instant,
    step: &'static str,
) -> Result<Message, JoinError> {
    talk::next(link, deadline).await.map_err(|error| match error {
        NoMessage::Closed(reason) => JoinError::Closed { step, reason },
        NoMessage::Late => JoinError::Timeout { step },
    })
}

pub(super) fn send(
    link: &mut Link,
    channel: u8,
    data: Bytes,
    step: &'static str,
) -> Result<(), JoinError> {
    link.send(channel, true, data).map_err(|_| JoinError::Closed { step, reason: "send queue" })
}

/// The login's own channel.
const LOGIN: u8 = 1;

struct Login<'a> {
    link: Link,
    options: &'a BotOptions,
    deadline: Instant,
    early: Vec<Message>,
}

pub(super) async fn log_in(
    options: &BotOptions,
    begun: Instant,
    deadline: Instant,
) -> Result<Loaded, JoinError> {
    let link = Link::connect(options.addr, options.transport.clone())
        .await
        .map_err(|error| JoinError::Socket(error.to_string()))?;
    let mut login = Login { link, options, deadline, early: Vec::new() };
    let mut times = JoinTimes::default();

    let greeted = login.greet().await?;
    times.hello = begun.elapsed();
    let accepting = login.prove(greeted).await?;
    let accepted = login.advance(accepting, AwaitAccept::on_message, "AUTH_ACCEPT").await?;
    times.accepted = begun.elapsed();
    login.link.lift_limits();

    let (mut state, init2) = accepted.enter(&options.language);
    login.send(init2)?;
    let entered: Entered = loop {
        let message = wait(&mut login.link, deadline, "definitions").await?;
        state = match state.on_message(&message.data)? {
            Step::Next(entered) => break entered,
            Step::Stay(state) => state,
            Step::PassOn(state) => {
                login.keep(message);
                state
            }
        };
    };
    times.definitions = begun.elapsed();
    login.load(entered, times, begun).await
}

impl Login<'_> {
    fn send(&mut self, data: Bytes) -> Result<(), JoinError> {
        send(&mut self.link, LOGIN, data, "login")
    }

    fn keep(&mut self, message: Message) {
        if self.early.len() < EARLY {
            self.early.push(message);
        }
    }

    async fn greet(&mut self) -> Result<Greeted, JoinError> {
        let (mut state, init) = AwaitHello::new(&self.options.name, self.options.max_version);
        let mut repeat = Instant::now();
        loop {
            if Instant::now() >= repeat {
                // Unreliable, and the first one can be lost: repeated until it is answered.
                let _ = self.link.send(LOGIN, false, init.clone());
                repeat = Instant::now() + INIT_INTERVAL;
            }
            let turn = repeat.min(self.deadline);
            let message = match wait(&mut self.link, turn, "HELLO").await {
                Err(JoinError::Timeout { .. }) if Instant::now() < self.deadline => continue,
                other => other?,
            };
            state = match state.on_message(&message.data)? {
                Step::Next(greeted) => return Ok(greeted),
                Step::Stay(state) => state,
                Step::PassOn(state) => {
                    self.keep(message);
                    state
                }
            };
        }
    }

    /// Feeds messages to a state until it is left.
    async fn advance<S, N>(
        &mut self,
        mut state: S,
        on_message: impl Fn(S, &[u8]) -> Outcome<S, N>,
        step: &'static str,
    ) -> Result<N, JoinError> {
        loop {
            let message = wait(&mut self.link, self.deadline, step).await?;
            state = match on_message(state, &message.data)? {
                Step::Next(next) => return Ok(next),
                Step::Stay(state) => state,
                Step::PassOn(state) => {
                    self.keep(message);
                    state
                }
            };
        }
    }

    async fn prove(&mut self, greeted: Greeted) -> Result<AwaitAccept, JoinError> {
        let failed = |error: srp::SrpError| JoinError::Login(error.to_string());
        let BotOptions { name, password, .. } = self.options;
        match greeted.choose()? {
            Method::Register(registrant) => {
                let made = srp::blocking::verifier(name, password.as_bytes());
                let verifier = self.meanwhile(made).await?.map_err(failed)?;
                let request = FirstSrp {
                    salt: verifier.salt,
                    verifier: verifier.verifier,
                    empty: password.is_empty(),
                };
                let (next, message) = registrant.register(&request);
                self.send(message)?;
                Ok(next)
            }
            Method::Prove(prover) => {
                let secret = match prover.based_on() {
                    BasedOn::Password => password.clone(),
                    BasedOn::LegacyHash => legacy_hash(name, password),
                };
                let started = srp::blocking::client_start(name, secret.as_bytes());
                let (handshake, a) = self.meanwhile(started).await?.map_err(failed)?;
                let (state, message) = prover.start(&a);
                self.send(message)?;
                let answer = self
                    .advance(state, |state, message| state.on_message(message), "SRP_BYTES_S_B")
                    .await?;
                let proved = srp::blocking::client_respond(handshake, answer.salt(), answer.b());
                let m = self.meanwhile(proved).await?.map_err(failed)?;
                let (next, message) = answer.prove(&m);
                self.send(message)?;
                Ok(next)
            }
        }
    }

    /// Keeps the connection alive while something else is computed.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, JoinError> {
        tokio::pin!(work);
        loop {
            self.link.flush();
            tokio::select! {
                done = &mut work => return Ok(done),
                () = self.link.drive() => {}
                () = tokio::time::sleep_until(self.deadline) => {
                    return Err(JoinError::Timeout { step: "what is done beside the connection" });
                }
            }
            if let Some(reason) = self.link.closed() {
                let step = "what is done beside the connection";
                return Err(JoinError::Closed { step, reason: reason.as_str() });
            }
        }
    }

    async fn load(
        mut self,
        entered: Entered,
        mut times: JoinTimes,
        begun: Instant,
    ) -> Result<Loaded, JoinError> {
        let version = entered.version;
        let nodes = NodeDefs::decode(&entered.node_def, version)
            .map_err(|_| JoinError::Definitions("NODEDEF"))?;
        let AnnounceMedia { files: announced, remote: remote_media } =
            AnnounceMedia::decode(&entered.announce_media, version)
                .map_err(|_| JoinError::Definitions("ANNOUNCE_MEDIA"))?;
        if self.options.download {
            let mut missing = announced.clone();
            if self.options.http {
                let hashes = missing.iter().map(|(_, hash)| *hash).collect();
                let got = self.meanwhile(fetch(&remote_media, &hashes)).await?;
                // A content under two names is fetched once and counts as two files.
                times.http_bytes = missing.iter().filter_map(|(_, hash)| got.get(hash)).sum();
                missing.retain(|(_, hash)| !got.contains_key(hash));
            }
            let early = &mut self.early;
            let keep = |message| {
                if early.len() < EARLY {
                    early.push(message);
                }
            };
            let bytes = download(&mut self.link, &missing, version, self.deadline, keep).await?;
            times.media_bytes = times.http_bytes + bytes;
        }
        times.media = begun.elapsed();
        let known: BTreeSet<u16> = nodes.nodes.iter().map(|node| node.id).collect();
        let mut view = View::new(version, &self.options.name, known, self.options.check_blocks);
        view.set_ready();
        let (release, formspec) = release(version);
        let name = format!("{}.{}.{}", release.0, release.1, release.2);
        self.send(ClientReady::new(release, &name, formspec).encode())?;
        self.link.flush();
        Ok(Loaded {
            link: self.link,
            version,
            view,
            early: self.early,
            announced,
            remote_media,
            item_def: entered.item_def,
            node_def: entered.node_def,
            registered: entered.registered,
            times,
        })
    }
}

/// The last engine release of a protocol version, and its formspec version.
fn release(version: ProtocolVersion) -> ((u8, u8, u8), u16) {
    match version.0 {
        ..=37 => ((5, 0, 1), 1),
        38 => ((5, 1, 1), 2),
        39 => ((5, 4, 1), 4),
        40 => ((5, 5, 1), 5),
        41 => ((5, 6, 1), 6),
        42 => ((5, 7, 0), 6),
        43 => ((5, 8, 0), 7),
        44 => ((5, 9, 0), 7),
        45 => ((5, 9, 1), 7),
        46 => ((5, 10, 0), 8),
        47 => ((5, 11, 0), 8),
        48 => ((5, 12, 0), 9),
        49 => ((5, 13, 0), 10),
        50 => ((5, 14, 0), 10),
        51 => ((5, 15, 2), 10),
        52 => ((5, 16, 1), 10),
        _ => ((5, 17, 0), 11),
    }
}
