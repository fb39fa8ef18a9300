//! What came out, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::media::MediaWay;
use super::scene::Way;
use crate::samples::Summary;

/// Failures listed; further ones are counted.
const FAILURES: usize = 50;

/// CPU time from which on it is compared: the system counts it in steps of 10 ms.
const CPU_SECONDS: f64 = 0.5;

/// Joining with media.
#[derive(Debug, Serialize)]
pub(super) struct JoinReport {
    pub done: usize,
    pub failed: usize,
    /// Until the player stood in a world.
    pub time: Summary,
    /// Until the definitions were there, media not counted.
    pub until_definitions: Summary,
}

/// Holding players.
#[derive(Debug, Serialize)]
pub(super) struct HoldReport {
    pub players: usize,
    pub lost: usize,
    pub seconds: f64,
    /// Datagrams that players and server sent into the process between them.
    pub datagrams: u64,
    pub cpu_seconds: f64,
    pub cpu_us_per_datagram: f64,
    /// Percent of one processor.
    pub cpu_percent_per_player: f64,
    pub resident_idle: u64,
    pub resident: u64,
    pub resident_per_player: u64,
}

/// One-way times.
#[derive(Debug, Serialize)]
pub(super) struct LatencyReport {
    pub players: usize,
    pub to_server: Summary,
    pub to_client: Summary,
}

/// Hops.
#[derive(Debug, Serialize)]
pub(super) struct HopReport {
    pub done: usize,
    pub failed: usize,
    pub time: Summary,
    /// Joining the other server directly instead, without media.
    pub reconnect: Summary,
}

/// Logins with much media, one at a time.
#[derive(Debug, Serialize)]
pub(super) struct MediaReport {
    /// What the direct ways lead to: `engine` or `fake`.
    pub server: &'static str,
    pub files: usize,
    pub bytes: u64,
    pub round_trip_ms: u64,
    /// Time until the player stood in a world, by way.
    pub ways: BTreeMap<MediaWay, Summary>,
}

/// Map blocks that many players get: CPU time of the proxy for each.
#[derive(Debug, Serialize)]
pub(super) struct BlocksReport {
    pub players: usize,
    /// Blocks that each of them got.
    pub blocks: usize,
    /// With the same content ids on both servers.
    pub same_us: f64,
    /// With other ids.
    pub moved_us: f64,
    /// With other ids and without a cache.
    pub uncached_us: f64,
}

/// Twenty servers in five pools.
#[derive(Debug, Serialize)]
pub(super) struct ContentReport {
    pub servers: usize,
    pub pools: usize,
    pub nodes: usize,
    pub media_bytes: u64,
    /// Seconds from the start of the process until a player was given the content of all servers.
    pub cold_seconds: f64,
    pub warm_seconds: f64,
    /// Resident memory then.
    pub cold_resident: u64,
    pub warm_resident: u64,
    /// That of a proxy with one empty server.
    pub empty_resident: u64,
}

/// The proxy's cost relative to the yardsticks of the same run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ratios {
    /// CPU time per datagram, proxy to relay.
    pub cpu_per_datagram_to_relay: Option<f64>,
    /// CPU time per player, proxy to relay.
    pub cpu_per_player_to_relay: Option<f64>,
    /// Median time to join, proxy to direct.
    pub join_p50_to_direct: Option<f64>,
    /// 99th percentile of the time to join, proxy to direct.
    pub join_p99_to_direct: Option<f64>,
    /// Latency that the relay and the proxy add to the direct way. On a busy machine any process
    /// in between waits for its turn: the relay shows how much of it that is.
    pub added_latency: BTreeMap<Way, AddedLatency>,
    /// Median hop to median direct reconnect.
    pub hop_p50_to_reconnect: Option<f64>,
    /// Median login with much media over UDP, proxy to direct.
    pub media_near: Option<f64>,
    /// The same on a long way.
    pub media_far: Option<f64>,
    /// Over HTTP from the proxy to over UDP from the proxy, on a long way.
    pub media_http_to_udp: Option<f64>,
    /// Over HTTP from the proxy to over UDP directly, on a long way.
    pub media_http_to_direct: Option<f64>,
    /// CPU time of a rewritten block, with the cache to without.
    pub blocks_cached_to_uncached: Option<f64>,
}

/// Latency added both ways.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct AddedLatency {
    pub to_server_ms: Added,
    pub to_client_ms: Added,
}

