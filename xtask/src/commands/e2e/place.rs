//! A namespace with a release of the chart in it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use xtask::kube::Cluster;
use xtask::{Result, chart, wait};

use super::{PATIENCE, unexpected};

/// The port that a Service has on nodes.
const PORT: &str = "jsonpath={.spec.ports[0].nodePort}";

/// The release's pods: component, name, node, and when one was told to end, if it was.
const PODS: &str = "jsonpath={range .items[*]}{.metadata.labels.app\\.kubernetes\\.io/component} \
                    {.metadata.name} {.spec.nodeName} {.metadata.deletionTimestamp}{\"\\n\"}{end}";

/// The label of the release's pods.
const RELEASE: &str = "app.kubernetes.io/name=mesegate";

/// Where something is installed.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) namespace: &'a str,
    /// A file of values for every installation.
    pub(super) values: Option<&'a Path>,
}

/// A pod of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    /// `proxy` or `controller`.
    component: String,
    pub(super) name: String,
    pub(super) node: String,
    /// Whether it was told to end.
    ending: bool,
}

impl Place<'_> {
    /// The namespace, which admits what the chart promises to be content with.
    pub(super) fn make(&self) -> Result<()> {
        self.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n  labels: {{ \
             pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: \
             restricted }}\n",
            self.namespace
        ))
    }

    /// Removes the namespace with all that is in it, later.
    pub(super) fn remove(&self) -> Result<()> {
        let delete = ["delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found"];
        let answer = self.cluster.kubectl(&delete)?;
        if answer.success { Ok(()) } else { Err(unexpected(&answer.complaints)) }
    }

    /// Without an error, a warning or an unknown field.
    pub(super) fn apply(&self, text: &str) -> Result<()> {
        let arguments = ["apply", "-n", self.namespace, "--validate=strict", "-f", "-"];
        // Objects without a namespace, and the namespace itself, take no harm.
        let arguments: &[&str] =
            if text.contains("kind: Namespace") || text.contains("PersistentVolume") {
                &["apply", "--validate=strict", "-f", "-"]
            } else {
                &arguments
            };
        let answer = self.cluster.kubectl_with(arguments, text)?;
        if answer.success && answer.complaints.is_empty() {
            return Ok(());
        }
        Err(unexpected(&format!("kubectl apply: {}{}", answer.output, answer.complaints)))
    }

    /// `kubectl get`.
    pub(super) fn get(&self, arguments: &[&str]) -> Result<String> {
        let place = ["get", "-n", self.namespace];
        let answer = self.cluster.kubectl(&[&place, arguments].concat())?;
        if answer.success { Ok(answer.output) } else { Err(unexpected(&answer.complaints)) }
    }

    /// helm, without a warning; with values (YAML) if there are any.
    pub(super) fn helm(&self, arguments: &[&str], values: &str) -> Result<()> {
        let kubeconfig = self.cluster.kubeconfig().to_string_lossy();
        let place = ["--namespace", self.namespace, "--kubeconfig", &kubeconfig];
        let mut all = [arguments, &place[..]].concat();
        let file = self.values.map(Path::to_string_lossy);
        if let (Some(file), Some(&("install" | "upgrade"))) = (&file, arguments.first()) {
            all.extend(["--values", file]);
        }
        if !values.is_empty() {
            all.extend(["--values", "-"]);
        }
        let answer = chart::helm(&all, values)?;
        // It tells of what stays, too.
        let warned = answer.complaints.lines().any(|it| it.to_lowercase().contains("warning"));
        if answer.success && !warned {
            return Ok(());
        }
        Err(unexpected(&format!("helm {}: {}", arguments[0], answer.complaints)))
    }

    /// Waits until all pods of a workload, such as `deployment/NAME`, are of its latest template,
    /// and ready.
    pub(super) fn rollout(&self, workload: &str) -> Result<()> {
        let limit = format!("--timeout={}s", PATIENCE.as_secs());
        let status = ["rollout", "status", "-n", self.namespace, workload, &limit];
        let answer = self.cluster.kubectl(&status)?;
        if answer.success {
            return Ok(());
        }
        Err(unexpected(&format!("{workload}: {}", answer.complaints)))
    }

    /// Where players reach the proxies of the release on a node.
    pub(super) fn on_node(&self, node: IpAddr) -> Result<SocketAddr> {
        let port = self.get(&["service/mesegate-proxy", "-o", PORT])?;
        let port = port.parse().map_err(|_| unexpected("the Service has no port of the node"))?;
        Ok((node, port).into())
    }

    /// Waits until there are so many proxies, and nothing of the release is about to end.
    pub(super) fn settled(&self, proxies: usize) -> Result<Vec<Pod>> {
        let mut last = Vec::new();
        let done = wait::until(PATIENCE, || {
            last = self.pods().ok()?;
            let there = last.iter().filter(|it| it.component == "proxy").count();
            (there == proxies && last.iter().all(|it| !it.ending)).then_some(())
        });
        done.ok_or_else(|| unexpected(&format!("there should be {proxies} proxies: {last:?}")))?;
        last.retain(|it| it.component == "proxy");
        Ok(last)
    }

    fn pods(&self) -> Result<Vec<Pod>> {
        let text = self.get(&["pods", "-l", RELEASE, "-o", PODS])?;
        Ok(text.lines().filter_map(pod).collect())
    }
}

fn pod(line: &str) -> Option<Pod> {
    let mut words = line.split(' ').map(str::to_owned);
    let (component, name, node) = (words.next()?, words.next()?, words.next()?);
    Some(Pod { component, name, node, ending: words.next().is_some_and(|it| !it.is_empty()) })
}
