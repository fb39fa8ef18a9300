//! Where players go when real servers are dead, full, draining, disabled and silent, all at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, BotOptions, Closed, JoinError};
use xtask::client::Client;
use xtask::engine::{Server, ServerSpec};
use xtask::lab::Generation::{V5_6, V5_10, V5_15};
use xtask::lab::{Generation, Lab};
use xtask::proxy::{Proxy, ProxySpec};
use xtask::wait;

use crate::bots::{self, NEAR, PATIENCE, SPAWN, runtime};
use crate::support::{Network, SOON};

const BOTS: usize = 30;

/// Players of each member of the pair, and how many are let in to both in a second.
const ROOM: usize = 12;
const RATE: usize = 10;

/// A server that says nothing is given up after ten seconds, and a group takes its time.
const SETTLED: Duration = Duration::from_mins(1);

const SERVERS: [(&str, Generation, &str); 6] = [
    ("home", V5_10, "red"),
    ("full", V5_6, "green"),
    ("drain", V5_15, "blue"),
    ("off", V5_6, "yellow"),
    ("a", V5_15, "green"),
    ("b", V5_10, "blue"),
];

/// All that the proxy is told.
struct Documents {
    /// By name; the first is where players arrive.
    endpoints: BTreeMap<&'static str, SocketAddr>,
    /// Before it, players can go to `old` and `drain`; `old` is gone then.
    night: bool,
}

impl Documents {
    fn yaml(&self) -> String {
        let mut yaml = String::new();
        let mut server = |name: &str, address: SocketAddr, group: &str, fields: &str| {
            let _ = write!(
                yaml,
                "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\n\
                 metadata: {{ name: {name}, labels: {{ in: {group} }} }}\nspec:\n  \
                 endpoint: {{ host: 127.0.0.1, port: {} }}\n  {fields}\n---\n",
                address.port()
            );
        };
        for (name, address) in &self.endpoints {
            let (group, fields) = match *name {
                "home" => (
                    "ring",
                    "fallbacks: [ { server: full }, { server: drain }, { server: off }, \
                     { server: hole }, { group: pair } ]"
                        .to_owned(),
                ),
                "full" => ("ring", "fallbacks: [ { group: pair } ]".into()),
                // Each way out of one of the pair leads back to where others are sent to the pair.
                "a" => (
                    "pair",
                    format!(
                        "maxPlayers: {ROOM}\n  fallbacks: [ {{ group: ring }}, {{ server: b }} ]"
                    ),
                ),
                "b" => (
                    "pair",
                    format!(
                        "maxPlayers: {ROOM}\n  fallbacks: [ {{ server: a }}, {{ group: ring }} ]"
                    ),
                ),
                "drain" if self.night => ("none", "state: Drain".into()),
                "off" if self.night => ("none", "state: Disabled".into()),
                _ => ("none", "state: Active".into()),
            };
            match (*name, self.night) {
                ("off", false) => server("old", *address, group, &fields),
                _ => server(name, *address, group, &fields),
            }
        }
        if !self.night {
            yaml = yaml.replace("{ server: off }, ", "");
        }
        for (name, fields) in [
            ("pair", format!("joinRate: {RATE}\n  fallbacks: [ {{ group: ring }} ]")),
            ("ring", "emptyPolicy: Fallback".into()),
        ] {
            let _ = write!(
                yaml,
                "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServerGroup\n\
                 metadata: {{ name: {name} }}\nspec:\n  \
                 selector: {{ matchLabels: {{ in: {name} }} }}\n  {fields}\n---\n"
            );
        }
        yaml + "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\n\
                metadata: { name: default }\nspec:\n  defaultTarget: { server: home }\n  \
                rejoinLast: true\n"
    }

    /// Has the proxy read them.
    fn give(&self, proxy: &Proxy) {
        let read = || proxy.log().matches("the documents were read again").count();
        let before = read();
        std::fs::write(proxy.resources(), self.yaml()).unwrap();
        let done = wait::until(SOON, || (read() > before).then_some(()));
        assert!(done.is_some(), "{}", proxy.log());
    }
}

/// Who has joined a server, with the second in which they did, after `logged` bytes of its log.
fn joins(server: &Server, logged: usize) -> Vec<(String, String)> {
    let log = server.log();
    let lines = log.get(logged..).unwrap_or_default().lines();
    let joins = lines.filter_map(|line| {
        let (_, rest) = line.split_once("probe: join ")?;
        Some((rest.split(' ').next()?.to_owned(), line.get(..19)?.to_owned()))
    });
    joins.collect()
}

