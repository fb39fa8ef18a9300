//! Files to a checked [`Network`].

use std::path::{Path, PathBuf};

use mesegate_resource::{
    API_VERSION, BanSpec, Document, GroupSpec, Header, Kind, Lenient, Metadata, ProxySpec,
    ServerSpec,
};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::assemble::{Read, assemble};
use super::place::{Place, ResourceError};
use crate::network::Network;

/// Files above this are refused: a network of thousands of servers stays far below.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads a file, or every `*.yaml` and `*.yml` of a folder in the order of their names.
///
/// # Errors
/// The first thing that is wrong, with file, line, field and what would be right.
pub fn load(path: &Path) -> Result<Network, ResourceError> {
    let mut docs = Vec::new();
    let files = read_files(path)?;
    for (file, text) in &files {
        read_documents(file, text, &mut docs)?;
    }
    assemble(path, &docs)
}

/// Reads documents that are not in a file yet.
///
/// # Errors
/// As [`load`], with `path` for the file.
pub(crate) fn check(path: &Path, text: &str) -> Result<Network, ResourceError> {
    let mut docs = Vec::new();
    read_documents(path, text, &mut docs)?;
    assemble(path, &docs)
}

/// All files with their text.
pub(super) fn read_files(path: &Path) -> Result<Vec<(PathBuf, String)>, ResourceError> {
    let whole = |file: &Path, what: String| ResourceError::whole(file, what);
    let mut names = Vec::new();
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|e| whole(path, e.to_string()))?;
        for entry in entries {
            let file = entry.map_err(|e| whole(path, e.to_string()))?.path();
            let yaml = file.extension().is_some_and(|e| e == "yaml" || e == "yml");
            // Editors and Kubernetes mounts keep hidden twins beside the real file.
            let hidden = file.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            if yaml && !hidden {
                names.push(file);
            }
        }
        names.sort();
    } else {
        names.push(path.to_owned());
    }
    let mut files = Vec::new();
    for file in names {
        let size = std::fs::metadata(&file).map_err(|e| whole(&file, e.to_string()))?.len();
        if size > MAX_FILE {
            return Err(whole(&file, format!("{size} bytes; at most {MAX_FILE} are read")));
        }
        let text = std::fs::read_to_string(&file).map_err(|e| whole(&file, e.to_string()))?;
        files.push((file, text));
    }
    Ok(files)
}

fn read_documents<'a>(
    file: &'a Path,
    text: &'a str,
    docs: &mut Vec<(Place<'a>, Read)>,
) -> Result<(), ResourceError> {
    let starts = document_lines(text);
    for (index, raw) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let line = starts.get(index).copied().unwrap_or(1);
        let mut place = Place { file, text, line, object: String::new() };
        let header: Option<Header> = parse(&place, raw)?;
        let Some(header) = header else { continue };
        let kind = &header.kind;
        place.object = header.name().map_or_else(|| kind.clone(), |it| format!("{kind} {it}"));
        if header.api_version != API_VERSION {
            let what = format!("{:?} is not known; write {API_VERSION}", header.api_version);
            return Err(place.wrong("apiVersion", what));
        }
        // The second pass reads the same document with the fields of its kind: an enum tagged by
        // `kind` would buffer it and lose the lines.
        let again = serde_yaml::Deserializer::from_str(text).nth(index);
        let Some(again) = again else { continue };
        let read = match header.kind.as_str() {
            ServerSpec::KIND => {
                let (metadata, spec) = document(&place, again)?;
                Read::server(metadata, spec, &place)?
            }
            GroupSpec::KIND => Read::group(document(&place, again)?),
            ProxySpec::KIND => Read::proxy(document(&place, again)?),
            BanSpec::KIND => Read::ban(document(&place, again)?),
            other => {
                let what = format!(
                    "{other:?} is not known; write MinetestServer, MinetestServerGroup, \
                     MinetestProxy or MinetestBan"
                );
                return Err(place.wrong("kind", what));
            }
        };
        docs.push((place, read));
    }
    Ok(())
}

/// A document of a kind, with the checks that concern several of its fields.
fn document<S: Kind + DeserializeOwned>(
    place: &Place<'_>,
    raw: serde_yaml::Deserializer<'_>,
) -> Result<(Metadata, S), ResourceError> {
    let document: Document<S> = parse(place, raw)?;
    document.spec.check().map_err(|fault| place.wrong(&fault.field, fault.what))?;
    Ok((document.metadata, document.spec))
}

/// The line on which each document begins.
fn document_lines(text: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut blank = true;
    for (index, line) in text.lines().enumerate() {
        let separator = line == "---" || line.starts_with("--- ");
        if separator {
            // A separator before any content opens the first document.
            if !(blank && lines.is_empty()) || lines.is_empty() {
                lines.push(index + 1);
            }
        } else if lines.is_empty() && !line.trim().is_empty() && !line.trim().starts_with('#') {
            lines.push(index + 1);
        }
        blank = blank && line.trim().is_empty();
    }
    lines
}

