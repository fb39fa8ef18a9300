//! What clients are given, and what it costs to translate it.

use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec};

use super::Make;

/// Series about content. Those about servers are of the catalogue for clients without a language,
/// at the network's protocol version.
#[derive(Debug, Clone)]
pub struct ContentMetrics {
    /// Nodes by `server` and `kind` (`shared`, `own`, `renamed`).
    pub nodes: IntGaugeVec,
    /// Items, likewise.
    pub items: IntGaugeVec,
    /// Files, likewise.
    pub media: IntGaugeVec,
    /// Their bytes (`shared`, `own`).
    pub media_bytes: IntGaugeVec,
    /// Node ids by `server` and `kind` (`kept`, `moved`).
    pub ids: IntGaugeVec,
    /// 1 where nothing of a `server` is rewritten, else 0.
    pub identity: IntGaugeVec,
    /// 1 for a `server` that clients do not get the content of.
    pub left_out: IntGaugeVec,
    /// Seconds that the catalogue took to make.
    pub build_seconds: Gauge,
    /// Memory by `kind` (`catalogues`, `media_cache`).
    pub memory_bytes: IntGaugeVec,
    /// Blocks whose translation was there already.
    pub block_cache_hits_total: IntCounter,
    /// Blocks that had to be decompressed.
    pub blocks_decompressed_total: IntCounter,
    /// Translations given up to make room.
    pub block_cache_evictions_total: IntCounter,
    /// Memory of the translations.
    pub block_cache_bytes: IntGauge,
}

impl ContentMetrics {
    pub(super) fn new(m: &Make) -> prometheus::Result<Self> {
        let by_server = |name: &str, help: &str| m.gauges(name, help, &["server", "kind"]);
        Ok(Self {
            nodes: by_server("mesegate_proxy_content_nodes", "Nodes of a server.")?,
            items: by_server("mesegate_proxy_content_items", "Items of a server.")?,
            media: by_server("mesegate_proxy_content_media", "Media files of a server.")?,
            media_bytes: by_server(
                "mesegate_proxy_content_media_bytes",
                "Bytes of a server's media files.",
            )?,
            ids: by_server("mesegate_proxy_content_ids", "Node ids of a server.")?,
            identity: m.gauges(
                "mesegate_proxy_content_identity",
                "1 if nothing of the server is rewritten.",
                &["server"],
            )?,
            left_out: m.gauges(
                "mesegate_proxy_content_left_out",
                "1 for a server whose content clients do not get.",
                &["server"],
            )?,
            build_seconds: m.add(Gauge::new(
                "mesegate_proxy_content_build_seconds",
                "Time that joining the servers' content took.",
            ))?,
            memory_bytes: m.gauges(
                "mesegate_proxy_content_memory_bytes",
                "Memory of definitions and media.",
                &["kind"],
            )?,
            block_cache_hits_total: m.counter(
                "mesegate_proxy_block_cache_hits_total",
                "Map blocks whose translation was kept from before.",
            )?,
            blocks_decompressed_total: m.counter(
                "mesegate_proxy_blocks_decompressed_total",
                "Map blocks that were decompressed to be translated.",
            )?,
            block_cache_evictions_total: m.counter(
                "mesegate_proxy_block_cache_evictions_total",
                "Translated map blocks that were given up to make room.",
            )?,
            block_cache_bytes: m
                .gauge("mesegate_proxy_block_cache_bytes", "Memory of translated map blocks.")?,
        })
    }
}