/// The most that joined in one second.
fn most<'a>(joins: impl Iterator<Item = &'a (String, String)>) -> usize {
    let mut seconds: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, second) in joins {
        *seconds.entry(second).or_default() += 1;
    }
    seconds.into_values().max().unwrap_or(0)
}

/// The text with which a player was sent away, if they were.
fn last_words(bot: &Bot) -> Option<String> {
    match bot.closed()? {
        Closed::Denied { text, reconnect, .. } => {
            assert!(reconnect, "{}: {text}", bot.name());
            Some(text)
        }
        other => panic!("{}: {other:?}", bot.name()),
    }
}

/// The same for a real client.
fn read_words(client: &Client) -> Option<String> {
    client.log().lines().find(|line| line.contains("Access denied. Reason: ")).map(str::to_owned)
}

/// How often a player read that a server was lost.
async fn losses_read(bot: &Bot) -> usize {
    let mut read = 0;
    while let Some(line) = bot.chat(Duration::from_millis(50)).await {
        read += usize::from(line.text.contains(" was lost"));
    }
    read
}

/// All of the network, and who plays in it.
struct Night {
    network: Network,
    documents: Documents,
    bots: Vec<Bot>,
    client: Client,
    /// How long each server's log was when all stood on `home`.
    logged: BTreeMap<String, usize>,
    /// Takes whatever comes and says nothing.
    _hole: UdpSocket,
    /// Sits in the only seat of `full`.
    _sitter: Bot,
}

impl Night {
    fn begin(runtime: &tokio::runtime::Runtime) -> Self {
        let lab = Lab::ensure(&Generation::ALL).unwrap();
        let servers = SERVERS.map(|(name, generation, colour)| {
            let spec = ServerSpec::new(name, generation)
                .probe(colour)
                .setting("max_users", if name == "full" { 1 } else { 2 * BOTS });
            Server::start(&lab, spec).unwrap()
        });
        let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut endpoints: BTreeMap<_, _> =
            SERVERS.iter().zip(&servers).map(|(it, server)| (it.0, server.address())).collect();
        endpoints.insert("hole", hole.local_addr().unwrap());
        let named: Vec<_> = servers.iter().map(|it| (it.name(), it.address())).collect();
        let proxy = Proxy::start(&ProxySpec::new(&named[..1])).unwrap();
        let documents = Documents { endpoints, night: false };
        documents.give(&proxy);
        let network = Network { lab, proxy, servers: servers.into() };
        for name in ["home", "full", "drain", "old", "a", "b"] {
            network.wait_up(name, true);
        }
        let sitter = runtime.block_on(bots::join(network.servers[1].address(), "sitter"));

        // Both go to a server, come from there the next time, and then it is no more.
        let to = network.proxy.address();
        let mut client = network.join(V5_15, "bella");
        client.chat(">server old").unwrap();
        network.servers[3].wait_log("probe: join bella", SOON).unwrap();
        client.stop().unwrap();
        runtime.block_on(async {
            let olga = bots::join(to, "olga").await;
            olga.travel(">server old", SPAWN, NEAR, PATIENCE).await.unwrap();
            olga.leave().await;
            for server in [0, 3] {
                network.servers[server].wait_log("probe: leave olga", SOON).unwrap();
            }
            let olga = bots::join(to, "olga").await;
            network.servers[3].wait_log("probe: leave olga", SOON).unwrap();
            assert_eq!(joins(&network.servers[3], 0).len(), 3);
            olga.leave().await;
        });
        let documents = Documents { night: true, ..documents };
        documents.give(&network.proxy);
        let client = network.join(V5_15, "bella");
        let bots = runtime.block_on(async {
            let mut bots = Vec::new();
            for number in 0..BOTS {
                bots.push(bots::join(to, &format!("bot{number}")).await);
            }
            bots
        });
        let logged =
            network.servers.iter().map(|it| (it.name().to_owned(), it.log().len())).collect();
        assert_eq!(joins(&network.servers[0], 0).len(), BOTS + 3, "{}", network.servers[0].log());
        Self { network, documents, bots, client, logged, _hole: hole, _sitter: sitter }
    }

