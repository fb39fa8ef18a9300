//! `cargo xtask e2e`: the images, the chart and `mesegatectl` on a real node, with a real player.

pub(crate) mod keep;
mod managed;
mod place;
mod play;
mod previous;
mod scale;
mod servers;
mod watch;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use xtask::bots::Crowd;
use xtask::images::{self, Profile};
use xtask::kube::{Cluster, Programs};
use xtask::node::Node;
use xtask::oci::Architecture;
use xtask::run::{self as runs, RunFolder};
use xtask::{Error, Result, chart, paths, wait};

use place::Place;

use super::usage;

/// Where everything is installed.
const NAMESPACE: &str = "games";

/// How long a step may take; some need an image to be unpacked or a world to be made.
const PATIENCE: Duration = Duration::from_mins(3);

/// What was asked for.
struct Options {
    profile: Profile,
    foreign: Option<Foreign>,
}

/// Somebody's cluster.
struct Foreign {
    kubeconfig: PathBuf,
    /// Where players reach the proxies: this port, or that of the nodes.
    address: (IpAddr, Option<u16>),
    /// Values of the chart.
    values: Option<PathBuf>,
    /// The URL of a database of PostgreSQL that pods reach.
    database: Option<String>,
}

/// Runs it all.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let Options { profile, foreign } = parse(arguments)?;
    runs::remove_old();
    let steps = Steps { start: Instant::now() };
    match foreign {
        Some(foreign) => on(&steps, &foreign)?,
        None => on_node(&steps, profile)?,
    }
    steps.done("everything");
    Ok(true)
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut profile = Profile::Release;
    let (mut kubeconfig, mut address, mut values, mut database) = (None, None, None, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| usage(format!("{argument} needs a value")));
        match argument.as_str() {
            "--dev" => profile = Profile::Dev,
            "--kubeconfig" => kubeconfig = Some(PathBuf::from(value()?)),
            "--address" => address = Some(parse_address(value()?)?),
            "--values" => values = Some(PathBuf::from(value()?)),
            "--database" => database = Some(postgres_url(value()?)?),
            other => return Err(usage(format!("e2e has no option `{other}`"))),
        }
    }
    let foreign = match (kubeconfig, address) {
        (Some(kubeconfig), Some(address)) => {
            Some(Foreign { kubeconfig, address, values, database })
        }
        (None, None) if values.is_none() && database.is_none() => None,
        (Some(_), None) => {
            let what = "--kubeconfig needs --address, where players reach the proxies";
            return Err(usage(what.into()));
        }
        (None, _) => {
            return Err(usage("--address, --values and --database go with --kubeconfig".into()));
        }
    };
    Ok(Options { profile, foreign })
}

fn postgres_url(text: &str) -> Result<String> {
    let what = || usage(format!("`{text}` is not postgres://USER:PASSWORD@HOST/DATABASE"));
    text.starts_with("postgres").then(|| text.to_owned()).ok_or_else(what)
}

fn parse_address(text: &str) -> Result<(IpAddr, Option<u16>)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok((address.ip(), Some(address.port())));
    }
    let wrong = |_| usage(format!("`{text}` is neither ADDRESS nor ADDRESS:PORT"));
    Ok((text.parse().map_err(wrong)?, None))
}

/// Tells how far it is.
struct Steps {
    start: Instant,
}

impl Steps {
    fn done(&self, what: &str) {
        println!("e2e: {:5.1} s  {what}", self.start.elapsed().as_secs_f64());
    }
}

/// A node of our own that knows the images, which are made here; and their files.
fn prepared(steps: &Steps, profile: Profile) -> Result<(Node, Vec<PathBuf>)> {
    let folder = paths::artifacts().join("images");
    let mut images: Vec<PathBuf> = Vec::new();
    for image in images::build(profile, Architecture::host()?, &folder)? {
        println!("e2e: {} is {:.1} MB", image.name, image.written.unpacked as f64 / 1e6);
        images.push(image.file);
    }
    images.push(servers::image(&folder)?);
    steps.done("the images are built");
    let node = Node::start()?;
    steps.done("the node is ready");
    for image in &images {
        node.load(image)?;
    }
    steps.done("the images are loaded");
    Ok((node, images))
}