/// Reads a document that a controller gave: `path` is what to call it. Fields that this release
/// does not know are told to `unknown` and passed over, as the controller may be newer; so is a
/// kind that it does not know, which gives `None`.
///
/// # Errors
/// What is wrong with the known part.
pub(crate) fn read_given(
    path: &Path,
    kind: &str,
    document: Value,
    unknown: &dyn Fn(&str),
) -> Result<Option<Read>, ResourceError> {
    let place = given_place(path);
    let read = match kind {
        ServerSpec::KIND => {
            let (metadata, spec) = given(&place, document, unknown)?;
            Read::server(metadata, spec, &place)?
        }
        GroupSpec::KIND => Read::group(given(&place, document, unknown)?),
        ProxySpec::KIND => Read::proxy(given(&place, document, unknown)?),
        BanSpec::KIND => Read::ban(given(&place, document, unknown)?),
        _ => return Ok(None),
    };
    Ok(Some(read))
}

/// A network of documents that a controller gave, each with what it is called.
///
/// # Errors
/// What is wrong with them taken together.
pub(crate) fn join_given<'a>(
    docs: impl Iterator<Item = (&'a Path, Read)>,
) -> Result<Network, ResourceError> {
    let docs: Vec<_> = docs.map(|(path, read)| (given_place(path), read)).collect();
    assemble(Path::new("controller"), &docs)
}

fn given_place(path: &Path) -> Place<'_> {
    Place { file: path, text: "", line: 0, object: String::new() }
}

fn given<S: Kind + DeserializeOwned>(
    place: &Place<'_>,
    document: Value,
    unknown: &dyn Fn(&str),
) -> Result<(Metadata, S), ResourceError> {
    let mut track = serde_path_to_error::Track::new();
    let lenient = Lenient::new(document, unknown);
    let lenient = serde_path_to_error::Deserializer::new(lenient, &mut track);
    let document = Document::<S>::deserialize(lenient)
        .map_err(|error| place.error(0, &track.path().to_string(), error.to_string()))?;
    document.spec.check().map_err(|fault| place.wrong(&fault.field, fault.what))?;
    Ok((document.metadata, document.spec))
}

