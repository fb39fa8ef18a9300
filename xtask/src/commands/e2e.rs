//! `cargo xtask e2e`: the images, the chart and `mesegatectl` on a real node, with a real player.

mod managed;
mod play;
mod servers;
mod watch;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use xtask::images::{self, Profile};
use xtask::kube::{Cluster, Programs};
use xtask::node::Node;
use xtask::oci::Architecture;
use xtask::{Error, Result, chart, paths, run as runs, wait};

use super::usage;

/// Where everything is installed.
const NAMESPACE: &str = "games";

/// How long a step may take; some need an image to be unpacked or a world to be made.
const PATIENCE: Duration = Duration::from_mins(3);

/// The namespace, which admits what the chart promises to be content with.
const FIRST: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: games
  labels: { pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted }
";

/// Runs it all.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let mut profile = Profile::Release;
    let mut kubeconfig = None;
    let mut address = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--dev" => profile = Profile::Dev,
            "--kubeconfig" => {
                let file = rest.next().ok_or_else(|| usage("--kubeconfig needs a file".into()))?;
                kubeconfig = Some(PathBuf::from(file));
            }
            "--address" => {
                let text = rest.next().map_or("", String::as_str);
                let wrong = |_| usage(format!("`{text}` is not ADDRESS:PORT"));
                address = Some(text.parse::<SocketAddr>().map_err(wrong)?);
            }
            other => return Err(usage(format!("e2e has no option `{other}`"))),
        }
    }
    runs::remove_old();
    let steps = Steps { start: Instant::now() };
    match kubeconfig {
        Some(file) => {
            let address = address.ok_or_else(|| {
                usage("--kubeconfig needs --address, where players reach the proxies".into())
            })?;
            on(&steps, &Cluster::of(&file)?, address)?;
        }
        None => on_node(&steps, profile)?,
    }
    steps.done("everything");
    Ok(true)
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

/// On a node of our own, with images made here.
fn on_node(steps: &Steps, profile: Profile) -> Result<()> {
    // Here, so that nothing is waited for later.
    Programs::prometheus()?;
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
    let cluster = node.cluster();
    let volume = node.folder().join("volume");
    std::fs::create_dir_all(&volume).map_err(Error::io("making the volume's folder"))?;
    apply(cluster, &persistent_volume(&volume))?;
    managed::prepare(&node)?;
    let result = install(steps, cluster).and_then(|()| {
        let port = get(cluster, &["service/mesegate-proxy", "-o", PORT])?;
        let port = port.parse().map_err(|_| unexpected("the Service has no port of the node"))?;
        let watch = watch::Watch::start(&node)?;
        let address = (node.address(), port).into();
        play::run(steps, cluster, address)?;
        managed::run(steps, cluster, address, managed::Edit::Image)?;
        watch.check(steps)?;
        change(steps, cluster)
    });
    if result.is_err() {
        let logs = paths::artifacts().join("e2e");
        let _ = keep_logs(&node.folder().join("log"), &logs);
        println!("{}", state(cluster));
        println!("e2e: logs of the node are in {}", logs.display());
    }
    result
}

/// On somebody's cluster, which has to know the images.
fn on(steps: &Steps, cluster: &Cluster, address: SocketAddr) -> Result<()> {
    let result = install(steps, cluster)
        .and_then(|()| play::run(steps, cluster, address))
        .and_then(|()| managed::run(steps, cluster, address, managed::Edit::Setting));
    if result.is_err() {
        println!("{}", state(cluster));
    }
    let deleted = cluster.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    println!("e2e: {}", deleted.output.trim());
    result
}

const PORT: &str = "jsonpath={.spec.ports[0].nodePort}";

/// As the manual says: the chart with its default values, two servers, and the network.
fn install(steps: &Steps, cluster: &Cluster) -> Result<()> {
    apply(cluster, FIRST)?;
    let folder = chart::folder();
    helm(cluster, &["install", chart::RELEASE, &folder.to_string_lossy()])?;
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
    let limit = format!("--timeout={}s", PATIENCE.as_secs());
    let name = format!("deployment/{deployment}");
    let answer = cluster.kubectl(&["rollout", "status", "-n", NAMESPACE, &name, &limit])?;
    if answer.success {
        return Ok(());
    }
    Err(unexpected(&format!("{deployment}: {}", answer.complaints)))
}

