//! From a stranger to a player: name, password, definitions, media, ready.

mod admit;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_auth::srp::{Verifier, blocking};
use mesegate_auth::{Account, AccountError, Password};
use mesegate_content::Catalogue;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::RequestMedia;
use mesegate_protocol::login::server::{
    AwaitA, AwaitFirstSrp, AwaitInit, AwaitInit2, AwaitProof, AwaitReady, Challenge, Offer,
    Outcome, Playing,
};
use mesegate_protocol::login::{AuthAccept, DenyCode, Mechanisms, Step};
use mesegate_protocol::{split_command, to_server};
use mesegate_resource::DuplicateLogin;
use mesegate_transport::{Link, SendError};

use super::denial::Denial;
use super::media::MediaQueue;
use super::orders::sent_away;
use super::reconnect;
use crate::admission::Who;
use crate::banned;
use crate::claims::Unclaimed;
use crate::players::{Place, Taken};
use crate::shared::{Shared, unix_now};

/// From the first message to INIT2; engines give 12 s (`server/clientiface.h`, LINGER_TIMEOUT).
const LOGIN: Duration = Duration::from_secs(12);

/// From INIT2 to CLIENT_READY. Slow paths and slow machines take minutes for media and textures.
const LOADING: Duration = Duration::from_mins(15);

/// How long a login waits for definitions that are being fetched for the first time.
const CATALOGUE: Duration = Duration::from_secs(8);

/// How long somebody who is sent away for another with the same name may take to leave, and how
/// often it is looked whether they have.
const LEAVING: Duration = Duration::from_secs(2);
const LEAVING_LOOK: Duration = Duration::from_millis(20);

