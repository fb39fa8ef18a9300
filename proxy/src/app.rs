//! One process: everything started in order, and stopped in the reverse one.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use mesegate_admin::{Admin, AdminError};
use mesegate_auth::{AccountError, Accounts, BackendKey, BackendKeyError, StoreUrl};
use mesegate_backend::{Address, Credentials};
use mesegate_content::{
    ContentError, ContentStore, Library, LibraryConfig, Probe, ServerSpec, ServerState,
    ServerStatus,
};
use mesegate_protocol::map::BlockCache;
use mesegate_resource::Name;
use mesegate_transport::{Binding, Budget, Config, ListenConfig, ListenerStats};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

use crate::abroad::Abroad;
use crate::admin::{About, Local};
use crate::admission::{Attempts, Keeper};
use crate::attendance::Attendance;
use crate::base::{self, Base};
use crate::claims::Claims;
use crate::cli::Options;
use crate::control::{self, Sources, Updates};
use crate::departures::Departures;
use crate::figures::Figures;
use crate::http;
use crate::lane::Lanes;
use crate::listing::Listing;
use crate::losses::Losses;
use crate::media_http;
use crate::metrics::Metrics;
use crate::mod_api::Hub;
use crate::mutes;
use crate::network::{Network, Server};
use crate::players::{Kick, Order, Players};
use crate::resource::{self, ResourceError};
use crate::selection::Selector;
use crate::shared::{Shared, credentials, unix_now};

/// The name under which the proxy itself enters backends to read their definitions.
const SERVICE_ACCOUNT: &str = "mesegate-proxy";

/// How long a backend may be silent before it counts as lost. Engines ping every 5 s from a
/// thread of their own, so a busy world is not silent.
const BACKEND_SILENCE: Duration = Duration::from_secs(15);

/// What may wait for one client: the definitions of a whole network and the media in front.
const CLIENT_QUEUE: usize = 48 * 1024 * 1024;

