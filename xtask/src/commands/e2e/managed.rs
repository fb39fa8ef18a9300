//! Servers that the controller runs: changed one after the other under a player, deleted, and made
//! again with the world that there was.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::client::{Client, ClientSpec};
use xtask::kube::Cluster;
use xtask::lab::{Generation, Lab};
use xtask::node::Node;
use xtask::{Error, Result, paths, wait};

use super::play::Operator;
use super::{NAMESPACE, PATIENCE, Steps, apply, get, unexpected};

const GENERATION: Generation = Generation::V5_15;

/// The servers of the manual.
const SERVERS: [&str; 2] = ["arena", "lobby"];

/// The image of the manual's servers, and how it is called when it is another one.
const IMAGES: [&str; 2] =
    ["mesegate.dev/luanti-server:demo", "mesegate.dev/luanti-server:demo-next"];

/// Volumes for the worlds, on a node that makes none by itself, and the second name of the image.
pub(super) fn prepare(node: &Node) -> Result<()> {
    for server in SERVERS {
        let folder = node.folder().join(format!("world-{server}"));
        std::fs::create_dir_all(&folder).map_err(Error::io("making a volume's folder"))?;
        let volume = super::persistent_volume(&format!("world-{server}"), &folder)
            + &format!("  claimRef: {{ namespace: {NAMESPACE}, name: {server}-world }}\n");
        apply(node.cluster(), &volume)?;
    }
    let mut tag = node.inside(&node.folder().join("bin/ctr"));
    tag.args(["--namespace", "k8s.io", "images", "tag"]).args(IMAGES);
    let output = tag.output().map_err(Error::io("starting ctr"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(unexpected(&format!("ctr images tag: {}", String::from_utf8_lossy(&output.stderr))))
}

/// What is changed of both servers.
#[derive(Clone, Copy)]
pub(super) enum Edit {
    /// The image, which the node knows by two names.
    Image,
    /// A setting, where nobody knows which images there are.
    Setting,
}

/// Changes both servers, and deletes one of them and makes it again.
pub(super) fn run(steps: &Steps, cluster: &Cluster, address: SocketAddr, edit: Edit) -> Result<()> {
    let lab = Lab::ensure(&[GENERATION])?;
    let operator = Operator::new(cluster)?;
    let spec = ClientSpec::new(GENERATION, "carol", address).password("secret");
    let mut client = Client::start(&lab, spec)?;
    client.wait_joined(Duration::from_mins(1))?;
    operator.does(&["move", "carol", "--to", "arena"])?;
    operator.sees("carol", Some("arena"))?;
    let patch = match edit {
        Edit::Image => format!(r#"{{"spec":{{"managed":{{"image":"{}"}}}}}}"#, IMAGES[1]),
        Edit::Setting => r#"{"spec":{"managed":{"config":{"motd":"changed"}}}}"#.to_owned(),
    };
    let before = revisions(cluster)?;
    let start = Instant::now();
    for server in SERVERS {
        patched(cluster, &format!("mts/{server}"), &patch)?;
    }
    let mut order = Vec::new();
    let mut places = BTreeSet::new();
    let done =
        wait::until(PATIENCE, || observe(cluster, &operator, &before, &mut order, &mut places));
    match done {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(error),
        None => {
            let told = get(cluster, &["mts", "-o", "jsonpath={.items[*].status.conditions}"])?;
            return Err(unexpected(&format!("the servers were not changed: {order:?}: {told}")));
        }
    }
    if order != SERVERS || !places.contains("arena") || !places.contains("lobby") {
        return Err(unexpected(&format!("changed: {order:?}; the player was at {places:?}")));
    }
    if !client.alive()? {
        return Err(unexpected("the player's client has ended"));
    }
    steps.done(&format!(
        "{} were changed one after the other in {:.0} s; the player was moved and never lost",
        order.join(" and "),
        start.elapsed().as_secs_f64()
    ));
    drop(client);
    again(steps, cluster)
}

/// Looks once; gives something when both servers are changed, or something is wrong.
fn observe(
    cluster: &Cluster,
    operator: &Operator<'_>,
    before: &[String],
    order: &mut Vec<String>,
    places: &mut BTreeSet<String>,
) -> Option<Result<()>> {
    let now = revisions(cluster).ok()?;
    for ((server, old), new) in SERVERS.iter().zip(before).zip(&now) {
        if old != new && !order.iter().any(|it| it == server) {
            order.push((*server).to_owned());
        }
    }
    let text = get(cluster, &["sts", "-l", "mesegate.dev/server", "-o", "json"]).ok()?;
    let sets: Value = serde_json::from_str(&text).ok()?;
    let away = |it: &&Value| it["status"]["availableReplicas"].as_u64().unwrap_or(0) == 0;
    let sets = sets["items"].as_array()?;
    if sets.len() == SERVERS.len() && sets.iter().filter(away).count() == sets.len() {
        return Some(Err(unexpected("both servers were away at once")));
    }
    match operator.whereabouts("carol") {
        Ok(Some(place)) => drop(places.insert(place)),
        Ok(None) => return Some(Err(unexpected("the player is not in the game any more"))),
        Err(_) => {}
    }
    let rolled = r#"jsonpath={.items[*].status.conditions[?(@.type=="RolledOut")].status}"#;
    let said = get(cluster, &["mts", "-o", rolled]).ok()?;
    (order.len() == SERVERS.len() && said == "True True").then_some(Ok(()))
}

/// What the pods of each server are to be made of.
fn revisions(cluster: &Cluster) -> Result<Vec<String>> {
    let path = r"jsonpath={.metadata.annotations.mesegate\.dev/revision}";
    SERVERS.iter().map(|it| get(cluster, &[&format!("sts/{it}"), "-o", path])).collect()
}

fn patched(cluster: &Cluster, object: &str, patch: &str) -> Result<()> {
    let answer =
        cluster.kubectl(&["patch", "-n", NAMESPACE, object, "--type=merge", "-p", patch])?;
    if answer.success { Ok(()) } else { Err(unexpected(&answer.complaints)) }
}

/// A server is deleted, with the objects that it had but for the volume, and made again.
fn again(steps: &Steps, cluster: &Cluster) -> Result<()> {
    let uid = ["pvc/arena-world", "-o", "jsonpath={.metadata.uid} {.status.phase}"];
    let before = get(cluster, &uid)?;
    let deleted = cluster.kubectl(&["delete", "-n", NAMESPACE, "mts/arena"])?;
    if !deleted.success {
        return Err(unexpected(&deleted.complaints));
    }
    let left = ["sts,svc,cm,pods", "-l", "mesegate.dev/server=arena", "-o", "name"];
    let gone = wait::until(PATIENCE, || get(cluster, &left).ok()?.is_empty().then_some(()));
    let after = get(cluster, &uid)?;
    if gone.is_none() || after != before || !after.ends_with("Bound") {
        let left = get(cluster, &left)?;
        return Err(unexpected(&format!("after mts/arena was deleted: {after:?}, {left}")));
    }
    steps.done("a server is deleted; its volume is still there");
    let path = paths::workspace().join("deploy/examples/servers.yaml");
    let text = std::fs::read_to_string(&path);
    apply(cluster, &text.map_err(Error::io(format!("reading {}", path.display())))?)?;
    for server in SERVERS {
        let rolled = format!("mts/{server}");
        for condition in ["Ready", "RolledOut"] {
            let condition = format!("--for=condition={condition}");
            let limit = format!("--timeout={}s", PATIENCE.as_secs());
            let wait = ["wait", "-n", NAMESPACE, &condition, &rolled, &limit];
            let answer = cluster.kubectl(&wait)?;
            if !answer.success {
                return Err(unexpected(&format!("{server}: {}", answer.complaints)));
            }
        }
    }
    if get(cluster, &uid)? != before {
        return Err(unexpected("the server that was made again has another volume"));
    }
    steps.done("a server of that name is made again, with the world that there was");
    Ok(())
}