/// Differences of percentiles.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Added {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub processors: usize,
    pub optimized: bool,
    pub media_bytes: usize,
    pub joins: BTreeMap<Way, JoinReport>,
    pub hold: BTreeMap<Way, HoldReport>,
    pub latency: BTreeMap<Way, LatencyReport>,
    pub hops: Option<HopReport>,
    pub media: Option<MediaReport>,
    pub blocks: Option<BlocksReport>,
    pub content: Option<ContentReport>,
    pub ratios: Ratios,
    pub failures: Vec<String>,
    pub failure_count: usize,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            optimized: !cfg!(debug_assertions),
            media_bytes: 0,
            joins: BTreeMap::new(),
            hold: BTreeMap::new(),
            latency: BTreeMap::new(),
            hops: None,
            media: None,
            blocks: None,
            content: None,
            ratios: Ratios::default(),
            failures: Vec::new(),
            failure_count: 0,
        }
    }

    pub(super) fn fail(&mut self, what: String) {
        self.failure_count += 1;
        if self.failures.len() < FAILURES {
            self.failures.push(what);
        }
    }

    /// Computes the ratios.
    pub(super) fn finish(&mut self) {
        let ratio = |value: f64, to: f64| (to > 0.0).then(|| value / to);
        let told = |hold: &HoldReport| hold.cpu_seconds >= CPU_SECONDS;
        if let (Some(proxy), Some(relay)) = (self.hold.get(&Way::Proxy), self.hold.get(&Way::Relay))
            && told(proxy)
            && told(relay)
        {
            self.ratios.cpu_per_datagram_to_relay =
                ratio(proxy.cpu_us_per_datagram, relay.cpu_us_per_datagram);
            self.ratios.cpu_per_player_to_relay =
                ratio(proxy.cpu_percent_per_player, relay.cpu_percent_per_player);
        }
        if let (Some(proxy), Some(direct)) =
            (self.joins.get(&Way::Proxy), self.joins.get(&Way::Direct))
        {
            self.ratios.join_p50_to_direct = ratio(proxy.time.p50_ms, direct.time.p50_ms);
            self.ratios.join_p99_to_direct = ratio(proxy.time.p99_ms, direct.time.p99_ms);
        }
        for way in [Way::Relay, Way::Proxy] {
            if let (Some(latency), Some(direct)) =
                (self.latency.get(&way), self.latency.get(&Way::Direct))
            {
                let added = AddedLatency {
                    to_server_ms: Added::between(latency.to_server, direct.to_server),
                    to_client_ms: Added::between(latency.to_client, direct.to_client),
                };
                self.ratios.added_latency.insert(way, added);
            }
        }
        if let Some(hops) = &self.hops {
            self.ratios.hop_p50_to_reconnect = ratio(hops.time.p50_ms, hops.reconnect.p50_ms);
        }
        if let Some(media) = &self.media {
            let time = |way| media.ways.get(&way).map_or(0.0, |summary| summary.p50_ms);
            use MediaWay::{Direct, FarDirect, FarHttp, FarProxy, Proxy};
            self.ratios.media_near = ratio(time(Proxy), time(Direct));
            self.ratios.media_far = ratio(time(FarProxy), time(FarDirect));
            self.ratios.media_http_to_udp = ratio(time(FarHttp), time(FarProxy));
            self.ratios.media_http_to_direct = ratio(time(FarHttp), time(FarDirect));
        }
        if let Some(blocks) = &self.blocks {
            let added = |us: f64| (us - blocks.same_us).max(0.0);
            self.ratios.blocks_cached_to_uncached =
                ratio(added(blocks.moved_us), added(blocks.uncached_us));
        }
    }
}

impl Added {
    fn between(longer: Summary, shorter: Summary) -> Self {
        Self {
            p50: longer.p50_ms - shorter.p50_ms,
            p99: longer.p99_ms - shorter.p99_ms,
            max: longer.max_ms - shorter.max_ms,
        }
    }
}