/// An upgrade with other values, back again, and what is left when the release is removed.
fn change(steps: &Steps, cluster: &Cluster) -> Result<()> {
    let certificate = ["secret/mesegate-controller-tls", "-o", "jsonpath={.data}"];
    let before = get(cluster, &certificate)?;
    let proxies = ["pods", "-l", "app.kubernetes.io/component=proxy", "-o", "name"];
    let pods = get(cluster, &proxies)?;
    let folder = chart::folder();
    let folder = folder.to_string_lossy();
    // The pods first and the definitions then, as the manual has it.
    let exposed = "controller.admin.exposed=true";
    for values in [&format!("{exposed},crds.enabled=false"), exposed] {
        helm(cluster, &["upgrade", chart::RELEASE, &folder, "--set", values])?;
        get(cluster, &["mts/lobby"])?;
    }
    ready(cluster, "mesegate-controller")?;
    helm(cluster, &["test", chart::RELEASE, "--timeout", "1m"])?;
    helm(cluster, &["rollback", chart::RELEASE, "1"])?;
    if get(cluster, &certificate)? != before || get(cluster, &proxies)? != pods {
        return Err(unexpected("an upgrade made another certificate, or other proxies"));
    }
    steps.done("the release is upgraded and rolled back; the proxies did not notice");
    helm(cluster, &["uninstall", chart::RELEASE, "--wait"])?;
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

/// helm, in the namespace of the release.
fn helm(cluster: &Cluster, arguments: &[&str]) -> Result<()> {
    let kubeconfig = cluster.kubeconfig().to_string_lossy();
    let place = ["--namespace", NAMESPACE, "--kubeconfig", &kubeconfig];
    let answer = chart::helm(&[arguments, &place[..]].concat(), "")?;
    // It tells of what stays, too.
    let warned = answer.complaints.lines().any(|it| it.to_lowercase().contains("warning"));
    if answer.success && !warned {
        return Ok(());
    }
    Err(unexpected(&format!("helm {}: {}", arguments[0], answer.complaints)))
}

/// A volume for the proxy's claim, on a cluster that makes none by itself.
fn persistent_volume(folder: &Path) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{ name: accounts }}\nspec:\n  \
         capacity: {{ storage: 10Gi }}\n  accessModes: [ReadWriteOnce]\n  \
         local: {{ path: {} }}\n  nodeAffinity:\n    required:\n      nodeSelectorTerms:\n        \
         - matchExpressions: [{{ key: kubernetes.io/hostname, operator: In, values: [node-1] }}]\n",
        folder.display()
    )
}

fn apply(cluster: &Cluster, text: &str) -> Result<()> {
    let arguments = ["apply", "-n", NAMESPACE, "--validate=strict", "-f", "-"];
    // Objects without a namespace, and the namespace itself, take no harm.
    let arguments: &[&str] =
        if text.contains("kind: Namespace") || text.contains("PersistentVolume") {
            &["apply", "--validate=strict", "-f", "-"]
        } else {
            &arguments
        };
    let answer = cluster.kubectl_with(arguments, text)?;
    if answer.success && answer.complaints.is_empty() {
        return Ok(());
    }
    Err(unexpected(&format!("kubectl apply: {}{}", answer.output, answer.complaints)))
}

fn get(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let answer = cluster.kubectl(&[&["get", "-n", NAMESPACE], arguments].concat())?;
    if answer.success { Ok(answer.output) } else { Err(unexpected(&answer.complaints)) }
}

fn unexpected(what: &str) -> Error {
    Error::Unsupported(what.trim().to_owned())
}

/// What somebody who looks for the reason wants to see.
fn state(cluster: &Cluster) -> String {
    let mut text = String::new();
    for arguments in [
        &["get", "all,pvc,mts,mtp", "-n", NAMESPACE, "-o", "wide"][..],
        &["get", "events", "-n", NAMESPACE, "--sort-by=.lastTimestamp"],
        &["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=controller", "--tail=15"],
        &["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=proxy", "--tail=15"],
        &["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=luanti", "--tail=10"],
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
