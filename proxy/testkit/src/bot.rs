//! A player without eyes: logs in like an engine client, walks, confirms what it gets, and
//! remembers all of it.

mod drive;
mod inbox;
mod login;
mod media;
mod password;
pub(crate) mod walk;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::login::{AccessDenied, DenyCode};
use mesegate_transport::Config;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::samples::Samples;
use crate::view::{PATIENCE, View};

pub use crate::chat::ChatLine;
pub use crate::talk::Traffic;
pub use inbox::Event;

use drive::Order;
use inbox::Inbox;

/// Orders that may wait for a bot's task.
const ORDERS: usize = 1024;

/// How a bot joins and behaves.
#[derive(Debug, Clone)]
pub struct BotOptions {
    /// Where to connect.
    pub addr: SocketAddr,
    /// Player name.
    pub name: String,
    /// Password; registers with it if the server does not know the name.
    pub password: String,
    /// Highest protocol version to offer.
    pub max_version: ProtocolVersion,
    /// Language of INIT2.
    pub language: String,
    /// Whether to fetch all announced media and check their hashes.
    pub download: bool,
    /// Whether media is fetched over HTTP first, if the server announces where.
    pub http: bool,
    /// Whether to walk in circles; otherwise PLAYERPOS repeats one place.
    pub walk: bool,
    /// Time between two PLAYERPOS.
    pub step: Duration,
    /// Whether to decompress map blocks and check their content ids.
    pub check_blocks: bool,
    /// Time between two latency probes, if any; see [`Bot::latency`].
    pub probe: Option<Duration>,
    /// Events kept; 0 keeps none.
    pub events: usize,
    /// Whether joining ends only once the player stands in a world.
    pub wait_in_game: bool,
    /// Limit for joining.
    pub deadline: Duration,
    /// Transport settings.
    pub transport: Arc<Config>,
    /// Where datagrams and messages are counted, possibly shared by many bots.
    pub traffic: Arc<Traffic>,
}

impl BotOptions {
    /// A walking bot of the newest protocol version with the password `password`.
    pub fn new(addr: SocketAddr, name: &str) -> Self {
        Self {
            addr,
            name: name.to_owned(),
            password: "password".into(),
            max_version: ProtocolVersion::MAX,
            language: String::new(),
            download: false,
            http: false,
            walk: true,
            step: Duration::from_millis(100),
            check_blocks: true,
            probe: None,
            events: 20_000,
            wait_in_game: true,
            deadline: Duration::from_secs(30),
            transport: Arc::new(Config::default()),
            traffic: Arc::default(),
        }
    }

    /// With another password.
    pub fn with_password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// Offering at most this version.
    pub fn with_version(mut self, version: u16) -> Self {
        self.max_version = ProtocolVersion(version);
        self
    }

    /// Fetching media.
    pub fn with_download(mut self) -> Self {
        self.download = true;
        self
    }

    /// Fetching media, over HTTP what can be had so.
    pub fn with_http(mut self) -> Self {
        self.http = true;
        self.with_download()
    }
}

/// Why a bot could not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// No socket.
    #[error("no connection: {0}")]
    Socket(String),
    /// Refused.
    #[error("refused ({}{}): {text}", code.as_str(), if *.reconnect { ", reconnect" } else { "" })]
    Denied {
        /// Why.
        code: DenyCode,
        /// The server's words.
        text: String,
        /// Whether a client shows its reconnect button.
        reconnect: bool,
    },
    /// The server broke the rules of the login.
    #[error("the login failed: {0}")]
    Login(String),
    /// The connection ended, with the transport's name for why.
    #[error("closed while waiting for {step}: {reason}")]
    Closed {
        /// What was waited for.
        step: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The deadline passed.
    #[error("timed out waiting for {step}")]
    Timeout {
        /// What was waited for.
        step: &'static str,
    },
    /// A file did not have its announced hash, or could not be read.
    #[error("media file {0} is not what was announced")]
    Media(String),
    /// The definitions cannot be read.
    #[error("{0} cannot be read")]
    Definitions(&'static str),
}

impl From<AccessDenied> for JoinError {
    fn from(denied: AccessDenied) -> Self {
        Self::Denied { code: denied.code, text: denied.text, reconnect: denied.reconnect }
    }
}

/// How long each step took, from the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinTimes {
    /// Until HELLO.
    pub hello: Duration,
    /// Until AUTH_ACCEPT.
    pub accepted: Duration,
    /// Until all definitions were there.
    pub definitions: Duration,
    /// Until all media were there; CLIENT_READY follows at once.
    pub media: Duration,
    /// Until the player stood in a world.
    pub in_game: Duration,
    /// Bytes of media that were fetched.
    pub media_bytes: u64,
    /// Those of them that came over HTTP.
    pub http_bytes: u64,
}

