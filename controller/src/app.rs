//! One process: everything started in order, and stopped in the reverse one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kube::Client;
use mesegate_admin::{
    Admin, AdminError, Authority, Network, ProxyTokens, Tls, TlsError, TokensError, accept,
    follow_certificate,
};
use mesegate_proto::control::MAX_MESSAGE;
use mesegate_proto::control::v1::control_service_server::ControlServiceServer;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::admin::{Accounts, Whole};
use crate::claims::Claims;
use crate::cli::Options;
use crate::clock::unix_now;
use crate::cluster::Cluster;
use crate::compile::{Compiled, compile};
use crate::events::Events;
use crate::fleet::Fleet;
use crate::http::{self, Pages};
use crate::janitor::Janitor;
use crate::lease::{self, Leadership};
use crate::listing::keep_listed;
use crate::managed::{Keeper, Rollouts};
use crate::metrics::Metrics;
use crate::stream::{Asked, Control};
use crate::trust::{Gate, Reviews};
use crate::writer::Writer;

/// Changes within this time become one.
const TOGETHER: Duration = Duration::from_millis(100);

/// How often what changes with time alone is looked at: bans that are over.
const AGING: Duration = Duration::from_secs(10);

/// How often proxies that are gone are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How long streams may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why the controller does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address that anybody could reach.
    #[error(
        "--listen {0}: an address that others can reach needs --tls-cert and --tls-key; write for \
         example 127.0.0.1:7443 to do without"
    )]
    Exposed(SocketAddr),
    /// The tokens of proxies.
    #[error("--tokens: {0}")]
    Tokens(#[from] TokensError),
    /// Keys and certificates.
    #[error("{0}")]
    Tls(#[from] TlsError),
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
    /// The way to the API server.
    #[error("cannot find the API server: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The client.
    #[error("cannot make a client for the API server: {0}")]
    Client(Box<kube::Error>),
    /// The runtime or its signal handlers.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// The admin interface.
    #[error("{0}")]
    Admin(#[from] AdminError),
    /// The metrics.
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The gRPC server.
    #[error("the gRPC server ended: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// Runs the controller until it is told to stop.
///
/// # Errors
/// Everything that keeps it from starting; the text names the flag or address.
pub fn run(options: Options) -> Result<(), RunError> {
    if options.tls_cert.is_none() && !options.listen.ip().is_loopback() {
        return Err(RunError::Exposed(options.listen));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(options));
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

async fn serve(options: Options) -> Result<(), RunError> {
    let config = kube::Config::infer().await?;
    let namespace = options.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|error| RunError::Client(Box::new(error)))?;
    let tls = options.certificate().map(Tls::load).transpose()?.map(Arc::new);
    let tokens = options.tokens.as_deref().map(ProxyTokens::load).transpose()?.map(Arc::new);
    let listener = listen("--listen", options.listen).await?;
    let http = listen("--http", options.http).await?;
    let reviews = Arc::new(Reviews::new(&client));
    let authority = options.admin_accounts.then(|| {
        let (reviews, namespace) = (Arc::clone(&reviews), namespace.clone());
        Arc::new(Accounts { reviews, namespace }) as Arc<dyn Authority>
    });
    let admin = Admin::bind(&options.admin, authority).await?;
    let metrics = Metrics::new()?;
    metrics.runs_on("main");
    let fleet = Fleet::default();
    let synced = Arc::new(AtomicBool::new(false));
    let (stop, stopping) = watch::channel(false);
    let claims = Claims::default();
    let pages = Pages {
        metrics: metrics.clone(),
        fleet: fleet.clone(),
        claims: claims.clone(),
        synced: Arc::clone(&synced),
    };
    tokio::spawn(http::serve(http, pages));
    let cluster = Cluster::watch(&client, &namespace, &metrics, options.managed_servers);
    let (sender, compiled) = watch::channel(Arc::new(Compiled::default()));
    tokio::spawn(keep_compiled(cluster.clone(), sender, synced, metrics.clone()));
    let (holder, lease) = lease::hold(
        &client,
        &namespace,
        &options.lease,
        options.identity(),
        metrics.clone(),
        stopping.clone(),
    );
    let events =
        Events::publish(client.clone(), namespace.clone(), options.identity(), metrics.clone());
    let whole: Arc<dyn Network> = Arc::new(Whole {
        client: client.clone(),
        namespace: namespace.clone(),
        cluster: cluster.clone(),
        compiled: compiled.clone(),
        fleet: fleet.clone(),
        events: events.clone(),
        stopping: stopping.clone(),
    });
    // Its account may set states only where there is the interface for it.
    let asked = Asked { network: Arc::clone(&whole), states: admin.is_some() };
    if let Some(admin) = admin {
        tokio::spawn(admin.serve(whole, metrics.admin.clone()));
    }
    tokio::spawn(keep_swept(fleet.clone()));
    let (leads, led) = watch::channel(false);
    tokio::spawn(keep_claims(holder.clone(), cluster.clone(), claims.clone(), leads));
    tokio::spawn(keep_listed(fleet.clone(), compiled.clone(), holder.changes(), stopping.clone()));
    let gate = match (&tls, &tokens) {
        (Some(_), Some(tokens)) => Gate::listed(Arc::clone(tokens)),
        (Some(_), None) => Gate::guarded(reviews, namespace.clone()),
        (None, _) => Gate::Open,
    };
    if let Some(tokens) = tokens {
        tokio::spawn(async move { tokens.follow().await });
    }
    let janitor = Janitor {
        client: client.clone(),
        namespace: namespace.clone(),
        cluster: cluster.clone(),
        leadership: holder.clone(),
        retention: options.ban_retention,
        metrics: metrics.clone(),
    };
    tokio::spawn(janitor.run());
    let (rollouts, rolled_out) = watch::channel(Arc::new(Rollouts::default()));
    if options.managed_servers {
        let keeper = Keeper {
            client: client.clone(),
            namespace: namespace.clone(),
            cluster: cluster.clone(),
            compiled: compiled.clone(),
            fleet: fleet.clone(),
            leadership: holder.clone(),
            rollouts: rollouts.clone(),
            metrics: metrics.clone(),
        };
        tokio::spawn(keeper.run());
    }
    let writer = Writer {
        client,
        namespace: namespace.clone(),
        cluster,
        compiled: compiled.clone(),
        fleet: fleet.clone(),
        rollouts: rolled_out,
        events,
        leadership: holder,
        metrics: metrics.clone(),
    };
    tokio::spawn(writer.run());
    if let Some(tls) = &tls {
        tokio::spawn(follow_certificate(Arc::clone(tls)));
    }
    let control = Control {
        compiled,
        fleet,
        claims,
        gate,
        replica: options.identity(),
        leads: led,
        asked: Some(asked),
        metrics: metrics.clone(),
        stopping: stopping.clone(),
    };
    let service = ControlServiceServer::new(control).max_decoding_message_size(MAX_MESSAGE);
    let mut ending = stopping;
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_service(service)
        .serve_with_incoming_shutdown(accept(listener, tls, metrics.connections), async move {
            let _ = ending.wait_for(|it| *it).await;
        });
    let server = tokio::spawn(server);
    tracing::info!(listen = %options.listen, namespace, "proxies can connect");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => {
            if let Ok(result) = ended {
                result?;
            }
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    let _ = tokio::time::timeout(FAREWELL, server).await;
    let _ = lease.await;
    Ok(())
}

/// Forgets proxies that are gone, and tells those who watch their players.
async fn keep_swept(fleet: Fleet) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        fleet.sweep();
    }
}

async fn listen(what: &'static str, addr: SocketAddr) -> Result<TcpListener, RunError> {
    let listener = TcpListener::bind(addr).await;
    listener.map_err(|error| RunError::Listen { what, addr, error })
}

/// Gives names while this replica leads. Proxies hear of that after the names are ready for it.
async fn keep_claims(
    leadership: impl Leadership,
    cluster: Cluster,
    claims: Claims,
    leads: watch::Sender<bool>,
) {
    let mut changes = leadership.changes();
    loop {
        let now = *changes.borrow_and_update();
        // Who was connected is in the objects.
        if now && !cluster.synced().await {
            return;
        }
        claims.lead(now, cluster.connected_before());
        leads.send_replace(now);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Compiles whenever something has changed, and publishes what differs.
async fn keep_compiled(
    cluster: Cluster,
    compiled: watch::Sender<Arc<Compiled>>,
    synced: Arc<AtomicBool>,
    metrics: Metrics,
) {
    let mut revision = cluster.revision();
    if !cluster.synced().await {
        return;
    }
    let mut aging = tokio::time::interval(AGING);
    aging.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        revision.mark_unchanged();
        let now = unix_now();
        let began = Instant::now();
        let new = compile(&cluster.world(), now);
        metrics.compiles_total.inc();
        metrics.compile_duration.observe(began.elapsed().as_secs_f64());
        for ((kind, name), verdict) in &new.verdicts {
            let known = compiled.borrow().verdicts.get(&(*kind, name.clone())) == Some(verdict);
            if !verdict.accepted.good && !known {
                let (reason, message) = (verdict.accepted.reason, &verdict.accepted.message);
                tracing::warn!(kind, name, ?reason, "not accepted: {message}");
            }
        }
        let changed = compiled.send_if_modified(|old| {
            let differs = **old != new;
            if differs {
                *old = Arc::new(new);
            }
            differs
        });
        if changed {
            metrics.compiled(&compiled.borrow());
            let sizes: Vec<usize> = compiled.borrow().sets.values().map(|it| it.len()).collect();
            tracing::info!(documents = ?sizes, "what proxies get has changed");
        }
        synced.store(true, Ordering::Relaxed);
        tokio::select! {
            changed = revision.changed() => if changed.is_err() { return },
            _ = aging.tick() => {}
        }
        tokio::time::sleep(TOGETHER).await;
    }
}
