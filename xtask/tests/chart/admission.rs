//! A real API server takes what the chart makes, in a namespace that allows little.

use serde_json::{Value, json};
use xtask::kube::Cluster;

use crate::support::{FOREIGN, objects, pod};

const NAMESPACE: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: games
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/enforce-version: latest
    pod-security.kubernetes.io/warn: restricted
";

pub(crate) const VALUES: [&str; 4] = [
    "{}",
    "{ controller: { admin: { exposed: true } }, proxy: { replicas: 3, database: { type: \
     postgresql, secretName: db }, media: { enabled: true, url: 'http://a/' }, autoscaling: { \
     enabled: true }, service: { nodePort: 30123, loadBalancerSourceRanges: [ 198.51.100.0/24 ], \
     ipFamilyPolicy: PreferDualStack } }, networkPolicy: { enabled: true, backends: { app: a }, \
     metricsFrom: { name: m } }, monitoring: { dashboards: { enabled: true } }, commonLabels: { \
     team: games } }",
    "proxy: { kind: DaemonSet, database: { type: postgresql, secretName: db }, service: { type: \
     NodePort } }",
    "proxy: { persistence: { enabled: false }, service: { type: ClusterIP } }",
];

/// As `kubectl apply`, with the API server's word on every field, and without a warning.
fn take(cluster: &Cluster, objects: &[Value], more: &[&str]) {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
    let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"];
    let answer = cluster.kubectl_with(&[&apply, more].concat(), &list).unwrap();
    assert!(answer.success && answer.complaints.is_empty(), "{}", answer.complaints);
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only chart"]
fn what_the_chart_makes_is_taken_under_restricted_pod_security() {
    let cluster = Cluster::start().unwrap();
    let answer = cluster.kubectl_with(&["apply", "-f", "-"], NAMESPACE).unwrap();
    assert!(answer.success, "{answer:?}");
    // It comes with a controller that is not there.
    let account = cluster.kubectl(&["create", "serviceaccount", "default", "-n", "games"]).unwrap();
    assert!(account.success, "{account:?}");
    for values in VALUES {
        let all = objects(values);
        let (pods, known): (Vec<Value>, Vec<Value>) = all
            .iter()
            .filter(|it| !FOREIGN.contains(&it["kind"].as_str().unwrap()))
            .cloned()
            .partition(|it| it["kind"] == "Pod");
        take(&cluster, &known, &["--dry-run=server"]);
        // Workloads are only warned about; pods are refused.
        let templates = ["controller", "proxy"].map(|it| pod(&all, it).clone());
        for template in templates.iter().chain(&pods) {
            let mut spec = template["spec"].clone();
            // Accounts are not made in a dry run, and tokens come with controllers.
            spec["serviceAccountName"] = Value::Null;
            spec["automountServiceAccountToken"] = json!(false);
            let pod = json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": { "name": "probe", "namespace": "games" },
                "spec": spec,
            });
            take(&cluster, &[pod], &["--dry-run=server"]);
        }
    }
    // And once more for good, as an upgrade from one to the other.
    for values in [VALUES[0], VALUES[3], VALUES[0]] {
        let known: Vec<Value> = objects(values);
        take(&cluster, &known, &[]);
    }
    // That the namespace does refuse.
    let rude = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "rude", "namespace": "games" },
        "spec": { "containers": [{ "name": "a", "image": "a" }] },
    });
    let answer =
        cluster.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &rude.to_string());
    let answer = answer.unwrap();
    assert!(!answer.success && answer.complaints.contains("restricted"), "{answer:?}");
}
