//! What clients are given, and what it costs to translate it.

use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec};

use mesegate_telemetry::Registry;

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
    pub(super) fn new(m: &Registry) -> prometheus::Result<Self> {
        let by_server = |name: &str, help: &str| m.gauges(name, help, &["server", "kind"]);
        Ok(Self {
            nodes: by_server(
                "content_nodes",
                "Nodes that a server brings into the common \
             content: `shared` with others, its `own`, and `renamed` for clients.",
            )?,
            items: by_server(
                "content_items",
                "Items that a server brings into the common \
             content: `shared` with others, its `own`, and `renamed` for clients.",
            )?,
            media: by_server(
                "content_media",
                "Media files that a server brings into the common \
             content: `shared` with others, its `own`, and `renamed` for clients.",
            )?,
            media_bytes: by_server(
                "content_media_bytes",
                "Bytes of a server's media files: `shared`, `own`.",
            )?,
            ids: by_server(
                "content_ids",
                "A server's node ids that are the same for clients (`kept`), \
             or others (`moved`).",
            )?,
            identity: m.gauges(
                "content_identity",
                "1 if nothing of the server is rewritten.",
                &["server"],
            )?,
            left_out: m.gauges(
                "content_left_out",
                "1 for a server whose content clients do not get; `mesegate-proxy content` tells \
                 why.",
                &["server"],
            )?,
            build_seconds: m
                .float("content_build_seconds", "Time that joining the content took.")?,
            memory_bytes: m.gauges(
                "content_memory_bytes",
                "Memory of the joined definitions (`catalogues`) and of media lately asked for \
                 (`media_cache`).",
                &["kind"],
            )?,
            block_cache_hits_total: m.counter(
                "block_cache_hits_total",
                "Map blocks whose translation was kept from before; together with those that were \
                 decompressed, the hit rate.",
            )?,
            blocks_decompressed_total: m.counter(
                "blocks_decompressed_total",
                "Map blocks that were decompressed, translated and compressed; 0 while all \
                 servers' ids and names are the clients'.",
            )?,
            block_cache_evictions_total: m.counter(
                "block_cache_evictions_total",
                "Translated blocks given up to make room.",
            )?,
            block_cache_bytes: m.gauge(
                "block_cache_bytes",
                "Memory of translated blocks (limit: \
                 `--block-cache-mb`).",
            )?,
        })
    }
}
