//! The documents that a controller gave.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesegate_proto::control::v1::{Delta, Resource};
use mesegate_proto::control::{Hash, hash};
use mesegate_resource::{API_VERSION, Kind, ServerSpec};
use serde_json::{Value, json};

use crate::network::Network;
use crate::resource::{self, ResourceError};

/// Documents that one proxy takes: a network of thousands of servers and bans stays below.
pub(super) const MAX_DOCUMENTS: usize = 100_000;

/// Bytes of all of them.
pub(super) const MAX_BYTES: usize = 128 * 1024 * 1024;

/// Why documents are not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// One of them.
    #[error("{0}")]
    Resource(#[from] ResourceError),
    /// A difference to something else.
    #[error("the difference is not one to the documents in force")]
    Base,
    /// Something was lost or changed on the way.
    #[error("the documents are not those that the hash is of")]
    Hash,
    /// More than a proxy takes.
    #[error("more than {MAX_DOCUMENTS} documents or {MAX_BYTES} bytes")]
    TooMuch,
}

impl Refused {
    /// Whether a complete set may help.
    pub(super) fn resync(&self) -> bool {
        matches!(self, Self::Base | Self::Hash)
    }
}

/// A set of documents. Cloning is cheap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Documents {
    items: BTreeMap<(String, String), (Arc<Resource>, Hash)>,
    hash: Hash,
}

impl Documents {
    /// A complete set.
    pub(super) fn new(resources: Vec<Resource>) -> Result<Self, Refused> {
        Self { items: BTreeMap::new(), hash: hash([]) }.changed(resources, [])
    }

    /// A complete set whose hash is known.
    pub(super) fn checked(resources: Vec<Resource>, hash: &[u8]) -> Result<Self, Refused> {
        Self::new(resources)?.is(hash)
    }

    /// The set after a difference.
    pub(super) fn after(&self, delta: Delta) -> Result<Self, Refused> {
        if delta.base_hash != self.hash {
            return Err(Refused::Base);
        }
        let gone = delta.removals.into_iter().map(|it| (it.kind, it.name));
        self.changed(delta.upserts, gone)?.is(&delta.hash)
    }

    fn is(self, hash: &[u8]) -> Result<Self, Refused> {
        if self.hash == hash { Ok(self) } else { Err(Refused::Hash) }
    }

    fn changed(
        &self,
        upserts: Vec<Resource>,
        removals: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Refused> {
        let mut items = self.items.clone();
        for key in removals {
            items.remove(&key);
        }
        for resource in upserts {
            let (key, digest) = ((resource.kind.clone(), resource.name.clone()), resource.digest());
            items.insert(key, (Arc::new(resource), digest));
        }
        let bytes = items.values().map(|(it, _)| it.spec.len()).sum::<usize>();
        if items.len() > MAX_DOCUMENTS || bytes > MAX_BYTES {
            return Err(Refused::TooMuch);
        }
        let hash = hash(items.values().map(|(_, digest)| digest));
        Ok(Self { items, hash })
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// The documents by kind and name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.items.values().map(|(it, _)| &**it)
    }

    /// The network they describe, read by the same code as files.
    pub(super) fn network(&self) -> Result<Network, Refused> {
        let files: Vec<(PathBuf, String)> = self.iter().map(text).collect();
        Ok(resource::read(Path::new("controller"), &files)?)
    }
}

/// A document as it would stand in a file, and what to call that.
fn text(resource: &Resource) -> (PathBuf, String) {
    let mut spec: Value = serde_json::from_str(&resource.spec).unwrap_or(Value::Null);
    if resource.kind == ServerSpec::KIND {
        place(&mut spec, resource);
    }
    let document = json!({
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "metadata": { "name": resource.name, "labels": resource.labels },
        "spec": spec,
    });
    (PathBuf::from(format!("{}/{}", resource.kind, resource.name)), document.to_string())
}

/// Puts the address that the controller has found in the place of a Service. A server whose
/// Service leads nowhere is out of service until it does; the name is one that RFC 6761 keeps
/// free for that.
fn place(spec: &mut Value, resource: &Resource) {
    let Some(fields) = spec.as_object_mut() else { return };
    if fields.remove("serviceRef").is_none() {
        return;
    }
    let endpoint = match &resource.address {
        Some(address) => json!({ "host": address.host, "port": address.port }),
        None => {
            fields.insert("state".into(), "Disabled".into());
            json!({ "host": "unresolved.invalid", "port": 1 })
        }
    };
    fields.insert("endpoint".into(), endpoint);
}

#[cfg(test)]
mod tests {
    use mesegate_proto::control::v1::{Address, ResourceName};
    use mesegate_resource::ServerState;

    use super::*;

    fn resource(kind: &str, name: &str, spec: &str) -> Resource {
        let (kind, name, spec) = (kind.into(), name.into(), spec.into());
        Resource { kind, name, spec, generation: 1, ..Resource::default() }
    }

    fn good() -> Vec<Resource> {
        let service = r#"{"serviceRef": {"name": "s", "port": "game"}}"#;
        let mut cloud = resource("MinetestServer", "cloud", service);
        cloud.address = Some(Address { host: "::1".into(), port: 30000 });
        cloud.labels.insert("in".into(), "all".into());
        vec![
            cloud,
            resource("MinetestServer", "nowhere", service),
            resource(
                "MinetestServerGroup",
                "all",
                r#"{"selector": {"matchLabels": {"in": "all"}}}"#,
            ),
            resource("MinetestProxy", "default", r#"{"defaultTarget": {"group": "all"}}"#),
        ]
    }

    #[test]
    fn services_become_addresses() {
        let network = Documents::new(good()).unwrap().network().unwrap();
        assert_eq!(network.server("cloud").unwrap().endpoint.to_string(), "[::1]:30000");
        assert_eq!(network.server("nowhere").unwrap().spec.state, ServerState::Disabled);
        assert_eq!(network.by_precedence(None).len(), 1);
        let group = network.group("all").unwrap();
        assert_eq!(network.members(group).count(), 1);
    }

    #[test]
    fn differences_need_their_base_and_end_in_their_hash() {
        let base = Documents::new(good()).unwrap();
        let mut all = good();
        all.remove(1);
        all.push(resource("MinetestServer", "new", r#"{"endpoint": {"host": "h", "port": 1}}"#));
        let next = Documents::new(all.clone()).unwrap();
        let delta = Delta {
            base_hash: base.hash().to_vec(),
            upserts: vec![all[3].clone()],
            removals: vec![ResourceName { kind: all[3].kind.clone(), name: "nowhere".into() }],
            hash: next.hash().to_vec(),
        };
        assert_eq!(base.after(delta.clone()).unwrap(), next);
        assert!(matches!(next.after(delta.clone()), Err(Refused::Base)));
        let lost = Delta { removals: vec![], ..delta };
        assert!(matches!(base.after(lost), Err(Refused::Hash)));
        assert!(Documents::checked(all, &base.hash()).is_err());
    }

    #[test]
    fn wrong_documents_are_refused_by_name() {
        for (spec, field) in [
            (r#"{"endpoint": {"host": "h", "port": 0}}"#, "spec.endpoint.port"),
            ("nonsense", "spec"),
            (r#"{"endpoint": {"host": "h", "port": 1}, "fallbacks": [{"server": "x"}]}"#, "fallb"),
        ] {
            let mut all = good();
            all.push(resource("MinetestServer", "odd", spec));
            let error = Documents::new(all).unwrap().network().unwrap_err();
            let text = error.to_string();
            assert!(text.contains("MinetestServer/odd") && text.contains(field), "{text}");
            assert!(!error.resync());
        }
    }
}
