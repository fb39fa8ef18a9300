//! Twenty servers in five pools: how long until players can come, with and without what an earlier
//! run left on disk, and what memory it takes.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use mesegate_protocol::content::NodeDefs;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::BenchError;
use super::children::{Backend, Process, start_proxy};
use super::cli::Options;
use super::report::{ContentReport, Report};
use super::scene::{MEDIA_SEED, proxy_binary, server};
use crate::{Bot, BotOptions, FakeServer, World, procfs};

const POOLS: usize = 5;
const SERVERS: usize = 20;

/// Nodes that all pools have alike.
const SHARED: u16 = 1000;
/// Nodes that only one pool has.
const OWN: u16 = 1000;
/// Nodes that all pools have, each in its own way.
const DISPUTED: u16 = 200;

/// Bytes of media that all pools have alike, and that only one has.
const SHARED_MEDIA: usize = 3_000_000;
const OWN_MEDIA: usize = 6_000_000;

/// Until a player must have been given everything.
const DEADLINE: Duration = Duration::from_mins(2);

/// What the servers of a pool offer.
fn world(pool: usize) -> World {
    let texture = format!("pool{pool}.png");
    let mut world = World::new(&format!("pool {pool}")).with_nodes([]);
    world = world
        .with_more_nodes("shared:n", SHARED, 300 + 31 * pool as u16, "testkit_stone.png")
        .with_more_nodes(&format!("pool{pool}:n"), OWN, 2000, &texture)
        .with_more_nodes("disputed:n", DISPUTED, 4000, &texture)
        .padded(SHARED_MEDIA, MEDIA_SEED)
        .padded(SHARED_MEDIA + OWN_MEDIA, MEDIA_SEED + 1 + pool as u64)
        .with_media(&texture, texture.clone().into_bytes());
    world.items = (0..200).map(|index| format!("shared:i{index}")).collect();
    world.items.extend((0..100).map(|index| format!("pool{pool}:i{index}")));
    world
}

pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<(), BenchError> {
    let mut servers = Vec::new();
    let worlds: Vec<World> = (0..POOLS).map(world).collect();
    for world in worlds.iter().cycle().take(SERVERS) {
        servers.push(server(world.clone())?);
    }
    let backend = |(index, server): (usize, &FakeServer)| {
        let pool = format!("mediaPool: pool{}", index % POOLS);
        Backend::new(&format!("server{index}"), server.addr()).with_fields(&pool)
    };
    let backends: Vec<Backend> = servers.iter().enumerate().map(backend).collect();
    let program = proxy_binary(options)?;
    let folder = TempDir::new().map_err(BenchError::io("cannot make a temporary folder"))?;
    let cold = start(&program, folder.path(), &backends, "cold", report).await?;
    let warm = start(&program, folder.path(), &backends, "warm", report).await?;

    let empty = server(World::new("empty"))?;
    let other = TempDir::new().map_err(BenchError::io("cannot make a temporary folder"))?;
    let alone = [Backend::new("empty", empty.addr())];
    let mut proxy = start_proxy(&program, other.path(), &alone, &[]).await?;
    let bot = Bot::join(BotOptions::new(proxy.addr, "alone")).await;
    let empty_resident = resident(&proxy)?;
    drop(bot);
    proxy.stop().await;

    report.content = Some(ContentReport {
        servers: SERVERS,
        pools: POOLS,
        nodes: cold.nodes,
        media_bytes: cold.media_bytes,
        cold_seconds: cold.time.as_secs_f64(),
        warm_seconds: warm.time.as_secs_f64(),
        cold_resident: cold.resident,
        warm_resident: warm.resident,
        empty_resident,
    });
    Ok(())
}

fn resident(proxy: &Process) -> Result<u64, BenchError> {
    procfs::resident(proxy.pid).map_err(BenchError::io("cannot read what the proxy uses"))
}

struct Start {
    time: Duration,
    resident: u64,
    nodes: usize,
    media_bytes: u64,
}

/// Starts a proxy and waits until a player is given the content of all servers.
async fn start(
    program: &Path,
    folder: &Path,
    backends: &[Backend],
    how: &str,
    report: &mut Report,
) -> Result<Start, BenchError> {
    let begun = Instant::now();
    let mut proxy = start_proxy(program, folder, backends, &[]).await?;
    let mut last = String::from("nobody could join");
    for attempt in 0.. {
        // The time counts until the login that sees everything begins.
        let time = begun.elapsed();
        if time > DEADLINE {
            report.fail(format!("content, {how}: {last}"));
            break;
        }
        let name = format!("{how}{attempt}");
        match Bot::join(BotOptions::new(proxy.addr, &name)).await {
            Ok(bot) => {
                let names = node_names(&bot);
                let missing = (0..POOLS).find(|pool| !names.contains(&format!("pool{pool}:n0")));
                if let Some(pool) = missing {
                    last = format!("the content of pool {pool} is missing");
                } else {
                    let resident = resident(&proxy)?;
                    // A name of its own: the servers have not noticed yet that others are gone.
                    let name = format!("{how}media");
                    let mut download = BotOptions::new(proxy.addr, &name).with_download();
                    download.events = 0;
                    let media_bytes = match Bot::join(download).await {
                        Ok(bot) => bot.times().media_bytes,
                        Err(error) => {
                            report.fail(format!("content, {how}: {error}"));
                            0
                        }
                    };
                    proxy.stop().await;
                    return Ok(Start { time, resident, nodes: names.len(), media_bytes });
                }
            }
            Err(error) => last = error.to_string(),
        }
        sleep(Duration::from_millis(50)).await;
    }
    proxy.stop().await;
    Ok(Start { time: begun.elapsed(), resident: 0, nodes: 0, media_bytes: 0 })
}

fn node_names(bot: &Bot) -> HashSet<String> {
    let nodes =
        NodeDefs::decode(bot.node_def(), bot.version()).map_or_else(|_| Vec::new(), |n| n.nodes);
    nodes.into_iter().map(|node| node.name).collect()
}
