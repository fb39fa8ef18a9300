//! Values: what may be given, and that nothing that is given is without effect.

use serde_json::{Map, Value, json};
use xtask::chart;

use crate::support::{FIXED, documents, objects, refusal, text};

/// Parts that Kubernetes checks, not the chart.
const OPEN: [&str; 14] = [
    "affinity",
    "annotations",
    "backends",
    "commonLabels",
    "containerSecurityContext",
    "issuerRef",
    "labels",
    "livenessProbe",
    "metricsFrom",
    "nodeSelector",
    "podAnnotations",
    "podLabels",
    "podSecurityContext",
    "readinessProbe",
];

fn values() -> Value {
    documents(&text("charts/mesegate/values.yaml")).remove(0)
}

fn schema() -> Value {
    serde_json::from_str(&text("charts/mesegate/values.schema.json")).unwrap()
}

/// Every value is in the schema, and the schema has nothing else.
fn same(path: &str, value: &Value, schema: &Value) {
    let name = path.rsplit('.').next().unwrap();
    if OPEN.contains(&name) || name == "resources" {
        return;
    }
    let Value::Object(value) = value else { return };
    assert_eq!(schema["additionalProperties"], json!(false), "{path} is open");
    let properties = schema["properties"].as_object().unwrap();
    let names = |map: &Map<String, Value>| {
        let mut names: Vec<String> = map.keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(value), names(properties), "{path}");
    for (name, value) in value {
        same(&format!("{path}.{name}"), value, &properties[name]);
    }
}