    fn joins(&self, name: &str) -> Vec<(String, String)> {
        let server = self.network.servers.iter().find(|it| it.name() == name).unwrap();
        joins(server, self.logged[name])
    }

    /// Last words of all who were sent away, bots and the client.
    fn away(&self) -> Vec<String> {
        self.bots.iter().filter_map(last_words).chain(read_words(&self.client)).collect()
    }

    /// Waits until so many were sent away, and all others are on one of the pair.
    fn settle(&self, away: usize) -> Duration {
        let began = Instant::now();
        let done = wait::until(SETTLED, || {
            let there = self.joins("a").len() + self.joins("b").len();
            (there + away == BOTS + 1 || there == 2 * ROOM).then_some(())?;
            (self.away().len() == away).then_some(())
        });
        let (a, b) = (self.joins("a"), self.joins("b"));
        let log = wait::tail(&self.network.proxy.log(), 60);
        assert!(done.is_some(), "{} away; on a {a:?}, on b {b:?}\n{log}", self.away().len());
        began.elapsed()
    }
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn every_player_ends_somewhere_or_is_told_why_not() {
    let runtime = runtime();
    let mut night = Night::begin(&runtime);
    night.network.server("home").kill9().unwrap();
    let took = night.settle(BOTS + 1 - 2 * ROOM);
    let (a, b) = (night.joins("a"), night.joins("b"));
    let rate = most(a.iter().chain(&b));
    println!(
        "{} players settled after {took:?}: {} on a, {} on b, {} away; at most {rate} in a second",
        BOTS + 1,
        a.len(),
        b.len(),
        night.away().len()
    );
    assert_eq!((a.len(), b.len()), (ROOM, ROOM));
    // Turns are given at the rate; entering takes a moment that differs from player to player.
    assert!(rate <= RATE + RATE / 2, "{rate}: {a:?} {b:?}");
    for joins in [&a, &b] {
        assert!(most(joins.iter()) <= RATE, "{joins:?}");
    }
    let mut placed: Vec<&str> = a.iter().chain(&b).map(|it| it.0.as_str()).collect();
    placed.sort_unstable();
    placed.dedup();
    assert_eq!(placed.len(), 2 * ROOM, "somebody was there twice: {a:?} {b:?}");
    for name in ["full", "drain", "off"] {
        assert_eq!(night.joins(name), [], "{name}");
    }
    for text in night.away() {
        for words in [
            "No server of the network can be entered now.",
            "home was lost",
            "full: the server is full",
            "drain: nobody is let in there any more",
            "off: it is out of service",
            "hole: no server answers there",
        ] {
            assert!(text.contains(words), "{text}");
        }
    }
    let in_game = placed.contains(&"bella");
    assert_ne!(in_game, read_words(&night.client).is_some());
    println!("the real client {}", if in_game { "plays on" } else { "was told why not" });
    runtime.block_on(async {
        for bot in night.bots.iter().filter(|bot| bot.closed().is_none()) {
            assert_eq!(losses_read(bot).await, 1, "{}", bot.name());
            assert!(placed.contains(&bot.name()), "{}", bot.name());
        }
    });
    assert_eq!(night.network.proxy.metric("fallbacks_total").unwrap(), (BOTS + 1) as f64);

    // One of the pair follows: the other has no room, and all other ways lead in circles.
    night.network.server("a").kill9().unwrap();
    let took = night.settle(BOTS + 1 - ROOM);
    println!("{ROOM} more were sent away after {took:?}");
    assert_eq!(night.joins("b").len(), ROOM);
    assert_eq!(night.network.proxy.metric("fallbacks_total").unwrap(), (BOTS + 1 + ROOM) as f64);
    // Who was last on a server that is no more, and comes when nothing is left, is told so once.
    let olga = BotOptions::new(night.network.proxy.address(), "olga").with_password("secret");
    match runtime.block_on(Bot::join(olga)) {
        Err(JoinError::Denied { text, reconnect, .. }) => {
            println!("olga read: {text}");
            assert!(text.contains("No server of the network can be entered now."), "{text}");
            assert!(reconnect && !text.contains("old"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    // As soon as there is a server again, there is a way.
    night.network.server("home").restart().unwrap();
    night.network.wait_up("home", true);
    runtime.block_on(async {
        let olga = bots::join(night.network.proxy.address(), "olga").await;
        assert_eq!(olga.closed(), None);
    });
    assert!(!night.documents.yaml().contains("old"));
}