/// How long to wait before an account store that is away is tried again at the start.
const ACCOUNTS_AGAIN: Duration = Duration::from_secs(1);

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A flag's value.
    #[error("{0}")]
    Option(String),
    /// The data folder.
    #[error("cannot use the data folder {path}: {error}")]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The documents.
    #[error("{0}")]
    Resource(#[from] ResourceError),
    /// The account database.
    #[error("{0}")]
    Accounts(#[from] AccountError),
    /// The backend key.
    #[error("{0}")]
    Key(#[from] BackendKeyError),
    /// The content store.
    #[error("{0}")]
    Store(#[from] ContentError),
    /// An address.
    #[error("cannot listen on {what} {addr}: {error}")]
    Listen {
        /// Flag that names it.
        what: &'static str,
        /// The address.
        addr: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The runtime or its signal handlers.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// The admin interface.
    #[error("{0}")]
    Admin(#[from] AdminError),
    /// The metrics.
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Runs the proxy until it is told to stop.
///
/// # Errors
/// Everything that keeps it from starting; the text names the flag, file or address.
pub fn run(options: Options) -> Result<(), RunError> {
    // For fetching, files and HTTP; players have threads of their own.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(serve(options));
    // Nothing of value runs any more; blocking tasks are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

async fn serve(options: Options) -> Result<(), RunError> {
    let started = SystemTime::now();
    let http_addr = options.http_addr().map_err(RunError::Option)?;
    let media_addr = options.media_http_addr().map_err(RunError::Option)?;
    let data = |error| RunError::Data { path: options.data.clone(), error };
    std::fs::create_dir_all(&options.data).map_err(data)?;
    let metrics = Metrics::new()?;
    let http = listen_on("--http", http_addr).await?;
    let looked_at: Arc<OnceLock<Library>> = Arc::default();
    let library = Arc::clone(&looked_at);
    let ready: http::Readiness = Arc::new(move || match library.get() {
        Some(library) => readiness(library),
        None => Err("no controller has given documents yet".into()),
    });
    if let Some(listener) = http {
        tokio::spawn(http::serve(listener, metrics.clone(), Arc::clone(&ready)));
    }
    let mut stop = Stop::listen()?;
    let players = Players::default();
    let claims = if options.control.controller.is_empty() {
        Claims::alone()
    } else {
        Claims::new(players.clone(), metrics.clone())
    };
    let Some((network, origin)) = first_network(&options, &claims, &metrics, &mut stop).await?
    else {
        return Ok(());
    };
    let key = Arc::new(BackendKey::load_or_create(&options.data)?);
    let database = options.database.url(&options.data).map_err(RunError::Option)?;
    let Some(accounts) = open_accounts(&database, &mut stop).await? else {
        return Ok(());
    };
    let (bans, muted) = (accounts.bans(), accounts.mutes());
    let store = ContentStore::open(&options.data.join("content"))?;
    let budget = Budget::new(options.buffer_mb as usize * 1024 * 1024);
    let client_transport = Arc::new(Config {
        budget: Arc::clone(&budget),
        max_queued_bytes: CLIENT_QUEUE,
        ..Config::default()
    });
    let backend_transport = Arc::new(Config {
        budget: Arc::clone(&budget),
        receive_timeout: BACKEND_SILENCE,
        ..Config::default()
    });
    let listen = ListenConfig { connection: client_transport, ..ListenConfig::default() };
    let bindings = Binding::bind(options.listen, options.socket_count(), listen)
        .map_err(|error| RunError::Listen { what: "--listen", addr: options.listen, error })?;
    let media_http = listen_on("--media-http", media_addr).await?;
    let media_url = match &media_http {
        Some(listener) => {
            let given = options.media_url.as_deref().filter(|url| !url.is_empty());
            let url = media_http::base_url(given, listener.local_addr()?);
            Some(url.map_err(RunError::Option)?)
        }
        None => None,
    };
    let admin = Admin::bind(&options.admin, None).await?;
    let settings = LibraryConfig {
        media_url: media_url.clone(),
        transport: Arc::clone(&backend_transport),
        ..LibraryConfig::new(SERVICE_ACCOUNT)
    };
    let library = Library::new(store, settings);
    library.set_servers(server_specs(&network, None, |s| service_credentials(&key, s)));
    let (stopped, stopping) = watch::channel(false);
    let shared = Arc::new(Shared {
        network: ArcSwap::from_pointee(network),
        base: Mutex::new(Base::new(Instant::now())),
        library,
        accounts,
        bans,
        attempts: Attempts::default(),
        key,
        metrics,
        players,
        attendance: Attendance::default(),
        abroad: Abroad::default(),
        claims,
        selector: Selector::default(),
        draining: AtomicBool::new(false),
        departures: Departures::default(),
        blocks: BlockCache::new(options.block_cache_mb as usize * 1024 * 1024),
        losses: Losses::default(),
        mods: Hub::default(),
        backend_transport,
        about: About { name: options.proxy_name(), started, ready },
        resources: options.resources.clone().filter(|_| options.control.controller.is_empty()),
        fleet: !options.control.controller.is_empty(),
        mutes: muted,
        shutdown: Notify::new(),
        stopping,
    });
    tokio::spawn(shared.attendance.clone().keep(shared.players.clone(), shared.abroad.clone()));
    let keepers = remember(&shared).await;
    loaded(&shared);
    // Set once: only here.
    let _ = looked_at.set(shared.library.clone());
    let local = Arc::new(Local { shared: Arc::clone(&shared) });
    if let Some(admin) = admin {
        tokio::spawn(admin.serve(local.clone(), shared.metrics.admin.clone()));
    }
    if let (Some(listener), Some(url)) = (media_http, media_url) {
        tracing::info!(url, "clients can load media over HTTP");
        let (library, metrics) = (shared.library.clone(), shared.metrics.clone());
        let most = options.media_connections as usize;
        tokio::spawn(media_http::serve(listener, library, metrics, most));
    }
    let alone = matches!(origin, Origin::Files(_));
    tokio::spawn(follow(origin, Arc::clone(&shared), local));
    let Some(first) = bindings.first() else { return Ok(()) };
    let (address, stats) = (first.local_addr(), first.stats());
    let patience = Duration::from_secs(options.stop_seconds.into());
    let lanes = Lanes::start(bindings, &shared, patience).await?;
    tracing::info!(listen = %address, "players can connect");
    // A controller announces all its proxies as one network.
    let listed = alone.then(|| {
        let port = address.port();
        let listing = Listing { shared: Arc::clone(&shared), started: Instant::now(), port };
        tokio::spawn(mesegate_serverlist::announce(listing, shared.stopping.clone()))
    });
    wait(lanes, &stats, &shared, stop, stopped).await;
    if let Some(listed) = listed {
        // It ends by itself when its goodbye was answered, or in two seconds.
        let _ = listed.await;
    }
    for keeper in keepers {
        // They end by themselves, soon after the process was asked to stop.
        let _ = keeper.await;
    }
    shared.accounts.close().await;
    Ok(())
}

/// Reads what the account store remembers for all logins and all chat, before there are any, and
/// keeps it up to date. A store that fails meanwhile keeps nobody out.
async fn remember(shared: &Arc<Shared>) -> [JoinHandle<()>; 2] {
    let mut keeper = Keeper::new(shared.accounts.failures());
    keeper.turn(shared).await;
    if let Err(error) = shared.mutes.refresh().await {
        tracing::error!(%error, "who is muted is not known yet");
    }
    let (one, other) = (Arc::clone(shared), Arc::clone(shared));
    [
        tokio::spawn(async move { keeper.keep(&one).await }),
        tokio::spawn(async move { mutes::keep(&other).await }),
    ]
}

/// Opens the account store, waiting for one that is away; `None` if the process was told to stop
/// meanwhile.
async fn open_accounts(url: &StoreUrl, stop: &mut Stop) -> Result<Option<Accounts>, RunError> {
    loop {
        match Accounts::open(url).await {
            Ok(accounts) => return Ok(Some(accounts)),
            Err(error) if error.is_passing() => {
                tracing::error!(%error, database = %url, "waiting for the account store");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(ACCOUNTS_AGAIN) => {}
            () = stop.asked() => return Ok(None),
        }
    }
}

async fn listen_on(
    what: &'static str,
    addr: Option<SocketAddr>,
) -> Result<Option<TcpListener>, RunError> {
    let Some(addr) = addr else { return Ok(None) };
    let listener = TcpListener::bind(addr).await;
    listener.map(Some).map_err(|error| RunError::Listen { what, addr, error })
}

/// Whether players can be let in. Until every server was looked at once, the version that all of
/// them speak is not known, and a player who is let in with a higher one could not enter the rest.
fn readiness(library: &Library) -> Result<(), String> {
    if !library.ready() {
        return Err("the default target's definitions have not been fetched yet".into());
    }
    let unknown = |status: &&ServerStatus| status.state == ServerState::Unknown;
    match library.server_status().iter().find(unknown) {
        Some(status) => Err(format!("server {} has not been looked at yet", status.name)),
        None => Ok(()),
    }
}

/// Waits for a signal, and then until the players have been told.
async fn wait(
    mut lanes: Lanes,
    stats: &ListenerStats,
    shared: &Shared,
    mut stop: Stop,
    stopped: watch::Sender<bool>,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut figures = Figures::default();
    // A server that goes down or comes up shows at once.
    let mut changes = shared.library.changes();
    loop {
        tokio::select! {
            () = lanes.ended() => break,
            _ = tick.tick() => {
                figures.copy(stats, shared);
                choose_base(shared, false);
            }
            Ok(()) = changes.changed() => figures.copy(stats, shared),
            () = stop.asked() => break,
            () = shared.shutdown.notified() => break,
        }
    }
    tracing::info!(players = shared.players.len(), "stopping");
    stopped.send_replace(true);
    tokio::select! {
        () = lanes.ended() => {}
        () = stop.asked() => {}
    }
}

/// Signals that ask the process to stop. One that comes while nobody waits is not lost.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Where documents come from once the first ones are in force.
enum Origin {
    Files(PathBuf),
    Controller { updates: Updates, first: oneshot::Sender<()> },
}

/// The documents to start with; `None` if the process was told to stop while there were none.
async fn first_network(
    options: &Options,
    claims: &Claims,
    metrics: &Metrics,
    stop: &mut Stop,
) -> Result<Option<(Network, Origin)>, RunError> {
    if options.control.controller.is_empty() {
        let path = options.resources.clone().unwrap_or_default();
        return Ok(Some((resource::load(&path)?, Origin::Files(path))));
    }
    let name = options.proxy_name();
    let settings = control::Settings::new(&options.control, name).map_err(RunError::Option)?;
    let mut updates = control::follow(settings, &options.data, claims.clone(), metrics.clone());
    tokio::select! {
        update = updates.receiver.recv() => Ok(update.map(|update| {
            (update.network, Origin::Controller { updates, first: update.done })
        })),
        () = stop.asked() => Ok(None),
    }
}

/// Takes edits of the documents over.
async fn follow(origin: Origin, shared: Arc<Shared>, local: Arc<Local>) {
    match origin {
        Origin::Files(path) => {
            resource::watch(path, |result| match result {
                Ok(network) => enforce(&shared, network),
                Err(error) => {
                    shared.metrics.config_nacks_total.inc();
                    tracing::error!(
                        "the edited documents are refused, the last good ones stay: {error}"
                    );
                }
            })
            .await;
        }
        Origin::Controller { mut updates, first } => {
            let (players, library) = (shared.players.clone(), shared.library.clone());
            updates.sources.send_replace(Some(Sources { players, library, local }));
            // Whoever waits for it may have stopped.
            let _ = first.send(());
            while let Some(update) = updates.receiver.recv().await {
                enforce(&shared, update.network);
                let _ = update.done.send(());
            }
        }
    }
}

/// Why the documents were not read again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// They are wrong.
    #[error("{0}")]
    Documents(#[from] ResourceError),
    /// They come by themselves.
    #[error("a controller gives the documents; they are taken over as they change")]
    Controller,
    /// The reading was cut off.
    #[error("the documents could not be read; the log has the cause")]
    Broken,
}

/// Reads the documents again at once; gives how many servers there are.
pub(crate) async fn reload(shared: &Shared) -> Result<usize, ReloadError> {
    let path = shared.resources.clone().ok_or(ReloadError::Controller)?;
    let read = tokio::task::spawn_blocking(move || resource::load(&path)).await;
    match read.map_err(|_| ReloadError::Broken)? {
        Ok(network) => {
            let servers = network.servers().count();
            enforce(shared, network);
            Ok(servers)
        }
        Err(error) => {
            shared.metrics.config_nacks_total.inc();
            Err(error.into())
        }
    }
}

/// Puts new documents in force.
fn enforce(shared: &Shared, network: Network) {
    let gone: Vec<String> = {
        let old = shared.network.load();
        let looked_at: HashSet<&Name> =
            network.by_precedence(None).into_iter().map(|s| &s.name).collect();
        let before = old.by_precedence(None).into_iter().map(|s| &s.name);
        before.filter(|name| !looked_at.contains(name)).map(Name::to_string).collect()
    };
    tracing::info!(servers = network.servers().count(), "the documents were read again");
    shared.network.store(Arc::new(network));
    choose_base(shared, true);
    for name in gone {
        // A series of a server that is not looked at any more would stay at its last value for
        // ever.
        let _ = shared.metrics.backend_up.remove_label_values(&[name.as_str()]);
    }
    shared.selector.retain(&shared.network.load());
    send_banned_away(shared);
    loaded(shared);
}

/// Ends the visits of players whom the documents ban.
fn send_banned_away(shared: &Shared) {
    let network = shared.network.load_full();
    if network.bans().next().is_none() {
        return;
    }
    for player in shared.players.select(|it| network.banned(&it.name, it.address).is_some()) {
        let Some(ban) = network.banned(&player.name, player.address) else { continue };
        // Nobody waits for the answer.
        let (done, _) = oneshot::channel();
        let kick = Kick { source: "ban", text: ban.text(), reconnect: false, done };
        if let Err(error) = shared.players.order(&player.name, Order::Kick(kick)) {
            tracing::warn!(player = player.name, ?error, "a banned player was not sent away");
        }
    }
}

/// Tells the library which servers there are if that has changed, or what the base is.
fn choose_base(shared: &Shared, changed: bool) {
    let mut base = shared.base.lock().unwrap_or_else(PoisonError::into_inner);
    let network = shared.network.load_full();
    let servers = network.by_precedence(None);
    let players = shared.players.by_server();
    let sizes = base::sizes(servers.iter().map(|server| {
        let name = server.name.as_str();
        let pool = server.spec.media_pool.as_ref().map(Name::as_str);
        (name, pool, players.get(name).copied().unwrap_or(0))
    }));
    let moved = base.choose(&sizes, Instant::now());
    if moved {
        let name = base.server().or(sizes.first().map(|(name, _)| *name));
        tracing::info!(server = name, "this server's node ids are the clients' from now on");
    }
    if moved || changed {
        let credentials = |server: &Server| service_credentials(&shared.key, server);
        shared.library.set_servers(server_specs(&network, base.server(), credentials));
    }
}

fn loaded(shared: &Shared) {
    shared.metrics.config_loaded_timestamp.set(unix_now() as i64);
}

/// How the proxy itself logs in to a server.
fn service_credentials(key: &BackendKey, server: &Server) -> Credentials {
    credentials(key, SERVICE_ACCOUNT, server)
}

/// The servers whose content is joined, in order.
pub(crate) fn server_specs(
    network: &Network,
    base: Option<&str>,
    credentials: impl Fn(&Server) -> Credentials,
) -> Vec<ServerSpec> {
    let specs = network.by_precedence(base).into_iter().map(|server| ServerSpec {
        name: server.name.to_string(),
        address: Address::new(&server.endpoint.host, server.endpoint.port),
        credentials: credentials(server),
        pool: server.spec.media_pool.as_ref().map(Name::to_string),
        probe: Some(Probe {
            interval: server.spec.probe.interval.0,
            timeout: server.spec.probe.timeout.0,
            threshold: server.spec.probe.unhealthy_threshold,
            rise: server.spec.probe.healthy_threshold,
        }),
    });
    specs.collect()
}
