//! Documents of newer releases: what is not known in them is passed over where they come from a
//! cluster, and an error in files.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::fmt::Debug;

use mesegate_resource::{BanSpec, Document, GroupSpec, Kind, Lenient, ProxySpec, ServerSpec};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Maps, whose keys are operators' own; all other objects are structures.
const MAPS: [&str; 4] = ["labels", "matchLabels", "config", "nodeSelector"];

fn fullest() -> Vec<Value> {
    let document = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "mesegate.dev/v1alpha1",
            "kind": kind,
            "metadata": { "name": "a", "labels": { "in": "all" } },
            "spec": spec,
        })
    };
    vec![
        document(
            "MinetestServer",
            json!({
                "endpoint": { "host": "::1", "port": 1 }, "state": "Drain", "maxPlayers": 7,
                "weight": 0, "mediaPool": "p", "fallbacks": [{ "server": "b" }, { "group": "c" }],
                "access": { "permission": "vip" }, "backendAuth": "empty", "displayName": "x",
                "probe": { "interval": "1h", "timeout": "1m", "unhealthyThreshold": 10 },
            }),
        ),
        document("MinetestServer", json!({ "serviceRef": { "name": "a", "port": "game" } })),
        document(
            "MinetestServer",
            json!({ "managed": {
                "image": "a", "config": { "motd": "x" },
                "mods": [
                    { "name": "a", "configMap": "a" },
                    { "name": "b", "persistentVolumeClaim": { "claimName": "b", "path": "c/d" } },
                ],
                "resources": { "requests": { "cpu": 1 }, "limits": { "memory": "1Gi" } },
                "imagePullSecrets": [{ "name": "a" }], "nodeSelector": { "a": "b" },
                "tolerations": [{ "key": "a", "effect": "NoExecute", "tolerationSeconds": 1 }],
                "priorityClassName": "a",
                "storage": { "size": "2Gi" }, "whenDeleted": "Delete",
            } }),
        ),
        document(
            "MinetestServerGroup",
            json!({
                "selector": {
                    "matchLabels": { "in": "all" },
                    "matchExpressions": [{ "key": "a", "operator": "In", "values": ["b"] }],
                },
                "strategy": "Weighted", "joinRate": 5, "emptyPolicy": "Wait",
                "fallbacks": [{ "group": "c" }], "displayName": "x",
            }),
        ),
        document(
            "MinetestProxy",
            json!({
                "defaultTarget": { "group": "a" }, "passwordPolicy": { "allowEmpty": false },
                "limits": { "players": 7 }, "messages": { "full": "no" }, "commandPrefix": "!",
            }),
        ),
        document(
            "MinetestBan",
            json!({
                "target": { "cidr": "192.0.2.0/24" }, "reason": "x",
                "expiresAt": "2030-01-31T12:00:00Z",
            }),
        ),
    ]
}

/// The document as it is once read, and the fields that were passed over.
fn lenient<S: Kind + DeserializeOwned + Debug>(
    document: &Value,
) -> Result<(String, Vec<String>), String> {
    let unknown = RefCell::new(Vec::new());
    let note = |path: &str| unknown.borrow_mut().push(path.to_owned());
    let read: Result<Document<S>, _> =
        serde::Deserialize::deserialize(Lenient::new(document.clone(), &note));
    let read = read.map_err(|error| error.to_string())?;
    read.spec.check().map_err(|fault| fault.to_string())?;
    let mut unknown = unknown.into_inner();
    unknown.sort();
    Ok((format!("{:?} {:?}", read.metadata, read.spec), unknown))
}

fn strict<S: Kind + DeserializeOwned + Debug>(
    document: &Value,
) -> Result<(String, Vec<String>), String> {
    let read: Result<Document<S>, _> = serde_yaml::from_str(&document.to_string());
    let read = read.map_err(|error| error.to_string())?;
    read.spec.check().map_err(|fault| fault.to_string())?;
    Ok((format!("{:?} {:?}", read.metadata, read.spec), Vec::new()))
}

