//! Bots on real servers: what they hold after a hop, and how long hops take.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use mesegate_protocol::content::NodeDefs;
use mesegate_protocol::to_client;
use mesegate_testkit::{Bot, BotOptions, View};
use tokio::runtime::Runtime;
use xtask::lab::Generation::{V5_10, V5_15};

use crate::support::{COLOURS, Network};

/// Where players arrive on every server, and how far bots walk from there.
pub(crate) const SPAWN: [f32; 3] = [0.0, 9.0, 0.0];
pub(crate) const NEAR: f32 = 200.0;

/// How long one hop may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub(crate) async fn join(addr: SocketAddr, name: &str) -> Bot {
    let options = BotOptions::new(addr, name).with_password("secret");
    Bot::join(options).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a world puts up, in a form that does not depend on ids.
#[derive(Debug, PartialEq, Eq)]
struct Dress {
    huds: Vec<(u8, String)>,
    sounds: Vec<String>,
    spawners: usize,
    detached: Vec<String>,
    objects: Vec<String>,
    formspec: Option<String>,
}

impl Dress {
    fn of(view: &View) -> Self {
        let objects = view.other_objects();
        let mut huds: Vec<_> = view.huds.values().map(|hud| (hud.kind, hud.text.clone())).collect();
        huds.sort();
        Self {
            huds,
            sounds: view.sounds.values().cloned().collect(),
            spawners: view.spawners.len(),
            // Their names end in the player's.
            detached: view
                .detached
                .keys()
                .map(|name| name.rsplit_once('_').map_or(name.as_str(), |(kind, _)| kind).into())
                .collect(),
            objects: objects.iter().map(|id| view.objects[id].name.clone()).collect(),
            formspec: view.formspec.clone().map(|(name, _)| name),
        }
    }

    /// All of it has come.
    fn complete(&self) -> bool {
        !self.huds.is_empty()
            && !self.sounds.is_empty()
            && self.spawners > 0
            && !self.detached.is_empty()
            && !self.objects.is_empty()
            && self.formspec.is_some()
    }
}

async fn dressed(bot: &Bot, colour: &str) -> View {
    let sign = format!("WORLD {}", colour.to_uppercase());
    let here =
        |view: &View| Dress::of(view).complete() && view.huds.values().any(|hud| hud.text == sign);
    bot.until_within(&format!("the things of {colour}"), PATIENCE, here)
        .await
        .unwrap_or_else(|error| panic!("{error}; {:?}", bot.look(Dress::of)));
    // Whatever should not come has time to come.
    tokio::time::sleep(Duration::from_millis(700)).await;
    bot.view()
}

/// Sky, lighting and the like: as without the proxy where the server said anything, and at every
/// visit the same where it did not.
fn compare_states(
    colour: &str,
    view: &View,
    direct: &View,
    quiet: &mut BTreeMap<u16, bytes::Bytes>,
) {
    for (command, body) in &view.states {
        let name = to_client::name(*command);
        match direct.states.get(command) {
            Some(own) => assert_eq!(body, own, "{name} on {colour}"),
            None => {
                let usual = quiet.entry(*command).or_insert_with(|| body.clone());
                assert_eq!(body, usual, "{name} on {colour}, which says nothing about it");
            }
        }
    }
    for command in direct.states.keys() {
        assert!(view.states.contains_key(command), "{} on {colour}", to_client::name(*command));
    }
}