#[test]
fn the_schema_knows_all_values_and_no_others() {
    same("", &values(), &schema());
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn the_chart_is_without_fault_for_helm() {
    let folder = chart::folder();
    let folder = folder.to_string_lossy();
    let lint = chart::helm(&["lint", "--strict", "--quiet", &folder], "").unwrap();
    assert!(lint.success, "{lint:?}");
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn mistyped_values_are_refused() {
    for (values, word) in [
        ("replicas: 2", "replicas"),
        ("proxy: { replcas: 2 }", "replcas"),
        ("proxy: { image: { tagg: x } }", "tagg"),
        ("proxy: { exposure: hostport }", "exposure"),
        ("proxy: { resources: { request: {} } }", "request"),
        ("proxy: { port: 80 }", "port"),
        ("proxy: { stopSeconds: 61 }", "stopSeconds"),
        ("proxy: { drain: { timeout: 60 } }", "timeout"),
        ("proxy: { drain: { nudgePerSecond: -1 } }", "nudgePerSecond"),
        ("proxy: { terminationGracePeriodSeconds: 9 }", "terminationGracePeriodSeconds"),
        ("proxy: { persistence: { size: much } }", "size"),
        ("controller: { replicas: two }", "replicas"),
        ("controller: { tls: { mode: none } }", "mode"),
        ("controller: { admin: { operators: [ { name: a, role: king } ] } }", "role"),
        ("controller: { admin: { operators: [ { name: proxy, role: admin } ] } }", "name"),
        ("controller: { image: { digest: sha256:1 } }", "digest"),
        ("monitoring: { rules: true }", "rules"),
    ] {
        let said = refusal(values);
        assert!(said.contains("schema") && said.contains(word), "{values}: {said}");
    }
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn what_does_not_go_together_is_refused_with_the_reason() {
    for (values, words) in [
        ("proxy: { replicas: 2 }", "one proxy alone can use"),
        ("proxy: { kind: DaemonSet }", "one proxy alone can use"),
        ("proxy: { autoscaling: { enabled: true } }", "one proxy alone can use"),
        ("proxy: { database: { type: postgresql } }", "proxy.database.secretName"),
        ("proxy: { media: { enabled: true } }", "proxy.media.url"),
        ("proxy: { drain: { timeoutSeconds: 891 } }", "it has to be 901 or more"),
        ("proxy: { terminationGracePeriodSeconds: 30, stopSeconds: 60 }", "62 or more"),
        ("controller: { tls: { mode: secret } }", "controller.tls.secretName"),
        ("controller: { tls: { mode: certManager } }", "controller.tls.issuerRef"),
        (
            "proxy: { kind: DaemonSet, autoscaling: { enabled: true }, \
             database: { type: postgresql, secretName: db } }",
            "DaemonSet",
        ),
        (
            "{ proxy: { exposure: hostNetwork }, networkPolicy: { backends: { app: luanti } } }",
            "hostNetwork",
        ),
    ] {
        let said = refusal(values);
        assert!(said.contains(words), "{values}: {said}");
    }
}

/// Values under which others have an effect.
pub(crate) const CONTEXTS: [&str; 6] = [
    "{}",
    "proxy: { database: { type: postgresql, secretName: db }, autoscaling: { enabled: true } }",
    "{ proxy: { media: { enabled: true, url: 'http://a/' } }, controller: { admin: { exposed: \
     true } }, networkPolicy: { enabled: true, backends: { app: a } }, monitoring: { monitors: { \
     enabled: true }, rules: { enabled: true }, dashboards: { enabled: true } }, tracing: { \
     endpoint: 'http://a:4317' } }",
    "proxy: { database: { type: postgresql, secretName: db }, backendKey: { secretName: key } }",
    "controller: { tls: { mode: certManager, issuerRef: { name: ca }, secretName: mine } }",
    "proxy: { media: { url: 'http://a/' }, database: { secretName: db } }",
];

/// Another value than the default one, that the schema allows.
fn other(name: &str, value: &Value, schema: &Value) -> Value {
    if let Some(allowed) = schema["enum"].as_array() {
        return allowed.iter().find(|it| *it != value).unwrap().clone();
    }
    match (name, value) {
        ("tolerations", _) => json!([{ "operator": "Exists" }]),
        ("extraEnv", _) => json!([{ "name": "PROBE", "value": "probe" }]),
        ("extraVolumes" | "extraVolumeMounts" | "imagePullSecrets", _) => {
            json!([{ "name": "probe" }])
        }
        ("extraObjects", _) => json!([{ "kind": "Probe" }]),
        ("operators", _) => json!([]),
        ("accessModes", _) => json!(["ReadWriteOncePod"]),
        ("loadBalancerSourceRanges" | "extraArgs" | "extraNames", _) => json!(["--probe"]),
        ("size", _) => json!("7Gi"),
        ("interval", _) => json!("7s"),
        ("endpoint", _) => json!("http://probe:4317"),
        ("ratio", _) => json!(0.5),
        ("digest", _) => json!(format!("sha256:{}", "7".repeat(64))),
        ("nodePort", _) => json!(31234),
        ("timeoutSeconds", _) => json!(7),
        (_, Value::Bool(value)) => json!(!value),
        (_, Value::Number(value)) => json!(value.as_u64().unwrap() + 1),
        (_, Value::Object(_)) => json!({ "probe": "probe" }),
        (_, Value::String(_) | Value::Null) => json!("probe"),
        _ => panic!("no other value for {name}: {value}"),
    }
}

/// All places with a value, each with another one.
fn others(path: Vec<String>, value: &Value, schema: &Value, out: &mut Vec<(Vec<String>, Value)>) {
    let name = path.last().map_or("", String::as_str);
    match value {
        Value::Object(map) if name == "resources" => {
            assert!(map.contains_key("limits"));
            out.push((path, json!({ "limits": { "memory": "7Mi" } })));
        }
        Value::Object(map) if !OPEN.contains(&name) => {
            for (name, value) in map {
                let inner = &schema["properties"][name];
                others([&path[..], std::slice::from_ref(name)].concat(), value, inner, out);
            }
        }
        _ => out.push((path.clone(), other(name, value, schema))),
    }
}

fn set(values: &mut Value, path: &[String], value: Value) {
    match path {
        [] => *values = value,
        [first, rest @ ..] => {
            if !values[first].is_object() && !rest.is_empty() {
                values[first] = json!({});
            }
            set(&mut values[first], rest, value);
        }
    }
}

fn context(text: &str) -> Value {
    let mut values = documents(text).pop().unwrap_or_else(|| json!({}));
    // Only where nothing else is said, and so that nothing is made by chance.
    if values["controller"]["tls"].is_null() {
        let fixed = documents(FIXED).remove(0);
        set(&mut values, &["controller".into(), "tls".into()], fixed["controller"]["tls"].clone());
    }
    values
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn no_value_is_without_effect() {
    let mut places = Vec::new();
    others(Vec::new(), &values(), &schema(), &mut places);
    assert!(places.len() > 100, "{}", places.len());
    let rendered = |values: &Value| {
        let answer = chart::render("games", &values.to_string()).unwrap();
        // The key of the servers' passwords is another one each time.
        let lines = answer.output.lines().filter(|it| !it.starts_with("  backend.key: "));
        answer.success.then(|| lines.collect::<Vec<_>>().join("\n"))
    };
    let contexts: Vec<(Value, String)> = CONTEXTS
        .iter()
        .map(|it| context(it))
        .map(|it| (it.clone(), rendered(&it).unwrap_or_else(|| panic!("refused: {it}"))))
        .collect();
    let mut idle = Vec::new();
    for (path, value) in places {
        let effective = contexts.iter().any(|(context, before)| {
            let mut values = context.clone();
            set(&mut values, &path, value.clone());
            rendered(&values).is_some_and(|after| after != *before)
        });
        if !effective {
            idle.push(path.join("."));
        }
    }
    assert!(idle.is_empty(), "without effect, or refused: {idle:?}");
}

#[test]
#[ignore = "needs helm: cargo xtask test --only chart"]
fn all_objects_are_labelled_and_in_the_namespace() {
    let text = format!(
        "{{ commonLabels: {{ team: games }}, {} }}",
        &CONTEXTS[2][1..CONTEXTS[2].len() - 1]
    );
    for object in objects(&text) {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "mesegate", "{object}");
        assert_eq!(labels["team"], "games", "{object}");
        let kind = object["kind"].as_str().unwrap();
        let cluster = kind.starts_with("Cluster") || kind == "CustomResourceDefinition";
        assert_eq!(object["metadata"]["namespace"] == "games", !cluster, "{object}");
    }
}
