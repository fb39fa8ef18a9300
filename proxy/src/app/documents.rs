//! The documents: the first ones, and those that come while the proxy runs.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use mesegate_auth::BackendKey;
use mesegate_backend::{Address, Credentials};
use mesegate_content::{Probe, ServerSpec};
use mesegate_resource::Name;
use mesegate_telemetry::span::TARGET;
use tokio::sync::oneshot;

use super::RunError;
use crate::admin::Local;
use crate::base;
use crate::claims::Claims;
use crate::cli::Options;
use crate::control::{self, Sources, Updates};
use crate::life::Stop;
use crate::metrics::Metrics;
use crate::network::{Network, Server};
use crate::players::{Kick, Order};
use crate::resource::{self, ResourceError};
use crate::shared::{Shared, credentials, unix_now};

/// The name under which the proxy itself enters backends to read their definitions.
pub(super) const SERVICE_ACCOUNT: &str = "mesegate-proxy";

/// Where documents come from once the first ones are in force.
pub(super) enum Origin {
    Files(PathBuf),
    Controller { updates: Updates, first: oneshot::Sender<()> },
}

/// The documents to start with; `None` if the process was told to stop while there were none.
pub(super) async fn first_network(
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
pub(super) async fn follow(origin: Origin, shared: Arc<Shared>, local: Arc<Local>) {
    match origin {
        Origin::Files(path) => {
            resource::watch(path, |read| {
                if let Err(error) = take(&shared, read) {
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
    Ok(take(shared, read.map_err(|_| ReloadError::Broken)?)?)
}

/// Puts documents in force that were read; gives how many servers there are.
fn take(shared: &Shared, read: Result<Network, ResourceError>) -> Result<usize, ResourceError> {
    let network = read.inspect_err(|_| shared.metrics.config_nacks_total.inc())?;
    let servers = network.servers().count();
    enforce(shared, network);
    Ok(servers)
}

/// Puts new documents in force.
fn enforce(shared: &Shared, network: Network) {
    let span = tracing::info_span!(
        target: TARGET,
        "documents",
        servers = network.servers().count(),
    );
    let _inside = span.enter();
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
pub(super) fn choose_base(shared: &Shared, changed: bool) {
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

pub(super) fn loaded(shared: &Shared) {
    shared.metrics.config_loaded_timestamp.set(unix_now() as i64);
}

/// How the proxy itself logs in to a server.
pub(super) fn service_credentials(key: &BackendKey, server: &Server) -> Credentials {
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
