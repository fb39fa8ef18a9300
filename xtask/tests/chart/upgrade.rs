//! From the version of the chart before this one to this one, and back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;
use xtask::chart;
use xtask::kube::Cluster;

use crate::support::{documents, object, objects, pod};

const NAMESPACE: &str = "upgrades";

/// Somebody's network, and what they say that nobody else does.
const NETWORK: &str = "\
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServer
metadata: { name: lobby, labels: { in: all } }
spec: { endpoint: { host: lobby.example.org, port: 30001 }, maxPlayers: 60, weight: 3 }
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: everything }
spec: { selector: { matchLabels: { in: all } }, strategy: LeastPlayers, fallbacks: [ { server: lobby } ] }
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestProxy
metadata: { name: default }
spec: { defaultTarget: { server: lobby }, rejoinLast: true, messages: { shutdown: \"Until soon.\" } }
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestBan
metadata: { name: mallory }
spec: { target: { name: mallory }, reason: enough }
";

/// Objects by kind and name.
type Objects = BTreeMap<(String, String), Value>;

fn run(cluster: &Cluster, arguments: &[&str], input: &str) -> String {
    let answer = cluster.kubectl_with(arguments, input).unwrap();
    assert!(answer.success && answer.complaints.is_empty(), "{arguments:?}: {answer:?}");
    answer.output
}

fn helm(cluster: &Cluster, arguments: &[&str]) {
    let kubeconfig = cluster.kubeconfig().to_string_lossy();
    let place = ["--namespace", NAMESPACE, "--kubeconfig", &kubeconfig];
    let answer = chart::helm(&[arguments, &place[..]].concat(), "").unwrap();
    assert!(answer.success, "{arguments:?}: {}", answer.complaints);
}

/// Everything but helm's own records.
fn all(cluster: &Cluster, kinds: &str) -> Objects {
    let text = run(cluster, &["get", kinds, "-n", NAMESPACE, "-o", "json"], "");
    let mut list: Value = serde_json::from_str(&text).unwrap();
    let items = list["items"].as_array_mut().unwrap().drain(..);
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap().to_owned();
    let kind = |it: &Value| it["kind"].as_str().unwrap().to_owned();
    let items = items.filter(|it| it["type"] != "helm.sh/release.v1");
    items.map(|it| ((kind(&it), name(&it)), it)).collect()
}

/// Whether all of a value is in another one, which may have more fields.
fn within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, it)| whole.get(name).is_some_and(|other| within(it, other)))
        }
        _ => part == whole,
    }
}

/// That the API server serves the definitions of these manifests.
fn defined(cluster: &Cluster, manifests: &[Value]) {
    let served = all(cluster, "crd");
    let mut count = 0;
    for wanted in manifests.iter().filter(|it| it["kind"] == "CustomResourceDefinition") {
        let name = wanted["metadata"]["name"].as_str().unwrap();
        let crd = &served[&("CustomResourceDefinition".to_owned(), name.to_owned())];
        assert!(within(&wanted["metadata"]["labels"], &crd["metadata"]["labels"]), "{name}");
        assert!(within(&wanted["spec"], &crd["spec"]), "{name}");
        count += 1;
    }
    assert_eq!(count, 4);
}

fn rendered(chart: &str) -> Vec<Value> {
    let place = ["--namespace", NAMESPACE, "--kube-version", chart::KUBERNETES];
    let answer = chart::helm(&[&["template", chart::RELEASE, chart], &place[..]].concat(), "");
    let answer = answer.unwrap();
    assert!(answer.success, "{}", answer.complaints);
    documents(&answer.output)
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only chart"]
fn versions_of_the_chart_follow_each_other_and_keep_everything() {
    // Not one that other releases are on: the definitions belong to the cluster.
    let cluster = Cluster::start_on(Ipv4Addr::LOCALHOST).unwrap();
    let (old, new) = (chart::previous(), chart::folder());
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let (old_objects, new_objects) = (rendered(old), rendered(new));
    run(&cluster, &["create", "namespace", NAMESPACE], "");

    helm(&cluster, &["install", chart::RELEASE, old]);
    run(&cluster, &["apply", "-n", NAMESPACE, "--validate=strict", "-f", "-"], NETWORK);
    defined(&cluster, &old_objects);
    let (kinds, others) = ("mts,mtg,mtp,mtb", "secrets,pvc,services,deployments,sa,pdb,roles");
    let (network, release) = (all(&cluster, kinds), all(&cluster, others));
    assert_eq!(network.len(), 4);
    let secret = ("Secret".to_owned(), "mesegate-controller-tls".to_owned());
    assert!(release[&secret]["data"]["ca.crt"].is_string());

    for (arguments, objects) in [
        (["upgrade", chart::RELEASE, new], &new_objects),
        (["upgrade", chart::RELEASE, old], &old_objects),
        (["rollback", chart::RELEASE, "2"], &new_objects),
        (["rollback", chart::RELEASE, "1"], &old_objects),
    ] {
        helm(&cluster, &arguments);
        defined(&cluster, objects);
        for (before, kinds, part) in [(&network, kinds, "spec"), (&release, others, "data")] {
            let after = all(&cluster, kinds);
            for (key, it) in before {
                let now = after.get(key).unwrap_or_else(|| panic!("{arguments:?}: no {key:?}"));
                assert_eq!(now["metadata"]["uid"], it["metadata"]["uid"], "{arguments:?}: {key:?}");
                assert!(within(&it[part], &now[part]), "{arguments:?}: {key:?}: {}", now[part]);
            }
        }
        // The release has the objects of its version, and no others.
        let deployment = ("Deployment".to_owned(), "mesegate-proxy".to_owned());
        let wanted = objects
            .iter()
            .find(|it| it["kind"] == "Deployment" && it["metadata"]["name"] == "mesegate-proxy");
        let there = &all(&cluster, others)[&deployment];
        assert!(within(&wanted.unwrap()["metadata"]["labels"], &there["metadata"]["labels"]));
    }
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn another_version_of_the_chart_alone_replaces_no_pods() {
    let version = |it: &Value| it["metadata"]["labels"]["helm.sh/chart"].clone();
    let all = objects("{}");
    for component in ["controller", "proxy"] {
        let name = format!("mesegate-{component}");
        assert!(version(object(&all, "Deployment", &name).unwrap()).is_string());
        assert!(version(pod(&all, component)).is_null());
    }
}
