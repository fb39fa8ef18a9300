//! The manual of all fields, made of the definitions.

use std::fmt::Write as _;

use mesegate_resource::schema::definitions;
use serde_json::Value;

/// What it begins with.
const HEAD: &str = "<!-- Made by `cargo xtask generate` from proto/resource; do not edit. -->\n\
    # Every field of every resource\n\n\
    What [resource documents](resources.md) are made of, as the API server knows it \
    (`deploy/crds`) and `kubectl explain` tells it. Fields without a default that are not *required* \
    may be left out. Fields of `status` are written by the [controller](controller.md).\n";

/// The whole text.
pub(crate) fn text() -> String {
    let mut text = HEAD.to_owned();
    for (_, definition) in definitions() {
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default();
        let names = definition["spec"]["names"]["shortNames"][0].as_str().unwrap_or_default();
        let _ = write!(text, "\n## {kind}\n\n{} Short: `{names}`.\n", said(schema));
        text.push_str("\n| field | type | default | meaning |\n|---|---|---|---|\n");
        for part in ["spec", "status"] {
            fields(&schema["properties"][part], part, &mut text);
        }
    }
    text
}

/// The rows of what is inside of an object.
fn fields(schema: &Value, path: &str, text: &mut String) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required = schema["required"].as_array();
    for (name, field) in properties {
        let inner = if field["type"] == "array" { &field["items"] } else { field };
        let path = format!("{path}.{name}{}", if field["type"] == "array" { "[]" } else { "" });
        let must = required.is_some_and(|all| all.iter().any(|it| it == name));
        let default = if must { "*required*".into() } else { default(field) };
        let _ = writeln!(text, "| `{path}` | {} | {default} | {} |", kind(field), said(field));
        fields(inner, &path, text);
    }
}

/// A default that says more than the defaults of the fields inside.
fn default(field: &Value) -> String {
    match &field["default"] {
        Value::Null | Value::Object(_) => String::new(),
        value if field["type"] == "object" => format!("`{value}`"),
        Value::String(text) if text.is_empty() => "`\"\"`".into(),
        Value::String(text) => cell(&format!("`{text}`")),
        value => format!("`{value}`"),
    }
}

fn kind(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> =
            values.iter().filter_map(|it| Some(format!("`{}`", it.as_str()?))).collect();
        return values.join(", ");
    }
    if field["x-kubernetes-int-or-string"] == true {
        return "amount".into();
    }
    match field["type"].as_str().unwrap_or("any") {
        "array" => match field["items"]["type"].as_str() {
            Some("object") | None => "list".into(),
            Some(_) => format!("list of {}", kind(&field["items"])),
        },
        "integer" => match (&field["minimum"], &field["maximum"]) {
            (Value::Null, Value::Null) => "integer".into(),
            (low, Value::Null) => format!("integer from {low}"),
            (Value::Null, high) => format!("integer, 0 to {high}"),
            (low, high) => format!("integer, {low} to {high}"),
        },
        "object" if field.get("additionalProperties").is_some() => "map".into(),
        other => other.into(),
    }
}

fn said(field: &Value) -> String {
    cell(&field["description"].as_str().unwrap_or_default().replace('\n', " "))
}

/// Text in a cell of a table, which a bar would end.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
