//! The custom resource definitions.

use kube::CustomResourceExt;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::managed::RESERVED;
use crate::{
    Cidr, Interval, Managed, MinetestBan, MinetestProxy, MinetestServer, MinetestServerGroup, Name,
    ObjectName, Quantity, Reason, Timestamp,
};

/// A type that has the schema of another, which it is read from and written as.
macro_rules! same_as {
    ($type:ty, $other:ty) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                <$other as schemars::JsonSchema>::schema_name()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <$other as schemars::JsonSchema>::json_schema(generator)
            }
        }
    };
}
pub(crate) use same_as;

/// A type that is a text with rules of its own.
macro_rules! text {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text!(Name, "Name", {
    "type": "string",
    "maxLength": 63,
    "x-kubernetes-validations": [{
        "rule": "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "message": format!("write {}", Name::RULE),
    }],
});
text!(ObjectName, "ObjectName", {
    "type": "string",
    "maxLength": 253,
    "x-kubernetes-validations": [{
        "rule": "self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",
        "message": format!("write {}", ObjectName::RULE),
    }],
});
text!(Quantity, "Quantity", {
    "x-kubernetes-int-or-string": true,
    "pattern": Quantity::PATTERN,
});
text!(Interval, "Interval", {
    "type": "string",
    "maxLength": 28,
    "pattern": Interval::PATTERN,
});
text!(Cidr, "Cidr", {
    "type": "string",
    "maxLength": 43,
    "x-kubernetes-validations": [{
        "rule": "isCIDR(self) || isIP(self)",
        "message": "write a network such as 192.0.2.0/24 or 2001:db8::/32, or an address",
    }],
});
text!(Timestamp, "Timestamp", {
    "type": "string",
    "format": "date-time",
    "pattern": Timestamp::PATTERN,
});
// The words are not listed: a newer controller may have more than the definitions in the cluster.
text!(Reason, "Reason", {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "pattern": "^[A-Z][A-Za-z]*$",
});

/// What a label is called.
const LABEL: &str = "matches('^([-0-9a-z.]+/)?[0-9A-Za-z]([-0-9A-Za-z_.]{0,61}[0-9A-Za-z])?$')";

const LABEL_MESSAGE: &str = "write labels as NAME or PREFIX/NAME, such as mesegate.dev/group";

/// The name of a label.
pub(crate) fn label(_: &mut SchemaGenerator) -> Schema {
    label_that(format!("self.{LABEL}"))
}

/// The name of a label, or an empty text.
pub(crate) fn optional_label(_: &mut SchemaGenerator) -> Schema {
    label_that(format!("self == '' || self.{LABEL}"))
}

fn label_that(rule: String) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 317,
        "x-kubernetes-validations": [{ "rule": rule, "message": LABEL_MESSAGE }],
    })
}

/// Labels with their values.
pub(crate) fn labels<const MAX: usize>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX,
        "x-kubernetes-validations": [{
            "rule": format!("self.all(key, key.size() <= 317 && key.{LABEL})"),
            "message": LABEL_MESSAGE,
        }],
        "additionalProperties": label_value(generator),
    })
}

/// Values of one label.
pub(crate) fn label_value_list(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "atomic",
        "items": label_value(generator),
    })
}

/// The value of a label.
pub(crate) fn label_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 63,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^([0-9A-Za-z]([-0-9A-Za-z_.]*[0-9A-Za-z])?)?$')",
            "message": "write up to 63 of a-z, A-Z, 0-9, '-', '_' and '.', \
                        with a letter or digit at both ends",
        }],
    })
}

/// Settings of a server with their values.
pub(crate) fn settings(_: &mut SchemaGenerator) -> Schema {
    let names = json!({
        "rule": "self.all(key, key.size() <= 100 && key.matches('^[-A-Za-z0-9_.:]+$'))",
        "message": "names of settings: write 1 to 100 of a-z, A-Z, 0-9, '_', '.', ':' and '-'",
    });
    let reserved = RESERVED
        .map(|(name, remedy)| json!({ "rule": format!("!('{name}' in self)"), "message": remedy }));
    let rules: Vec<Value> = [names].into_iter().chain(reserved).collect();
    json_schema!({
        "type": "object",
        "maxProperties": 128,
        "x-kubernetes-validations": rules,
        "additionalProperties": {
            "type": "string",
            "maxLength": 1024,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^([^\\\\p{Cc} {\"][^\\\\p{Cc}]*)?$')",
                "message": "write one line of at most 1024 characters that begins with no blank, \
                            '{' or '\"'",
            }],
        },
    })
}

/// The first lines of a file with a definition.
pub const HEAD: &str = "# Made by `cargo xtask generate` from proto/resource; do not edit.\n";

/// All definitions, each with its plural name, ready to be written as YAML or JSON.
pub fn definitions() -> Vec<(String, Value)> {
    let all = [
        MinetestServer::crd(),
        MinetestServerGroup::crd(),
        MinetestProxy::crd(),
        MinetestBan::crd(),
    ];
    all.into_iter()
        .map(|crd| {
            let plural = crd.spec.names.plural.clone();
            // A definition is made of texts, numbers, lists and maps with text keys, all of which
            // JSON has.
            let mut definition = json!(crd);
            finish(&mut definition);
            (plural, definition)
        })
        .collect()
}

/// What cannot be said at the types.
fn finish(definition: &mut Value) {
    let Some(versions) = definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut)
    else {
        return;
    };
    for version in versions {
        let Some(Value::Object(root)) = version.pointer_mut("/schema/openAPIV3Schema") else {
            continue;
        };
        tidy(root);
        root.remove("title");
        let mut rules = vec![json!({
            "rule": "self.metadata.name.size() <= 63 && \
                     self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "message": format!("metadata.name: write {}", Name::RULE),
        })];
        if root.get("properties").is_some_and(|it| it.pointer("/spec/properties/managed").is_some())
        {
            rules.push(json!({
                "rule": "!has(self.spec.managed) || (self.metadata.name.size() <= 52 && \
                         self.metadata.name.matches('^[a-z]'))",
                "message": format!("metadata.name: {}", Managed::NAME_RULE),
            }));
        }
        root.insert("x-kubernetes-validations".to_owned(), rules.into());
    }
}

/// Takes out what API servers warn about or what would contradict the serde side: formats of
/// unsigned numbers, which OpenAPI does not know, and `nullable`, without which a null is the same
/// as nothing.
fn tidy(schema: &mut Map<String, Value>) {
    schema.remove("nullable");
    if schema.get("format").and_then(Value::as_str).is_some_and(|it| it.starts_with("uint")) {
        schema.remove("format");
    }
    // Numbers that are read from whole ones come out as floating ones.
    for limit in ["minimum", "maximum"] {
        if let Some(number) = schema.get(limit).and_then(Value::as_f64) {
            schema.insert(limit.to_owned(), json!(number as i64));
        }
    }
    for (key, value) in schema.iter_mut() {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                properties.values_mut().filter_map(Value::as_object_mut).for_each(tidy);
            }
            ("items" | "additionalProperties", Value::Object(inner)) => tidy(inner),
            _ => {}
        }
    }
}
