//! What is counted elsewhere and copied into the metrics: every second, and when the library
//! publishes something.

use std::collections::HashSet;
use std::sync::Arc;

use mesegate_content::{Catalogue, PartReport, Share};
use mesegate_protocol::map::BlockCacheStats;
use mesegate_transport::{DropReason, ListenerStats};

use crate::metrics::content::ContentMetrics;
use crate::network::Network;
use crate::players::Whereabouts;
use crate::shared::Shared;

/// What was copied already.
#[derive(Default)]
pub(crate) struct Figures {
    dropped: [u64; DropReason::ALL.len()],
    blocks: BlockCacheStats,
    /// The catalogue whose report was copied, and the servers in it.
    catalogue: Option<Arc<Catalogue>>,
    servers: HashSet<String>,
    /// The documents that were looked at, and the servers in them.
    network: Option<Arc<Network>>,
    known: HashSet<String>,
    /// Servers that are no more, and have series.
    gone: HashSet<String>,
}

impl Figures {
    /// Copies what has changed.
    pub(crate) fn copy(&mut self, stats: &ListenerStats, shared: &Shared) {
        let metrics = &shared.metrics;
        metrics.half_open_peers.set(stats.snapshot().half_open as i64);
        metrics.buffer_bytes.set(shared.backend_transport.budget.used() as i64);
        for reason in DropReason::ALL {
            let now = stats.dropped(reason);
            let more = now.saturating_sub(self.dropped[reason as usize]);
            let labels = ["client", reason.as_str()];
            metrics.datagrams_dropped_total.with_label_values(&labels).inc_by(more);
            self.dropped[reason as usize] = now;
        }
        for status in shared.library.server_status().iter() {
            let gauge = metrics.backend_up.with_label_values(&[status.name.as_str()]);
            gauge.set(status.state.is_up().into());
        }
        for (server, taken) in shared.library.take_looks() {
            let times = metrics.backend_probe_duration.with_label_values(&[server.as_str()]);
            times.observe(taken.as_secs_f64());
        }
        Self::whereabouts(shared);
        self.forget(shared);
        self.blocks(&metrics.content, shared.blocks.stats());
        let memory = shared.library.memory();
        let kinds =
            [("catalogues", memory.catalogue_bytes), ("media_cache", memory.frame_cache_bytes)];
        for (kind, bytes) in kinds {
            metrics.content.memory_bytes.with_label_values(&[kind]).set(bytes as i64);
        }
        let catalogue = shared.library.network_catalogue();
        if let Some(catalogue) = catalogue.filter(|new| !self.has(new)) {
            self.content(&metrics.content, &catalogue);
            self.catalogue = Some(catalogue);
        }
    }

    /// Players who are on no server. Those who are on one are counted as they come and go.
    fn whereabouts(shared: &Shared) {
        let sessions = &shared.metrics.sessions;
        let count = |wanted: &Whereabouts| shared.players.count(|it| it.whereabouts == *wanted);
        for (state, wanted) in
            [("joining", Whereabouts::Joining), ("between", Whereabouts::Between)]
        {
            sessions.with_label_values(&["", state]).set(count(&wanted) as i64);
        }
    }

    /// Removes the series of servers that are no more, once nobody is there.
    fn forget(&mut self, shared: &Shared) {
        let network = shared.network.load_full();
        if !self.network.as_ref().is_some_and(|old| Arc::ptr_eq(old, &network)) {
            let now: HashSet<String> = network.servers().map(|it| it.name.to_string()).collect();
            let gone = std::mem::take(&mut self.known).into_iter().chain(self.gone.drain());
            self.gone = gone.filter(|name| !now.contains(name)).collect();
            self.known = now;
            self.network = Some(network);
        }
        if self.gone.is_empty() {
            return;
        }
        let players = shared.players.by_server();
        self.gone.retain(|name| {
            let left = !players.contains_key(name.as_str());
            if left {
                shared.metrics.forget(name);
            }
            !left
        });
    }

    fn has(&self, catalogue: &Arc<Catalogue>) -> bool {
        self.catalogue.as_ref().is_some_and(|old| Arc::ptr_eq(old, catalogue))
    }

    fn blocks(&mut self, metrics: &ContentMetrics, now: BlockCacheStats) {
        let old = std::mem::replace(&mut self.blocks, now);
        metrics.block_cache_hits_total.inc_by(now.hits.saturating_sub(old.hits));
        metrics.blocks_decompressed_total.inc_by(now.misses.saturating_sub(old.misses));
        metrics.block_cache_evictions_total.inc_by(now.evictions.saturating_sub(old.evictions));
        metrics.block_cache_bytes.set(now.bytes as i64);
    }

    fn content(&mut self, metrics: &ContentMetrics, catalogue: &Catalogue) {
        let report = catalogue.report();
        metrics.build_seconds.set(catalogue.build_time().as_secs_f64());
        let mut servers = HashSet::new();
        for part in &report.parts {
            for server in &part.servers {
                metrics.set(server, part);
                metrics.left_out.with_label_values(&[server.as_str()]).set(0);
                servers.insert(server.clone());
            }
        }
        for out in &report.left_out {
            metrics.remove(&out.server);
            metrics.left_out.with_label_values(&[out.server.as_str()]).set(1);
            servers.insert(out.server.clone());
        }
        for gone in self.servers.iter().filter(|server| !servers.contains(*server)) {
            // A series of a server that is no more would stay at its last value for ever.
            metrics.remove(gone);
            let _ = metrics.left_out.remove_label_values(&[gone.as_str()]);
        }
        self.servers = servers;
    }
}

impl ContentMetrics {
    fn set(&self, server: &str, part: &PartReport) {
        let shares = [(&self.nodes, part.nodes), (&self.items, part.items)];
        for (gauges, share) in shares.into_iter().chain([(&self.media, part.media)]) {
            let Share { shared, own, renamed, .. } = share;
            for (kind, count) in [("shared", shared), ("own", own), ("renamed", renamed)] {
                gauges.with_label_values(&[server, kind]).set(count as i64);
            }
        }
        let own = part.media.own_bytes;
        for (kind, bytes) in [("shared", part.media.bytes - own), ("own", own)] {
            self.media_bytes.with_label_values(&[server, kind]).set(bytes as i64);
        }
        for (kind, count) in [("kept", part.ids_kept), ("moved", part.ids_moved)] {
            self.ids.with_label_values(&[server, kind]).set(count as i64);
        }
        self.identity.with_label_values(&[server]).set(part.identity.into());
    }

    fn remove(&self, server: &str) {
        for gauges in [&self.nodes, &self.items, &self.media, &self.media_bytes, &self.ids] {
            for kind in ["shared", "own", "renamed", "kept", "moved"] {
                // Not all have all kinds.
                let _ = gauges.remove_label_values(&[server, kind]);
            }
        }
        let _ = self.identity.remove_label_values(&[server]);
    }
}
