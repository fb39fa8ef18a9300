//! What fifty players notice while controllers and proxies are replaced, become more and fewer, and a
//! node is drained.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use xtask::bots::{self, Crowd, Here, Outcome};
use xtask::kube::Cluster;
use xtask::node::Node;
use xtask::postgres::Postgres;
use xtask::{Result, chart, wait};

use super::place::Place;
use super::{PATIENCE, Steps, unexpected};

/// Where it is installed.
pub(super) const NAMESPACE: &str = "scale";

const PLAYERS: usize = 50;

/// The servers and the network.
pub(super) const NETWORK: &str = include_str!("../../../kube/scale.yaml");

/// One proxy that may become many. Players may stay for 30 s when theirs is to end, less than the
/// third of a player in a second that is asked to go before leaves time for.
const VALUES: &str = "\
crds: { enabled: false }
proxy:
  replicas: 1
  database: { type: postgresql, secretName: accounts }
  terminationGracePeriodSeconds: 40
  drain: { nudgePerSecond: 0.3 }
";

/// The release and who plays there.
struct Scene<'a> {
    steps: &'a Steps,
    place: Place<'a>,
    crowd: Crowd,
}

/// On a node of our own, which a second one joins to be drained.
pub(super) fn on_node(steps: &Steps, node: &Node, images: &[PathBuf]) -> Result<()> {
    let postgres = Postgres::start_on(node.machine())?;
    let place = Place { cluster: node.cluster(), namespace: NAMESPACE, values: None };
    install(steps, place, &postgres.url("postgres"))?;
    let log = node.folder().join("log");
    let first = place.on_node(node.address().into())?;
    let scene = Scene::start(steps, place, 1, &[first], &log.join("bots.log"))?;
    scene.replace()?;
    scene.crowd.leave()?;

    let second = node.join()?;
    for image in images {
        second.load(image)?;
    }
    steps.done("a second node has joined");
    upgrade(place, "proxy: { replicas: 2 }")?;
    let nodes: Vec<String> = place.settled(2)?.into_iter().map(|it| it.node).collect();
    if !nodes.contains(&second.name()) {
        return Err(unexpected(&format!("the proxies are on {nodes:?}")));
    }
    let addresses = [first, (second.address(), first.port()).into()];
    let scene = Scene::start(steps, place, 2, &addresses, &log.join("bots-2.log"))?;
    let name = second.name();
    scene.during("a node is drained", 2, || {
        let drain = ["drain", &name, "--ignore-daemonsets", "--delete-emptydir-data"];
        succeed(place.cluster, &[&drain[..], &["--timeout=150s"]].concat())
    })?;
    succeed(place.cluster, &["uncordon", &name])?;
    scene.crowd.leave()?;
    place.remove()
}

