//! Two proxies of one controller, with players and servers, and what can be seen of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, BotOptions, FakeServer, World};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use xtask::kube::Cluster;
use xtask::proxy::{Proxy, ProxySpec};
use xtask::run::RunFolder;
use xtask::wait;

use crate::support::{applied, cluster, get};

/// How soon a change has to be in force on all proxies.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// How long what has no limit of its own may take: start-up, and reconnecting after a short
/// absence.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster with two servers: a lobby, where players arrive, and an arena; and with `more`.
pub(crate) fn two_servers(fleet: &Fleet, more: &str) -> (FakeServer, FakeServer, Cluster) {
    let (lobby, arena) = (fleet.server("lobby"), fleet.server("arena"));
    let cluster = cluster();
    let text = server("lobby", lobby.addr(), "")
        + &server("arena", arena.addr(), "")
        + &default_target("lobby")
        + more;
    applied(&cluster, &text);
    (lobby, arena, cluster)
}

/// Proxies and their players.
pub(crate) struct Fleet {
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) runtime: Runtime,
    // Last, so that nothing writes there any more when it is removed.
    folder: RunFolder,
}

impl Fleet {
    /// No proxies yet.
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let folder = RunFolder::temporary("fleet").unwrap();
        Self { proxies: Vec::new(), runtime, folder }
    }

    /// Adds `proxy-a`, `proxy-b` and so on, each with the controllers at its URLs.
    pub(crate) fn start(&mut self, controllers: &[&[String]]) {
        for urls in controllers {
            let name = NAMES[self.proxies.len()];
            self.proxies.push(self.proxy(name, urls, None, &[]));
        }
        self.all("the proxies are connected", PATIENCE, connected);
    }

    /// A proxy of that name, with what an earlier one of that name has left, on the address of
    /// that one, with further flags.
    pub(crate) fn proxy(
        &self,
        name: &str,
        urls: &[String],
        address: Option<SocketAddr>,
        flags: &[(&str, &str)],
    ) -> Proxy {
        let folder = self.folder.path().join(name);
        // Servers know players by passwords that are made of it.
        if let Some(first) = self.proxies.first().map(|it| it.run_dir().join("data/backend.key")) {
            let data = folder.join("data");
            std::fs::create_dir_all(&data).unwrap();
            std::fs::copy(first, data.join("backend.key")).unwrap();
        }
        let mut spec = ProxySpec::controlled(urls).flag("--name", name).folder(folder);
        if let Some(address) = address {
            spec = spec.listen(address);
        }
        for (flag, value) in flags {
            spec = spec.flag(flag, value);
        }
        Proxy::start(&spec).unwrap()
    }

    /// The token of a server's mods, of the key that all proxies will have.
    pub(crate) fn mod_token(&self, server: &str) -> String {
        Proxy::mod_token(&self.folder.path().join(NAMES[0]), server).unwrap()
    }

    /// A server without a game.
    pub(crate) fn server(&self, name: &str) -> FakeServer {
        let _inside = self.runtime.enter();
        FakeServer::of(World::new(name)).unwrap()
    }

    /// A player who joins by way of one of the proxies.
    pub(crate) fn join(&self, proxy: usize, name: &str) -> Bot {
        let options = BotOptions::new(self.proxies[proxy].address(), name);
        self.runtime.block_on(Bot::join(options)).unwrap()
    }

    /// Many players, evenly over all proxies.
    pub(crate) fn crowd(&self, size: usize) -> Vec<Bot> {
        let options = |number: usize| {
            let proxy = &self.proxies[number % self.proxies.len()];
            BotOptions::new(proxy.address(), &format!("player{number}"))
        };
        let mut joining = JoinSet::new();
        let _inside = self.runtime.enter();
        for number in 0..size {
            joining.spawn(Bot::join(options(number)));
        }
        self.runtime.block_on(joining.join_all()).into_iter().map(Result::unwrap).collect()
    }

    /// Waits until it holds for all proxies; how long that took.
    pub(crate) fn all(
        &self,
        what: &str,
        limit: Duration,
        holds: impl Fn(&Proxy) -> bool,
    ) -> Duration {
        let start = Instant::now();
        // Longer than allowed, to tell what is late from what does not happen.
        let done = wait::until(limit * 5, || self.proxies.iter().all(&holds).then_some(()));
        let took = start.elapsed();
        println!("kube: {what} after {} ms", took.as_millis());
        let logs = || self.proxies.iter().map(|it| wait::tail(&it.log(), 15)).collect::<Vec<_>>();
        assert!(
            done.is_some() && took <= limit,
            "{what}: {} after {took:?}\n{}",
            if done.is_some() { "late" } else { "not" },
            logs().join("\n---\n")
        );
        took
    }

    /// Waits until a server has that player.
    pub(crate) fn arrives(&self, player: &str, server: &FakeServer) {
        let there = |it: &FakeServer| it.players().iter().any(|name| name == player);
        assert!(self.runtime.block_on(server.until(there)), "{player}: {:?}", server.players());
    }
}

