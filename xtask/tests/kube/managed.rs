//! Servers that the controller runs. There is an API server and nothing behind it, so the test says
//! what the StatefulSet controller would, and nothing collects what belongs to deleted objects;
//! `cargo xtask e2e` has both.

mod placement;

use std::time::Duration;

use serde_json::{Value, json};
use xtask::controller::{Controller, ControllerSpec};
use xtask::kube::Cluster;
use xtask::wait;

use crate::fleet::{PATIENCE, condition};
use crate::support::{applied, cluster, controller_rights, get};

/// Objects of other people that have the names that those of `taken` and `odd` would have.
const STRANGERS: &str = "\
apiVersion: v1
kind: Service
metadata: { name: taken, labels: { mine: 'yes' } }
spec: { ports: [ { name: game, port: 1, protocol: UDP } ] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: odd-config }
data: { mine: 'yes' }
---
";

/// A namespace that admits little.
const STRICT: &str = "\
apiVersion: v1
kind: Namespace
metadata: { name: strict, labels: { pod-security.kubernetes.io/enforce: restricted } }
";

/// A class whose volumes can grow.
const GROWS: &str = "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: grows }
provisioner: mesegate.dev/none
allowVolumeExpansion: true
";

/// A managed server of the group `games`; `more` are further fields of `managed`, such as
/// `, port: 30001`.
fn server(name: &str, image: &str, more: &str) -> String {
    format!(
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\n\
         metadata: {{ name: {name}, labels: {{ in: games }} }}\n\
         spec: {{ managed: {{ image: \"{image}\"{more} }} }}\n---\n"
    )
}

const GROUP: &str = "\
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: games }
spec: { selector: { matchLabels: { in: games } } }
---
";

fn field(cluster: &Cluster, object: &str, path: &str) -> String {
    get(cluster, &[object, &format!("-o=jsonpath={{{path}}}")])
}

/// Waits until a field has a value; it may be one that is not there yet.
fn becomes(cluster: &Cluster, object: &str, path: &str, value: &str) {
    let path = format!("-o=jsonpath={{{path}}}");
    let mut last = String::new();
    let done = wait::until(PATIENCE * 2, || {
        last = get(cluster, &["--ignore-not-found", object, &path]);
        (last == value).then_some(())
    });
    assert!(done.is_some(), "{object}: {path} is {last:?}, not {value:?}");
}

fn is_there(cluster: &Cluster, object: &str) -> bool {
    !get(cluster, &["--ignore-not-found", object]).is_empty()
}

fn gone(cluster: &Cluster, object: &str) {
    let gone = wait::until(PATIENCE, || (!is_there(cluster, object)).then_some(()));
    assert!(gone.is_some(), "{object} is still there");
}

fn image(cluster: &Cluster, server: &str) -> String {
    field(cluster, &format!("sts/{server}"), ".spec.template.spec.containers[0].image")
}

const IMAGE: &str = ".spec.template.spec.containers[0].image";

/// The pod of a StatefulSet is as it says, and ready, as its controller would tell it.
fn comes_up(cluster: &Cluster, server: &str) {
    let set = format!("sts/{server}");
    let generation: i64 = field(cluster, &set, ".metadata.generation").parse().unwrap();
    let replicas: i64 = field(cluster, &set, ".spec.replicas").parse().unwrap();
    let status = json!({ "status": {
        "observedGeneration": generation, "replicas": replicas, "readyReplicas": replicas,
        "availableReplicas": replicas, "updatedReplicas": replicas,
    } });
    patch_status(cluster, &set, &status);
}

fn patch_status(cluster: &Cluster, object: &str, status: &Value) {
    let status = status.to_string();
    let patch = ["patch", object, "--subresource=status", "--type=merge", "-p", &status];
    let answer = cluster.kubectl(&patch).unwrap();
    assert!(answer.success, "{answer:?}");
}

fn start(cluster: &Cluster, name: &str, managed: bool) -> Controller {
    let mut spec = ControllerSpec::new(name);
    if managed {
        spec = spec.switch("--managed-servers");
    }
    if cluster.is_own() {
        spec = spec.kubeconfig(controller_rights(cluster));
    }
    Controller::start(cluster, &spec).unwrap()
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn managed_servers_are_made_and_changed_one_after_the_other() {
    let cluster = cluster();
    let all = |image: &str| ["a", "b", "c"].map(|it| server(it, image, "")).concat();
    applied(&cluster, &(all("luanti:1") + GROUP));
    let mut idle = start(&cluster, "controller-0", false);
    condition(&cluster, "mts/a", "ResolvedRefs", "NotManaged");
    condition(&cluster, "mts/a", "RolledOut", "NotManaged");
    assert!(!is_there(&cluster, "sts/a"));
    idle.stop(PATIENCE).unwrap();

    let controller = start(&cluster, "controller-1", true);
    condition(&cluster, "mts/a", "RolledOut", "RollingOut");
    made(&cluster);
    for name in ["a", "b", "c"] {
        becomes(&cluster, &format!("sts/{name}"), IMAGE, "luanti:1");
        comes_up(&cluster, name);
        condition(&cluster, &format!("mts/{name}"), "RolledOut", "RolledOut");
    }
    strangers(&cluster);
    order(&cluster, &all("luanti:2"));
    volumes(&cluster);
    state(&cluster);
    placement::follows(&cluster);
    no_longer_managed(&cluster);
    again(&cluster);
    let log = controller.log();
    assert!(!log.contains("forbidden"), "{log}");
    assert!(controller.metric("managed_writes_total").unwrap() > 20.0);
}

/// What there is of a server, and whose it is.
fn made(cluster: &Cluster) {
    let uid = field(cluster, "mts/a", ".metadata.uid");
    for object in ["svc/a", "cm/a-config", "sts/a"] {
        becomes(cluster, object, ".metadata.ownerReferences[0].uid", &uid);
    }
    assert_eq!(field(cluster, "pvc/a-world", ".metadata.ownerReferences"), "");
    assert_eq!(field(cluster, "pvc/a-world", ".spec.resources.requests.storage"), "1Gi");
    assert!(field(cluster, "cm/a-config", ".data").contains("port = 30000"));
    // Its slices tell where it is, without another word.
    condition(cluster, "mts/a", "ResolvedRefs", "NoEndpoints");
    applied(
        cluster,
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: a-1, labels: { \
         kubernetes.io/service-name: a } }\naddressType: IPv4\nports: [ { name: game, port: 30000, \
         protocol: UDP } ]\nendpoints: [ { addresses: [ 198.51.100.7 ], conditions: { ready: true } \
         } ]\n",
    );
    condition(cluster, "mts/a", "ResolvedRefs", "ResolvedRefs");
    becomes(cluster, "mts/a", ".status.address", "198.51.100.7:30000");
    // Its pods are admitted where little is.
    applied(cluster, STRICT);
    cluster.kubectl(&["create", "serviceaccount", "default", "-n", "strict"]).unwrap();
    let set: Value = serde_json::from_str(&get(cluster, &["sts/a", "-o", "json"])).unwrap();
    let mut pod = set["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("probe");
    let create = ["create", "--dry-run=server", "-n", "strict", "-f", "-"];
    let answer = cluster.kubectl_with(&create, &pod.to_string()).unwrap();
    assert!(answer.success && answer.complaints.is_empty(), "{answer:?}");
}

/// What belongs to others is not touched, and no half of a server is made.
fn strangers(cluster: &Cluster) {
    applied(cluster, STRANGERS);
    applied(cluster, &(server("taken", "luanti:1", "") + &server("odd", "luanti:1", "")));
    for name in ["taken", "odd"] {
        condition(cluster, &format!("mts/{name}"), "ResolvedRefs", "NotOwned");
        condition(cluster, &format!("mts/{name}"), "RolledOut", "NotOwned");
        let mine = [format!("sts/{name}"), format!("pvc/{name}-world")];
        assert!(mine.iter().all(|it| !is_there(cluster, it)), "{name}");
    }
    assert!(!is_there(cluster, "svc/odd") && !is_there(cluster, "cm/taken-config"));
    assert_eq!(field(cluster, "svc/taken", ".metadata.labels"), r#"{"mine":"yes"}"#);
    assert_eq!(field(cluster, "cm/odd-config", ".data"), r#"{"mine":"yes"}"#);
    let told = field(cluster, "mts/odd", ".status.conditions[?(@.type==\"RolledOut\")].message");
    assert!(told.contains("ConfigMap odd-config"), "{told}");
    let deleted = cluster.kubectl(&["delete", "mts/taken", "mts/odd"]).unwrap();
    assert!(deleted.success, "{deleted:?}");
}

/// Three servers get another image, and the second one does not come back.
fn order(cluster: &Cluster, all: &str) {
    applied(cluster, all);
    becomes(cluster, "sts/a", IMAGE, "luanti:2");
    for waits in ["b", "c"] {
        condition(cluster, &format!("mts/{waits}"), "RolledOut", "WaitingForTurn");
        assert_eq!(image(cluster, waits), "luanti:1");
    }
    condition(cluster, "mts/a", "RolledOut", "RollingOut");
    comes_up(cluster, "a");
    becomes(cluster, "sts/b", IMAGE, "luanti:2");
    condition(cluster, "mts/a", "RolledOut", "RolledOut");
    // Nothing happens as long as it is away.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(image(cluster, "c"), "luanti:1");
    let told = field(cluster, "mts/c", ".status.conditions[?(@.type==\"RolledOut\")].message");
    assert!(told.contains("when b is done"), "{told}");
    // Mending it needs no turn.
    applied(cluster, &server("b", "luanti:3", ""));
    becomes(cluster, "sts/b", IMAGE, "luanti:3");
    assert_eq!(image(cluster, "c"), "luanti:1");
    comes_up(cluster, "b");
    becomes(cluster, "sts/c", IMAGE, "luanti:2");
    comes_up(cluster, "c");
    for name in ["a", "b", "c"] {
        condition(cluster, &format!("mts/{name}"), "RolledOut", "RolledOut");
    }
    // Settings make other pods, too.
    let path = ".spec.template.metadata.annotations";
    let before = field(cluster, "sts/a", path);
    applied(cluster, &server("a", "luanti:2", ", config: { motd: Hi }"));
    condition(cluster, "mts/a", "RolledOut", "RollingOut");
    assert!(field(cluster, "cm/a-config", ".data").contains("motd = Hi"));
    assert_ne!(field(cluster, "sts/a", path), before);
    comes_up(cluster, "a");
    condition(cluster, "mts/a", "RolledOut", "RolledOut");
}

/// Policies and sizes of volumes.
fn volumes(cluster: &Cluster) {
    let owner = ".metadata.ownerReferences[0].uid";
    let uid = field(cluster, "mts/b", ".metadata.uid");
    applied(cluster, &server("b", "luanti:3", ", whenDeleted: Delete"));
    becomes(cluster, "pvc/b-world", owner, &uid);
    applied(cluster, &server("b", "luanti:3", ""));
    becomes(cluster, "pvc/b-world", owner, "");
    applied(cluster, &server("b", "luanti:3", ", storage: { size: 512Mi }"));
    condition(cluster, "mts/b", "RolledOut", "VolumeFixed");
    let size = ".spec.resources.requests.storage";
    assert_eq!(field(cluster, "pvc/b-world", size), "1Gi");
    applied(cluster, &server("b", "luanti:3", ""));
    condition(cluster, "mts/b", "RolledOut", "RolledOut");

    applied(cluster, GROWS);
    let class = |size: &str| format!(", storage: {{ size: {size}, storageClassName: grows }}");
    applied(cluster, &server("d", "luanti:1", &class("1Gi")));
    becomes(cluster, "pvc/d-world", size, "1Gi");
    let bound = json!({ "status": { "phase": "Bound", "capacity": { "storage": "1Gi" } } });
    patch_status(cluster, "pvc/d-world", &bound);
    becomes(cluster, "sts/d", IMAGE, "luanti:1");
    comes_up(cluster, "d");
    applied(cluster, &server("d", "luanti:1", &class("3Gi")));
    becomes(cluster, "pvc/d-world", size, "3Gi");
}

/// A server that is out of service and has no players has no pod either.
fn state(cluster: &Cluster) {
    let set = |state: &str| {
        let patch = format!("{{\"spec\":{{\"state\":\"{state}\"}}}}");
        let answer = cluster.kubectl(&["patch", "mts/d", "--type=merge", "-p", &patch]).unwrap();
        assert!(answer.success, "{answer:?}");
    };
    set("Disabled");
    becomes(cluster, "sts/d", ".spec.replicas", "0");
    comes_up(cluster, "d");
    condition(cluster, "mts/d", "RolledOut", "RolledOut");
    set("Active");
    becomes(cluster, "sts/d", ".spec.replicas", "1");
    comes_up(cluster, "d");
}

/// A server that runs elsewhere from now on, and one whose volume goes with it.
fn no_longer_managed(cluster: &Cluster) {
    let elsewhere = |name: &str| {
        applied(
            cluster,
            &format!(
                "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: {{ name: \
                 {name}, labels: {{ in: games }} }}\nspec: {{ endpoint: {{ host: 192.0.2.7, port: \
                 30000 }} }}\n"
            ),
        );
        for kind in ["sts/", "svc/"] {
            gone(cluster, &format!("{kind}{name}"));
        }
        gone(cluster, &format!("cm/{name}-config"));
    };
    elsewhere("a");
    becomes(cluster, "mts/a", ".status.address", "192.0.2.7:30000");
    assert!(is_there(cluster, "pvc/a-world"));
    applied(cluster, &server("c", "luanti:2", ", whenDeleted: Delete"));
    let uid = field(cluster, "mts/c", ".metadata.uid");
    becomes(cluster, "pvc/c-world", ".metadata.ownerReferences[0].uid", &uid);
    elsewhere("c");
    // It waits for pods that use it, which nobody looks after here.
    let deleted = wait::until(PATIENCE, || {
        let claim = get(cluster, &["--ignore-not-found", "pvc/c-world", "-o", "json"]);
        (claim.is_empty() || claim.contains("deletionTimestamp")).then_some(())
    });
    assert!(deleted.is_some());
}

/// A server of a name that there was before gets the world that there was, once the rest of its
/// predecessor is gone.
fn again(cluster: &Cluster) {
    let uid = field(cluster, "pvc/b-world", ".metadata.uid");
    let deleted = cluster.kubectl(&["delete", "mts/b"]).unwrap();
    assert!(deleted.success, "{deleted:?}");
    applied(cluster, &server("b", "luanti:9", ""));
    condition(cluster, "mts/b", "RolledOut", "NotOwned");
    assert_eq!(image(cluster, "b"), "luanti:3");
    let collected = cluster.kubectl(&["delete", "sts/b", "svc/b", "cm/b-config"]).unwrap();
    assert!(collected.success, "{collected:?}");
    becomes(cluster, "sts/b", IMAGE, "luanti:9");
    assert_eq!(field(cluster, "pvc/b-world", ".metadata.uid"), uid);
}
