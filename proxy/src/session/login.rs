//! From a stranger to a player: name, password, definitions, media, ready.

mod account;
mod admit;
mod place;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_content::Catalogue;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::RequestMedia;
use mesegate_protocol::login::server::{AwaitInit, AwaitInit2, AwaitReady, Outcome, Playing};
use mesegate_protocol::login::{DenyCode, Mechanisms, Step};
use mesegate_protocol::{split_command, to_server};
use mesegate_transport::{Link, SendError};
use tracing::Instrument as _;

use super::denial::Denial;
use super::media::MediaQueue;
use super::orders::sent_away;
use super::reconnect;
use super::spans::step;
use crate::banned;
use crate::players::Place;
use crate::shared::{Shared, unix_now};
use account::database;

/// From the first message to INIT2; engines give 12 s (`server/clientiface.h`, LINGER_TIMEOUT).
const LOGIN: Duration = Duration::from_secs(12);

/// From INIT2 to CLIENT_READY. Slow paths and slow machines take minutes for media and textures.
const LOADING: Duration = Duration::from_mins(15);

/// How long a login waits for definitions that are being fetched for the first time.
const CATALOGUE: Duration = Duration::from_secs(8);

/// Somebody who may play.
pub(super) struct Login {
    pub(super) playing: Playing,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) mechanisms: Mechanisms,
    /// The server for whose sake the player logs in again.
    pub(super) returning: Option<String>,
    pub(super) place: Place,
}

/// How a login fails.
pub(super) enum Failure {
    /// The client is gone; the transport's reason.
    Gone(&'static str),
    /// The client is refused.
    Deny(Denial),
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self::Gone(error.as_str())
    }
}

/// A login that failed, and what is known of who it was.
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) name: String,
    pub(super) version: ProtocolVersion,
}

