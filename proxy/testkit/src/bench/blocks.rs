//! Map blocks whose content ids the proxy must rewrite, for many players at one place.
//!
//! The same blocks are sent three times, each time to a new proxy: with the ids that clients know,
//! with other ids, and with other ids and no cache of rewritten blocks. What they differ by is the
//! rewriting.

use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::BenchError;
use super::children::{Backend, start_proxy};
use super::cli::Options;
use super::crowd::{join_all, leave_all};
use super::report::{BlocksReport, Report};
use super::scene::{proxy_binary, server};
use crate::{Bot, BotOptions, World, procfs};

/// Nodes of both worlds.
const NODES: u16 = 200;

/// Where players of the second server start, in nodes.
const FAR: [f32; 3] = [1000.0, 1.5, 1000.0];

/// Until all blocks must have come.
const DEADLINE: Duration = Duration::from_mins(3);

/// Start value of the landscape.
const HILLS: u64 = 7;

fn world(name: &str, first: u16) -> World {
    let mut world = World::new(name).with_nodes([]);
    world = world.with_more_nodes("bench:n", NODES, first, "testkit_stone.png");
    world.entities = 0;
    world
}

pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<(), BenchError> {
    let same_us = run(options, false, &[], report).await?;
    let moved_us = run(options, true, &[], report).await?;
    let no_cache = ["--block-cache-mb".to_owned(), "0".to_owned()];
    let uncached_us = run(options, true, &no_cache, report).await?;
    let blocks = count(options);
    let players = options.block_players;
    report.blocks = Some(BlocksReport { players, blocks, same_us, moved_us, uncached_us });
    Ok(())
}

/// Blocks that each player gets on the second server.
fn count(options: &Options) -> usize {
    let side = 2 * usize::from(options.block_radius.unsigned_abs()) + 1;
    side * side * 2
}

/// CPU time of the proxy per block, in microseconds.
async fn run(
    options: &Options,
    moved: bool,
    flags: &[String],
    report: &mut Report,
) -> Result<f64, BenchError> {
    let mut there = world("b", if moved { 300 + NODES / 3 } else { 300 })
        .with_spawn(FAR)
        .with_radius(options.block_radius)
        .with_hills(HILLS);
    if moved {
        // Ids that the first server has as well, for other nodes.
        let ids: Vec<u16> = there.nodes.iter().map(|node| node.id).rev().collect();
        for (node, id) in there.nodes.iter_mut().zip(ids) {
            node.id = id;
        }
    }
    let (a, b) = (server(world("a", 300))?, server(there)?);
    let folder = TempDir::new().map_err(BenchError::io("cannot make a temporary folder"))?;
    let program = proxy_binary(options)?;
    let backends = [Backend::new("a", a.addr()), Backend::new("b", b.addr())];
    let mut proxy = start_proxy(&program, folder.path(), &backends, flags).await?;

    let players = (0..options.block_players).map(|index| {
        let mut player = BotOptions::new(proxy.addr, &format!("block{index}"));
        player.events = 0;
        player.check_blocks = false;
        player
    });
    let window = Duration::from_secs_f64(options.block_players as f64 / 20.0);
    let (bots, failed) = join_all(players.collect(), window).await;
    for (name, error) in &failed {
        report.fail(format!("blocks: {name} did not join: {error}"));
    }
    sleep(options.settle()).await;
    let gone = || BenchError::io("cannot read what the proxy uses");
    let before = procfs::cpu_time(proxy.pid).map_err(gone())?;
    for bot in &bots {
        bot.say(">server b").await;
    }
    let wanted = count(options);
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end && bots.iter().any(|bot| got(bot) < wanted) {
        sleep(Duration::from_millis(50)).await;
    }
    let after = procfs::cpu_time(proxy.pid).map_err(gone())?;
    let all: usize = bots.iter().map(got).sum();
    for bot in bots.iter().filter(|bot| got(bot) < wanted) {
        let (name, got) = (bot.name(), got(bot));
        report.fail(format!("blocks: {name} got {got} of {wanted} blocks; {:?}", bot.closed()));
    }
    leave_all(bots).await;
    proxy.stop().await;
    Ok(after.saturating_sub(before).as_secs_f64() * 1e6 / all.max(1) as f64)
}

/// Blocks around the second server's start that a player has.
fn got(bot: &Bot) -> usize {
    bot.look(|view| view.blocks.keys().filter(|position| position[0] > 20).count())
}
