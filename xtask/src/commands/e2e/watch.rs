//! Prometheus on the node: that it finds everything, and that dashboards and alerts can be computed.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use xtask::kube::Programs;
use xtask::node::Node;
use xtask::{Error, Result, chart, http, wait};

use super::{NAMESPACE, Steps, unexpected};

/// Where it is on the node.
const PORT: u16 = 9490;

/// The pods of the release.
const LABELS: &str = "app.kubernetes.io/name=mesegate";

/// Name, address and port of each.
const PODS: &str = "jsonpath={range .items[*]}{.metadata.name} {.status.podIP} \
                    {.spec.containers[0].ports[?(@.name==\"http\")].containerPort}{\"\\n\"}{end}";

/// What cannot be without a value after somebody has played.
const PRESENT: [&str; 5] = [
    "mesegate_proxy_backend_up",
    "mesegate_proxy_sessions_total",
    "mesegate_proxy_moves_total",
    "mesegate_controller_leader",
    "mesegate_controller_admin_requests_total",
];

/// A Prometheus that scrapes the pods of the release.
pub(super) struct Watch {
    address: SocketAddr,
}

impl Watch {
    /// Starts it.
    pub(super) fn start(node: &Node) -> Result<Self> {
        let program = Programs::prometheus()?;
        let folder = node.folder();
        let config = folder.join("prometheus.yml");
        let alerts = chart::folder().join("files/alerts.yaml");
        let pods = super::get(node.cluster(), &["pods", "-l", LABELS, "-o", PODS])?;
        let text = settings(&pods, &alerts)?;
        std::fs::write(&config, text)
            .map_err(Error::io(format!("writing {}", config.display())))?;
        let address = SocketAddr::from((node.address(), PORT));
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.join("prometheus").display()),
            format!("--web.listen-address={address}"),
        ];
        node.spawn(&program, &arguments, "prometheus.log")?;
        Ok(Self { address })
    }

    /// Looks at targets, rules, and all queries of the dashboards.
    pub(super) fn check(&self, steps: &Steps) -> Result<()> {
        let up = wait::until(Duration::from_secs(30), || {
            let targets = self.ask("/api/v1/targets").ok()?;
            let targets = targets["activeTargets"].as_array()?.clone();
            let up = targets.iter().filter(|it| it["health"] == "up").count();
            // Two controllers and a proxy.
            (up == 3 && targets.len() == 3).then_some(())
        });
        if up.is_none() {
            return Err(unexpected(&format!("targets: {}", self.ask("/api/v1/targets")?)));
        }
        let rules = wait::until(Duration::from_secs(30), || {
            let groups = self.ask("/api/v1/rules").ok()?;
            let rules = groups["groups"][0]["rules"].as_array()?.clone();
            let known = rules.iter().all(|it| it["health"] != "unknown");
            (!rules.is_empty() && known).then_some(rules)
        });
        let rules = rules.ok_or_else(|| unexpected("the alerts were not evaluated"))?;
        if let Some(rule) = rules.iter().find(|it| it["health"] != "ok") {
            return Err(unexpected(&format!("an alert cannot be evaluated: {rule}")));
        }
        for name in PRESENT {
            if self.query(name)? == 0 {
                return Err(unexpected(&format!("{name} has no value")));
            }
        }
        let (mut all, mut empty) = (0, Vec::new());
        for query in queries()? {
            all += 1;
            if self.query(&query)? == 0 {
                empty.push(query);
            }
        }
        steps.done(&format!(
            "Prometheus scrapes 3 pods, evaluates {} alerts, and answers {all} queries of \
             dashboards, {} of them with nothing yet",
            rules.len(),
            empty.len()
        ));
        Ok(())
    }

    /// How many series a query gives.
    fn query(&self, query: &str) -> Result<usize> {
        let mut path = String::from("/api/v1/query?query=");
        for byte in query.bytes() {
            let _ = write!(path, "%{byte:02x}");
        }
        let answer = self.ask(&path);
        let answer = answer.map_err(|error| unexpected(&format!("{query}: {error}")))?;
        Ok(answer["result"].as_array().map_or(0, Vec::len))
    }

    /// The data of an answer that is a success.
    fn ask(&self, path: &str) -> Result<Value> {
        let (status, body) = http::get(self.address, path)?;
        let mut answer: Value = serde_json::from_str(&body).unwrap_or_default();
        if status == 200 && answer["status"] == "success" {
            return Ok(answer["data"].take());
        }
        Err(unexpected(&format!("{status}: {body}")))
    }
}

/// Debian's Prometheus does not know Kubernetes: it is told of the pods that there are.
fn settings(pods: &str, alerts: &Path) -> Result<String> {
    let mut text = format!(
        "global: {{ scrape_interval: 2s, evaluation_interval: 2s }}\nrule_files: [\"{}\"]\n\
         scrape_configs:\n- job_name: mesegate\n  static_configs:\n",
        alerts.display()
    );
    for line in pods.lines() {
        let [name, address, port] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(unexpected(&format!("a pod without an address: {line}")));
        };
        let _ = writeln!(
            text,
            "  - {{ targets: [\"{address}:{port}\"], labels: {{ namespace: {NAMESPACE}, pod: {name} }} }}"
        );
    }
    Ok(text)
}

/// All queries of the dashboards, with their variables filled in.
fn queries() -> Result<Vec<String>> {
    let folder = chart::folder().join("files/dashboards");
    let what = || Error::io(format!("reading {}", folder.display()));
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(what())? {
        let text = std::fs::read_to_string(entry.map_err(what())?.path()).map_err(what())?;
        let board: Value = serde_json::from_str(&text).unwrap_or_default();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        for panel in list(&board["panels"]) {
            for target in list(&panel["targets"]) {
                let query = target["expr"].as_str().unwrap_or_default();
                queries.push(query.replace("$namespace", ".*").replace("$__rate_interval", "1m"));
            }
        }
    }
    if queries.len() < 20 {
        return Err(unexpected(&format!("{} queries in {}", queries.len(), folder.display())));
    }
    Ok(queries)
}
