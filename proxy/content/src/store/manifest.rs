//! Manifests: what one server last sent to a client of one version and language.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ContentStore, Pair};
use crate::ContentError;
use crate::hash::{self, Hash, sha1};

/// Written into every manifest; another number is treated as missing.
const FORMAT: u32 = 1;
/// Larger manifests than this are not read: 65 535 files of 255-byte names fit.
const MANIFEST_MAX: u64 = 32 * 1024 * 1024;

/// One media file of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFile {
    /// Name as announced.
    pub name: String,
    /// Hash of the content the server delivered.
    #[serde(with = "hash::as_hex")]
    pub hash: Hash,
    /// Size in bytes, uncompressed. `None`: announced, but the server never delivered it.
    pub size: Option<u32>,
}

/// What one server sends to a client of one version and language. The bodies of its definitions
/// are contents in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the server.
    pub server: String,
    /// Version and language it was fetched for.
    pub pair: Pair,
    /// Newest protocol version the server speaks.
    pub newest: u16,
    /// Hash over everything the server announced; see [`crate::digest`].
    #[serde(with = "hash::as_hex")]
    pub digest: Hash,
    /// Hash of the body of its ITEMDEF, as received.
    #[serde(with = "hash::as_hex")]
    pub item_def: Hash,
    /// Hash of the body of its NODEDEF, as received.
    #[serde(with = "hash::as_hex")]
    pub node_def: Hash,
    /// Media files in the order of the announcement.
    pub media: Vec<MediaFile>,
    /// Remote media servers, separated by commas.
    pub remote: String,
    /// When this was last seen to be true, in seconds since 1970.
    pub fetched_at: u64,
}

impl Manifest {
    /// Every content the manifest refers to.
    pub fn hashes(&self) -> impl Iterator<Item = &Hash> {
        let media = self.media.iter().filter(|file| file.size.is_some()).map(|file| &file.hash);
        [&self.item_def, &self.node_def].into_iter().chain(media)
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    /// Hash of the manifest's own JSON: a flipped bit in a name would go unnoticed otherwise.
    #[serde(with = "hash::as_hex")]
    checksum: Hash,
    manifest: Manifest,
}

impl ContentStore {
    fn manifest_path(&self, server: &str, pair: &Pair) -> PathBuf {
        self.server_root().join(file_name(server)).join(format!(
            "{}-{}.json",
            pair.version,
            file_name(&pair.language)
        ))
    }

    /// Keeps a manifest in place of the previous one for the same server, version and language.
    pub fn save_manifest(&self, manifest: &Manifest) -> Result<(), ContentError> {
        let path = self.manifest_path(&manifest.server, &manifest.pair);
        let checksum = checksum(manifest).map_err(|e| ContentError::io(&path, e.into()))?;
        let stored = Stored { format: FORMAT, checksum, manifest: manifest.clone() };
        let json =
            serde_json::to_vec_pretty(&stored).map_err(|e| ContentError::io(&path, e.into()))?;
        self.write_atomically(&path, &json)
    }

    /// Reads a manifest. `None` if there is none, it is damaged, or a content of the definitions
    /// is gone.
    pub fn load_manifest(&self, server: &str, pair: &Pair) -> Option<Manifest> {
        let manifest = read_manifest(&self.manifest_path(server, pair))?;
        let usable = manifest.server == server
            && manifest.pair == *pair
            && self.blob_size(&manifest.item_def).is_some()
            && self.blob_size(&manifest.node_def).is_some();
        usable.then_some(manifest)
    }

