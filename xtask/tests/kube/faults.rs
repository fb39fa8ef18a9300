//! Things that break while fifty players are in the game on two proxies. Nobody is lost, and
//! everything is as it should be afterwards.

mod api_server;
mod controller;
mod edits;
mod paths;
mod refusals;
mod replicas;

use std::cell::Cell;
use std::time::Duration;

use mesegate_testkit::{Bot, FakeServer, TcpRelay};
use xtask::controller::{Controller, ControllerSpec};
use xtask::kube::Cluster;
use xtask::wait;

use crate::fleet::{Fleet, PATIENCE, SOON, connected, in_force, server, two_servers, up};
use crate::support::{applied, get};

const PLAYERS: usize = 50;

/// Two proxies with players on two servers, and a way between each proxy and its controllers.
struct Bed {
    players: Vec<Bot>,
    /// By proxy and controller.
    ways: Vec<Vec<TcpRelay>>,
    controllers: Vec<Option<Controller>>,
    lobby: FakeServer,
    arena: FakeServer,
    fleet: Fleet,
    cluster: Cluster,
    edits: Cell<u32>,
}

impl Bed {
    fn new() -> Self {
        Self::of(&[ControllerSpec::new("controller-0")])
    }

    /// With so many replicas of the controller.
    fn of(replicas: &[ControllerSpec]) -> Self {
        let mut fleet = Fleet::new();
        let (lobby, arena, cluster) = two_servers(&fleet, "");
        let controllers: Vec<_> =
            replicas.iter().map(|it| Controller::start(&cluster, it).unwrap()).collect();
        let way = |controller: &Controller| {
            let opened = TcpRelay::loopback(controller.address(), Duration::ZERO);
            fleet.runtime.block_on(opened).unwrap()
        };
        let ways: Vec<Vec<TcpRelay>> =
            (0..2).map(|_| controllers.iter().map(way).collect()).collect();
        let urls = |ways: &Vec<TcpRelay>| -> Vec<String> {
            ways.iter().map(|it| format!("http://{}", it.addr())).collect()
        };
        let urls: Vec<Vec<String>> = ways.iter().map(urls).collect();
        fleet.start(&urls.iter().map(Vec::as_slice).collect::<Vec<_>>());
        fleet.all("the servers answer", PATIENCE, |it| up(it, "lobby") && up(it, "arena"));
        let players = fleet.crowd(PLAYERS);
        let controllers = controllers.into_iter().map(Some).collect();
        Self { players, ways, controllers, lobby, arena, fleet, cluster, edits: Cell::new(0) }
    }

    /// All players are in the game, and what they do reaches their servers.
    fn unharmed(&self, when: &str) {
        let steps = |name: &str| -> u64 {
            let servers = [&self.lobby, &self.arena];
            servers.iter().filter_map(|it| it.position(name)).map(|(steps, _)| steps).sum()
        };
        let before: Vec<u64> = self.players.iter().map(|it| steps(it.name())).collect();
        let walk = || {
            let further = |(bot, before): (&Bot, &u64)| steps(bot.name()) > *before;
            self.players.iter().zip(&before).all(further).then_some(())
        };
        let walked = wait::until(Duration::from_secs(5), walk);
        for bot in &self.players {
            assert_eq!(bot.closed(), None, "{when}: {} was lost", bot.name());
            let wrong = bot.look(|view| view.violations.clone());
            assert!(wrong.is_empty(), "{when}: {}: {wrong:?}", bot.name());
        }
        assert!(walked.is_some(), "{when}: not all players are heard of");
        println!("kube: {when}: {} players are in the game", self.players.len());
    }

    /// Changes an object; gives the text that tells the new state.
    fn edit(&self) -> String {
        self.edits.set(self.edits.get() + 1);
        let name = format!("Lobby-{}.", self.edits.get());
        applied(&self.cluster, &server("lobby", self.lobby.addr(), &named(&name)));
        name
    }

    /// A change reaches both proxies, which have the very same documents then, and players hop.
    fn follows(&self, when: &str) {
        let name = self.edit();
        self.fleet.all(&format!("{when}: a change is there"), SOON, |it| in_force(it, &name));
        self.same(when);
        for bot in &self.players[..2] {
            for (target, server) in [("arena", &self.arena), ("lobby", &self.lobby)] {
                self.fleet.runtime.block_on(bot.say(&format!(">server {target}")));
                self.fleet.arrives(bot.name(), server);
            }
        }
    }

    /// Both proxies have the very same documents.
    fn same(&self, when: &str) {
        let hashes = || -> Vec<String> {
            let file = |it: &xtask::proxy::Proxy| it.run_dir().join("data/last-good.json");
            let hash = |text: String| text.split('"').nth(3).unwrap_or_default().to_owned();
            self.fleet.proxies.iter().map(|it| hash(wait::read(&file(it)))).collect()
        };
        let same = wait::until(SOON, || {
            let hashes = hashes();
            (hashes[0].len() == 64 && hashes.iter().all(|it| *it == hashes[0])).then_some(())
        });
        assert!(same.is_some(), "{when}: {:?}", hashes());
    }

    /// Waits until both proxies are connected again.
    fn recovers(&self, when: &str, limit: Duration) {
        self.fleet.all(&format!("{when}: both proxies are connected"), limit, connected);
    }

    /// Who holds the lease.
    fn holder(&self) -> String {
        get(&self.cluster, &["lease/mesegate-controller", "-o=jsonpath={.spec.holderIdentity}"])
    }

    /// How many proxies are connected, as the object of the fleet says.
    fn counted(&self, expected: &str, limit: Duration) {
        let count = || get(&self.cluster, &["mtp/default", "-o=jsonpath={.status.connected}"]);
        let seen = wait::until(limit, || (count() == expected).then_some(()));
        assert!(seen.is_some(), "{} proxies are counted, not {expected}", count());
    }
}

fn named(name: &str) -> String {
    format!(", displayName: {name}")
}

/// Whether tests may take as long as their subject deserves.
fn long() -> bool {
    std::env::var_os("MESEGATE_LONG").is_some()
}