/// The first node of every block near the spawn is one of its world's own floor.
fn own_map_only(colour: &str, view: &View, ids: &BTreeMap<String, u16>) -> usize {
    let own = ids[&format!("mesegate_probe:{colour}")];
    let floors: BTreeSet<u16> =
        COLOURS.iter().filter_map(|it| ids.get(&format!("mesegate_probe:{it}")).copied()).collect();
    let mut seen = 0;
    for (place, block) in &view.blocks {
        if !block.ignored && floors.contains(&block.first) {
            assert_eq!(block.first, own, "block {place:?} is not of {colour}");
            seen += 1;
        }
        let marked = place[1] == 0 && place[0].abs() <= 2 && place[2].abs() <= 2;
        if marked && !block.ignored {
            assert_eq!(block.first, own, "block {place:?} is not of {colour}");
        }
    }
    seen
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn bots_hold_nothing_of_the_world_before_and_hops_are_fast() {
    const HOPS: usize = 50;
    let parts = "marker,hud,sky,body,world,inventory";
    let network = Network::start_with(&[V5_10, V5_15], |_, spec| {
        // Minetest Game's weather changes the clouds at random.
        spec.setting("mesegate_probe.dress", parts).setting("enable_weather", false)
    });
    runtime().block_on(async {
        let scout = join(network.proxy.address(), "scout").await;
        let version = scout.version();
        scout.leave().await;
        network.servers[0].wait_log("probe: leave scout", PATIENCE).unwrap();
        let mut direct = BTreeMap::new();
        for server in &network.servers {
            let options = BotOptions::new(server.address(), "direct")
                .with_password("secret")
                .with_version(version.0);
            let own = Bot::join(options).await.unwrap();
            direct.insert(server.name().to_owned(), dressed(&own, server.name()).await);
            own.leave().await;
            server.wait_log("probe: leave direct", PATIENCE).unwrap();
        }
        let bot = join(network.proxy.address(), "hopper").await;
        let nodes = NodeDefs::decode(bot.node_def(), bot.version()).unwrap().nodes;
        let ids: BTreeMap<String, u16> =
            nodes.into_iter().map(|node| (node.name, node.id)).collect();
        let mut quiet = BTreeMap::new();
        let mut times = Vec::new();
        let mut blocks = 0;
        for hop in 0..=HOPS {
            let colour = COLOURS[hop % 2];
            if hop > 0 {
                let command = format!(">server {colour}");
                times.push(bot.travel(&command, SPAWN, NEAR, PATIENCE).await.unwrap());
            }
            let view = dressed(&bot, colour).await;
            let own = &direct[colour];
            assert_eq!(Dress::of(&view), Dress::of(own), "hop {hop} to {colour}");
            compare_states(colour, &view, own, &mut quiet);
            blocks += own_map_only(colour, &view, &ids);
            assert!(view.violations.is_empty(), "hop {hop}: {:?}", view.violations);
        }
        assert!(blocks > 9 * HOPS, "only {blocks} blocks were looked at");
        assert_eq!(bot.closed(), None);
        times.sort();
        let quantile = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        eprintln!(
            "{HOPS} hops between 5.10 and 5.15: p50 {:?}, p99 {:?}, longest {:?}; {blocks} blocks",
            quantile(0.5),
            quantile(0.99),
            times[times.len() - 1]
        );
        assert!(quantile(0.5) < Duration::from_millis(500), "{:?}", quantile(0.5));
        assert!(quantile(0.99) < Duration::from_millis(1500), "{:?}", quantile(0.99));
        bot.leave().await;
    });
}

/// Real servers end when a player is back within half a second; the proxy makes them wait.
#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn hops_back_at_once_do_not_break_servers() {
    let mut network = Network::start(&[V5_10, V5_15]);
    runtime().block_on(async {
        let bot = join(network.proxy.address(), "hopper").await;
        for hop in 1..=20 {
            let command = format!(">server {}", COLOURS[hop % 2]);
            let took = bot.travel(&command, SPAWN, NEAR, PATIENCE).await;
            took.unwrap_or_else(|error| panic!("hop {hop}: {error}\n{}", network.proxy.log()));
            // A server moves a joining player twice, itself and by a mod: the second move must not
            // be taken for the end of the next hop.
            let entered = || network.proxy.log().matches("a player entered a server").count();
            let limit = tokio::time::Instant::now() + PATIENCE;
            while entered() <= hop {
                assert!(tokio::time::Instant::now() < limit, "hop {hop} never ended");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert_eq!(bot.closed(), None);
        bot.leave().await;
    });
    for colour in ["red", "green"] {
        let server = network.server(colour);
        assert!(!server.log().contains("ERROR["), "{}", server.log());
        server.stop().unwrap();
    }
}
