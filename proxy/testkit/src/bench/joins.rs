//! Time to join with media.

use std::time::Duration;

use super::cli::Options;
use super::crowd::{join_all, leave_all, report_failed, report_lost};
use super::report::{JoinReport, Report};
use super::scene::{Scene, Way};
use crate::samples::Samples;

/// Limit for one join.
const DEADLINE: Duration = Duration::from_mins(1);

pub(super) async fn measure(scene: &Scene, options: &Options, way: Way, report: &mut Report) {
    let players = (0..options.joins).map(|index| {
        let mut player = scene.player(way, "join", index).with_download();
        player.deadline = DEADLINE;
        player
    });
    let window = Duration::from_secs(options.join_window);
    let (bots, failed) = join_all(players.collect(), window).await;
    report_failed(report, "joins", way, &failed);
    report_lost(report, "joins", way, &bots);
    let media = bots.iter().map(|bot| bot.times().media_bytes).min().unwrap_or(0);
    if media < scene.a.world().media_bytes() as u64 {
        report.fail(format!("joins, {way}: somebody got only {media} bytes of media"));
    }
    let times: Samples = bots.iter().map(|bot| bot.times().in_game).collect();
    let login: Samples = bots.iter().map(|bot| bot.times().definitions).collect();
    report.joins.insert(
        way,
        JoinReport {
            done: bots.len(),
            failed: failed.len(),
            time: times.summary(),
            until_definitions: login.summary(),
        },
    );
    leave_all(bots).await;
}
