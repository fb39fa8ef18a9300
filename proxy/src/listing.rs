//! The proxy's own entry in the public server list. With a controller there is one for all
//! proxies, and it is not made here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_protocol::ProtocolVersion;
use mesegate_serverlist::{Facts, Subject, Wanted};

use crate::players::Whereabouts;
use crate::shared::Shared;

/// What the list is told of.
pub(crate) struct Listing {
    pub(crate) shared: Arc<Shared>,
    pub(crate) started: Instant,
    /// Where players connect, unless the document says otherwise.
    pub(crate) port: u16,
}

impl Subject for Listing {
    fn wanted(&mut self) -> Wanted {
        let network = self.shared.network.load();
        let open = !self.shared.life.is_draining();
        match &network.proxy.announce {
            Some(announce) if announce.enabled && open => {
                Wanted::Listed(Box::new(announce.clone()), self.port)
            }
            _ => Wanted::Unlisted,
        }
    }

    fn facts(&mut self, late: Duration) -> Option<Facts> {
        let shared = &self.shared;
        // Nobody could enter yet, and the versions are not known.
        if !shared.library.ready() {
            return None;
        }
        let network = shared.network.load();
        let there = shared.players.select(|it| it.whereabouts != Whereabouts::Joining);
        Some(Facts {
            version: concat!("mesegate-", env!("CARGO_PKG_VERSION")).to_owned(),
            protocols: ProtocolVersion::MIN.0..=shared.library.network_version().0,
            players: there.iter().map(|it| it.name.clone()).collect(),
            max_players: network.proxy.limits.players,
            uptime: self.started.elapsed(),
            lag: Some(late),
            password: !network.proxy.password_policy.allow_empty,
            privileges: mesegate_auth::DEFAULT_PRIVILEGES.join(", "),
        })
    }
}
