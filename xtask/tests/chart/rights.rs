//! The rights that the chart gives are enough, and no more than the manual says.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesegate_testkit::{FakeServer, World};
use serde_json::{Value, json};
use xtask::controller::{Controller, ControllerSpec};
use xtask::kube::{Answer, Cluster};
use xtask::proxy::{Proxy, ProxySpec};
use xtask::run::RunFolder;
use xtask::{chart, wait};

use crate::support::{documents, object, objects, text};

const CONDITION: &str = "jsonpath={.status.conditions[?(@.type==\"Programmed\")].status}";

const SOON: Duration = Duration::from_secs(30);

/// The rules of a role in the manual.
fn manual(kind: &str) -> Value {
    let manual = text("doc/controller.md");
    let mut parts = manual.split("```yaml\n").skip(1).filter_map(|it| it.split("```").next());
    let role = parts.find(|it| it.contains(&format!("kind: {kind}\n"))).unwrap();
    documents(role).remove(0)["rules"].take()
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn rules_are_those_of_the_manual() {
    let all = objects("{}");
    let role = object(&all, "Role", "mesegate-controller").unwrap();
    assert_eq!(role["rules"], manual("Role"));
    let role = object(&all, "ClusterRole", "games:mesegate-reviews").unwrap();
    assert_eq!(role["rules"], manual("ClusterRole"));
    // Without the interface, nothing that only it needs.
    let all = objects("controller: { admin: { enabled: false } }");
    let rules = object(&all, "Role", "mesegate-controller").unwrap()["rules"].to_string();
    assert!(!rules.contains(r#"["minetestservers"]"#), "{rules}");
    assert!(!rules.contains(r#"["minetestbans"],"verbs":["create"]"#), "{rules}");
    let all = objects("controller: { managedServers: { enabled: false } }");
    let rules = object(&all, "Role", "mesegate-controller").unwrap()["rules"].to_string();
    for only in ["statefulsets", "configmaps", "persistentvolumeclaims"] {
        assert!(!rules.contains(only), "{rules}");
    }
    let off = objects("controller: { rbac: { create: false } }");
    assert!(object(&off, "Role", "mesegate-controller").is_none());
    assert!(!off.iter().any(|it| it["kind"].as_str().unwrap().starts_with("Cluster")));
}

fn run(cluster: &Cluster, arguments: &[&str], input: &str) -> String {
    let answer: Answer = cluster.kubectl_with(arguments, input).unwrap();
    assert!(answer.success, "{arguments:?}: {answer:?}");
    answer.output
}

fn save(folder: &Path, name: &str, text: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// All that somebody with this token may do, in lines that can be compared.
fn rights(cluster: &Cluster, token: &str) -> Vec<String> {
    let kubeconfig = cluster.kubeconfig_of("somebody", token).unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let review = r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectRulesReview","spec":{"namespace":"default"}}"#;
    // kubectl would look up what it creates, which they may not.
    let arguments =
        ["--kubeconfig", kubeconfig, "create", "--validate=false", "-o", "json", "-f", "-"];
    let answer: Value = serde_json::from_str(&run(cluster, &arguments, review)).unwrap();
    let rules = ["resourceRules", "nonResourceRules"]
        .map(|it| answer["status"][it].as_array().unwrap().clone());
    let mut rules: Vec<String> = rules.concat().iter().map(Value::to_string).collect();
    rules.sort();
    rules
}

/// Controller and proxy as the chart starts them, with its certificate and its accounts.
#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only chart"]
fn they_are_enough_for_controllers_and_next_to_nothing_for_proxies() {
    let cluster = Cluster::start().unwrap();
    let values = "controller: { tls: { extraNames: [ localhost ] } }";
    let answer = chart::render("default", values).unwrap();
    assert!(answer.success, "{answer:?}");
    run(&cluster, &["apply", "--server-side", "-f", "-"], &answer.output);
    let all = documents(&answer.output);
    let token = |account: &str, more: &[&str]| {
        let arguments = [&["create", "token", account], more].concat();
        run(&cluster, &arguments, "").trim().to_owned()
    };
    let folder = RunFolder::temporary("chart").unwrap();
    let secret = object(&all, "Secret", "mesegate-controller-tls").unwrap();
    let file = |name: &str| {
        let bytes = STANDARD.decode(secret["data"][name].as_str().unwrap()).unwrap();
        save(folder.path(), name, &bytes)
    };
    let (certificate, key, authority) = (file("tls.crt"), file("tls.key"), file("ca.crt"));
    let rights_of_controller = token("mesegate-controller", &[]);
    let spec = ControllerSpec::new("controller-0")
        .kubeconfig(cluster.kubeconfig_of("controller", &rights_of_controller).unwrap())
        .flag("--tls-cert", &certificate)
        .flag("--tls-key", &key)
        .switch("--managed-servers");
    let controller = Controller::start(&cluster, &spec).unwrap();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lobby = {
        let _inside = runtime.enter();
        FakeServer::of(World::new("lobby")).unwrap()
    };
    let documents = format!(
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: {{ name: lobby }}\n\
         spec: {{ endpoint: {{ host: 127.0.0.1, port: {} }} }}\n---\n\
         apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: {{ name: made }}\n\
         spec: {{ managed: {{ image: luanti }} }}\n---\n\
         apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\nmetadata: {{ name: default }}\n\
         spec: {{ defaultTarget: {{ server: lobby }} }}\n",
        lobby.addr().port()
    );
    run(&cluster, &["apply", "-f", "-"], &documents);

    let proxy_token = token("mesegate-proxy", &["--audience=mesegate-control"]);
    let spec =
        ProxySpec::controlled(&[format!("https://localhost:{}", controller.address().port())])
            .flag("--controller-ca", &authority)
            .flag("--controller-token-file", &save(folder.path(), "token", proxy_token.as_bytes()));
    let proxy = Proxy::start(&spec).unwrap();
    let condition = ["get", "mts/lobby", "-o", CONDITION];
    let programmed = wait::until(SOON, || (run(&cluster, &condition, "") == "True").then_some(()));
    assert!(programmed.is_some(), "{}", controller.log());
    let made = ["get", "--ignore-not-found", "sts/made", "-o", "name"];
    let made = wait::until(SOON, || (!run(&cluster, &made, "").is_empty()).then_some(()));
    assert!(made.is_some(), "{}", controller.log());
    assert!(!controller.log().contains("forbidden"), "{}", controller.log());
    drop(proxy);
    // What it may not even look at.
    for rule in rights(&cluster, &rights_of_controller) {
        assert!(!rule.contains("secrets") && !rule.contains("pods"), "{rule}");
    }

    run(&cluster, &["create", "serviceaccount", "nobody"], "");
    let nobody = rights(&cluster, &token("nobody", &[]));
    let proxy = rights(&cluster, &token("mesegate-proxy", &[]));
    let more: Vec<&String> = proxy.iter().filter(|it| !nobody.contains(it)).collect();
    assert_eq!(more.len(), 1, "{more:?}");
    let rule: Value = serde_json::from_str(more[0]).unwrap();
    assert_eq!(rule["resources"], json!(["proxies"]));
    assert_eq!(rule["verbs"], json!(["connect"]));
}