/// How a bot's connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The bot left.
    Left,
    /// The server refused or kicked it.
    Denied {
        /// Why.
        code: DenyCode,
        /// The server's words.
        text: String,
        /// Whether a client shows its reconnect button.
        reconnect: bool,
    },
    /// The connection ended, with the transport's name for why.
    Transport(&'static str),
}

/// What a test waited for did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: waited {waited:?} for {what}; {seen}")]
pub struct WaitError {
    /// The bot.
    pub name: String,
    /// What was waited for.
    pub what: String,
    /// How long.
    pub waited: Duration,
    /// What there was instead.
    pub seen: String,
}

/// A bot in a world. Dropping it leaves.
#[derive(Debug)]
pub struct Bot {
    name: String,
    version: ProtocolVersion,
    language: String,
    announced: Vec<(String, [u8; 20])>,
    remote_media: String,
    item_def: Bytes,
    node_def: Bytes,
    registered: bool,
    times: JoinTimes,
    inbox: Arc<Inbox>,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Bot {
    /// Joins.
    ///
    /// # Errors
    /// Everything that stops it from standing in a world before the deadline.
    pub async fn join(options: BotOptions) -> Result<Self, JoinError> {
        let begun = Instant::now();
        let deadline = begun + options.deadline;
        let loaded = login::log_in(&options, begun, deadline).await?;
        let inbox = Arc::new(Inbox::new(loaded.view, options.events));
        for message in loaded.early {
            inbox.take_in(&message);
        }
        let (orders, receiver) = mpsc::channel(ORDERS);
        let driver = drive::Driver::new(loaded.link, &options, loaded.version, inbox.clone());
        let mut bot = Self {
            task: tokio::spawn(driver.run(receiver)),
            name: options.name,
            version: loaded.version,
            language: options.language,
            announced: loaded.announced,
            remote_media: loaded.remote_media,
            item_def: loaded.item_def,
            node_def: loaded.node_def,
            registered: loaded.registered,
            times: loaded.times,
            inbox,
            orders,
        };
        if options.wait_in_game {
            bot.settle(begun, deadline).await?;
        }
        Ok(bot)
    }

    async fn settle(&mut self, begun: Instant, deadline: Instant) -> Result<(), JoinError> {
        let step = "its place in a world";
        let arrived = self.inbox.wait(|state| {
            (state.view.in_game() || state.closed.is_some()).then(|| state.closed.clone())
        });
        match timeout_at(deadline, arrived).await {
            Err(_) => Err(JoinError::Timeout { step }),
            Ok(None) => {
                self.times.in_game = begun.elapsed();
                Ok(())
            }
            Ok(Some(Closed::Denied { code, text, reconnect })) => {
                Err(JoinError::Denied { code, text, reconnect })
            }
            Ok(Some(Closed::Transport(reason))) => Err(JoinError::Closed { step, reason }),
            Ok(Some(Closed::Left)) => Err(JoinError::Closed { step, reason: "local" }),
        }
    }

    /// Player name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Negotiated protocol version.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Language of INIT2.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Names and hashes of the announced media.
    pub fn announced(&self) -> &[(String, [u8; 20])] {
        &self.announced
    }

    /// URLs of media servers, separated by commas, as announced.
    pub fn remote_media(&self) -> &str {
        &self.remote_media
    }

    /// Body of ITEMDEF.
    pub fn item_def(&self) -> &Bytes {
        &self.item_def
    }

    /// Body of NODEDEF.
    pub fn node_def(&self) -> &Bytes {
        &self.node_def
    }

    /// Whether joining made the account.
    pub fn registered(&self) -> bool {
        self.registered
    }

    /// How long joining took.
    pub fn times(&self) -> JoinTimes {
        self.times
    }

    /// Says something.
    pub async fn say(&self, text: &str) {
        self.order(Order::Send { channel: 0, reliable: true, data: crate::chat::say(text) }).await;
    }

    /// Sends any message; `data` begins with the command.
    pub async fn send(&self, channel: u8, reliable: bool, data: Bytes) {
        self.order(Order::Send { channel, reliable, data }).await;
    }

    async fn order(&self, order: Order) {
        // Without a task there is nobody to tell; `closed` says why.
        let _ = self.orders.send(order).await;
    }

    /// The next chat line that was not taken yet, waiting up to `limit`.
    pub async fn chat(&self, limit: Duration) -> Option<ChatLine> {
        let line = self.inbox.wait(|state| state.chat.pop_front());
        tokio::time::timeout(limit, line).await.ok()
    }

    /// Takes chat lines until one contains `part`.
    ///
    /// # Errors
    /// None did within `limit`; the error lists those that came.
    pub async fn expect_chat(&self, part: &str, limit: Duration) -> Result<ChatLine, WaitError> {
        let end = Instant::now() + limit;
        let mut seen = Vec::new();
        while let Some(line) = self.chat(end.saturating_duration_since(Instant::now())).await {
            if line.text.contains(part) {
                return Ok(line);
            }
            seen.push(line.text);
        }
        let closed = self.closed();
        Err(self.wait_error(
            format!("a chat line with {part:?}"),
            limit,
            format!("lines: {seen:?}, closed: {closed:?}"),
        ))
    }

    fn wait_error(&self, what: String, waited: Duration, seen: String) -> WaitError {
        WaitError { name: self.name.clone(), what, waited, seen }
    }

    /// Everything received since the last call, in order of arrival, up to the number kept.
    pub fn events(&self) -> Vec<Event> {
        self.inbox.take_events()
    }

    /// A copy of what the client holds.
    pub fn view(&self) -> View {
        self.inbox.with(|state| state.view.clone())
    }

    /// Looks at what the client holds.
    pub fn look<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        self.inbox.with(|state| look(&state.view))
    }

