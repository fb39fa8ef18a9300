//! The YAML of all pages is what a real API server takes, with every field checked.

use std::path::Path;

use xtask::kube::Cluster;
use xtask::paths;

use crate::all;
use crate::blocks::{Block, Kind};
use crate::place::file_name;

const PROXY: &str =
    "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\nmetadata: { name: p }\n";
const ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: { name: r }\n";

/// A whole document of what a block shows; none if it is not an object of a cluster.
fn document(block: &Block) -> Option<String> {
    let text = &block.text;
    if text.contains("apiVersion: ") {
        return Some(text.clone());
    }
    if let Some(fields) = text.strip_prefix("spec:\n") {
        return Some(format!("{PROXY}spec:\n  defaultTarget: {{ server: lobby }}\n{fields}"));
    }
    text.starts_with("rules:\n").then(|| format!("{ROLE}{text}"))
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only docs"]
fn yaml_is_taken() {
    let cluster = Cluster::start().unwrap();
    let folder = paths::workspace().join("deploy/crds");
    let apply = |folder: &Path| {
        let folder = folder.to_str().unwrap();
        cluster.kubectl(&["apply", "-f", folder]).unwrap()
    };
    let answer = apply(&folder);
    assert!(answer.success, "{answer:?}");
    let wait = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    let answer = cluster.kubectl(&wait).unwrap();
    assert!(answer.success, "{answer:?}");
    let all = all();
    let commands: Vec<String> = all
        .iter()
        .filter(|it| it.kind == Kind::Commands)
        .flat_map(|block| block.commands().into_iter().map(|it| it.text))
        .collect();
    let mut tried = 0;
    for block in all.iter().filter(|it| it.kind == Kind::Yaml) {
        let Some(document) = document(block) else {
            // Then it is a file that one of the commands reads, and those are run.
            let name = file_name(block).unwrap_or_else(|| panic!("{}: no document", block.at()));
            let used = commands.iter().any(|it| it.contains(name));
            assert!(used, "{}: nobody uses {name}", block.at());
            continue;
        };
        let apply = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        let answer = cluster.kubectl_with(&apply, &document).unwrap();
        assert!(answer.success && answer.complaints.is_empty(), "{}: {answer:?}", block.at());
        tried += 1;
    }
    assert!(tried > 10, "only {tried} documents");
    let wrong = document(&Block {
        page: String::new(),
        line: 1,
        kind: Kind::Yaml,
        text: "spec:\n  limits: { playrs: 3 }\n".into(),
    });
    let apply = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
    let answer = cluster.kubectl_with(&apply, &wrong.unwrap()).unwrap();
    assert!(!answer.success && answer.complaints.contains("playrs"), "{answer:?}");
}
