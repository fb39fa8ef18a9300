//! The documents that a controller gave.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use mesegate_proto::control::v1::{Delta, Resource};
use mesegate_proto::control::{Hash, hash};
use mesegate_resource::{API_VERSION, Kind, ServerSpec};
use serde_json::{Value, json};

use super::strange::Strange;
use crate::network::Network;
use crate::resource::{self, Read, ResourceError};

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

/// A document, read at most once for all sets that it is in.
#[derive(Debug)]
struct Item {
    resource: Resource,
    digest: Hash,
    /// What it is called in errors.
    path: PathBuf,
    /// Nothing in it if this release does not know the kind.
    read: OnceLock<Result<Option<Read>, ResourceError>>,
}

impl Item {
    fn new(resource: Resource) -> Arc<Self> {
        let digest = resource.digest();
        let path = PathBuf::from(format!("{}/{}", resource.kind, resource.name));
        Arc::new(Self { resource, digest, path, read: OnceLock::new() })
    }

    /// The document as it would stand in a file; the controller's part is put in.
    fn read(&self, strange: &Strange) -> Result<Option<Read>, ResourceError> {
        let read = || {
            let resource = &self.resource;
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
            let note = |field: &str| strange.note(&resource.kind, field);
            let read = resource::read_given(&self.path, &resource.kind, document, &note);
            if matches!(read, Ok(None)) {
                strange.note(&resource.kind, "");
            }
            read
        };
        self.read.get_or_init(read).clone()
    }
}

/// A set of documents. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Documents {
    items: BTreeMap<(String, String), Arc<Item>>,
    bytes: usize,
    hash: Hash,
}

impl PartialEq for Documents {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Documents {
    /// A complete set.
    pub(super) fn new(resources: Vec<Resource>) -> Result<Self, Refused> {
        Self { items: BTreeMap::new(), bytes: 0, hash: hash([]) }.changed(resources, [])
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
        let (mut items, mut bytes) = (self.items.clone(), self.bytes);
        for key in removals {
            bytes -= items.remove(&key).map_or(0, |it| it.resource.spec.len());
        }
        for resource in upserts {
            bytes += resource.spec.len();
            let key = (resource.kind.clone(), resource.name.clone());
            let before = items.insert(key, Item::new(resource));
            bytes -= before.map_or(0, |it| it.resource.spec.len());
        }
        if items.len() > MAX_DOCUMENTS || bytes > MAX_BYTES {
            return Err(Refused::TooMuch);
        }
        let hash = hash(items.values().map(|it| &it.digest));
        Ok(Self { items, bytes, hash })
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// The documents by kind and name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.items.values().map(|it| &it.resource)
    }

    /// The network they describe. Only documents that were in no set before are read; that they
    /// fit together is checked in any case.
    pub(super) fn network(&self, strange: &Strange) -> Result<Network, Refused> {
        let mut docs = Vec::with_capacity(self.items.len());
        for item in self.items.values() {
            if let Some(read) = item.read(strange)? {
                docs.push((item.path.as_path(), read));
            }
        }
        Ok(resource::join_given(docs.into_iter())?)
    }
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
    use crate::metrics::Metrics;

    fn resource(kind: &str, name: &str, spec: &str) -> Resource {
        let (kind, name, spec) = (kind.into(), name.into(), spec.into());
        Resource { kind, name, spec, generation: 1, ..Resource::default() }
    }

    fn strange() -> Strange {
        Strange::new(Metrics::new().unwrap())
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
        let network = Documents::new(good()).unwrap().network(&strange()).unwrap();
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
    fn what_a_newer_controller_adds_is_passed_over_and_counted_once() {
        let metrics = Metrics::new().unwrap();
        let strange = Strange::new(metrics.clone());
        let mut all = good();
        for name in ["new-a", "new-b"] {
            let spec = r#"{"endpoint": {"host": "h", "port": 1, "tls": {}}, "zone": "x"}"#;
            all.push(resource("MinetestServer", name, spec));
        }
        all.push(resource("MinetestQueue", "q", r#"{"length": 5}"#));
        let network = Documents::new(all).unwrap().network(&strange).unwrap();
        assert_eq!(network.server("new-a").unwrap().endpoint.to_string(), "h:1");
        assert_eq!(network.servers().count(), 4);
        // spec.zone and spec.endpoint.tls of servers, and the kind.
        assert_eq!(metrics.unknown_fields.get(), 3);
    }

    #[test]
    fn documents_that_stay_are_not_read_again() {
        let strange = strange();
        let mut all = good();
        for number in 0..2000 {
            let spec = r#"{"endpoint": {"host": "h", "port": 1}, "displayName": "x", "fallbacks":
                [{"group": "all"}], "probe": {"interval": "1h"}}"#;
            all.push(resource("MinetestServer", &format!("s{number}"), spec));
        }
        let mut base = Documents::new(all.clone()).unwrap();
        let begun = std::time::Instant::now();
        let first = base.network(&strange).unwrap();
        let whole = begun.elapsed();
        let mut shortest = whole;
        for round in 0..10 {
            let mut changed = all[1000].clone();
            changed.spec =
                format!("{{\"endpoint\": {{\"host\": \"h\", \"port\": {}}}}}", round + 2);
            let digests = base.items.values().map(|it| {
                let is_it = it.resource.name == changed.name;
                if is_it { changed.digest() } else { it.digest }
            });
            let digests: Vec<Hash> = digests.collect();
            let delta = Delta {
                base_hash: base.hash().to_vec(),
                upserts: vec![changed.clone()],
                removals: vec![],
                hash: hash(&digests).to_vec(),
            };
            let begun = std::time::Instant::now();
            let next = base.after(delta).unwrap();
            let network = next.network(&strange).unwrap();
            shortest = shortest.min(begun.elapsed());
            let unread = next.items.values().filter(|it| it.read.get().is_none()).count();
            let shared = next.items.iter().filter(|(key, it)| Arc::ptr_eq(&base.items[*key], it));
            assert_eq!((unread, shared.count()), (0, base.items.len() - 1));
            assert_eq!(network.server(&changed.name).unwrap().endpoint.port, round + 2);
            assert_eq!(network.servers().count(), first.servers().count());
            base = next;
        }
        println!("2000 servers: {whole:?} to read them all, {shortest:?} for one that differs");
        assert!(shortest * 3 < whole, "{shortest:?} of {whole:?}");
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
            let error = Documents::new(all).unwrap().network(&strange()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("MinetestServer/odd") && text.contains(field), "{text}");
            assert!(!error.resync());
        }
    }
}
