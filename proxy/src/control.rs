//! Documents from controllers instead of files.
//!
//! [`stream`] keeps a control stream open to each address of the controllers; [`hub`] chooses whose
//! documents count and makes networks of them. A set that is refused leaves the good one in force.
//! [`last_good`] keeps that one on disk, so that a proxy starts without its controllers.

mod board;
mod credentials;
mod documents;
mod given;
mod hub;
mod last_good;
mod options;
mod parts;
mod report;
mod site;
mod strange;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use mesegate_admin::Repeats;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::claims::Claims;
use crate::metrics::Metrics;
use crate::network::Network;
use credentials::Credentials;
use hub::{Event, Hub, Ruling};
use last_good::LastGood;
pub(crate) use last_good::NAME as LAST_GOOD;
pub(crate) use options::ControlOptions;
pub(crate) use report::Sources;
use site::{Addresses, Site, look_up};
use stream::Line;

/// How often hosts are looked up, besides whenever a stream is lost.
const LOOK_UP: Duration = Duration::from_secs(30);

/// The least time between two times of that, and how soon hosts that were not found are looked up
/// again.
const LOOK_UP_AGAIN: Duration = Duration::from_millis(500);

/// Events that may wait.
const EVENTS: usize = 64;

/// What a proxy needs to know to have controllers.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    sites: Vec<Arc<Site>>,
    credentials: Credentials,
    class: String,
    name: String,
}

impl Settings {
    /// From the flags; `name` is what controllers call this proxy.
    ///
    /// # Errors
    /// The text names the flag whose value cannot be used.
    pub(crate) fn new(options: &ControlOptions, name: String) -> Result<Self, String> {
        let sites: Result<Vec<Site>, String> =
            options.controller.iter().map(|url| Site::parse(url)).collect();
        let sites = sites?;
        let credentials = Credentials::new(options, &sites)?;
        let sites = sites.into_iter().map(Arc::new).collect();
        Ok(Self { sites, credentials, class: options.proxy_class.clone(), name })
    }
}

/// What all streams share.
struct Common {
    credentials: Credentials,
    class: String,
    name: String,
    claims: Claims,
    metrics: Metrics,
    events: mpsc::Sender<Event>,
    ruling: watch::Receiver<Ruling>,
    sources: watch::Receiver<Option<Sources>>,
    /// Addresses of controllers.
    wanted: watch::Receiver<BTreeSet<SocketAddr>>,
    /// Told whenever a stream is lost.
    lost: Notify,
    /// What was done under an id.
    repeats: Arc<Repeats>,
    /// Different for each stream.
    serial: AtomicU64,
}

/// A network to be put in force, and whom to tell that it is.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) network: Network,
    pub(crate) done: oneshot::Sender<()>,
}

/// Networks as they come.
#[derive(Debug)]
pub(crate) struct Updates {
    pub(crate) receiver: mpsc::Receiver<Update>,
    /// For what the controller is to be told, once there is something to tell.
    pub(crate) sources: watch::Sender<Option<Sources>>,
}

/// Begins to follow controllers. The first network is that of the last good documents in `data`, if
/// there are any.
pub(crate) fn follow(settings: Settings, data: &Path, claims: Claims, metrics: Metrics) -> Updates {
    let (sender, receiver) = mpsc::channel(1);
    let (sources, watched) = watch::channel(None);
    let (events, happened) = mpsc::channel(EVENTS);
    let (ruling, ruled) = watch::channel(Ruling::default());
    let (addresses, wanted) = watch::channel(BTreeSet::new());
    let Settings { sites, credentials, class, name } = settings;
    let last_good = LastGood::new(data);
    let mut hub = Hub::new(name.clone(), last_good, metrics.clone(), sender, happened, ruling);
    let common = Arc::new(Common {
        credentials,
        class,
        name,
        claims,
        metrics,
        events,
        ruling: ruled,
        sources: watched,
        wanted,
        lost: Notify::new(),
        repeats: Arc::default(),
        serial: AtomicU64::new(0),
    });
    tokio::spawn(async move {
        // Controllers are told of the documents on disk.
        hub.begin().await;
        tokio::spawn(keep_lines(sites, common, addresses));
        hub.run().await;
    });
    Updates { receiver, sources }
}

/// Keeps one stream to each address that the hosts stand for.
async fn keep_lines(
    sites: Vec<Arc<Site>>,
    common: Arc<Common>,
    wanted: watch::Sender<BTreeSet<SocketAddr>>,
) {
    let mut addresses = Addresses::new();
    let mut unknown = BTreeSet::new();
    let mut lines: BTreeMap<SocketAddr, JoinHandle<()>> = BTreeMap::new();
    while !common.events.is_closed() {
        addresses = look_up(&sites, &addresses, &mut unknown).await;
        wanted.send_replace(addresses.keys().copied().collect());
        lines.retain(|_, line| !line.is_finished());
        for (addr, site) in &addresses {
            lines.entry(*addr).or_insert_with(|| {
                let line = Line::new(*addr, Arc::clone(site), Arc::clone(&common));
                tokio::spawn(line.run())
            });
        }
        tokio::time::sleep(LOOK_UP_AGAIN).await;
        if !addresses.is_empty() {
            tokio::select! {
                () = tokio::time::sleep(LOOK_UP) => {}
                () = common.lost.notified() => {}
                () = common.events.closed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