/// On somebody's cluster, with a database that its pods reach. Its nodes are left alone: a proxy is
/// evicted as it would be by the drain of its node.
pub(super) fn on(
    steps: &Steps,
    place: Place<'_>,
    database: &str,
    address: impl Fn(Place<'_>) -> Result<SocketAddr>,
    folder: &Path,
) -> Result<()> {
    let place = Place { namespace: NAMESPACE, ..place };
    let result = install(steps, place, database).and_then(|()| {
        let scene = Scene::start(steps, place, 1, &[address(place)?], &folder.join("bots.log"))?;
        scene.replace()?;
        upgrade(place, "proxy: { replicas: 2 }")?;
        place.settled(2)?;
        let full = scene.crowd.here().into_values().next().unwrap_or_default().proxy;
        scene.during("a proxy is evicted (this cluster's nodes are not drained)", 2, || {
            evict(place, &full)
        })?;
        scene.crowd.leave()
    });
    if result.is_err() {
        println!("{}", super::state(place.cluster, NAMESPACE));
    }
    place.remove()?;
    result
}

/// The servers, the network, and one proxy with its accounts in a database.
fn install(steps: &Steps, place: Place<'_>, database: &str) -> Result<()> {
    place.make()?;
    place.apply(&format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{ name: accounts }}\nstringData: {{ url: \
         \"{database}\" }}\n"
    ))?;
    place.apply(NETWORK)?;
    let folder = chart::folder();
    place.helm(&["install", chart::RELEASE, &folder.to_string_lossy()], VALUES)?;
    for name in ["lobby", "arena", "mesegate-controller", "mesegate-proxy"] {
        place.rollout(&format!("deployment/{name}"))?;
    }
    steps.done("a release with its accounts in PostgreSQL is ready");
    Ok(())
}

/// The release with some other values.
fn upgrade(place: Place<'_>, values: &str) -> Result<()> {
    let folder = chart::folder();
    let folder = folder.to_string_lossy();
    place.helm(&["upgrade", chart::RELEASE, &folder, "--reuse-values"], values)?;
    for name in ["mesegate-controller", "mesegate-proxy"] {
        place.rollout(&format!("deployment/{name}"))?;
    }
    Ok(())
}

fn succeed(cluster: &Cluster, arguments: &[&str]) -> Result<()> {
    let answer = cluster.kubectl(arguments)?;
    let what = || unexpected(&format!("kubectl {}: {}", arguments[0], answer.complaints));
    if answer.success { Ok(()) } else { Err(what()) }
}

/// As `kubectl drain` does it with every pod of a node.
fn evict(place: Place<'_>, pod: &str) -> Result<()> {
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", place.namespace);
    let body = format!(
        "{{\"apiVersion\": \"policy/v1\", \"kind\": \"Eviction\", \"metadata\": {{\"name\": \
         \"{pod}\", \"namespace\": \"{}\"}}}}",
        place.namespace
    );
    let answer = place.cluster.kubectl_with(&["create", "--raw", &path, "-f", "-"], &body)?;
    if answer.success { Ok(()) } else { Err(unexpected(&answer.complaints)) }
}

impl<'a> Scene<'a> {
    /// Everybody comes to these proxies, and every second one goes to the arena.
    fn start(
        steps: &'a Steps,
        place: Place<'a>,
        proxies: usize,
        addresses: &[SocketAddr],
        log: &Path,
    ) -> Result<Self> {
        let since = bots::now();
        let crowd = Crowd::start(addresses, PLAYERS, "bot", ">server arena", log)?;
        let scene = Self { steps, place, crowd };
        let proxies = scene.names(proxies)?;
        let mut here = scene.crowd.settled(&proxies, PATIENCE)?;
        let split = wait::until(PATIENCE, || {
            here = scene.crowd.here();
            (here.values().filter(|it| it.server == "arena").count() == PLAYERS / 2).then_some(())
        });
        if split.is_none() {
            return Err(unexpected(&format!("not half of the players are in the arena: {here:?}")));
        }
        let lost = Outcome::of(&scene.crowd.events(since)).lost;
        if !lost.is_empty() {
            return Err(unexpected(&format!("players did not get in: {lost:?}")));
        }
        steps.done(&format!("{PLAYERS} players play, {}", distribution(&here)));
        Ok(scene)
    }

    /// Everything that replaces pods.
    fn replace(&self) -> Result<()> {
        let annotated = |component: &str| {
            let values = format!("{component}: {{ podAnnotations: {{ example.org/try: two }} }}");
            upgrade(self.place, &values)
        };
        self.during("the controllers are replaced", 1, || annotated("controller"))?;
        self.during("1 proxy becomes 3", 3, || upgrade(self.place, "proxy: { replicas: 3 }"))?;
        self.during("the 3 proxies are replaced", 3, || annotated("proxy"))?;
        self.during("3 proxies become 1", 1, || upgrade(self.place, "proxy: { replicas: 1 }"))
    }

    fn names(&self, proxies: usize) -> Result<Vec<String>> {
        Ok(self.place.settled(proxies)?.into_iter().map(|it| it.name).collect())
    }

    /// Does something that ends with so many proxies. Who is on one that stays has to stay; everybody
    /// else has to be asked to reconnect, and to be where they were.
    fn during(&self, what: &str, proxies: usize, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let before = self.crowd.here();
        let (since, start) = (bots::now(), Instant::now());
        act()?;
        let names = self.names(proxies)?;
        let took = start.elapsed();
        let after = self.crowd.settled(&names, PATIENCE)?;
        let outcome = Outcome::of(&self.crowd.events(since));
        let stayed = |name: &String| before.get(name).is_some_and(|it| names.contains(&it.proxy));
        let stirred: Vec<_> = outcome.asked.iter().filter(|it| stayed(it)).collect();
        let server = |name: &String| before.get(name).map(|it| it.server.as_str());
        let elsewhere: Vec<_> = after
            .iter()
            .filter(|(name, it)| server(name) != Some(&it.server))
            .map(|it| it.0)
            .collect();
        let violated: Vec<_> = after.iter().filter(|(_, it)| it.violated).collect();
        for (lack, is_there) in [
            (format!("lost {:?}", outcome.lost), !outcome.lost.is_empty()),
            (format!("sent away from proxies that stay: {stirred:?}"), !stirred.is_empty()),
            (format!("not where they were: {elsewhere:?}"), !elsewhere.is_empty()),
            (format!("clients would have failed: {violated:?}"), !violated.is_empty()),
        ] {
            if is_there {
                return Err(unexpected(&format!("{what}: {lack}; {outcome}")));
            }
        }
        let times = outcome.between.map_or_else(String::new, |(first, last)| {
            let second = |at: u64| at.saturating_sub(since) as f64 / 1000.0;
            format!(", from {:.1} s to {:.1} s", second(first), second(last))
        });
        self.steps.done(&format!(
            "{what} within {:.1} s: {outcome}{times}; now {}",
            took.as_secs_f64(),
            distribution(&after)
        ));
        Ok(())
    }
}

/// How many players are on each proxy.
fn distribution(here: &BTreeMap<String, Here>) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for it in here.values() {
        *counts.entry(&it.proxy).or_default() += 1;
    }
    let counts: Vec<String> = counts.values().map(usize::to_string).collect();
    format!("on proxies with {}", counts.join(" + "))
}