/// How long a login waits for a player of the same name to be gone.
const GOODBYE: Duration = Duration::from_millis(500);

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
        let (state, mechanisms) = self.authenticate(offer).await?;
        let mut place = self.place().await?;
        self.not_banned().await?;
        let (playing, catalogue, returning) = tokio::select! {
            denial = sent_away(&mut place) => return Err(denial.into()),
            loaded = self.prepare(state) => loaded?,
        };
        Ok(Login { playing, catalogue, mechanisms, returning, place })
    }

    /// Takes the name, on this proxy and then over all of them.
    async fn place(&mut self) -> Result<Place, Failure> {
        let shared = self.shared;
        let network = shared.network.load_full();
        let address = self.link.remote_addr().ip();
        let (name, version) = (self.name.clone(), self.version.0);
        let limit = self.places_for_them(&network);
        let enter = || shared.players.enter(&name, address, version, limit);
        let kick_old = network.proxy.duplicate_login == DuplicateLogin::KickOld;
        let place = match enter() {
            Err(Taken::Name) if kick_old => {
                shared.players.send_away(&name);
                let entered = async {
                    loop {
                        tokio::time::sleep(LEAVING_LOOK).await;
                        match enter() {
                            Err(Taken::Name) => {}
                            entered => return entered,
                        }
                    }
                };
                let entered = tokio::time::timeout(LEAVING, entered);
                keep_driving(self.link, entered).await.unwrap_or(Err(Taken::Name))
            }
            entered => entered,
        };
        let mut place = place.map_err(|t| self.taken(t))?;
        admit::not_too_many(shared, &network.proxy.admission, address)?;
        let claim = shared.claims.take(&name, &network.proxy);
        match keep_driving(self.link, claim).await {
            Ok(claim) => place.hold(claim),
            Err(Unclaimed::Held(proxy)) => {
                tracing::debug!(player = name, proxy, "the name is in the game elsewhere");
                return Err(self.taken(Taken::Name).into());
            }
            Err(Unclaimed::Undecided) => {
                let text = "Nobody can tell at the moment whether your name is in the game. \
                            Try again in a moment.";
                let denial = Denial::code("no_control", DenyCode::ServerFail, text);
                return Err(denial.with_reconnect().into());
            }
        }
        Ok(place)
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
            remembered => remembered,
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

    async fn vacancy(&mut self) -> Result<(), Failure> {
        let shared = self.shared;
        if shared.draining.load(Ordering::Relaxed) {
            let text = shared.network.load().proxy.messages.shutdown.clone();
            return Err(Denial::text("draining", text).with_reconnect().into());
        }
        let network = shared.network.load_full();
        let kick_old = network.proxy.duplicate_login == DuplicateLogin::KickOld;
        let name = self.name.clone();
        let began = Instant::now();
        let checked = async {
            loop {
                match shared.players.check(&name, network.proxy.limits.players) {
                    // Who is there is sent away once the password was right.
                    Err(Taken::Name) if kick_old => return Ok(()),
                    // Who leaves and returns at once can be faster than their own goodbye.
                    Err(Taken::Name) if began.elapsed() < GOODBYE => {
                        tokio::time::sleep(LEAVING_LOOK).await;
                    }
                    checked => return checked,
                }
            }
        };
        keep_driving(self.link, checked).await.map_err(|taken| self.taken(taken).into())
    }

    fn taken(&self, taken: Taken) -> Denial {
        match taken {
            Taken::Name => Denial::code(
                "already_connected",
                DenyCode::AlreadyConnected,
                "A player of this name is in the game. If that was you, wait half a minute.",
            ),
            Taken::Full => {
                let text = self.shared.network.load().proxy.messages.full.clone();
                Denial::code("full", DenyCode::TooManyUsers, text).with_reconnect()
            }
        }
    }

    /// Checks the password, or makes the account.
    async fn authenticate(&mut self, offer: Offer) -> Result<(AwaitInit2, Mechanisms), Failure> {
        let began = Instant::now();
        let account = self.shared.accounts.get(&self.name);
        let account = keep_driving(self.link, account).await.map_err(|e| database(&e))?;
        let (method, result) = match account {
            None => ("first_srp", self.register(offer).await),
            Some(account) => {
                let (method, result) = match &account.password {
                    Password::Srp(_) => ("srp", self.prove(offer.srp(), &account).await),
                    Password::Legacy(_) => ("legacy", self.prove(offer.legacy(), &account).await),
                };
                self.privileges = account.privileges;
                (method, result)
            }
        };
        let metrics = &self.shared.metrics;
        let outcome = match &result {
            Ok(_) => "ok",
            Err(Failure::Deny(denial)) => denial.reason,
            Err(Failure::Gone(_)) => "gone",
        };
        metrics.auth_attempts_total.with_label_values(&[method, outcome]).inc();
        if result.is_ok() {
            let taken = began.elapsed().as_secs_f64();
            metrics.auth_duration.with_label_values(&[method]).observe(taken);
            self.shared.accounts.note_login(&self.name, unix_now() as i64);
        }
        result
    }

    async fn register(&mut self, offer: Offer) -> Result<(AwaitInit2, Mechanisms), Failure> {
        if !self.shared.network.load().proxy.admission.may_register(&self.name) {
            let text = "There is no account of this name, and none can be made here. \
                        Have you spelt it right?";
            return Err(Denial::text("registration_closed", text).into());
        }
        let twin = self.shared.accounts.find_case_insensitive(&self.name).await;
        if let Some(twin) = twin.map_err(|e| database(&e))? {
            // As the engine's own handler does (`builtin/game/auth.lua`, on_prejoinplayer).
            return Err(Denial::text(
                "name_differs_in_case",
                format!("There is an account {twin}. Names that differ only in letter case are not allowed."),
            )
            .into());
        }
        let (state, hello) = offer.first_srp();
        self.link.send(0, true, hello)?;
        let registration = self.until(state, AwaitFirstSrp::on_message).await?;
        let request = registration.request().clone();
        let verifier = Verifier::new(request.salt, request.verifier)
            .map_err(|e| unexpected(&format!("the new password cannot be used: {e}")))?;
        if !self.shared.network.load().proxy.password_policy.allow_empty {
            // Clients say whether the password is empty; that is not to be relied on.
            let empty = request.empty
                || blocking::matches_password(&verifier, &self.name, b"")
                    .await
                    .map_err(|e| unexpected(&e.to_string()))?;
            if empty {
                return Err(Denial::code(
                    "empty_password",
                    DenyCode::EmptyPassword,
                    "Empty passwords are not allowed here. Choose one and try again.",
                )
                .into());
            }
        }
        let privileges = mesegate_auth::DEFAULT_PRIVILEGES;
        let password = Password::Srp(verifier);
        self.shared.accounts.create(&self.name, &password, privileges).await.map_err(
            |e| match e {
                AccountError::Exists { .. } => self.taken(Taken::Name),
                other => database(&other),
            },
        )?;
        tracing::info!(player = self.name, "a new account was made");
        let (state, accept) = registration.accept(&AuthAccept::standard());
        self.link.send(0, true, accept)?;
        Ok((state, Mechanisms::SRP))
    }

    async fn prove(
        &mut self,
        (state, hello): (AwaitA, Bytes),
        account: &Account,
    ) -> Result<(AwaitInit2, Mechanisms), Failure> {
        self.link.send(0, true, hello)?;
        let challenge: Challenge = self.until(state, AwaitA::on_message).await?;
        let mechanisms = challenge.based_on().mechanism();
        let broken = |e: mesegate_auth::srp::SrpError| {
            unexpected(&format!("the password proof is broken: {e}"))
        };
        let name = self.name.clone();
        let network = self.shared.network.load_full();
        let admission = &network.proxy.admission;
        let who = Who::new(&name, self.link.remote_addr().ip(), admission);
        let suspect = self.shared.attempts.is_suspect(&who);
        let answer = async {
            let _turn = if suspect { Some(blocking::suspect_turn().await?) } else { None };
            let verifier = blocking::password_verifier(&account.password, &name).await?;
            let (handshake, b) = blocking::server_start(&name, &verifier, challenge.a()).await?;
            Ok((verifier, handshake, b))
        };
        // Arithmetic waits its turn when many log in at once; packets do not.
        let (verifier, handshake, b) = keep_driving(self.link, answer).await.map_err(broken)?;
        let (state, message) = challenge.respond(&verifier.salt, &b);
        self.link.send(0, true, message)?;
        let proof = self.until(state, AwaitProof::on_message).await?;
        if !handshake.verify(proof.m()) {
            tracing::info!(player = self.name, "wrong password");
            self.shared.attempts.failed(who, admission, Instant::now());
            return Err(Denial::code(
                "wrong_password",
                DenyCode::WrongPassword,
                "Wrong password for this name.",
            )
            .into());
        }
        self.shared.attempts.succeeded(&who, Instant::now());
        let (state, accept) =
            proof.accept(&AuthAccept { sudo: mechanisms, ..AuthAccept::standard() });
        self.link.send(0, true, accept)?;
        Ok((state, mechanisms))
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
                return Err(Denial::stopping(self.shared).into());
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

fn unexpected(text: &str) -> Denial {
    Denial::code("unexpected_data", DenyCode::UnexpectedData, text)
}

fn database(error: &AccountError) -> Denial {
    tracing::error!(%error, "the account store failed");
    if error.is_passing() {
        let text = "Accounts cannot be reached at the moment. Those who are in the game are not \
                    affected. Try again in a minute.";
        return Denial::code("accounts_away", DenyCode::ServerFail, text).with_reconnect();
    }
    if matches!(error, AccountError::Password { .. }) {
        let text = "Your account is damaged. Please tell the staff.";
        return Denial::code("account_damaged", DenyCode::ServerFail, text);
    }
    let text = "Accounts cannot be read. Please tell the staff.";
    Denial::code("accounts_failed", DenyCode::ServerFail, text).with_reconnect()
}
