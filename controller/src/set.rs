//! Sets of documents, as proxies get them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mesegate_proto::control::v1::connect_response::Message;
use mesegate_proto::control::v1::{ConnectResponse, Delta, Resource, ResourceName, Snapshot};
use mesegate_proto::control::{CHUNK, Hash, hash};

/// One document with its hash.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The document.
    pub resource: Resource,
    /// Its hash.
    pub digest: Hash,
}

impl Item {
    /// Hashes a document.
    pub fn new(resource: Resource) -> Arc<Self> {
        let digest = resource.digest();
        Arc::new(Self { resource, digest })
    }
}

/// All documents that one fleet of proxies gets. Never changes.
#[derive(Debug)]
pub struct Set {
    hash: Hash,
    items: BTreeMap<(String, String), Arc<Item>>,
    /// What was last found to lead to it, and from where: most proxies come from the same set.
    way: Mutex<Option<(Hash, Vec<ConnectResponse>)>>,
}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Set {
    /// Makes one of documents; of two with the same kind and name the last one counts.
    pub fn new(items: impl IntoIterator<Item = Arc<Item>>) -> Self {
        let key = |item: &Item| (item.resource.kind.clone(), item.resource.name.clone());
        let items: BTreeMap<_, _> = items.into_iter().map(|item| (key(&item), item)).collect();
        let hash = hash(items.values().map(|item| &item.digest));
        Self { hash, items, way: Mutex::default() }
    }

    /// Hash over all documents.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The document of that kind and name.
    pub fn get(&self, kind: &str, name: &str) -> Option<&Arc<Item>> {
        self.items.get(&(kind.to_owned(), name.to_owned()))
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// About how many bytes a proxy is sent that has none of them.
    pub fn bytes(&self) -> usize {
        self.items.values().map(|item| weight(&item.resource)).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All of it, in messages of bounded size.
    pub fn snapshot(&self) -> Vec<ConnectResponse> {
        let mut messages = Vec::new();
        let mut part = Vec::new();
        let mut size = 0;
        for item in self.items.values() {
            let more = weight(&item.resource);
            if size + more > CHUNK && !part.is_empty() {
                messages.push(self.part(std::mem::take(&mut part), false));
                size = 0;
            }
            size += more;
            part.push(item.resource.clone());
        }
        messages.push(self.part(part, true));
        messages
    }

    fn part(&self, resources: Vec<Resource>, complete: bool) -> ConnectResponse {
        let snapshot = Snapshot { hash: self.hash.to_vec(), resources, complete };
        ConnectResponse { message: Some(Message::Snapshot(snapshot)) }
    }

    /// What leads from `base` to it; all of it where that is less.
    pub fn since(&self, base: &Self) -> Vec<ConnectResponse> {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        match &*way {
            Some((from, messages)) if *from == base.hash => messages.clone(),
            _ => way.insert((base.hash, self.compare(base))).1.clone(),
        }
    }

    fn compare(&self, base: &Self) -> Vec<ConnectResponse> {
        let differs = |(key, item): &(&(String, String), &Arc<Item>)| {
            base.items.get(*key).is_none_or(|old| old.digest != item.digest)
        };
        let upserts: Vec<Resource> =
            self.items.iter().filter(differs).map(|(_, item)| item.resource.clone()).collect();
        if upserts.iter().map(weight).sum::<usize>() > CHUNK {
            return self.snapshot();
        }
        let gone = base.items.keys().filter(|key| !self.items.contains_key(*key));
        let removals: Vec<ResourceName> = gone
            .map(|(kind, name)| ResourceName { kind: kind.clone(), name: name.clone() })
            .collect();
        let delta =
            Delta { base_hash: base.hash.to_vec(), upserts, removals, hash: self.hash.to_vec() };
        vec![ConnectResponse { message: Some(Message::Delta(delta)) }]
    }
}

/// About what a document takes in a message.
fn weight(resource: &Resource) -> usize {
    let labels = resource.labels.iter().map(|(k, v)| k.len() + v.len() + 8).sum::<usize>();
    resource.spec.len() + resource.name.len() + labels + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, spec: &str) -> Arc<Item> {
        Item::new(Resource {
            kind: "K".into(),
            name: name.into(),
            spec: spec.into(),
            ..Resource::default()
        })
    }

    #[test]
    fn a_delta_names_what_differs_and_nothing_else() {
        let old = Set::new([item("a", "1"), item("b", "1"), item("c", "1")]);
        let new = Set::new([item("d", "1"), item("b", "2"), item("a", "1")]);
        let [response] = new.since(&old).try_into().unwrap();
        let Some(Message::Delta(delta)) = response.message else { unreachable!("{response:?}") };
        let upserts: Vec<_> = delta.upserts.iter().map(|r| (&*r.name, &*r.spec)).collect();
        assert_eq!(upserts, [("b", "2"), ("d", "1")]);
        assert_eq!(delta.removals.len(), 1);
        assert_eq!((delta.base_hash, delta.hash), (old.hash().to_vec(), new.hash().to_vec()));
        assert_eq!(old, Set::new([item("c", "1"), item("b", "1"), item("a", "1")]));
    }

    #[test]
    fn large_sets_come_in_parts() {
        let long = "x".repeat(CHUNK / 3);
        let set = Set::new((0..10).map(|n| item(&n.to_string(), &long)));
        let parts = set.snapshot();
        assert!(parts.len() >= 4, "{}", parts.len());
        let mut seen = 0;
        for (index, part) in parts.iter().enumerate() {
            let Some(Message::Snapshot(part)) = &part.message else { unreachable!() };
            assert_eq!(part.complete, index + 1 == parts.len());
            assert!(part.resources.iter().map(weight).sum::<usize>() <= CHUNK);
            seen += part.resources.len();
        }
        assert_eq!(seen, 10);
        assert_eq!(set.since(&Set::new([])), parts);
    }
}
