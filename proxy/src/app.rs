//! One process: everything started in order, and stopped in the reverse one.

mod documents;
mod error;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use mesegate_admin::Admin;
use mesegate_auth::{Accounts, BackendKey, StoreUrl};
use mesegate_content::{ContentStore, Library, LibraryConfig};
use mesegate_protocol::map::BlockCache;
use mesegate_transport::{Binding, Budget, Config, ListenConfig, ListenerStats};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::abroad::Abroad;
use crate::admin::{About, Local};
use crate::admission::{Attempts, Keeper};
use crate::attendance::Attendance;
use crate::banned;
use crate::base::Base;
use crate::claims::Claims;
use crate::cli::Options;
use crate::departures::Departures;
use crate::figures::Figures;
use crate::http;
use crate::lane::Lanes;
use crate::life::{self, Kept, Latch, Life, Stop};
use crate::listing::Listing;
use crate::losses::Losses;
use crate::media_http;
use crate::metrics::Metrics;
use crate::mod_api::Hub;
use crate::mutes;
use crate::players::Players;
use crate::selection::Selector;
use crate::shared::Shared;
use documents::{Origin, SERVICE_ACCOUNT, first_network, follow, loaded, service_credentials};
pub(crate) use documents::{ReloadError, reload, server_specs};
pub use error::RunError;

/// How long a backend may be silent before it counts as lost. Engines ping every 5 s from a
/// thread of their own, so a busy world is not silent.
const BACKEND_SILENCE: Duration = Duration::from_secs(15);

/// What may wait for one client: the definitions of a whole network and the media in front.
const CLIENT_QUEUE: usize = 48 * 1024 * 1024;

/// How long to wait before an account store that is away is tried again at the start.
const ACCOUNTS_AGAIN: Duration = Duration::from_secs(1);

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
    metrics.runs_on("main");
    let http = listen_on("--http", http_addr).await?;
    let latch: Arc<Latch> = Arc::default();
    let ready: http::Readiness = {
        let latch = Arc::clone(&latch);
        Arc::new(move || latch.look())
    };
    // Looked at before a controller's documents are written there.
    let kept = (!options.control.controller.is_empty())
        .then(|| Kept::new(&options.data, options.life.stale(), metrics.clone()));
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
        life: Life::new(&options.life),
        latch,
        departures: Departures::default(),
        blocks: BlockCache::new(options.block_cache_mb as usize * 1024 * 1024),
        losses: Losses::default(),
        mods: Hub::default(),
        backend_transport,
        about: About { name: options.proxy_name(), started, ready },
        resources: options.resources.clone().filter(|_| options.control.controller.is_empty()),
        fleet: !options.control.controller.is_empty(),
        mutes: muted,
        stopping,
    });
    tokio::spawn(shared.attendance.clone().keep(shared.players.clone(), shared.abroad.clone()));
    let keepers = remember(&shared).await;
    loaded(&shared);
    shared.latch.started(shared.library.clone(), kept);
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
    let mut lanes = Lanes::start(bindings, &shared, patience).await?;
    tracing::info!(listen = %address, "players can connect");
    // A controller announces all its proxies as one network.
    let listed = alone.then(|| {
        let port = address.port();
        let listing = Listing { shared: Arc::clone(&shared), started: Instant::now(), port };
        tokio::spawn(mesegate_serverlist::announce(listing, shared.stopping.clone()))
    });
    wait(&mut lanes, &stats, &shared, stop, stopped).await;
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
async fn remember(shared: &Arc<Shared>) -> [JoinHandle<()>; 3] {
    let mut keeper = Keeper::new(shared.accounts.failures());
    keeper.turn(shared).await;
    if let Err(error) = shared.mutes.refresh().await {
        tracing::error!(%error, "who is muted is not known yet");
    }
    let [guesses, muted, banned] = [(); 3].map(|()| Arc::clone(shared));
    [
        tokio::spawn(async move { keeper.keep(&guesses).await }),
        tokio::spawn(async move { mutes::keep(&muted).await }),
        tokio::spawn(async move { banned::keep(&banned).await }),
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

/// Keeps figures and the base true while the proxy runs.
async fn look_after(stats: &ListenerStats, shared: &Shared) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut figures = Figures::default();
    // A server that goes down or comes up shows at once.
    let mut changes = shared.library.changes();
    loop {
        tokio::select! {
            _ = tick.tick() => {
                figures.copy(stats, shared);
                documents::choose_base(shared, false);
            }
            Ok(()) = changes.changed() => figures.copy(stats, shared),
        }
    }
}

/// Waits until the process is to end, and then until the players have been told.
async fn wait(
    lanes: &mut Lanes,
    stats: &ListenerStats,
    shared: &Shared,
    mut stop: Stop,
    stopped: watch::Sender<bool>,
) {
    tokio::select! {
        () = lanes.ended() => {}
        () = look_after(stats, shared) => {}
        () = life::run(shared, &mut stop) => {}
    }
    tracing::info!(players = shared.players.len(), "stopping");
    stopped.send_replace(true);
    tokio::select! {
        () = lanes.ended() => {}
        () = stop.asked() => {}
    }
}