    /// Waits until the view is as wanted, at most ten seconds.
    ///
    /// # Errors
    /// It did not become so, or the connection ended before.
    pub async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&View) -> bool + Send,
    ) -> Result<(), WaitError> {
        self.until_within(what, PATIENCE, wanted).await
    }

    /// As [`Bot::until`], with another limit.
    ///
    /// # Errors
    /// It did not become so, or the connection ended before.
    pub async fn until_within(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&View) -> bool + Send,
    ) -> Result<(), WaitError> {
        let reached = self.inbox.wait(|state| {
            if wanted(&state.view) { Some(true) } else { state.closed.is_some().then_some(false) }
        });
        if tokio::time::timeout(limit, reached).await == Ok(true) {
            return Ok(());
        }
        let seen = self.inbox.with(|state| {
            let View { position, moves, violations, .. } = &state.view;
            format!(
                "at {position:?} after {moves} moves, closed: {:?}, violations: {violations:?}",
                state.closed
            )
        });
        Err(self.wait_error(what.to_owned(), limit, seen))
    }

    /// Sends a chat command and waits for a MOVE_PLAYER to within `radius` nodes of `place`.
    /// Returns the time from sending to the arrival of that message.
    ///
    /// # Errors
    /// No such message came within `limit`.
    pub async fn travel(
        &self,
        command: &str,
        place: [f32; 3],
        radius: f32,
        limit: Duration,
    ) -> Result<Duration, WaitError> {
        let moves = self.look(|view| view.moves);
        let sent = crate::clock::nanos();
        self.say(command).await;
        let near = |view: &View| {
            let far = view.position.iter().zip(place).any(|(a, b)| (a - b).abs() > radius);
            view.moves > moves && !far
        };
        self.until_within(&format!("{command:?} to end near {place:?}"), limit, near).await?;
        let arrived = self.inbox.with(|state| state.moved_at);
        Ok(Duration::from_nanos(arrived.saturating_sub(sent)))
    }

    /// One-way times of the latency probes so far: to the server, and back from it.
    pub fn latency(&self) -> (Samples, Samples) {
        self.inbox.with(|state| (state.up.clone(), state.down.clone()))
    }

    /// Forgets the latency measured so far.
    pub fn reset_latency(&self) {
        self.inbox.with(|state| {
            state.up = Samples::new();
            state.down = Samples::new();
        });
    }

    /// How the connection ended, if it has.
    pub fn closed(&self) -> Option<Closed> {
        self.inbox.with(|state| state.closed.clone())
    }

    /// Waits for the connection's end.
    pub async fn wait_closed(&self, limit: Duration) -> Option<Closed> {
        tokio::time::timeout(limit, self.inbox.wait(|state| state.closed.clone())).await.ok()
    }

    /// Leaves as a client does that is closed.
    pub async fn leave(mut self) {
        self.order(Order::Leave).await;
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
    }

    /// Stops without a word, as a client whose machine lost power.
    pub async fn vanish(mut self) {
        self.order(Order::Vanish).await;
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
    }
}
