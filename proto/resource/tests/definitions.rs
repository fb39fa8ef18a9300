//! The definitions in `deploy/crds` are those that the types say.
#![allow(clippy::unwrap_used)]

#[path = "../examples/definitions/manual.rs"]
mod manual;

use std::path::Path;

use mesegate_resource::schema::{HEAD, definitions};
use serde_json::Value;

/// Calls `look` with every schema inside a definition.
fn walk(value: &Value, path: &str, look: &mut impl FnMut(&str, &Value)) {
    look(path, value);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                walk(value, &format!("{path}.{key}"), look);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                walk(value, &format!("{path}[{index}]"), look);
            }
        }
        _ => {}
    }
}

#[test]
fn files_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    let mut expected = Vec::new();
    for (plural, definition) in definitions() {
        let file = folder.join(format!("{plural}.yaml"));
        let text = HEAD.to_owned() + &serde_yaml::to_string(&definition).unwrap();
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(found == text, "{} is old: run `cargo xtask generate`", file.display());
        expected.push(format!("{plural}.yaml"));
    }
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn the_manual_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../doc/fields.md");
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == manual::text(), "{} is old: run `cargo xtask generate`", file.display());
}

#[test]
fn schemas_have_what_api_servers_want() {
    let all = definitions();
    let kinds: Vec<&str> = all
        .iter()
        .map(|(_, it)| it.pointer("/spec/names/kind").unwrap().as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["MinetestServer", "MinetestServerGroup", "MinetestProxy", "MinetestBan"]);
    for (plural, definition) in &all {
        let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
        walk(schema, plural, &mut |path, it| {
            let Value::Object(schema) = it else { return };
            if let Some(Value::String(format)) = schema.get("format") {
                let known = ["int32", "int64", "date-time"];
                assert!(known.contains(&format.as_str()), "{path}: format {format}");
            }
            let kind = schema.get("type").and_then(Value::as_str);
            if kind == Some("array") {
                assert!(schema.contains_key("maxItems"), "{path} has no limit");
                assert!(
                    schema.contains_key("x-kubernetes-list-type"),
                    "{path} says not how it is merged"
                );
            }
            if let Some(Value::Object(properties)) = schema.get("properties") {
                for (name, property) in properties {
                    let described = property.get("description").is_some();
                    let cluster = ["apiVersion", "kind", "metadata"].contains(&name.as_str());
                    assert!(described || cluster, "{path}.{name} is not described");
                }
            }
            assert!(!schema.contains_key("nullable") || path.ends_with(".properties"), "{path}");
        });
    }
}
