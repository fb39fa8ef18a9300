//! Files that are made from others.

use std::collections::BTreeMap;

use serde_json::Value;
use xtask::chart;

use crate::support::{documents, file, objects, text};

fn files(folder: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(file(folder)).unwrap().map(|it| it.unwrap().path());
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    entries.map(|it| (name(&it), std::fs::read_to_string(&it).unwrap())).collect()
}

#[test]
fn the_definitions_of_the_chart_are_those_of_the_project() {
    let copies = files("charts/mesegate/files/crds");
    assert_eq!(copies.len(), 4);
    assert!(copies == files("deploy/crds"), "run `cargo xtask generate`");
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn the_definitions_are_installed_as_they_are() {
    let kept = objects("{}");
    let plain = objects("crds: { keep: false }");
    for text in files("deploy/crds").into_values() {
        let wanted = documents(&text).remove(0);
        let of = |all: &[Value]| {
            let name = &wanted["metadata"]["name"];
            all.iter().find(|it| it["metadata"]["name"] == *name).unwrap().clone()
        };
        assert_eq!(of(&kept)["spec"], wanted["spec"]);
        let policy = |it: &Value| it["metadata"]["annotations"]["helm.sh/resource-policy"].clone();
        assert_eq!(policy(&of(&kept)), "keep");
        assert_eq!(policy(&of(&plain)), Value::Null);
    }
    let without = objects("crds: { enabled: false }");
    assert!(!without.iter().any(|it| it["kind"] == "CustomResourceDefinition"));
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn the_plain_manifests_are_those_of_the_chart() {
    let manifests = chart::manifests().unwrap();
    assert!(manifests == text("deploy/install.yaml"), "run `cargo xtask generate`");
    assert!(!manifests.contains("kind: Secret"));
}
