//! One-way latency with a crowd present.
//!
//! The crowds of all ways are there at the same time: differences of fractions of a millisecond
//! are smaller than what the machine's other work changes from one minute to the next.

use std::time::Duration;

use tokio::time::sleep;

use super::cli::Options;
use super::crowd::{join_all, leave_all, report_failed, report_lost};
use super::report::{LatencyReport, Report};
use super::scene::{Scene, Way};
use crate::samples::Samples;

/// Time between two probes of one player.
const INTERVAL: Duration = Duration::from_millis(500);

pub(super) async fn measure(scene: &Scene, options: &Options, report: &mut Report) {
    let count = options.latency_players as f64;
    let window = Duration::from_secs_f64(count / f64::from(options.join_rate));
    let mut crowds = Vec::new();
    for way in Way::ALL {
        let players = (0..options.latency_players).map(|index| {
            let mut player = scene.player(way, "lat", index);
            player.probe = Some(INTERVAL);
            player
        });
        let (bots, failed) = join_all(players.collect(), window).await;
        report_failed(report, "latency", way, &failed);
        crowds.push((way, bots));
    }
    sleep(options.settle()).await;
    for bot in crowds.iter().flat_map(|(_, bots)| bots) {
        bot.reset_latency();
    }
    sleep(Duration::from_secs(options.latency_seconds)).await;
    for (way, bots) in crowds {
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
        let latency = LatencyReport {
            players: bots.len(),
            to_server: up.summary(),
            to_client: down.summary(),
        };
        report.latency.insert(way, latency);
        leave_all(bots).await;
    }
}
