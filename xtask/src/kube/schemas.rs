//! What single releases of Kubernetes take, and kubeconform, which compares documents with that.
//!
//! Each release publishes its API as one OpenAPI document, which is in the Go module of Kubernetes.
//! Of the modules (20 MB each) only the schemas that are made from it are kept in the lab's folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use super::Answer;
use super::programs::{go, installed, tools};
use crate::{Error, Result, lab};

/// The release of kubeconform.
const KUBECONFORM: &str = "v0.8.0";

/// Where the API of a release is in its module.
const API: &str = "api/openapi-spec/swagger.json";

/// How references within an OpenAPI document begin.
const DEFINITIONS: &str = "#/definitions/";

/// A release of Kubernetes whose API documents are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Its number, such as `1.30.14`.
    pub version: &'static str,
}

impl Release {
    /// All that the chart is for, the oldest first.
    pub const ALL: [Self; 8] = [
        Self { version: "1.30.14" },
        Self { version: "1.31.14" },
        Self { version: "1.32.13" },
        Self { version: "1.33.13" },
        Self { version: "1.34.4" },
        Self { version: "1.35.4" },
        Self { version: "1.36.3" },
        Self { version: "1.37.1" },
    ];

    /// What it says to a text of YAML documents: success if each of them is one of its kinds, all
    /// fields are known, of the right type, and the required ones are there. Objects of the kinds in
    /// `skipped` are passed over; other kinds that it does not know are mistakes.
    ///
    /// # Errors
    /// When kubeconform or the schemas cannot be had. Documents with mistakes are no error.
    pub fn check(self, documents: &str, skipped: &[&str]) -> Result<Answer> {
        let location = self.schemas()?.join("{{ .ResourceKind }}{{ .KindSuffix }}.json");
        let mut kubeconform = Command::new(kubeconform()?);
        kubeconform.args(["-strict", "-summary", "-n", "1", "-skip", &skipped.join(",")]);
        kubeconform.arg("-schema-location").arg(location);
        Answer::of(&mut kubeconform, documents)
    }

    /// The folder with a schema for each kind; made when it is missing.
    fn schemas(self) -> Result<PathBuf> {
        let dir = tools()?;
        let folder = dir.join(format!("schemas-v{}", self.version));
        if folder.exists() {
            return Ok(folder);
        }
        let _lock = lab::lock(&dir)?;
        // Another run may have made them while this one waited.
        if folder.exists() {
            return Ok(folder);
        }
        let part = dir.join(format!("schemas-v{}.part", self.version));
        let _ = std::fs::remove_dir_all(&part);
        std::fs::create_dir_all(&part).map_err(Error::io(format!("making {}", part.display())))?;
        let api = self.download(&dir, &part)?;
        let kinds = part.join("kinds");
        std::fs::create_dir(&kinds).map_err(Error::io(format!("making {}", kinds.display())))?;
        for (name, schema) in schemas(&api) {
            let file = kinds.join(format!("{name}.json"));
            std::fs::write(&file, schema.to_string())
                .map_err(Error::io(format!("writing {}", file.display())))?;
        }
        std::fs::rename(&kinds, &folder)
            .map_err(Error::io(format!("moving {}", kinds.display())))?;
        let _ = std::fs::remove_dir_all(&part);
        Ok(folder)
    }

    /// Fetches the module and reads its OpenAPI document. `part` is for what is thrown away.
    fn download(self, dir: &Path, part: &Path) -> Result<Value> {
        let module = format!("k8s.io/kubernetes@v{}", self.version);
        println!("tools: fetching the API of Kubernetes {}", self.version);
        let mut go = go(part)?;
        // Not into the user's cache of modules, where it would take 130 MB.
        let cache = part.join("modules");
        go.env("GOMODCACHE", &cache).env("GOFLAGS", "-modcacherw").current_dir(part);
        go.args(["mod", "download", &module]);
        lab::watched(&mut go, &dir.join("schemas.log"), &format!("tools: {module}"))?;
        let file = cache.join(&module).join(API);
        let text =
            std::fs::read(&file).map_err(Error::io(format!("reading {}", file.display())))?;
        serde_json::from_slice(&text).map_err(|error| Error::Failed {
            what: format!("reading {}", file.display()),
            status: "no JSON".into(),
            output: error.to_string(),
        })
    }
}

/// kubeconform, built when it is missing.
fn kubeconform() -> Result<PathBuf> {
    installed("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", KUBECONFORM)
}

