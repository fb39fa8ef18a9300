//! What a player gets of a world through the proxy is what the world's server sends, message by
//! message, but for names and numbers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Instant;

use mesegate_testkit::state::Recording;
use tokio::runtime::Runtime;
use xtask::engine::Server;
use xtask::lab::Generation::{self, V5_6, V5_10, V5_15};
use xtask::lab::Lab;
use xtask::proxy::{Proxy, ProxySpec};

use crate::comparison::{Judge, Place};
use crate::servers::{SOON, World};
use crate::visit::Visit;

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Stands for the newest version, which is visited twice.
const AGAIN: u16 = 0;

/// How often a visit is made again that did not see nodes change.
const VISITS: usize = 3;

/// A visit at each version to one world, one after the other: what is shown to one player changes
/// nodes that others see.
async fn visit_directly(
    world: World,
    addr: SocketAddr,
    versions: &[u16],
    newest: u16,
) -> Vec<(Place, Recording)> {
    let mut recordings = Vec::new();
    for place in versions.iter().chain([&AGAIN]) {
        let version = if *place == AGAIN { newest } else { *place };
        let visit = Visit { world, version, download: false };
        let mut recording = visit.record(addr, &format!("direct{place}")).await;
        for again in 0..VISITS {
            if visit.saw_changes(&recording) {
                break;
            }
            recording = visit.record(addr, &format!("direct{place}again{again}")).await;
        }
        assert_eq!(recording.version.0, version);
        recordings.push(((world.name(), *place), recording));
    }
    recordings
}

/// Visits to worlds through the proxy. While one player sees what there is in one world, the next
/// joins another.
async fn visit_through(
    proxy: &Proxy,
    base: World,
    worlds: &[World],
    visit: Visit,
) -> Vec<(World, Recording)> {
    let mut visits = Vec::new();
    for world in worlds {
        proxy.arrive_at(world.name()).unwrap();
        let visit = Visit { world: *world, ..visit.clone() };
        // Everybody is new to the server.
        let player = format!("p{}{}{}", visit.version, world.name(), base.name());
        let bot = visit.join(proxy.address(), &player).await;
        assert_eq!(bot.version().0, visit.version);
        visits.push((*world, tokio::spawn(async move { visit.see(bot).await })));
    }
    let mut recordings = Vec::new();
    for (world, seeing) in visits {
        let mut recording = seeing.await.unwrap();
        let visit = Visit { world, ..visit.clone() };
        for again in 0..VISITS {
            if visit.saw_changes(&recording) {
                break;
            }
            proxy.arrive_at(world.name()).unwrap();
            let player = format!("p{}{}{}{again}", visit.version, world.name(), base.name());
            let bot = visit.join(proxy.address(), &player).await;
            recording = visit.see(bot).await;
        }
        recordings.push((world, recording));
    }
    recordings
}

/// All worlds on servers of one generation, behind one proxy, at these protocol versions.
fn worlds_are_equal(generation: Generation, versions: &[u16]) {
    let lab = Lab::ensure(&[generation]).unwrap();
    let begun = Instant::now();
    let servers: Vec<Server> =
        World::ALL.into_iter().map(|world| world.start(&lab, generation)).collect();
    let named: Vec<_> = servers.iter().map(|it| (it.name(), it.address())).collect();
    let runtime = runtime();
    let newest = *versions.last().unwrap();
    let mut direct: BTreeMap<Place, Recording> = runtime.block_on(async {
        let addr = |world: World| named.iter().find(|(name, _)| *name == world.name()).unwrap().1;
        let visit = |world| visit_directly(world, addr(world), versions, newest);
        let [a, b, c] = World::ALL.map(visit);
        let (a, b, c) = tokio::join!(a, b, c);
        a.into_iter().chain(b).chain(c).collect()
    });
    println!("{generation}: direct visits after {:.1} s", begun.elapsed().as_secs_f64());
    let again = World::ALL.map(|world| (world, direct.remove(&(world.name(), AGAIN)).unwrap()));
    // Comparing takes as long as visiting.
    let (send, visits) = mpsc::channel::<(World, World, Recording)>();
    let judge = std::thread::spawn(move || {
        let mut judge = Judge::new(direct);
        for (world, again) in &again {
            judge.once_more(*world, again);
        }
        for (base, world, through) in visits {
            judge.look_at(base, world, &through);
        }
        judge.findings()
    });
    let proxy = Proxy::start(&ProxySpec::new(&named)).unwrap();
    // A login waits eight seconds for content, which on a busy machine is not enough for all of it.
    proxy.wait_log("servers=\"plain,modded,conflict\"", SOON).unwrap();
    for version in versions {
        let last = *version == newest;
        // Files are checked by their hashes once; definitions differ from version to version.
        let visit = Visit { world: World::Plain, version: *version, download: last };
        // The default target's names and numbers are the client's own: nothing of it needs to be
        // translated. So in the end everything is seen the other way round as well.
        let mut visits = vec![(World::Plain, World::ALL.as_slice())];
        if last {
            visits.push((World::Conflict, &[World::Plain, World::Modded]));
        }
        for (base, worlds) in visits {
            proxy.set_target(base.name()).unwrap();
            for (world, through) in
                runtime.block_on(visit_through(&proxy, base, worlds, visit.clone()))
            {
                // It only stops listening when it fails.
                let _ = send.send((base, world, through));
            }
        }
        println!("{generation} at {version}: after {:.1} s", begun.elapsed().as_secs_f64());
    }
    drop(send);
    judge.join().unwrap().none(generation);
    println!("{generation}: compared after {:.1} s", begun.elapsed().as_secs_f64());
}

// Between them every version from 37 to the newest of the lab's engines, and of each generation
// its oldest and its newest.

#[test]
#[ignore = "needs the lab: cargo xtask test --only worlds"]
fn worlds_of_5_6_are_as_without_the_proxy() {
    worlds_are_equal(V5_6, &[37, 39, 41]);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only worlds"]
fn worlds_of_5_10_are_as_without_the_proxy() {
    worlds_are_equal(V5_10, &[37, 38, 42, 44, 46]);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only worlds"]
fn worlds_of_5_15_are_as_without_the_proxy() {
    worlds_are_equal(V5_15, &[37, 40, 43, 45, 47, 48, 49, 50, 51]);
}