    /// Forgets a manifest. Its contents go when the store is pruned.
    pub fn remove_manifest(&self, server: &str, pair: &Pair) {
        let _ = fs::remove_file(self.manifest_path(server, pair));
    }
}

/// Reads one file; damage of any kind is `None`.
pub(super) fn read_manifest(path: &std::path::Path) -> Option<Manifest> {
    if fs::metadata(path).ok()?.len() > MANIFEST_MAX {
        return None;
    }
    let json = fs::read(path).ok()?;
    let stored: Option<Stored> = serde_json::from_slice(&json).ok();
    let sound = stored
        .filter(|s| s.format == FORMAT && checksum(&s.manifest).is_ok_and(|sum| sum == s.checksum));
    if sound.is_none() {
        tracing::warn!(path = %path.display(), "stored manifest is damaged, ignored");
    }
    sound.map(|s| s.manifest)
}

fn checksum(manifest: &Manifest) -> serde_json::Result<Hash> {
    Ok(sha1(&serde_json::to_vec(manifest)?))
}

/// A file name for any text: letters, digits, `_` and `-` stay, other bytes become `%xx`, so that
/// no server name can leave the folder or meet another one's.
fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            name.push(byte.into());
        } else {
            name.push('%');
            name.push_str(&hash::hex_digits(&[byte]));
        }
    }
    // The limit of common file systems is 255; what is cut here is told apart by its hash.
    if name.len() > 120 {
        name.truncate(80);
        name.push('%');
        name.push_str(&hash::to_hex(&sha1(text.as_bytes())));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(store: &ContentStore, server: &str, pair: Pair) -> Manifest {
        Manifest {
            server: server.to_owned(),
            pair,
            newest: 53,
            digest: [1; 20],
            item_def: store.put_blob(b"items").unwrap(),
            node_def: store.put_blob(b"nodes").unwrap(),
            media: vec![MediaFile {
                name: "a.png".to_owned(),
                hash: store.put_blob(b"png").unwrap(),
                size: Some(3),
            }],
            remote: String::new(),
            fetched_at: 7,
        }
    }

    #[test]
    fn manifests_survive_reopening_per_version_and_language() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        let plain = sample(&store, "lobby", Pair::new(53, ""));
        let german =
            Manifest { remote: "x".to_owned(), ..sample(&store, "lobby", Pair::new(53, "de")) };
        store.save_manifest(&plain).unwrap();
        store.save_manifest(&german).unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        assert_eq!(store.load_manifest("lobby", &plain.pair), Some(plain));
        assert_eq!(store.load_manifest("lobby", &german.pair), Some(german));
        assert_eq!(store.load_manifest("lobby", &Pair::new(52, "")), None);
        assert!(dir.path().join("servers/lobby/53-de.json").is_file());
    }

    #[test]
    fn every_damaged_byte_makes_a_manifest_missing() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        let manifest = sample(&store, "lobby", Pair::new(53, ""));
        store.save_manifest(&manifest).unwrap();
        let path = store.manifest_path("lobby", &manifest.pair);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let read = store.load_manifest("lobby", &manifest.pair);
            // White space is the only place where a changed byte may change nothing.
            assert!(read.is_none() || read.as_ref() == Some(&manifest), "byte {at}");
        }
        for cut in 0..good.len() - 1 {
            fs::write(&path, &good[..cut]).unwrap();
            assert_eq!(store.load_manifest("lobby", &manifest.pair), None);
        }
    }

    #[test]
    fn a_manifest_without_its_definitions_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        let manifest = sample(&store, "lobby", Pair::new(53, ""));
        store.save_manifest(&manifest).unwrap();
        fs::remove_file(store.blob_path(&manifest.node_def)).unwrap();
        assert_eq!(store.load_manifest("lobby", &manifest.pair), None);
    }

    #[test]
    fn no_name_leaves_the_folder_or_meets_another() {
        for name in ["..", "../x", "/etc/passwd", "a/b", "", "ä", &"x".repeat(300)] {
            let file = file_name(name);
            assert!(!file.contains('/') && !file.starts_with('.') && file.len() < 200, "{file}");
        }
        assert_ne!(file_name("a.b"), file_name("a_b"));
        assert_ne!(file_name(&"x".repeat(300)), file_name(&"x".repeat(301)));
    }
}
