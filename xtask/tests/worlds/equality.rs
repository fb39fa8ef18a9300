//! What a player gets of a world through the proxy is what the world's server sends, message by
//! message, but for names and numbers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use mesegate_protocol::to_client;
use mesegate_testkit::state::{Names, Recording, State, differences, take_back};
use tokio::runtime::Runtime;
use xtask::engine::Server;
use xtask::lab::Generation::{self, V5_6, V5_10, V5_15};
use xtask::lab::Lab;
use xtask::proxy::{Proxy, ProxySpec};

use crate::servers::World;
use crate::visit::Visit;

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What every world's visit has to have, so that a comparison of two says something.
const ALWAYS: [u16; 16] = [
    to_client::INVENTORY,
    to_client::INVENTORY_FORMSPEC,
    to_client::FORMSPEC_PREPEND,
    to_client::DETACHED_INVENTORY,
    to_client::SHOW_FORMSPEC,
    to_client::HUDADD,
    to_client::HUD_SET_PARAM,
    to_client::PLAY_SOUND,
    to_client::ADD_PARTICLESPAWNER,
    to_client::SET_SKY,
    to_client::SET_SUN,
    to_client::SET_MOON,
    to_client::EYE_OFFSET,
    to_client::FOV,
    to_client::PRIVILEGES,
    to_client::MOVEMENT,
];

/// And what the game that uses everything has besides.
const CONFLICT: [u16; 11] = [
    to_client::ADDNODE,
    to_client::REMOVENODE,
    to_client::NODEMETA_CHANGED,
    to_client::HUDCHANGE,
    to_client::HUDRM,
    to_client::STOP_SOUND,
    to_client::FADE_SOUND,
    to_client::SPAWN_PARTICLE,
    to_client::DELETE_PARTICLESPAWNER,
    to_client::MINIMAP_MODES,
    to_client::LOCAL_PLAYER_ANIMATIONS,
];

fn is_complete(world: World, version: u16, state: &State) {
    let more: &[u16] = if world == World::Conflict { &CONFLICT } else { &[] };
    for command in ALWAYS.iter().chain(more) {
        let name = to_client::name(*command);
        assert!(
            state.sequences.contains_key(command),
            "{} at {version} sends no {name}: what is compared is incomplete",
            world.name()
        );
    }
    let pushes = state.sequences.get(&to_client::MEDIA_PUSH).map_or(0, Vec::len);
    // 39 gets every file twice, earlier versions get none.
    let expected = match (world, version) {
        (World::Plain | World::Modded, _) | (_, ..=38) => 0,
        (World::Conflict, 39) => 4,
        (World::Conflict, _) => 2,
    };
    assert_eq!(pushes, expected, "{} at {version}", world.name());
    assert!(state.blocks.len() > 20, "only {} blocks", state.blocks.len());
    let entities = if world == World::Conflict { 10 } else { 1 };
    assert!(state.objects.len() > entities, "only {} objects", state.objects.len());
}

/// Compares visits with visits that went straight to the server.
#[derive(Default)]
struct Comparison {
    /// What the proxy says before any world's own messages, by version.
    defaults: BTreeMap<(u16, u16), Vec<String>>,
}

impl Comparison {
    /// The lines in which the second visit differs from the first.
    fn compare(&mut self, world: World, direct: &Recording, through: &Recording) -> Vec<String> {
        assert_eq!(direct.version, through.version);
        let version = direct.version.0;
        let own = Names::direct(&direct.content, direct.version).unwrap();
        let theirs = match Names::through(&direct.content, &through.content, direct.version) {
            Ok(names) => names,
            Err(lines) => return lines,
        };
        let state = State::of(direct, &own);
        is_complete(world, version, &state);
        let mut seen = State::of(through, &theirs);
        let mut lines = Vec::new();
        for (command, mut taken) in take_back(&state, &mut seen) {
            let name = to_client::name(command);
            let picture = match command {
                to_client::SET_SUN => Some("sun.png"),
                to_client::SET_MOON => Some("moon.png"),
                _ => None,
            };
            // The world's own sun, where the client would take another one.
            if let (2, Some(picture)) = (taken.len(), picture)
                && let Some(last) = taken.pop()
                && !last.contains(&own.file(picture))
            {
                lines.push(format!("{name} does not name the world's own {picture}: {last}"));
            }
            // Whatever else it says is the same for every world: the client's own defaults.
            let usual = self.defaults.entry((version, command)).or_insert_with(|| taken.clone());
            if *usual != taken {
                lines.push(format!("{name} begins with {taken:?}, elsewhere with {usual:?}"));
            }
        }
        lines.extend(differences(&state, &seen));
        lines.extend(direct.violations.iter().map(|it| format!("the server itself: {it}")));
        lines.extend(through.violations.iter().cloned());
        lines
    }
}

/// The name of a world, and the version that was spoken.
type Place = (&'static str, u16);

/// Stands for the newest version, which is visited twice.
const AGAIN: u16 = 0;

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
        let recording = visit.record(addr, &format!("direct{place}")).await;
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
    for (world, visit) in visits {
        recordings.push((world, visit.await.unwrap()));
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
    let mut wrong = Findings::default();
    let mut comparison = Comparison::default();
    // Two visits to the same server are equal by this measure; otherwise it would say nothing about
    // a proxy.
    for world in World::ALL {
        let again = direct.remove(&(world.name(), AGAIN)).unwrap();
        let lines = Comparison::default().compare(world, &direct[&(world.name(), newest)], &again);
        wrong.add(&format!("{} once more", world.name()), newest, lines);
    }
    println!("{generation}: direct visits after {:.1} s", begun.elapsed().as_secs_f64());
    let proxy = Proxy::start(&ProxySpec::new(&named)).unwrap();
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
                let place = format!("{} beside {}", world.name(), base.name());
                let lines = comparison.compare(world, &direct[&(world.name(), *version)], &through);
                wrong.add(&place, *version, lines);
                // It had all the other worlds in its content at the same time.
                for other in World::ALL.into_iter().filter(|other| *other != world) {
                    let content = &direct[&(other.name(), *version)].content;
                    let names = Names::through(content, &through.content, through.version);
                    let place = format!("{place}, content of {}", other.name());
                    wrong.add(&place, *version, names.err().unwrap_or_default());
                }
            }
        }
        println!("{generation} at {version}: after {:.1} s", begun.elapsed().as_secs_f64());
    }
    wrong.none(generation);
}

/// What is different, with the versions at which it is.
#[derive(Default)]
struct Findings(BTreeMap<String, Vec<u16>>);

impl Findings {
    /// At most this many of each kind are shown.
    const SHOWN: usize = 40;

    fn add(&mut self, place: &str, version: u16, lines: Vec<String>) {
        for line in lines {
            self.0.entry(format!("{place}: {line}")).or_default().push(version);
        }
    }

    fn none(self, generation: Generation) {
        let count = self.0.len();
        let (content, messages): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|(line, _)| line.contains("counterpart"));
        let shown =
            messages.into_iter().take(Self::SHOWN).chain(content.into_iter().take(Self::SHOWN));
        let lines: Vec<String> =
            shown.map(|(line, versions)| format!("{line} (at {versions:?})")).collect();
        assert!(count == 0, "{generation}: {count} differences:\n{}", lines.join("\n"));
    }
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
