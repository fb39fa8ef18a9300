//! Which documents are taken, and what the others are refused with.

use serde::Deserialize;
use serde_yaml::Value;
use xtask::paths;

use crate::support::{applied, apply, cluster, get};

#[derive(Deserialize)]
struct Case {
    why: String,
    kind: String,
    #[serde(default)]
    name: Option<String>,
    spec: Value,
    field: String,
    cluster: String,
}

/// The table of `mesegate-resource`, whose own tests hold files to it.
#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn wrong_documents_are_refused_with_the_remedy() {
    let cluster = cluster();
    let table = paths::workspace().join("proto/resource/tests/wrong.yaml");
    let cases: Vec<Case> = serde_yaml::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let text = format!(
            "apiVersion: mesegate.dev/v1alpha1\nkind: {}\nmetadata: {{ name: {} }}\nspec: {}\n",
            case.kind,
            case.name.as_deref().unwrap_or("a"),
            serde_json::to_string(&case.spec).unwrap()
        );
        let answer = apply(&cluster, &text);
        let said = &answer.complaints;
        if answer.success || !said.contains(&case.cluster) || !said.contains(&case.field) {
            wrong.push(format!("{}: {answer:?}", case.why));
        }
    }
    println!("{} documents were refused", cases.len() - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn defaults_are_filled_in() {
    let cluster = cluster();
    applied(
        &cluster,
        "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\nmetadata: { name: lobby }\n\
         spec: { endpoint: { host: lobby.example, port: 30000 }, probe: { timeout: 2s } }\n---\n\
         apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServerGroup\nmetadata: { name: all }\n\
         spec: { selector: { matchLabels: { game: x } } }\n---\n\
         apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\nmetadata: { name: default }\n\
         spec: { defaultTarget: { group: all }, messages: { full: Enough! } }\n",
    );
    for (object, path, value) in [
        ("mts/lobby", "{.spec.state} {.spec.weight} {.spec.backendAuth}", "Active 1 secret"),
        ("mts/lobby", "{.spec.probe.interval} {.spec.probe.timeout}", "30s 2s"),
        ("mts/lobby", "{.spec.probe.unhealthyThreshold}", "1"),
        ("mtg/all", "{.spec.strategy} {.spec.emptyPolicy}", "LeastPlayers Fallback"),
        ("mtp/default", "{.spec.commandPrefix} {.spec.limits.players}", "> 1000"),
        ("mtp/default", "{.spec.passwordPolicy.allowEmpty} {.spec.messages.full}", "true Enough!"),
        (
            "mtp/default",
            "{.spec.messages.shutdown}",
            "The network restarts. Reconnect in a moment.",
        ),
    ] {
        assert_eq!(get(&cluster, &[object, "-o", &format!("jsonpath={path}")]), value, "{object}");
    }
}

/// Every document that the manual shows is taken by an API server and by the stand-alone proxy.
#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn the_examples_of_the_manual_are_taken_everywhere() {
    let manual = std::fs::read_to_string(paths::workspace().join("doc/resources.md")).unwrap();
    let examples: Vec<&str> = manual
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|text| text.starts_with("apiVersion: mesegate.dev/"))
        .collect();
    for kind in ["MinetestServer", "MinetestServerGroup", "MinetestProxy", "MinetestBan"] {
        let line = format!("kind: {kind}\n");
        assert!(examples.iter().any(|text| text.contains(&line)), "no example of a {kind}");
    }
    let cluster = cluster();
    let together = examples.join("---\n");
    applied(&cluster, &together);

    let folder = xtask::run::RunFolder::temporary("documents").unwrap();
    let file = folder.path().join("network.yaml");
    std::fs::write(&file, &together).unwrap();
    let network = mesegate_proxy::resource::load(&file).unwrap();
    assert!(network.servers().count() >= 2);

    // What a cluster gives back, with everything it adds, is a file that the proxy takes, too.
    let back = get(&cluster, &["mts,mtg,mtp,mtb", "-o", "json"]);
    let back: Value = serde_yaml::from_str(&back).unwrap();
    let items = back.get("items").and_then(Value::as_sequence).unwrap();
    let texts: Vec<String> =
        items.iter().map(|item| serde_yaml::to_string(item).unwrap()).collect();
    std::fs::write(&file, texts.join("---\n")).unwrap();
    let again = mesegate_proxy::resource::load(&file).unwrap();
    assert_eq!(again.servers().count(), network.servers().count());
    assert_eq!(again.proxy, network.proxy);
}
