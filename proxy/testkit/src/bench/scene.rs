//! The two game servers, the relay and the proxy of one run.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::BenchError;
use super::children::{Backend, Process, start_proxy, start_relay};
use super::cli::Options;
use super::report::Report;
use crate::{BotOptions, FakeServer, FakeServerOptions, World};

/// Start value of the media's random bytes.
pub(super) const MEDIA_SEED: u64 = 0x6d65_7365;

/// How players reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    /// Straight.
    Direct,
    /// Through the bare relay.
    Relay,
    /// Through the proxy.
    Proxy,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Direct, Self::Relay, Self::Proxy];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Proxy => "proxy",
        })
    }
}

/// Everything that runs. The folder is removed at the end.
pub(super) struct Scene {
    /// The default server.
    pub a: FakeServer,
    /// Where players hop to.
    pub b: FakeServer,
    relay: Mutex<Process>,
    proxy: Mutex<Process>,
    relay_addr: SocketAddr,
    proxy_addr: SocketAddr,
    /// Process ids of the relay and the proxy.
    pids: (u32, u32),
    _folder: TempDir,
}

/// Server `a` and server `b`: the same nodes under other ids, and one more; the same media.
fn worlds(options: &Options) -> Result<(World, World), BenchError> {
    if let Some(first) = options.replay.first() {
        let second = options.replay.get(1).unwrap_or(first);
        let mut b = World::load(second)?;
        // Arriving is told by the place, so the same recording must not start at the same one.
        b.spawn[0] += 64.0;
        return Ok((World::load(first)?, b));
    }
    let a = World::new("a")
        .with_nodes([("bench:stone", 300), ("bench:dirt", 301), ("bench:sand", 302)])
        .with_spawn([0.0, 1.5, 0.0])
        .with_radius(3)
        .padded(options.media, MEDIA_SEED);
    let b = World::new("b")
        .with_nodes([
            ("bench:sand", 300),
            ("bench:stone", 301),
            ("bench:dirt", 302),
            ("bench:snow", 303),
        ])
        .with_spawn([1000.0, 1.5, 1000.0])
        .with_radius(3)
        .padded(options.media, MEDIA_SEED);
    Ok((a, b))
}

/// A server that keeps no journal and says goodbye when it ends.
pub(super) fn server(world: World) -> Result<FakeServer, BenchError> {
    let mut options = FakeServerOptions::new(world);
    options.journal = 0;
    options.mortal = false;
    FakeServer::start(options).map_err(BenchError::io("cannot start a game server"))
}

/// The proxy's program.
pub(super) fn proxy_binary(options: &Options) -> Result<PathBuf, BenchError> {
    if let Some(path) = &options.proxy {
        return Ok(path.clone());
    }
    let own = std::env::current_exe().map_err(BenchError::io("cannot find this program"))?;
    Ok(own.with_file_name("mesegate-proxy"))
}

impl Scene {
    pub(super) async fn set_up(options: &Options) -> Result<Self, BenchError> {
        let (world_a, world_b) = worlds(options)?;
        let (a, b) = (server(world_a)?, server(world_b)?);
        let relay = start_relay(a.addr()).await?;
        let folder = TempDir::new().map_err(BenchError::io("cannot make a temporary folder"))?;
        let program = proxy_binary(options)?;
        let backends = [
            Backend::new("a", a.addr()).with_fields("fallbacks: [ { server: b } ]"),
            Backend::new("b", b.addr()).with_fields("fallbacks: [ { server: a } ]"),
        ];
        let proxy = start_proxy(&program, folder.path(), &backends, &[]).await?;
        Ok(Self {
            relay_addr: relay.addr,
            proxy_addr: proxy.addr,
            pids: (relay.pid, proxy.pid),
            a,
            b,
            relay: Mutex::new(relay),
            proxy: Mutex::new(proxy),
            _folder: folder,
        })
    }

    /// Where players connect on a way.
    pub(super) fn addr(&self, way: Way) -> SocketAddr {
        match way {
            Way::Direct => self.a.addr(),
            Way::Relay => self.relay_addr,
            Way::Proxy => self.proxy_addr,
        }
    }

    /// The process in the middle of a way; for the direct way, this one.
    pub(super) fn pid(&self, way: Way) -> u32 {
        match way {
            Way::Direct => std::process::id(),
            Way::Relay => self.pids.0,
            Way::Proxy => self.pids.1,
        }
    }

    /// A player of a part of the measurement. It keeps no events and trusts map blocks, because
    /// the generator shares the machine with what it measures.
    pub(super) fn player(&self, way: Way, part: &str, index: usize) -> BotOptions {
        let mut options = BotOptions::new(self.addr(way), &format!("{part}{way}{index}"));
        options.events = 0;
        options.check_blocks = false;
        if let Some(version) = self.a.world().recorded_version() {
            options.max_version = version;
        }
        options
    }

    /// Ends all processes. One that ended by itself is a failure.
    pub(super) async fn tear_down(self, report: &mut Report) {
        for (name, process) in [("relay", &self.relay), ("proxy", &self.proxy)] {
            let mut process = process.lock().await;
            if !process.is_running() {
                report.fail(format!("the {name} ended by itself"));
            }
            process.stop().await;
        }
    }
}
