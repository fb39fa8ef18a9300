//! What is around the fields of every kind.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error, IgnoredAny, Unexpected};
use serde::{Deserialize, Serialize};

use crate::check::Fault;
use crate::name::Name;
use crate::selector::is_label_text;

/// The `spec` of one kind of document.
pub trait Kind {
    /// The `kind` that says so.
    const KIND: &'static str;

    /// Checks what concerns several fields at once. Single fields are checked while they are read.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn check(&self) -> Result<(), Fault>;
}

/// A document with its kind already known.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Document<S> {
    /// Read before, kept so that the field is known here.
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    /// Name and labels.
    pub metadata: Metadata,
    /// The fields of its kind.
    pub spec: S,
    /// What a cluster adds and gives back with the rest.
    #[serde(default, rename = "status")]
    _status: Option<IgnoredAny>,
}

/// The fields that tell what a document is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Group and version.
    pub api_version: String,
    /// Which kind it is.
    pub kind: String,
    /// Read as it is: what is wrong with it is found out with the rest.
    #[serde(default)]
    metadata: serde_json::Value,
}

impl Header {
    /// The name, if there is one; not checked yet.
    pub fn name(&self) -> Option<&str> {
        self.metadata.get("name")?.as_str()
    }
}

/// Object metadata as in Kubernetes. Fields that only a cluster knows are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The name.
    pub name: Name,
    /// What groups choose servers by.
    #[serde(default, deserialize_with = "labels", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// API servers check labels by themselves.
fn labels<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    let labels = Option::<BTreeMap<String, String>>::deserialize(d)?.unwrap_or_default();
    match labels.values().find(|value| !is_label_text(value)) {
        None => Ok(labels),
        Some(value) => Err(D::Error::invalid_value(
            Unexpected::Str(value),
            &"up to 63 of a-z, A-Z, 0-9, '-', '_' and '.', with a letter or digit at both ends",
        )),
    }
}