const NAMES: [&str; 3] = ["proxy-a", "proxy-b", "proxy-c"];

/// Whether the proxy has its control stream.
pub(crate) fn connected(proxy: &Proxy) -> bool {
    proxy.metric("control_stream_up").is_ok_and(|it| it > 0.5)
}

/// Whether the proxy knows a server of that name.
pub(crate) fn listed(proxy: &Proxy, server: &str) -> bool {
    let series = format!("mesegate_proxy_backend_up{{server=\"{server}\"}}");
    proxy.get("/metrics").is_ok_and(|(_, page)| page.contains(&series))
}

/// Whether the proxy looks at a server of that name and gets an answer.
pub(crate) fn up(proxy: &Proxy, server: &str) -> bool {
    let line = format!("mesegate_proxy_backend_up{{server=\"{server}\"}} 1");
    proxy.get("/metrics").is_ok_and(|(_, page)| page.contains(&line))
}

/// Whether a text is in the documents that are in force, which the proxy keeps on disk.
pub(crate) fn in_force(proxy: &Proxy, text: &str) -> bool {
    wait::read(&proxy.run_dir().join("data/last-good.json")).contains(text)
}

/// Waits for the reason of a condition.
pub(crate) fn condition(cluster: &Cluster, object: &str, kind: &str, reason: &str) {
    let path = format!("-o=jsonpath={{.status.conditions[?(@.type==\"{kind}\")].reason}}");
    let mut last = String::new();
    let done = wait::until(PATIENCE, || {
        last = get(cluster, &[object, &path]);
        (last == reason).then_some(())
    });
    assert!(done.is_some(), "{object}: {kind} is {last:?}, not {reason:?}");
}

/// A server's document with the label `in: all`; `more` are further fields, such as
/// `, weight: 2`.
pub(crate) fn server(name: &str, address: SocketAddr, more: &str) -> String {
    labelled(name, address, "in: all", more)
}

/// A server's document with other labels.
pub(crate) fn labelled(name: &str, address: SocketAddr, labels: &str, more: &str) -> String {
    format!(
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\n\
         metadata: {{ name: {name}, labels: {{ {labels} }} }}\n\
         spec: {{ endpoint: {{ host: \"{}\", port: {} }}{more} }}\n---\n",
        address.ip(),
        address.port()
    )
}

/// The document of the fleet, whose players arrive at a server.
pub(crate) fn default_target(server: &str) -> String {
    class("default", server)
}

/// The document of a fleet of another class.
pub(crate) fn class(name: &str, server: &str) -> String {
    format!(
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\nmetadata: {{ name: {name} }}\n\
         spec: {{ defaultTarget: {{ server: {server} }} }}\n---\n"
    )
}
