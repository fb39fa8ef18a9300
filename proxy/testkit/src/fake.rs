//! A game server without a game: it lets players log in, gives them a small world, shows things,
//! answers chat, and remembers what they sent.

mod journal;
mod login;
mod session;
mod state;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::login::{AccessDenied, DenyCode};
use mesegate_transport::{ListenConfig, Listener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::chat::ChatLine;
use crate::relay::{Relay, RelayOptions};
use crate::talk::Traffic;
use crate::view::PATIENCE;
use crate::world::{Show, World};

pub use journal::Arrived;

use session::Order;
use state::Shared;

/// How long a stopping server waits for its players to have read why.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a fake server does with a login.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LoginRule {
    /// Lets everybody in who knows the password.
    #[default]
    Accept,
    /// Says that it is full.
    Full,
    /// Refuses with a text.
    Deny(String),
    /// Never answers INIT.
    Silent,
    /// Never sends definitions.
    NoDefinitions,
    /// Ends the connection when CLIENT_READY comes.
    LeaveAtReady,
    /// Sends nothing after CLIENT_READY.
    SilentAtReady,
}

/// How a fake server behaves.
#[derive(Debug, Clone)]
pub struct FakeServerOptions {
    /// Where to listen; port 0 takes any.
    pub addr: SocketAddr,
    /// What it offers.
    pub world: World,
    /// Newest protocol version.
    pub max_version: ProtocolVersion,
    /// Whether older versions than the newest are refused (`strict_protocol_version_checking`).
    pub strict_version: bool,
    /// What to do with logins at first.
    pub rule: LoginRule,
    /// Names and passwords that are known already.
    pub accounts: Vec<(String, String)>,
    /// Time between two position updates of the world's entities; none = they stand still.
    pub object_interval: Option<Duration>,
    /// Time between two TIME_OF_DAY.
    pub time_interval: Duration,
    /// Object id of the first player; following ones count up.
    pub first_player_object: u16,
    /// Messages kept in the journal; 0 keeps none.
    pub journal: usize,
    /// Whether the server can [`die`](FakeServer::die). Its players then reach it through a relay
    /// that is cut off first, because connections that merely end say goodbye.
    pub mortal: bool,
    /// Transport settings.
    pub listen: ListenConfig,
}

impl FakeServerOptions {
    /// A server for `world` on any loopback port that lets everybody in.
    pub fn new(world: World) -> Self {
        Self {
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
            max_version: world.recorded_version().unwrap_or(ProtocolVersion::MAX),
            world,
            strict_version: false,
            rule: LoginRule::Accept,
            accounts: Vec::new(),
            object_interval: Some(Duration::from_millis(100)),
            time_interval: Duration::from_secs(5),
            first_player_object: 1000,
            journal: 100_000,
            mortal: true,
            listen: listen_config(),
        }
    }
}

/// Every player of a test comes from the same address, so newcomers are not held back by source.
fn listen_config() -> ListenConfig {
    ListenConfig {
        new_peers_per_second: 10_000,
        new_peers_burst: 10_000,
        source_peers_per_second: 10_000,
        source_peers_burst: 10_000,
        ..ListenConfig::default()
    }
}