/// On a node of our own.
fn on_node(steps: &Steps, profile: Profile) -> Result<()> {
    // Here, so that nothing is waited for later.
    Programs::prometheus()?;
    Crowd::build()?;
    let (node, images) = prepared(steps, profile)?;
    let cluster = node.cluster();
    let volume = node.folder().join("volume");
    std::fs::create_dir_all(&volume).map_err(Error::io("making the volume's folder"))?;
    apply(cluster, &persistent_volume("accounts", &volume))?;
    managed::prepare(&node)?;
    let place = place(cluster);
    let result = install(steps, place).and_then(|()| {
        let address = place.on_node(node.address().into())?;
        let watch = watch::Watch::start(&node)?;
        play::run(steps, cluster, address)?;
        managed::run(steps, cluster, address, managed::Edit::Image)?;
        watch.check(steps)?;
        change(steps, place)?;
        let address = |place: Place<'_>| place.on_node(node.address().into());
        previous::run(steps, place, address, &node.folder().join("log"))?;
        place.remove()?;
        scale::on_node(steps, &node, &images)
    });
    if result.is_err() {
        let logs = paths::artifacts().join("e2e");
        let _ = keep_logs(&node.folder().join("log"), &logs);
        for namespace in [NAMESPACE, scale::NAMESPACE] {
            println!("{}", state(cluster, namespace));
        }
        println!("e2e: logs of the node are in {}", logs.display());
    }
    result
}

/// On somebody's cluster, which has to know the images.
fn on(steps: &Steps, foreign: &Foreign) -> Result<()> {
    Crowd::build()?;
    let cluster = &Cluster::of(&foreign.kubeconfig)?;
    let place = Place { values: foreign.values.as_deref(), ..place(cluster) };
    let address = |place: Place<'_>| match foreign.address {
        (ip, Some(port)) => Ok((ip, port).into()),
        (ip, None) => place.on_node(ip),
    };
    let log = RunFolder::temporary("e2e")?;
    println!("e2e: Prometheus is left out: it would have to reach this cluster's pods");
    println!("e2e: volumes are the cluster's matter; the four kinds stay there afterwards");
    let result = install(steps, place)
        .and_then(|()| play::run(steps, cluster, address(place)?))
        .and_then(|()| managed::run(steps, cluster, address(place)?, managed::Edit::Setting))
        .and_then(|()| change(steps, place))
        .and_then(|()| previous::run(steps, place, address, log.path()));
    if result.is_err() {
        println!("{}", state(cluster, NAMESPACE));
    }
    place.remove()?;
    result?;
    let Some(database) = &foreign.database else {
        println!("e2e: several proxies are left out: they need --database");
        return Ok(());
    };
    scale::on(steps, place, database, address, log.path())
}

/// As the manual says: the chart with its default values, two servers, and the network.
fn install(steps: &Steps, place: Place<'_>) -> Result<()> {
    let cluster = place.cluster;
    place.make()?;
    let folder = chart::folder();
    place.helm(&["install", chart::RELEASE, &folder.to_string_lossy()], "")?;
    steps.done("the chart is installed");
    for file in ["servers.yaml", "network.yaml"] {
        let path = paths::workspace().join("deploy/examples").join(file);
        let text = std::fs::read_to_string(&path)
            .map_err(Error::io(format!("reading {}", path.display())))?;
        apply(cluster, &text)?;
    }
    for deployment in ["mesegate-controller", "mesegate-proxy"] {
        ready(cluster, deployment)?;
        steps.done(&format!("{deployment} is ready"));
    }
    for server in ["mts/lobby", "mts/arena"] {
        let ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", server, "--timeout=180s"];
        let answer = cluster.kubectl(&ready)?;
        if !answer.success {
            return Err(unexpected(&format!("{server}: {}", answer.complaints)));
        }
    }
    print!("{}", get(cluster, &["mts,mtg,mtp", "-n", NAMESPACE])?);
    Ok(())
}

