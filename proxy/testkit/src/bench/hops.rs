//! Time of a hop: from the command to the new server's MOVE_PLAYER.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::cli::Options;
use super::crowd::{join_all, leave_all, report_failed, report_lost};
use super::report::{HopReport, Report};
use super::scene::{Scene, Way};
use crate::samples::Samples;
use crate::{Bot, WaitError};

/// Limit for one hop.
const DEADLINE: Duration = Duration::from_secs(15);

/// Time spent on a server before the next hop, so that chat limits are not reached.
const STAY: Duration = Duration::from_millis(1500);

/// Nodes around a server's start that count as being there.
const NEAR: f32 = 16.0;

pub(super) async fn measure(scene: &Scene, options: &Options, report: &mut Report) {
    let way = Way::Proxy;
    let players = (0..options.hop_players).map(|index| scene.player(way, "hop", index)).collect();
    let window = Duration::from_secs_f64(options.hop_players as f64 / f64::from(options.join_rate));
    let (bots, failed) = join_all(players, window).await;
    report_failed(report, "hops", way, &failed);
    let places = [scene.b.world().spawn, scene.a.world().spawn];
    let mut travelling = JoinSet::new();
    for bot in bots {
        let hops = options.hops;
        travelling.spawn(async move {
            let times = travel(&bot, places, hops).await;
            (bot, times)
        });
    }
    let (mut bots, mut times, mut failures) = (Vec::new(), Samples::new(), 0);
    while let Some(result) = travelling.join_next().await {
        let Ok((bot, (done, failure))) = result else { continue };
        times.extend(&done);
        if let Some(failure) = failure {
            failures += 1;
            report.fail(format!("hops: {failure}"));
        }
        bots.push(bot);
    }
    report_lost(report, "hops", way, &bots);
    leave_all(bots).await;
    let reconnect = reconnect(scene, options, report).await;
    report.hops = Some(HopReport {
        done: times.len(),
        failed: failures,
        time: times.summary(),
        reconnect: reconnect.summary(),
    });
}

async fn travel(bot: &Bot, places: [[f32; 3]; 2], hops: usize) -> (Samples, Option<WaitError>) {
    let mut times = Samples::new();
    for hop in 0..hops {
        sleep(STAY).await;
        let command = if hop % 2 == 0 { ">server b" } else { ">server a" };
        match bot.travel(command, places[hop % 2], NEAR, DEADLINE).await {
            Ok(time) => times.add(time),
            Err(error) => return (times, Some(error)),
        }
    }
    (times, None)
}

/// What a hop replaces: leaving, and joining the other server directly, without any media.
async fn reconnect(scene: &Scene, options: &Options, report: &mut Report) -> Samples {
    let mut times = Samples::new();
    for index in 0..options.hop_players.min(10) {
        let mut player = scene.player(Way::Direct, "re", index);
        player.addr = scene.b.addr();
        // The first login makes the account, which a returning player has.
        for measured in [false, true] {
            let begun = Instant::now();
            match Bot::join(player.clone()).await {
                Ok(bot) => {
                    if measured {
                        times.add(begun.elapsed());
                    }
                    bot.leave().await;
                }
                Err(error) => report.fail(format!("hops: reconnecting directly: {error}")),
            }
            let name = player.name.clone();
            scene.b.until(|server| !server.players().contains(&name)).await;
        }
    }
    times
}
