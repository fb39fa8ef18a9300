//! The list of everything that is in an image, as CycloneDX has it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::oci::{self, Architecture};
use crate::{Error, Result, paths, tools};

/// The list for a program: its crates, as they are locked, and packages of Debian.
///
/// # Errors
/// When cargo does not tell.
pub(super) fn bill(
    program: &str,
    architecture: Architecture,
    packages: &[(String, String)],
) -> Result<String> {
    let target = format!("{}-unknown-linux-gnu", architecture.machine());
    let mut cargo = tools::cargo();
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &target]);
    let text = oci::run(cargo.current_dir(paths::workspace()))?;
    let metadata: Value = serde_json::from_str(&text)
        .map_err(|error| Error::Unsupported(format!("cargo metadata: {error}")))?;
    let crates = linked(&metadata, program);
    let version = |name: &str| crates.iter().find(|it| it["name"] == name).map(|it| &it["version"]);
    let own = version(program).cloned().unwrap_or_default();
    let mut components: Vec<Value> = crates.iter().map(|it| of_crate(it)).collect();
    components.extend(packages.iter().map(|(name, version)| {
        json!({
            "type": "library",
            "name": name,
            "version": version,
            "purl": format!("pkg:deb/debian/{name}@{version}?arch={}", architecture.name()),
        })
    }));
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": { "type": "application", "name": program, "version": own } },
        "components": components,
    });
    Ok(format!("{bill:#}\n"))
}

fn of_crate(package: &Value) -> Value {
    let (name, version) = (&package["name"], &package["version"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut component = json!({
        "type": "library",
        "name": name,
        "version": version,
        "purl": format!("pkg:cargo/{}@{}", text(name), text(version)),
    });
    if let Some(licence) = package["license"].as_str() {
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    component
}

/// The packages that are compiled into a program: neither tests' nor builds' own.
fn linked<'a>(metadata: &'a Value, program: &str) -> Vec<&'a Value> {
    let list = |value: &'a Value| value.as_array().map(Vec::as_slice).unwrap_or_default();
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .iter()
        .map(|it| (it["id"].as_str().unwrap_or(""), it))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|it| (it["id"].as_str().unwrap_or(""), it))
        .collect();
    let first = packages.iter().find(|(_, it)| it["name"] == program).map(|(id, _)| *id);
    let mut wanted: Vec<&str> = first.into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = wanted.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(node) = nodes.get(id) else { continue };
        for dependency in list(&node["deps"]) {
            if list(&dependency["dep_kinds"]).iter().any(|it| it["kind"].is_null()) {
                wanted.extend(dependency["pkg"].as_str());
            }
        }
    }
    let mut found: Vec<&Value> = seen.iter().filter_map(|id| packages.get(id).copied()).collect();
    found.sort_by_key(|it| (it["name"].to_string(), it["version"].to_string()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_and_nothing_else() {
        let dependency =
            |pkg: &str, kind: Value| json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [
                { "id": "p", "name": "program", "version": "1.0.0" },
                { "id": "a", "name": "a", "version": "2.0.0", "license": "MIT/Apache-2.0" },
                { "id": "b", "name": "b", "version": "3.0.0" },
                { "id": "t", "name": "t", "version": "4.0.0" },
            ],
            "resolve": { "nodes": [
                { "id": "p", "deps": [dependency("a", Value::Null), dependency("t", json!("dev"))] },
                { "id": "a", "deps": [dependency("b", Value::Null)] },
                { "id": "b", "deps": [] },
                { "id": "t", "deps": [] },
            ] },
        });
        let found = linked(&metadata, "program");
        let names: Vec<&Value> = found.iter().map(|it| &it["name"]).collect();
        assert_eq!(names, ["a", "b", "program"]);
        assert_eq!(of_crate(found[0])["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }

    #[test]
    fn the_real_list_names_what_the_proxy_is_made_of() {
        let packages = [("libc6".to_owned(), "2.36-9".to_owned())];
        let text = bill("mesegate-proxy", Architecture::Amd64, &packages).unwrap();
        for wanted in
            ["pkg:cargo/tokio@", "pkg:cargo/mesegate-proxy@", "pkg:deb/debian/libc6@2.36-9"]
        {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert!(!text.contains("pkg:cargo/proptest@"));
    }
}
