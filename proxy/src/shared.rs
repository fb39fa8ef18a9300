//! What all sessions share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use mesegate_auth::{Accounts, BackendKey, Bans, Mutes};
use mesegate_backend::Credentials;
use mesegate_content::Library;
use mesegate_protocol::map::BlockCache;
use mesegate_resource::BackendAuth;
use mesegate_transport::Config;
use tokio::sync::watch;

use crate::abroad::Abroad;
use crate::admin::About;
use crate::admission::Attempts;
use crate::attendance::Attendance;
use crate::base::Base;
use crate::claims::Claims;
use crate::departures::Departures;
use crate::life::{Latch, Life};
use crate::losses::Losses;
use crate::metrics::Metrics;
use crate::mod_api::Hub;
use crate::network::{Network, Server};
use crate::players::Players;
use crate::selection::Selector;

/// What all sessions share. Everything in it is immutable, swapped whole, or locks for moments.
pub(crate) struct Shared {
    pub(crate) network: ArcSwap<Network>,
    /// Held while the library is told which servers there are, so that what it was told last is
    /// what is in force.
    pub(crate) base: Mutex<Base>,
    pub(crate) library: Library,
    pub(crate) accounts: Accounts,
    pub(crate) bans: Bans,
    pub(crate) attempts: Attempts,
    pub(crate) key: Arc<BackendKey>,
    pub(crate) metrics: Metrics,
    pub(crate) players: Players,
    /// Who comes and leaves, for those who are there.
    pub(crate) attendance: Attendance,
    /// Who is at other proxies.
    pub(crate) abroad: Abroad,
    /// Names once over all proxies.
    pub(crate) claims: Claims,
    pub(crate) selector: Selector,
    /// Whether players are let in, and how long they may stay.
    pub(crate) life: Life,
    pub(crate) latch: Arc<Latch>,
    pub(crate) departures: Departures,
    /// Translated map blocks of all players.
    pub(crate) blocks: BlockCache,
    pub(crate) losses: Losses,
    /// What servers' mods tell each other.
    pub(crate) mods: Hub,
    /// Transport settings towards backends.
    pub(crate) backend_transport: Arc<Config>,
    pub(crate) about: About,
    /// Where the documents are read from; none if a controller gives them.
    pub(crate) resources: Option<PathBuf>,
    /// Whether there may be other proxies, whose players are known while there is a controller.
    pub(crate) fleet: bool,
    pub(crate) mutes: Mutes,
    /// True from the moment the process was asked to stop.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Waits until the process was asked to stop.
    pub(crate) async fn stopped(&self) {
        // It can only fail when the process is ending.
        let _ = self.stopping.clone().wait_for(|stop| *stop).await;
    }
}

/// Now, in Unix seconds.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How `name` logs in to `server`.
pub(crate) fn credentials(key: &BackendKey, name: &str, server: &Server) -> Credentials {
    match server.spec.backend_auth {
        BackendAuth::Secret => Credentials::Secret(key.secret(name, server.name.as_str())),
        BackendAuth::Empty => Credentials::Empty,
    }
}