/// Fetches and builds what is missing for [`Release::check`].
///
/// # Errors
/// When this machine cannot.
pub fn ensure() -> Result<()> {
    kubeconform()?;
    Release::ALL.iter().try_for_each(|it| it.schemas().map(|_| ()))
}

/// A JSON schema for each kind of an OpenAPI document, under the name by which kubeconform looks for
/// it: kind, first part of the group, version.
fn schemas(api: &Value) -> Vec<(String, Value)> {
    let empty = Map::new();
    let definitions = api["definitions"].as_object().unwrap_or(&empty);
    let mut all = Vec::new();
    for (name, definition) in definitions {
        let kinds = definition["x-kubernetes-group-version-kind"].as_array();
        for kind in kinds.into_iter().flatten() {
            let [group, version, kind] = ["group", "version", "kind"].map(|it| kind[it].as_str());
            let (Some(version), Some(kind)) = (version, kind) else { continue };
            let group = group.unwrap_or_default().split('.').next().unwrap_or_default();
            let parts = [&kind.to_lowercase(), group, version];
            let parts: Vec<&str> = parts.into_iter().filter(|it| !it.is_empty()).collect();
            let mut needed = Map::new();
            collect(name, definitions, &mut needed);
            let schema = json!({ "$ref": format!("{DEFINITIONS}{name}"), "definitions": needed });
            all.push((parts.join("-"), schema));
        }
    }
    all
}

/// Adds a definition and all that it refers to.
fn collect(name: &str, definitions: &Map<String, Value>, into: &mut Map<String, Value>) {
    if into.contains_key(name) {
        return;
    }
    let Some(definition) = definitions.get(name) else { return };
    let mut referred = Vec::new();
    // The document calls it a string, but API servers take numbers as well
    // (`resource.Quantity.UnmarshalJSON`).
    let schema = if name.ends_with(".api.resource.Quantity") {
        json!({ "type": ["string", "number"] })
    } else {
        strict(definition, &mut referred)
    };
    into.insert(name.into(), schema);
    for name in referred {
        collect(&name, definitions, into);
    }
}

/// A schema that takes no fields but those that it names. What it refers to is added to `referred`.
fn strict(schema: &Value, referred: &mut Vec<String>) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    // OpenAPI 2 has no word for one or the other.
    if schema.get("format").is_some_and(|it| it == "int-or-string") {
        return json!({ "type": ["string", "integer"] });
    }
    let mut made = Map::new();
    for (key, value) in schema {
        let value = match key.as_str() {
            "description" => continue,
            "$ref" => {
                let name = value.as_str().and_then(|it| it.strip_prefix(DEFINITIONS));
                referred.extend(name.map(str::to_owned));
                value.clone()
            }
            "items" | "additionalProperties" => strict(value, referred),
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                fields.map(|(name, it)| (name.clone(), strict(it, referred))).collect()
            }
            _ => value.clone(),
        };
        made.insert(key.clone(), value);
    }
    if made.contains_key("properties") && !made.contains_key("additionalProperties") {
        made.insert("additionalProperties".into(), Value::Bool(false));
    }
    Value::Object(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_all_that_it_needs_and_takes_nothing_else() {
        let api = json!({ "definitions": {
            "a.Kind": {
                "description": "gone",
                "properties": {
                    "description": { "type": "string", "description": "gone" },
                    "inner": { "$ref": "#/definitions/a.Inner" },
                    "map": { "additionalProperties": { "$ref": "#/definitions/a.Kind" } },
                },
                "x-kubernetes-group-version-kind": [
                    { "group": "apps.example.org", "version": "v1", "kind": "Kind" },
                    { "group": "", "version": "v1", "kind": "Kind" },
                ],
            },
            "a.Inner": { "properties": { "size": { "$ref": "#/definitions/x.api.resource.Quantity" } } },
            "x.api.resource.Quantity": { "type": "string" },
            "a.Other": { "type": "string" },
        } });
        let made = schemas(&api);
        let names: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["kind-apps-v1", "kind-v1"]);
        let schema = &made[0].1;
        assert_eq!(schema["$ref"], "#/definitions/a.Kind");
        let definitions = schema["definitions"].as_object().unwrap();
        assert_eq!(definitions.len(), 3);
        let kind = &definitions["a.Kind"];
        assert!(kind.get("description").is_none());
        assert_eq!(kind["properties"]["description"], json!({ "type": "string" }));
        assert_eq!(kind["additionalProperties"], false);
        assert!(kind["properties"]["map"]["additionalProperties"].is_object());
        assert_eq!(definitions["x.api.resource.Quantity"], json!({ "type": ["string", "number"] }));
    }
}
