//! `mesegate.control`: the stream between proxies and controllers.

use sha2::{Digest, Sha256};

/// Version 1.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("mesegate.control.v1");
}

use v1::Resource;

/// The version of the protocol that this release speaks, and the oldest it understands.
pub const PROTOCOL: u32 = 1;

/// How often each side gives a sign of life.
pub const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(10);

/// How long a side may be silent before the other one gives the stream up.
pub const SILENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Bytes of documents in one message; more are split.
pub const CHUNK: usize = 1024 * 1024;

/// Bytes of one message.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// A SHA-256 hash of documents.
pub type Hash = [u8; 32];

impl Resource {
    /// The order of documents in a set.
    pub fn key(&self) -> (&str, &str) {
        (&self.kind, &self.name)
    }

    /// Hash over everything in it. Every part is preceded by its length, so that no two documents
    /// make the same input.
    pub fn digest(&self) -> Hash {
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(self.kind.as_bytes());
        part(self.name.as_bytes());
        part(&(self.labels.len() as u64).to_be_bytes());
        for (key, value) in &self.labels {
            part(key.as_bytes());
            part(value.as_bytes());
        }
        part(&self.generation.to_be_bytes());
        part(self.spec.as_bytes());
        if let Some(address) = &self.address {
            part(address.host.as_bytes());
            part(&address.port.to_be_bytes());
        }
        hasher.finalize().into()
    }
}

/// Hash of a set of documents, from their digests in the order of their
/// [keys](Resource::key).
pub fn hash<'a>(digests: impl IntoIterator<Item = &'a Hash>) -> Hash {
    let mut hasher = Sha256::new();
    for digest in digests {
        hasher.update(digest);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::hash;
    use super::v1::{Address, Resource};

    #[test]
    fn every_part_of_a_document_counts() {
        let base = Resource {
            kind: "MinetestServer".into(),
            name: "lobby".into(),
            spec: "{}".into(),
            ..Resource::default()
        };
        let address = |port| Some(Address { host: "h".into(), port });
        let changed = [
            base.clone(),
            Resource { kind: "MinetestServe".into(), name: "rlobby".into(), ..base.clone() },
            Resource { name: "lobbx".into(), ..base.clone() },
            Resource { labels: [("a".into(), "b".into())].into(), ..base.clone() },
            Resource { labels: [("ab".into(), String::new())].into(), ..base.clone() },
            Resource { generation: 2, ..base.clone() },
            Resource { spec: "[]".into(), ..base.clone() },
            Resource { address: address(1), ..base.clone() },
            Resource { address: address(2), ..base.clone() },
        ];
        for (i, a) in changed.iter().enumerate() {
            for (j, b) in changed.iter().enumerate() {
                assert_eq!(a.digest() == b.digest(), i == j, "{i} {j}");
            }
        }
        let [a, b] = [changed[0].digest(), changed[1].digest()];
        assert_ne!(hash([&a, &b]), hash([&b, &a]));
    }
}