fn read(document: &Value, leniently: bool) -> Result<(String, Vec<String>), String> {
    match (document["kind"].as_str().unwrap(), leniently) {
        ("MinetestServer", true) => lenient::<ServerSpec>(document),
        ("MinetestServer", false) => strict::<ServerSpec>(document),
        ("MinetestServerGroup", true) => lenient::<GroupSpec>(document),
        ("MinetestServerGroup", false) => strict::<GroupSpec>(document),
        ("MinetestProxy", true) => lenient::<ProxySpec>(document),
        ("MinetestProxy", false) => strict::<ProxySpec>(document),
        ("MinetestBan", true) => lenient::<BanSpec>(document),
        ("MinetestBan", false) => strict::<BanSpec>(document),
        (other, _) => unreachable!("{other}"),
    }
}

/// Pointers to all structures in `value`, and what fields of them are called in messages.
fn structures(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            found.push((pointer.to_owned(), path.to_owned()));
            for (key, value) in fields {
                if !MAPS.contains(&key.as_str()) {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    structures(value, &format!("{pointer}/{key}"), &path, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                structures(value, &format!("{pointer}/{index}"), &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

fn with_field(document: &Value, pointer: &str) -> Value {
    let mut document = document.clone();
    let structure = document.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
    structure.insert("newerField".into(), json!({ "deep": [1, { "x": null }] }));
    document
}

#[test]
fn a_further_field_at_any_place_changes_nothing_and_is_named() {
    let mut places = 0;
    for document in fullest() {
        let plain = read(&document, true).unwrap();
        assert!(plain.1.is_empty(), "{plain:?}");
        assert_eq!(plain, read(&document, false).unwrap());
        let mut all = Vec::new();
        structures(&document, "", "", &mut all);
        let (mut everywhere, mut expected) = (document.clone(), Vec::new());
        for (pointer, path) in all {
            let field =
                if path.is_empty() { "newerField".into() } else { format!("{path}.newerField") };
            let one = with_field(&document, &pointer);
            assert_eq!(read(&one, true).unwrap(), (plain.0.clone(), vec![field.clone()]));
            // Metadata has fields of the cluster's own, in files as well.
            let refused = read(&one, false).map_or_else(|error| error, |_| String::new());
            let is_metadata = path == "metadata";
            assert_eq!(!is_metadata, refused.contains("unknown field `newerField`"), "{refused}");
            everywhere = with_field(&everywhere, &pointer);
            expected.push(field);
            places += 1;
        }
        expected.sort();
        assert_eq!(read(&everywhere, true).unwrap(), (plain.0, expected));
    }
    assert!(places > 25, "{places}");
}

#[test]
fn what_makes_no_sense_without_the_unknown_part_is_still_refused() {
    for (kind, spec, words) in [
        ("MinetestServer", json!({ "hosted": {} }), "one of endpoint, serviceRef and managed"),
        (
            "MinetestServer",
            json!({ "endpoint": { "host": "a", "port": 1 }, "fallbacks": [{ "region": "x" }] }),
            "either { server: NAME } or { group: NAME }",
        ),
        (
            "MinetestServer",
            json!({ "endpoint": { "host": "a", "port": 1 }, "state": "Paused" }),
            "Paused",
        ),
        (
            "MinetestServer",
            json!({ "endpoint": { "host": "a", "tcp": 1 } }),
            "missing field `port`",
        ),
        ("MinetestServerGroup", json!({ "selector": { "matchFields": {} } }), "at least one label"),
        ("MinetestProxy", json!({ "defaultTarget": {} }), "either { server: NAME }"),
        ("MinetestBan", json!({ "target": { "account": "x" } }), "either { name: PLAYER }"),
        ("MinetestBan", json!({ "target": { "name": "a b" } }), "a player's name"),
    ] {
        let document = json!({
            "apiVersion": "mesegate.dev/v1alpha1",
            "kind": kind,
            "metadata": { "name": "a" },
            "spec": spec,
        });
        let error = read(&document, true).unwrap_err();
        assert!(error.contains(words), "{spec}: {error}");
    }
}
