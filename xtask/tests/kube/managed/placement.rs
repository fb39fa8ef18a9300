//! Where pods run, and how their image is fetched.

use serde_json::{Value, json};
use xtask::kube::Cluster;

use super::{becomes, comes_up, condition, field, server};
use crate::support::{applied, apply, get};

/// The fields of the pod template that are asked for here.
const FIELDS: [&str; 4] = ["imagePullSecrets", "nodeSelector", "tolerations", "priorityClassName"];

/// Those fields as the API server has them.
fn given(cluster: &Cluster) -> Value {
    let set: Value = serde_json::from_str(&get(cluster, &["sts/b", "-o", "json"])).unwrap();
    let spec = &set["spec"]["template"]["spec"];
    FIELDS.iter().filter_map(|it| Some(((*it).to_owned(), spec.get(it)?.clone()))).collect()
}

/// A server that runs with the image luanti:3 gets each field, other values of it, and loses it
/// again; every time its pod is changed, and only then.
pub(super) fn follows(cluster: &Cluster) {
    let revision = || {
        let set = get(cluster, &["sts/b", "-o", "json"]);
        let set: Value = serde_json::from_str(&set).unwrap();
        set["metadata"]["annotations"]["mesegate.dev/revision"].as_str().unwrap().to_owned()
    };
    let plain = revision();
    assert_eq!(given(cluster), json!({}));
    let mut last = plain.clone();
    for (wanted, path, value) in [
        (
            json!({
                "imagePullSecrets": [{ "name": "registry" }, { "name": "mirror" }],
                "nodeSelector": { "kubernetes.io/arch": "amd64", "games": "" },
                "tolerations": [
                    { "key": "games", "operator": "Equal", "value": "luanti",
                      "effect": "NoSchedule" },
                    { "key": "node.kubernetes.io/unreachable", "operator": "Exists",
                      "effect": "NoExecute", "tolerationSeconds": 30 },
                    { "operator": "Exists", "effect": "PreferNoSchedule" },
                    { "key": "slow" },
                ],
                "priorityClassName": "games",
            }),
            "priorityClassName",
            "games",
        ),
        (
            json!({
                "imagePullSecrets": [{ "name": "mirror" }],
                "nodeSelector": { "games": "yes" },
                "tolerations": [{ "operator": "Exists" }],
            }),
            "nodeSelector.games",
            "yes",
        ),
        (json!({}), "nodeSelector", ""),
    ] {
        let fields = wanted.as_object().unwrap().iter();
        let fields: Vec<_> = fields.map(|(name, value)| format!(", {name}: {value}")).collect();
        applied(cluster, &server("b", "luanti:3", &fields.concat()));
        becomes(cluster, "sts/b", &format!(".spec.template.spec.{path}"), value);
        assert_eq!(given(cluster), wanted);
        let now = revision();
        assert_ne!(now, last);
        last = now;
        condition(cluster, "mts/b", "RolledOut", "RollingOut");
        comes_up(cluster, "b");
        condition(cluster, "mts/b", "RolledOut", "RolledOut");
    }
    // Without them it is what it was before.
    assert_eq!(last, plain);
    let before = field(cluster, "mts/b", ".metadata.generation");
    for (more, message) in [
        ("tolerations: [ { value: x } ]", "write key, or operator: Exists"),
        ("tolerations: [ { key: x, operator: Exists, value: v } ]", "leave out value"),
        ("tolerations: [ { key: x, tolerationSeconds: 1 } ]", "needs effect: NoExecute"),
        ("nodeSelector: { -x: v }", "NAME or PREFIX/NAME"),
        ("imagePullSecrets: [ { name: x }, { name: x } ]", "Duplicate value"),
        ("priorityClassName: X", "1 to 253 of a-z"),
    ] {
        let answer = apply(cluster, &server("b", "luanti:3", &format!(", {more}")));
        assert!(!answer.success && answer.complaints.contains(message), "{more}: {answer:?}");
    }
    assert_eq!(field(cluster, "mts/b", ".metadata.generation"), before);
}