fn parse<T: DeserializeOwned>(
    place: &Place<'_>,
    raw: serde_yaml::Deserializer<'_>,
) -> Result<T, ResourceError> {
    let mut track = serde_path_to_error::Track::new();
    T::deserialize(serde_path_to_error::Deserializer::new(raw, &mut track)).map_err(|error| {
        let line = error.location().map_or(place.line, |l| l.line());
        let path = track.path().to_string();
        let text = error.to_string();
        // serde_yaml puts a path before and the place after the text; both are fields of ours.
        let text = match text.split_once(": ") {
            Some((head, rest)) if path.starts_with(head) => rest,
            _ => &text,
        };
        let text = text.split(" at line ").next().unwrap_or(text);
        // The error stands on the line of the field or of the mapping around it.
        let last = path.rsplit('.').next().unwrap_or(&path);
        let line = place.line_of_field(line, last);
        place.error(line, &path, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Network, ResourceError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("network.yaml");
        std::fs::write(&file, text).unwrap();
        load(&file)
    }

    const GOOD: &str = "\
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServer
metadata: { name: lobby }
spec:
  endpoint: { host: 127.0.0.1, port: 30001 }
  fallbacks: [ { server: arena } ]
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServer
metadata: { name: arena, labels: { a: b } }
spec:
  endpoint:
    host: ::1
    port: 30002
  backendAuth: empty
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestProxy
metadata: { name: default }
spec:
  defaultTarget: { server: lobby }
  passwordPolicy: { allowEmpty: false }
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: games }
spec:
  selector: { matchLabels: { a: b } }
  fallbacks: [ { group: all } ]
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: all }
spec:
  selector:
    matchExpressions: [ { key: a, operator: NotIn, values: [ c ] } ]
  fallbacks:
  - server: lobby
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestBan
metadata: { name: mallory }
spec: { target: { name: Mallory }, reason: theft }
";

    #[test]
    fn good_documents_are_read_in_order() {
        let network = check(GOOD).unwrap();
        let names: Vec<&str> = network.servers().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["lobby", "arena"]);
        assert_eq!(network.proxy.default_target.name().as_str(), "lobby");
        assert!(!network.proxy.password_policy.allow_empty);
        let members = |group| -> Vec<&str> {
            let group = network.group(group).unwrap();
            network.members(group).map(|server| server.name.as_str()).collect()
        };
        assert_eq!((members("games"), members("all")), (vec!["arena"], vec!["lobby", "arena"]));
        let from = "192.0.2.7".parse().unwrap();
        let ban = network.banned("mallory", from).unwrap();
        assert_eq!(ban.spec.reason.as_deref(), Some("theft"));
        assert!(network.banned("malory", from).is_none());
        assert_eq!(network.server("arena").unwrap().endpoint.to_string(), "[::1]:30002");
    }

    #[test]
    fn errors_carry_line_field_and_remedy() {
        let cases = [
            (GOOD.replace("port: 30002", "port: 70000"), 14, "spec.endpoint.port", "1 to 65535"),
            (
                GOOD.replace("backendAuth: empty", "backendAuth: none"),
                15,
                "spec.backendAuth",
                "secret",
            ),
            (GOOD.replace("  backendAuth", "  backendAuht"), 15, "spec.backendAuht", "backendAuth"),
            (GOOD.replace("{ name: lobby }", "{ name: Lob_by }"), 3, "metadata.name", "a-z"),
            (
                GOOD.replace("server: arena }", "server: aren }"),
                6,
                "spec.fallbacks[0].server",
                "arena",
            ),
            (
                GOOD.replace("Target: { server: lobby", "Target: { server: x"),
                21,
                "spec.defaultTarget.server",
                "lobby",
            ),
            (GOOD.replace("kind: MinetestProxy", "kind: Proxy"), 18, "kind", "MinetestProxy"),
            (
                GOOD.replace("v1alpha1\nkind: MinetestProxy", "v2\nkind: MinetestProxy"),
                17,
                "apiVersion",
                "v1alpha1",
            ),
            (GOOD.replace("name: arena,", "name: lobby,"), 10, "metadata.name", "already"),
            (GOOD.replace("{ name: games }", "{ name: arena }"), 26, "metadata.name", "also"),
            (
                GOOD.replace(
                    "endpoint: { host: 127.0.0.1, port: 30001 }",
                    "serviceRef: { name: a, port: b }",
                ),
                5,
                "spec.serviceRef",
                "controller",
            ),
            (
                GOOD.replace(
                    "endpoint: { host: 127.0.0.1, port: 30001 }",
                    "managed: { image: luanti }",
                ),
                5,
                "spec.managed",
                "controller",
            ),
            (
                GOOD.replace("  - server: lobby", "  - server: games"),
                38,
                "spec.fallbacks[0].server",
                "{ group: games }",
            ),
            (
                GOOD.replace("  - server: lobby", "  - group: games"),
                29,
                "spec.fallbacks",
                "games -> all -> games",
            ),
            (
                GOOD.replace("{ group: all }", "{ group: games }"),
                29,
                "spec.fallbacks[0].group",
                "its own",
            ),
            (
                GOOD.replace("{ group: all }", "{ group: al }"),
                29,
                "spec.fallbacks[0].group",
                "games",
            ),
            (
                GOOD.replace("selector: { matchLabels: { a: b } }", "selector: {}"),
                28,
                "spec.selector",
                "at least one label",
            ),
            (
                GOOD.replace("operator: NotIn", "operator: Not"),
                36,
                "spec.selector.matchExpressions[0].operator",
                "DoesNotExist",
            ),
        ];
        for (text, line, field, remedy) in cases {
            let error = check(&text).unwrap_err();
            assert_eq!((error.line, error.field.as_str()), (line, field), "{error}");
            assert!(error.to_string().contains(remedy), "{error}");
            assert!(error.to_string().contains("network.yaml"), "{error}");
            assert!(error.object.starts_with("Minetest") || field == "kind", "{error}");
        }
    }

    #[test]
    fn a_mistyped_field_is_named_with_its_file_document_and_place() {
        let error = check(&GOOD.replace("  backendAuth", "  backendAuht")).unwrap_err();
        let text = error.to_string();
        let place = ":15: MinetestServer arena: spec.backendAuht: unknown field `backendAuht`";
        assert!(text.contains(place), "{text}");
    }

    #[test]
    fn broken_yaml_and_missing_files_are_errors() {
        assert!(check("a: [").unwrap_err().line > 0);
        assert!(check("").unwrap_err().what.contains("MinetestProxy"));
        let error = load(Path::new("/nonexistent/x.yaml")).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/x.yaml: "));
    }

    #[test]
    fn a_folder_is_read_whole_and_hidden_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (server, rest) = GOOD.split_once("---\n").unwrap();
        std::fs::write(dir.path().join("b.yaml"), server).unwrap();
        std::fs::write(dir.path().join("a.yml"), rest).unwrap();
        std::fs::write(dir.path().join(".b.yaml"), "nonsense: [").unwrap();
        let network = load(dir.path()).unwrap();
        assert_eq!(network.servers().count(), 2);
    }
}