struct Times(Summary);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { p50_ms, p99_ms, max_ms, .. } = self.0;
        write!(f, "p50 {p50_ms:8.2} ms  p99 {p99_ms:8.2} ms  max {max_ms:8.2} ms")
    }
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, max } = self;
        write!(f, "p50 {p50:+8.2} ms  p99 {p99:+8.2} ms  max {max:+8.2} ms")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = if self.optimized { "release build" } else { "DEBUG BUILD: do not quote" };
        writeln!(f, "{} processors, {build}", self.processors)?;
        for (way, joins) in &self.joins {
            let JoinReport { done, failed, time, until_definitions } = joins;
            writeln!(f, "joins    {way:7} {done} done, {failed} failed  {}", Times(*time))?;
            writeln!(f, "  login  {way:7} {}", Times(*until_definitions))?;
        }
        for (way, hold) in &self.hold {
            writeln!(
                f,
                "hold     {way:7} {} players {:.0} s, {} lost  {:.2} us CPU/datagram \
                 ({:.0} datagrams/s)  {:.3} % CPU/player  {} KiB/player ({} MiB in all)",
                hold.players,
                hold.seconds,
                hold.lost,
                hold.cpu_us_per_datagram,
                hold.datagrams as f64 / hold.seconds,
                hold.cpu_percent_per_player,
                hold.resident_per_player / 1024,
                hold.resident / (1024 * 1024),
            )?;
        }
        for (way, latency) in &self.latency {
            let LatencyReport { players, to_server, to_client } = latency;
            writeln!(f, "latency  {way:7} {players} players, to server  {}", Times(*to_server))?;
            writeln!(f, "         {way:7} {players} players, to client  {}", Times(*to_client))?;
        }
        if let Some(hops) = &self.hops {
            let HopReport { done, failed, time, reconnect } = hops;
            writeln!(f, "hops     proxy   {done} done, {failed} failed  {}", Times(*time))?;
            writeln!(f, "         reconnecting directly  {}", Times(*reconnect))?;
        }
        if let Some(media) = &self.media {
            let MediaReport { server, files, bytes, round_trip_ms, ways } = media;
            for (way, time) in ways {
                let way = way.to_string();
                writeln!(
                    f,
                    "media    {way:12} {bytes} bytes in {files} files, {server} server, \
                     far = {round_trip_ms} ms  {}",
                    Times(*time)
                )?;
            }
        }
        if let Some(blocks) = &self.blocks {
            let BlocksReport { players, blocks, same_us, moved_us, uncached_us } = blocks;
            writeln!(
                f,
                "blocks   {players} players, {blocks} blocks each: {same_us:.1} us CPU/block with \
                 equal ids, {moved_us:.1} us with moved ids, {uncached_us:.1} us without the cache"
            )?;
        }
        if let Some(content) = &self.content {
            writeln!(
                f,
                "content  {} servers in {} pools, {} nodes, {} bytes of media: ready after {:.2} s \
                 cold, {:.2} s warm; {} MiB resident cold, {} MiB warm, {} MiB with one empty server",
                content.servers,
                content.pools,
                content.nodes,
                content.media_bytes,
                content.cold_seconds,
                content.warm_seconds,
                content.cold_resident >> 20,
                content.warm_resident >> 20,
                content.empty_resident >> 20,
            )?;
        }
        let ratios = [
            ("CPU/datagram, proxy : relay", self.ratios.cpu_per_datagram_to_relay),
            ("CPU/player, proxy : relay", self.ratios.cpu_per_player_to_relay),
            ("join p50, proxy : direct", self.ratios.join_p50_to_direct),
            ("join p99, proxy : direct", self.ratios.join_p99_to_direct),
            ("hop p50 : direct reconnect", self.ratios.hop_p50_to_reconnect),
            ("media near, proxy : direct", self.ratios.media_near),
            ("media far, proxy : direct", self.ratios.media_far),
            ("media far, HTTP : UDP", self.ratios.media_http_to_udp),
            ("media far, HTTP : direct UDP", self.ratios.media_http_to_direct),
            ("rewriting, cache : none", self.ratios.blocks_cached_to_uncached),
        ];
        for (name, ratio) in ratios {
            if let Some(ratio) = ratio {
                writeln!(f, "ratio    {name:30} {ratio:.2}")?;
            }
        }
        for (way, added) in &self.ratios.added_latency {
            writeln!(f, "added    {way:7} client to server  {}", added.to_server_ms)?;
            writeln!(f, "added    {way:7} server to client  {}", added.to_client_ms)?;
        }
        for failure in &self.failures {
            writeln!(f, "FAILED   {failure}")?;
        }
        if self.failure_count > self.failures.len() {
            writeln!(f, "FAILED   and {} more", self.failure_count - self.failures.len())?;
        }
        Ok(())
    }
}
