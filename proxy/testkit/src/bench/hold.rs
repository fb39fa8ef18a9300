//! Holding a crowd: CPU time per datagram and per player, memory per player, nobody lost.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::BenchError;
use super::cli::Options;
use super::crowd::{join_all, leave_all, report_failed, report_lost};
use super::report::{HoldReport, Report};
use super::scene::{Scene, Way};
use crate::procfs;
use crate::{Bot, Traffic};

/// After the last join, until the measurement starts: blocks have been sent by then.
const SETTLE: Duration = Duration::from_secs(2);

/// Share of the position updates that must arrive at the server for a player to count as playing.
const HEARD: f64 = 0.5;

pub(super) async fn measure(
    scene: &Scene,
    options: &Options,
    way: Way,
    report: &mut Report,
) -> Result<(), BenchError> {
    let Some(pid) = scene.pid(way) else { return Ok(()) };
    let gone = || BenchError::io(format!("cannot read what the {way} uses"));
    // The first players make the process allocate what it keeps; memory is counted from there.
    warm_up(scene, way, report).await;
    let idle = procfs::resident(pid).map_err(gone())?;

    let traffic = std::sync::Arc::new(Traffic::default());
    let players = (0..options.players).map(|index| {
        let mut player = scene.player(way, "hold", index);
        player.traffic = traffic.clone();
        player
    });
    let window = Duration::from_secs_f64(options.players as f64 / f64::from(options.join_rate));
    let (bots, failed) = join_all(players.collect(), window).await;
    report_failed(report, "hold", way, &failed);
    sleep(SETTLE).await;

    let datagrams = || traffic.sent() + scene.a.traffic().sent();
    let positions = |bot: &Bot| scene.a.position(bot.name()).map_or(0, |(count, _)| count);
    let heard: Vec<u64> = bots.iter().map(positions).collect();
    let (cpu, sent, begun) = (procfs::cpu_time(pid).map_err(gone())?, datagrams(), Instant::now());
    sleep(Duration::from_secs(options.seconds)).await;
    let elapsed = begun.elapsed();
    let cpu = procfs::cpu_time(pid).map_err(gone())?.saturating_sub(cpu);
    let sent = datagrams() - sent;
    let resident = procfs::resident(pid).map_err(gone())?;

    let lost = report_lost(report, "hold", way, &bots);
    let expected = (elapsed.as_secs_f64() * 10.0 * HEARD) as u64;
    for (bot, before) in bots.iter().zip(heard) {
        let heard = positions(bot) - before;
        if heard < expected {
            report.fail(format!(
                "hold, {way}: only {heard} positions of {} reached the server",
                bot.name()
            ));
        }
    }
    let held = bots.len() - lost;
    let per_player = |value: f64| value / held.max(1) as f64;
    report.hold.insert(
        way,
        HoldReport {
            players: held,
            lost: lost + failed.len(),
            seconds: elapsed.as_secs_f64(),
            datagrams: sent,
            cpu_seconds: cpu.as_secs_f64(),
            cpu_us_per_datagram: cpu.as_secs_f64() * 1e6 / sent.max(1) as f64,
            cpu_percent_per_player: per_player(cpu.as_secs_f64() * 100.0 / elapsed.as_secs_f64()),
            resident_idle: idle,
            resident,
            resident_per_player: per_player(resident.saturating_sub(idle) as f64) as u64,
        },
    );
    leave_all(bots).await;
    Ok(())
}

async fn warm_up(scene: &Scene, way: Way, report: &mut Report) {
    let players = (0..5).map(|index| scene.player(way, "warm", index)).collect();
    let (bots, failed) = join_all(players, Duration::ZERO).await;
    report_failed(report, "hold", way, &failed);
    sleep(SETTLE).await;
    leave_all(bots).await;
    sleep(SETTLE).await;
}
