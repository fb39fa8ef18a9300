//! Rendering the chart and finding one's way in what comes out.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Deserialize as _;
use serde_json::Value;
use xtask::kube::schemas::Release;
use xtask::{chart, paths};

/// Values with which nothing is made by chance.
pub(crate) const FIXED: &str = "controller: { tls: { mode: secret, secretName: given } }\n";

/// All documents of a YAML text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|it| Value::deserialize(it).unwrap())
        .filter(|it| !it.is_null())
        .collect()
}

/// The objects of the chart with these values, in the namespace `games`.
pub(crate) fn objects(values: &str) -> Vec<Value> {
    let answer = chart::render("games", values).unwrap();
    assert!(answer.success, "{values}\n{}", answer.complaints);
    valid(&Release::ALL, &answer.output);
    documents(&answer.output)
}

/// Kinds that other projects bring, whose objects are not compared with anything.
pub(crate) const FOREIGN: [&str; 4] =
    ["PodMonitor", "ServiceMonitor", "PrometheusRule", "Certificate"];

/// Sees that these releases of Kubernetes take the documents. What was seen to be right before, to
/// the letter, is not compared again: most of what the chart makes is the same with all values.
pub(crate) fn valid(releases: &[Release], text: &str) {
    static SEEN: Mutex<BTreeSet<(&'static str, String)>> = Mutex::new(BTreeSet::new());
    for release in releases {
        let document = |it: &&str| (release.version, (*it).to_owned());
        let seen = SEEN.lock().unwrap().clone();
        let new: Vec<&str> =
            text.split("\n---\n").filter(|it| !seen.contains(&document(it))).collect();
        if new.is_empty() {
            continue;
        }
        let answer = release.check(&new.join("\n---\n"), &FOREIGN).unwrap();
        assert!(answer.success, "Kubernetes {}: {answer:?}", release.version);
        SEEN.lock().unwrap().extend(new.iter().map(document));
    }
}

/// What the chart says to values that it refuses.
pub(crate) fn refusal(values: &str) -> String {
    let answer = chart::render("games", values).unwrap();
    assert!(!answer.success, "was taken: {values}");
    answer.complaints
}

/// The object of a kind and a name.
pub(crate) fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name)
}

/// The first container of the workload of a component.
pub(crate) fn container<'a>(objects: &'a [Value], component: &str) -> &'a Value {
    &pod(objects, component)["spec"]["containers"][0]
}

/// The pod template of a component.
pub(crate) fn pod<'a>(objects: &'a [Value], component: &str) -> &'a Value {
    let kinds = ["Deployment", "DaemonSet"];
    let name = format!("mesegate-{component}");
    let found = kinds.iter().find_map(|kind| object(objects, kind, &name));
    &found.unwrap_or_else(|| panic!("no workload {name}"))["spec"]["template"]
}

/// Whether a container has this argument.
pub(crate) fn has_argument(container: &Value, argument: &str) -> bool {
    container["args"].as_array().unwrap().iter().any(|it| it == argument)
}

/// A file of the workspace.
pub(crate) fn file(path: &str) -> PathBuf {
    paths::workspace().join(path)
}

/// The text of a file of the workspace.
pub(crate) fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap()
}
