//! Holding a crowd: CPU time per datagram and per player, memory per player, nobody lost.
//!
//! The relay's crowd and the proxy's crowd play at the same time, so that whatever else the
//! machine does weighs on both alike.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::BenchError;
use super::cli::Options;
use super::crowd::{join_all, leave_all, report_failed, report_lost};
use super::report::{HoldReport, Report};
use super::scene::{Scene, Way};
use crate::procfs;
use crate::{Bot, Traffic};

/// Share of the position updates that must arrive at the server for a player to count as playing.
const HEARD: f64 = 0.5;

/// Players that make a process allocate what it keeps for ever, before memory is counted.
const WARM_UP: usize = 5;

/// The players on one way, and the process between them and the server.
struct Crowd {
    way: Way,
    pid: u32,
    /// Resident memory before they came.
    idle: u64,
    traffic: Arc<Traffic>,
    bots: Vec<Bot>,
    not_joined: usize,
}

/// Counters at one moment.
struct Sample {
    cpu: Duration,
    from_players: u64,
    to_players: u64,
    from_server: u64,
    positions: Vec<u64>,
}

pub(super) async fn measure(
    scene: &Scene,
    options: &Options,
    report: &mut Report,
) -> Result<(), BenchError> {
    let relay = gather(scene, options, Way::Relay, report).await?;
    let proxy = gather(scene, options, Way::Proxy, report).await?;
    sleep(options.settle()).await;

    let begun = Instant::now();
    let before = [relay.sample(scene)?, proxy.sample(scene)?];
    sleep(Duration::from_secs(options.seconds)).await;
    let after = [relay.sample(scene)?, proxy.sample(scene)?];
    let elapsed = begun.elapsed();

    // The servers' connections are counted together. What they sent through the relay is what its
    // players received; the rest went into the proxy.
    let through_relay = after[0].to_players - before[0].to_players;
    let from_server = after[0].from_server - before[0].from_server;
    let shares = [through_relay, from_server.saturating_sub(through_relay)];
    for (index, crowd) in [relay, proxy].into_iter().enumerate() {
        let sent = after[index].from_players - before[index].from_players + shares[index];
        crowd.conclude(&before[index], &after[index], sent, elapsed, report)?;
        leave_all(crowd.bots).await;
    }
    Ok(())
}

async fn gather(
    scene: &Scene,
    options: &Options,
    way: Way,
    report: &mut Report,
) -> Result<Crowd, BenchError> {
    let players = (0..WARM_UP).map(|index| scene.player(way, "warm", index)).collect();
    let (bots, failed) = join_all(players, Duration::ZERO).await;
    report_failed(report, "hold", way, &failed);
    sleep(options.settle()).await;
    leave_all(bots).await;
    sleep(options.settle()).await;

    let pid = scene.pid(way);
    let idle = procfs::resident(pid).map_err(gone(way))?;
    let traffic = Arc::new(Traffic::default());
    let players = (0..options.players).map(|index| {
        let mut player = scene.player(way, "hold", index);
        player.traffic = traffic.clone();
        player
    });
    let window = Duration::from_secs_f64(options.players as f64 / f64::from(options.join_rate));
    let (bots, failed) = join_all(players.collect(), window).await;
    report_failed(report, "hold", way, &failed);
    Ok(Crowd { way, pid, idle, traffic, bots, not_joined: failed.len() })
}

fn gone(way: Way) -> impl FnOnce(std::io::Error) -> BenchError {
    BenchError::io(format!("cannot read what the {way} uses"))
}

impl Crowd {
    fn sample(&self, scene: &Scene) -> Result<Sample, BenchError> {
        let positions = |bot: &Bot| scene.a.position(bot.name()).map_or(0, |(count, _)| count);
        Ok(Sample {
            cpu: procfs::cpu_time(self.pid).map_err(gone(self.way))?,
            from_players: self.traffic.sent(),
            to_players: self.traffic.received(),
            from_server: scene.a.traffic().sent(),
            positions: self.bots.iter().map(positions).collect(),
        })
    }

    fn conclude(
        &self,
        before: &Sample,
        after: &Sample,
        datagrams: u64,
        elapsed: Duration,
        report: &mut Report,
    ) -> Result<(), BenchError> {
        let Self { way, pid, idle, bots, .. } = self;
        let lost = report_lost(report, "hold", *way, bots);
        let expected = (elapsed.as_secs_f64() * 10.0 * HEARD) as u64;
        let heard = after.positions.iter().zip(&before.positions).map(|(a, b)| a - b);
        for (bot, heard) in bots.iter().zip(heard) {
            if heard < expected {
                let name = bot.name();
                report.fail(format!("hold, {way}: the server heard {heard} positions of {name}"));
            }
        }
        let resident = procfs::resident(*pid).map_err(gone(*way))?;
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        let seconds = elapsed.as_secs_f64();
        let players = bots.len() - lost;
        let per_player = |value: f64| value / players.max(1) as f64;
        report.hold.insert(
            *way,
            HoldReport {
                players,
                lost: lost + self.not_joined,
                seconds,
                datagrams,
                cpu_seconds: cpu,
                cpu_us_per_datagram: cpu * 1e6 / datagrams.max(1) as f64,
                cpu_percent_per_player: per_player(cpu * 100.0 / seconds),
                resident_idle: *idle,
                resident,
                resident_per_player: per_player(resident.saturating_sub(*idle) as f64) as u64,
            },
        );
        Ok(())
    }
}