/// Waits until all pods of a Deployment are of its latest template, and ready.
fn ready(cluster: &Cluster, deployment: &str) -> Result<()> {
    place(cluster).rollout(&format!("deployment/{deployment}"))
}

/// An upgrade with other values, back again, and what is left when the release is removed.
fn change(steps: &Steps, place: Place<'_>) -> Result<()> {
    let cluster = place.cluster;
    let certificate = ["secret/mesegate-controller-tls", "-o", "jsonpath={.data}"];
    let before = get(cluster, &certificate)?;
    let proxies = ["pods", "-l", "app.kubernetes.io/component=proxy", "-o", "name"];
    let pods = get(cluster, &proxies)?;
    let folder = chart::folder();
    let folder = folder.to_string_lossy();
    // The pods first and the definitions then, as the manual has it.
    let exposed = "controller.admin.exposed=true";
    for values in [&format!("{exposed},crds.enabled=false"), exposed] {
        place.helm(&["upgrade", chart::RELEASE, &folder, "--set", values], "")?;
        get(cluster, &["mts/lobby"])?;
    }
    ready(cluster, "mesegate-controller")?;
    place.helm(&["test", chart::RELEASE, "--timeout", "1m"], "")?;
    place.helm(&["rollback", chart::RELEASE, "1"], "")?;
    if get(cluster, &certificate)? != before || get(cluster, &proxies)? != pods {
        return Err(unexpected("an upgrade made another certificate, or other proxies"));
    }
    steps.done("the release is upgraded and rolled back; the proxies did not notice");
    place.helm(&["uninstall", chart::RELEASE, "--wait"], "")?;
    let left = get(cluster, &["deployments,services,mts,mtb,pvc", "-o", "name"])?;
    let kept = ["mts/lobby", "mtb/", "persistentvolumeclaim/mesegate-proxy"];
    let short = left
        .replace("minetestserver.mesegate.dev", "mts")
        .replace("minetestban.mesegate.dev", "mtb");
    if kept.iter().any(|it| !short.contains(it)) || short.contains("deployment.apps/mesegate") {
        return Err(unexpected(&format!("after helm uninstall there is: {left}")));
    }
    steps.done("the release is removed; objects and accounts are still there");
    Ok(())
}

/// Where the release of the manual is.
fn place(cluster: &Cluster) -> Place<'_> {
    Place { cluster, namespace: NAMESPACE, values: None }
}

/// A volume for the proxy's claim, on a cluster that makes none by itself.
fn persistent_volume(name: &str, folder: &Path) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{ name: {name} }}\nspec:\n  \
         capacity: {{ storage: 10Gi }}\n  accessModes: [ReadWriteOnce]\n  \
         local: {{ path: {} }}\n  nodeAffinity:\n    required:\n      nodeSelectorTerms:\n        \
         - matchExpressions: [{{ key: kubernetes.io/hostname, operator: In, values: [node-1] }}]\n",
        folder.display()
    )
}

fn apply(cluster: &Cluster, text: &str) -> Result<()> {
    place(cluster).apply(text)
}

fn get(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    place(cluster).get(arguments)
}

fn unexpected(what: &str) -> Error {
    Error::Unsupported(what.trim().to_owned())
}

/// What somebody who looks for the reason wants to see.
fn state(cluster: &Cluster, namespace: &str) -> String {
    let mut text = String::new();
    for arguments in [
        &["get", "all,pvc,mts,mtp", "-n", namespace, "-o", "wide"][..],
        &["get", "events", "-n", namespace, "--sort-by=.lastTimestamp"],
        &["logs", "-n", namespace, "-l", "app.kubernetes.io/component=controller", "--tail=15"],
        &["logs", "-n", namespace, "-l", "app.kubernetes.io/component=proxy", "--tail=15"],
        &["logs", "-n", namespace, "-l", "app.kubernetes.io/name=luanti", "--tail=10"],
    ] {
        if let Ok(answer) = cluster.kubectl(arguments) {
            let _ = writeln!(text, "== kubectl {}", arguments.join(" "));
            let _ = writeln!(text, "{}{}", wait::tail(&answer.output, 40), answer.complaints);
        }
    }
    text
}

fn keep_logs(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