/// A running fake server. Dropping it ends all its connections, each with a goodbye.
#[derive(Debug)]
pub struct FakeServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    front: Option<Relay>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl FakeServer {
    /// Starts listening. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start(options: FakeServerOptions) -> io::Result<Self> {
        let inner =
            if options.mortal { SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) } else { options.addr };
        let listener = Listener::bind(inner, 1, options.listen.clone())?;
        let mut addr = listener.local_addr();
        let mut front = None;
        if options.mortal {
            let relay = Relay::open(options.addr, addr, RelayOptions::default())?;
            addr = relay.addr();
            front = Some(relay);
        }
        let shared = Arc::new(Shared::new(options));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(listener, shared.clone(), stopped));
        Ok(Self { addr, shared, front, stop, task })
    }

    /// A server for `world` with default options.
    ///
    /// # Errors
    /// No port can be bound.
    pub fn of(world: World) -> io::Result<Self> {
        Self::start(FakeServerOptions::new(world))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its world.
    pub fn world(&self) -> &World {
        &self.shared.options.world
    }

    /// Changes what happens to logins from now on.
    pub fn set_rule(&self, rule: LoginRule) {
        self.shared.set_rule(rule);
    }

    /// Names of the players in the world.
    pub fn players(&self) -> Vec<String> {
        self.shared.players()
    }

    /// Number of logins that reached CLIENT_READY so far.
    pub fn joins(&self) -> u64 {
        self.shared.joins()
    }

    /// Names with an account.
    pub fn accounts(&self) -> Vec<String> {
        self.shared.account_names()
    }

    /// Datagrams and messages of all its connections.
    pub fn traffic(&self) -> &Traffic {
        &self.shared.traffic
    }

    /// Sends any message to a player; `data` begins with the command.
    pub fn send(&self, player: &str, channel: u8, reliable: bool, data: Bytes) {
        self.shared.order(player, Order::Send { channel, reliable, data });
    }

    /// Shows something to a player.
    pub fn show(&self, player: &str, show: Show) {
        self.shared.order(player, Order::Show(show));
    }

    /// Says something to all players.
    pub fn say(&self, text: &str) {
        self.shared.broadcast(ChatLine::raw(text).encode());
    }

    /// Kicks a player with a text.
    pub fn kick(&self, player: &str, text: &str) {
        self.deny(
            player,
            AccessDenied { code: DenyCode::CustomString, text: text.to_owned(), reconnect: false },
        );
    }

    /// Sends a player away with any refusal.
    pub fn deny(&self, player: &str, denied: AccessDenied) {
        self.shared.order(player, Order::Deny(denied));
    }

    /// Stops answering, acknowledgements included, while `frozen`: the process hangs.
    pub fn set_frozen(&self, frozen: bool) {
        self.shared.frozen.send_replace(frozen);
    }

    /// What arrived from players since CLIENT_READY, without PLAYERPOS, in order.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.shared.journal.all()
    }

    /// What `player` sent with `command`.
    pub fn arrived_from(&self, player: &str, command: u16) -> Vec<Arrived> {
        let mut all = self.arrived();
        all.retain(|entry| entry.player == player && entry.command == command);
        all
    }

    /// What a player said.
    pub fn said_by(&self, player: &str) -> Vec<String> {
        let said = self.arrived_from(player, mesegate_protocol::to_server::CHAT_MESSAGE);
        said.iter().filter_map(|entry| crate::chat::said(&entry.body)).collect()
    }

    /// Number of PLAYERPOS of a player so far, and the last position in nodes.
    pub fn position(&self, player: &str) -> Option<(u64, [f32; 3])> {
        self.shared.journal.position(player)
    }

    /// Waits until `wanted` holds, at most ten seconds. Returns whether it did.
    pub async fn until(&self, wanted: impl Fn(&Self) -> bool) -> bool {
        let end = tokio::time::Instant::now() + PATIENCE;
        while !wanted(self) {
            if tokio::time::Instant::now() > end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }

    /// Stops as an engine server does: tells its players why and lets them read it.
    pub async fn shutdown(mut self, text: &str, reconnect: bool) {
        let denied = AccessDenied { code: DenyCode::Shutdown, text: text.to_owned(), reconnect };
        self.shared.order_all(&Order::Deny(denied));
        let waiting = async {
            while !self.shared.players().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, waiting).await;
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
        // Last, because the goodbyes go through it; then the port is free again.
        if let Some(front) = self.front.take() {
            front.stop().await;
        }
    }

    /// Stops without a word, like a killed process: the socket is closed, nothing is sent, and
    /// the port is free again. A server that is not `mortal` says goodbye all the same.
    pub async fn die(mut self) {
        if let Some(front) = self.front.take() {
            front.stop().await;
        }
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts players until told to stop, then ends all sessions.
async fn serve(mut listener: Listener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            link = listener.accept() => match link {
                Some(link) => {
                    sessions.spawn(session::run(link, shared.clone()));
                }
                None => break,
            },
            Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
        }
    }
    sessions.shutdown().await;
}
