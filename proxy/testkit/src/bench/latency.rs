//! One-way latency with a crowd present.

use std::time::Duration;

use tokio::time::sleep;

use super::cli::Options;
use super::crowd::{join_all, leave_all, report_failed, report_lost};
use super::report::{LatencyReport, Report};
use super::scene::{Scene, Way};
use crate::samples::Samples;

/// Time between two probes of one player.
const INTERVAL: Duration = Duration::from_millis(500);

/// After the last join, until samples count.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) async fn measure(scene: &Scene, options: &Options, way: Way, report: &mut Report) {
    let players = (0..options.latency_players).map(|index| {
        let mut player = scene.player(way, "lat", index);
        player.probe = Some(INTERVAL);
        player
    });
    let count = options.latency_players as f64;
    let window = Duration::from_secs_f64(count / f64::from(options.join_rate));
    let (bots, failed) = join_all(players.collect(), window).await;
    report_failed(report, "latency", way, &failed);
    sleep(SETTLE).await;
    for bot in &bots {
        bot.reset_latency();
    }
    sleep(Duration::from_secs(options.latency_seconds)).await;
    let (mut up, mut down) = (Samples::new(), Samples::new());
    for bot in &bots {
        let (bot_up, bot_down) = bot.latency();
        if bot_up.is_empty() {
            report.fail(format!("latency, {way}: no probe of {} came back", bot.name()));
        }
        up.extend(&bot_up);
        down.extend(&bot_down);
    }
    report_lost(report, "latency", way, &bots);
    let latency =
        LatencyReport { players: bots.len(), to_server: up.summary(), to_client: down.summary() };
    report.latency.insert(way, latency);
    leave_all(bots).await;
}