/// A login under way.
pub(super) struct Attempt<'a> {
    pub(super) link: &'a mut Link,
    pub(super) shared: &'a Shared,
    deadline: Instant,
    name: String,
    /// What the account may do, once the password was right.
    privileges: BTreeSet<String>,
    /// What denials are made for: until INIT came, the oldest, whose clients show least.
    version: ProtocolVersion,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(link: &'a mut Link, shared: &'a Shared) -> Self {
        let deadline = Instant::now() + LOGIN;
        let (name, privileges) = (String::new(), BTreeSet::new());
        Self { link, shared, deadline, name, privileges, version: ProtocolVersion::MIN }
    }

    /// Goes through all steps.
    pub(super) async fn run(mut self) -> Result<Login, Failed> {
        match self.steps().await {
            Ok(login) => Ok(login),
            Err(failure) => Err(Failed { failure, name: self.name, version: self.version }),
        }
    }

    async fn steps(&mut self) -> Result<Login, Failure> {
        let ceiling = self.shared.library.network_version();
        let offer = self.until(AwaitInit::new(ceiling), AwaitInit::on_message).await?;
        self.name.clone_from(&offer.visitor().name);
        self.version = offer.visitor().version;
        self.vacancy().await?;
        self.not_banned().await?;
        self.not_too_often()?;
        let (state, mechanisms) = self.authenticate(offer).instrument(step!("password")).await?;
        let mut place = self.place().instrument(step!("name")).await?;
        self.not_banned().await?;
        let (playing, catalogue, returning) = tokio::select! {
            denial = sent_away(&mut place, self.shared) => return Err(denial.into()),
            loaded = self.prepare(state).instrument(step!("load content")) => loaded?,
        };
        Ok(Login { playing, catalogue, mechanisms, returning, place })
    }

    /// What a player needs who is let in.
    async fn prepare(
        &mut self,
        state: AwaitInit2,
    ) -> Result<(Playing, Arc<Catalogue>, Option<String>), Failure> {
        self.link.lift_limits();
        let state = self.until(state, AwaitInit2::on_message).await?;
        self.deadline = Instant::now() + LOADING;
        let returning = match reconnect::remembered(self.shared, &self.name).await {
            None => reconnect::last_server(self.shared, &self.name).await,
            Some(server) => {
                // They may have left it this instant, by way of another proxy.
                self.shared.departures.left(&server, &self.name, Instant::now());
                Some(server)
            }
        };
        let (playing, catalogue) = self.load(state, returning.as_deref()).await?;
        Ok((playing, catalogue, returning))
    }

    /// Asked twice: before the password, so that most who are kept out cost no arithmetic, and
    /// after the name is in the list of players, so that nobody slips in beside a ban.
    async fn not_banned(&self) -> Result<(), Failure> {
        let address = self.link.remote_addr().ip();
        let now = unix_now() as i64;
        let declared = self.shared.network.load_full();
        let (kind, text) = match declared.banned(&self.name, address) {
            Some(ban) => (ban.kind(), ban.text()),
            None => {
                let found = self.shared.bans.check(Some(&self.name), Some(address), now).await;
                let Some(ban) = found.map_err(|e| database(&e))? else { return Ok(()) };
                (ban.terms.subject.kind(), banned::told(&ban, now))
            }
        };
        self.shared.metrics.ban_hits_total.with_label_values(&[kind]).inc();
        Err(Denial::text("banned", text).into())
    }

    /// Sends definitions and serves media until the client is ready. `target` is where it goes if
    /// not to the default target.
    async fn load(
        &mut self,
        state: AwaitReady,
        target: Option<&str>,
    ) -> Result<(Playing, Arc<Catalogue>), Failure> {
        let library = self.shared.library.clone();
        let version = state.visitor().version;
        let language = state.language().to_owned();
        let wanted = library.catalogue(version, &language, target, CATALOGUE);
        let catalogue = keep_driving(self.link, wanted).await.ok_or_else(|| {
            let text = "The network does not know its servers yet: it is starting, or they are down. \
                        Try again in a moment.";
            Denial::text("not_ready", text).with_reconnect()
        })?;
        // The order of engines (`network/serverpackethandler.cpp` handleCommand_Init2).
        self.link.send(0, true, catalogue.item_def())?;
        self.link.send(0, true, catalogue.node_def())?;
        self.link.send(0, true, catalogue.announce())?;
        let mut media = MediaQueue::default();
        let mut state = state;
        loop {
            media.pump(self.link, &self.shared.metrics).await?;
            let Some(message) = self.link.recv() else {
                self.wait().await?;
                continue;
            };
            let message = message.data;
            state = match state.on_message(&message).map_err(|v| violation(&v))? {
                Step::Next(playing) => return Ok((playing, catalogue)),
                Step::Stay(state) => state,
                Step::PassOn(state) => {
                    if let Some((to_server::REQUEST_MEDIA, body)) = split_command(&message)
                        && let Ok(request) = RequestMedia::decode(body)
                    {
                        media.request(&catalogue, &request.names);
                    }
                    state
                }
            };
        }
    }

    /// Feeds messages to a state until it becomes the next one.
    async fn until<S, N>(
        &mut self,
        mut state: S,
        feed: impl Fn(S, &[u8]) -> Outcome<S, N>,
    ) -> Result<N, Failure> {
        loop {
            let Some(message) = self.link.recv() else {
                self.wait().await?;
                continue;
            };
            match feed(state, &message.data).map_err(|v| violation(&v))? {
                Step::Next(next) => return Ok(next),
                Step::Stay(same) | Step::PassOn(same) => state = same,
            }
        }
    }

    /// Sends what is queued and waits until something has come.
    async fn wait(&mut self) -> Result<(), Failure> {
        self.link.flush();
        if let Some(reason) = self.link.closed() {
            return Err(Failure::Gone(reason.as_str()));
        }
        let mut stopping = self.shared.stopping.clone();
        let limit = self.deadline.saturating_duration_since(Instant::now());
        tokio::select! {
            driven = tokio::time::timeout(limit, self.link.drive()) => {
                if driven.is_err() {
                    let text = "The login took too long.";
                    return Err(Denial::text("login_timeout", text).with_reconnect().into());
                }
            }
            _ = stopping.wait_for(|stop| *stop) => {
                return Err(Denial::leaving("shutdown", self.shared).into());
            }
        }
        Ok(())
    }
}

/// Keeps acknowledging and answering pings while something else is waited for.
async fn keep_driving<T>(link: &mut Link, wanted: impl Future<Output = T>) -> T {
    let mut wanted = std::pin::pin!(wanted);
    loop {
        link.flush();
        tokio::select! {
            result = &mut wanted => return result,
            () = link.drive() => {}
        }
    }
}

fn violation(violation: &mesegate_protocol::login::server::Violation) -> Failure {
    let text = match violation.code {
        DenyCode::WrongVersion => {
            format!("This network needs Luanti or Minetest 5.0 or newer ({}).", violation.what)
        }
        DenyCode::WrongName | DenyCode::WrongCharsInName => {
            "This name is not allowed: 1 to 20 of a-z, A-Z, 0-9, - and _.".to_owned()
        }
        _ => format!("The login was broken: {}.", violation.what),
    };
    Denial::code(violation.code.as_str(), violation.code, text).into()
}
