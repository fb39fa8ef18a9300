//! Files to a checked [`Network`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::model::{API_VERSION, Document, Header, Name, ProxySpec, ServerSpec};
use crate::network::{Network, Server};

/// Files above this are refused: a network of thousands of servers stays far below.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What is wrong with a set of documents, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ResourceError {
    /// The file.
    pub file: PathBuf,
    /// Line in the file, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Path of the field, such as `spec.endpoint.port`; empty when none is meant.
    pub field: String,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.field.is_empty() && self.field != "." {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Where a document stands.
#[derive(Debug, Clone)]
struct Place<'a> {
    file: &'a Path,
    text: &'a str,
    /// First line of the document, from 1.
    line: usize,
}

impl Place<'_> {
    fn error(&self, line: usize, field: &str, what: impl Into<String>) -> ResourceError {
        ResourceError {
            file: self.file.to_owned(),
            line,
            field: field.to_owned(),
            what: what.into(),
        }
    }

    /// The line of the field itself: errors of a value's own check carry the line on which the
    /// mapping around it begins.
    fn line_of_field(&self, from: usize, path: &str) -> usize {
        let name = path.rsplit('.').next().unwrap_or(path);
        let name = name.split('[').next().unwrap_or(name);
        let key = format!("{name}:");
        let lines = self.text.lines().enumerate().skip(from.saturating_sub(1));
        // The first line may be the separator that opens the document.
        let mut lines = lines.take_while(|(i, text)| *i < from || !text.starts_with("---"));
        lines.find(|(_, text)| text.contains(&key)).map_or(from, |(index, _)| index + 1)
    }

    /// The line of a field of the document, for errors found after reading.
    fn line_of(&self, field: &str) -> usize {
        self.line_of_field(self.line, field)
    }
}

/// One document that was read, with its place.
enum Read {
    Server(Name, ServerSpec),
    Proxy(Name, ProxySpec),
}

/// Reads a file, or every `*.yaml` and `*.yml` of a folder in the order of their names.
///
/// # Errors
/// The first thing that is wrong, with file, line, field and what would be right.
pub fn load(path: &Path) -> Result<Network, ResourceError> {
    let files = read_files(path)?;
    let mut docs = Vec::new();
    for (file, text) in &files {
        read_documents(file, text, &mut docs)?;
    }
    assemble(path, docs)
}

/// All files with their text.
pub(super) fn read_files(path: &Path) -> Result<Vec<(PathBuf, String)>, ResourceError> {
    let whole = |file: &Path, what: String| ResourceError {
        file: file.to_owned(),
        line: 0,
        field: String::new(),
        what,
    };
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
        let place = Place { file, text, line };
        let header: Option<Header> = parse(&place, raw)?;
        let Some(header) = header else { continue };
        if header.api_version != API_VERSION {
            let what = format!("{:?} is not known; write {API_VERSION}", header.api_version);
            return Err(place.error(place.line_of("apiVersion"), "apiVersion", what));
        }
        // The second pass reads the same document with the fields of its kind: an enum tagged by
        // `kind` would buffer it and lose the lines.
        let again = serde_yaml::Deserializer::from_str(text).nth(index);
        let Some(again) = again else { continue };
        let read = match header.kind.as_str() {
            "MinetestServer" => {
                let doc: Document<ServerSpec> = parse(&place, again)?;
                Read::Server(doc.metadata.name, doc.spec)
            }
            "MinetestProxy" => {
                let doc: Document<ProxySpec> = parse(&place, again)?;
                Read::Proxy(doc.metadata.name, doc.spec)
            }
            other => {
                let what = format!("{other:?} is not known; write MinetestServer or MinetestProxy");
                return Err(place.error(place.line_of("kind"), "kind", what));
            }
        };
        docs.push((place, read));
    }
    Ok(())
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
        let line = place.line_of_field(line, &path);
        place.error(line, &path, text)
    })
}

fn assemble(path: &Path, docs: Vec<(Place<'_>, Read)>) -> Result<Network, ResourceError> {
    let mut servers: BTreeMap<Name, (Place<'_>, ServerSpec)> = BTreeMap::new();
    let mut order = Vec::new();
    let mut proxy: Option<(Place<'_>, ProxySpec)> = None;
    for (place, read) in docs {
        match read {
            Read::Server(name, spec) => {
                if let Some((first, _)) = servers.get(&name) {
                    let at = format!("{}:{}", first.file.display(), first.line);
                    let what = format!("a MinetestServer {name} is already declared at {at}");
                    return Err(place.error(place.line_of("name"), "metadata.name", what));
                }
                order.push(name.clone());
                servers.insert(name, (place, spec));
            }
            Read::Proxy(name, spec) => {
                if let Some((first, _)) = &proxy {
                    let at = format!("{}:{}", first.file.display(), first.line);
                    let what = format!(
                        "{name} is the second MinetestProxy (the first is at {at}); keep one"
                    );
                    return Err(place.error(place.line_of("kind"), "kind", what));
                }
                proxy = Some((place, spec));
            }
        }
    }
    let Some((place, spec)) = proxy else {
        return Err(ResourceError {
            file: path.to_owned(),
            line: 0,
            field: String::new(),
            what: "no MinetestProxy document; add one with spec.defaultTarget.server".into(),
        });
    };
    let known = || {
        let names: Vec<&str> = servers.keys().take(12).map(Name::as_str).collect();
        if names.is_empty() {
            "none is declared".into()
        } else {
            format!("known: {}", names.join(", "))
        }
    };
    let target = &spec.default_target.server;
    if !servers.contains_key(target) {
        let what = format!("there is no MinetestServer {target}; {}", known());
        return Err(place.error(place.line_of("defaultTarget"), "spec.defaultTarget.server", what));
    }
    for (name, (place, server)) in &servers {
        for (index, fallback) in server.fallbacks.iter().enumerate() {
            let field = format!("spec.fallbacks[{index}].server");
            if fallback.server == *name {
                let what = "a server cannot be its own fallback";
                return Err(place.error(place.line_of("fallbacks"), &field, what));
            }
            if !servers.contains_key(&fallback.server) {
                let what = format!("there is no MinetestServer {}; {}", fallback.server, known());
                let line = place.line_of("fallbacks");
                return Err(place.error(line, &field, what));
            }
        }
    }
    let servers = order.into_iter().filter_map(|name| {
        let (_, spec) = servers.remove(&name)?;
        Some(Server { name, spec })
    });
    Ok(Network::new(servers.collect(), spec))
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
";

    #[test]
    fn good_documents_are_read_in_order() {
        let network = check(GOOD).unwrap();
        let names: Vec<&str> = network.servers().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["lobby", "arena"]);
        assert_eq!(network.proxy.default_target.server.as_str(), "lobby");
        assert!(!network.proxy.password_policy.allow_empty);
        assert_eq!(network.server("arena").unwrap().spec.endpoint.to_string(), "[::1]:30002");
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
        ];
        for (text, line, field, remedy) in cases {
            let error = check(&text).unwrap_err();
            assert_eq!((error.line, error.field.as_str()), (line, field), "{error}");
            assert!(error.to_string().contains(remedy), "{error}");
            assert!(error.to_string().contains("network.yaml"), "{error}");
        }
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
