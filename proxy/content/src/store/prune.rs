//! Removing what nothing refers to any more.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::manifest::read_manifest;
use super::{ContentStore, Manifest, older_than};
use crate::hash::{Hash, from_hex};

/// Most files that one run looks at, so that a huge folder cannot hold up a start.
const LOOK_MAX: usize = 500_000;
/// Contents younger than this stay: they may be the first part of a download that was cut off.
const YOUNG: Duration = Duration::from_hours(24);

/// What a run removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Manifests removed.
    pub manifests: usize,
    /// Contents removed.
    pub blobs: usize,
}

impl ContentStore {
    /// Removes damaged manifests, those that `keep` does not want, and old contents that no
    /// remaining manifest refers to.
    pub fn prune(&self, keep: impl Fn(&Manifest) -> bool) -> Pruned {
        self.prune_older_than(YOUNG, keep)
    }

    fn prune_older_than(&self, young: Duration, keep: impl Fn(&Manifest) -> bool) -> Pruned {
        let mut pruned = Pruned::default();
        let mut budget = LOOK_MAX;
        let mut referenced: HashSet<Hash> = HashSet::new();
        for folder in entries(&self.server_root()) {
            for entry in entries(&folder.path()) {
                let Some(left) = budget.checked_sub(1) else {
                    // Not all references are known: removing contents now would be wrong.
                    return pruned;
                };
                budget = left;
                match read_manifest(&entry.path()).filter(&keep) {
                    Some(manifest) => referenced.extend(manifest.hashes()),
                    None => pruned.manifests += usize::from(fs::remove_file(entry.path()).is_ok()),
                }
            }
            // Fails while manifests are left, as it should.
            let _ = fs::remove_dir(folder.path());
        }
        for folder in entries(&self.blob_root()) {
            for entry in entries(&folder.path()) {
                let Some(left) = budget.checked_sub(1) else {
                    return pruned;
                };
                budget = left;
                let hash = entry.file_name().to_str().and_then(from_hex);
                let wanted = hash.is_some_and(|hash| referenced.contains(&hash));
                if !wanted && older_than(&entry, young) {
                    pruned.blobs += usize::from(fs::remove_file(entry.path()).is_ok());
                }
            }
        }
        pruned
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = fs::DirEntry> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::{MediaFile, Pair};
    use super::*;

    fn manifest(store: &ContentStore, server: &str, media: &[u8]) -> Manifest {
        let manifest = Manifest {
            server: server.to_owned(),
            pair: Pair::new(53, ""),
            newest: 53,
            digest: [0; 20],
            item_def: store.put_blob(b"items").unwrap(),
            node_def: store.put_blob(b"nodes").unwrap(),
            media: vec![MediaFile {
                name: "x.png".to_owned(),
                hash: store.put_blob(media).unwrap(),
                size: Some(media.len() as u32),
            }],
            remote: String::new(),
            fetched_at: 0,
        };
        store.save_manifest(&manifest).unwrap();
        manifest
    }

    #[test]
    fn only_unreferenced_old_contents_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        let kept = manifest(&store, "kept", b"kept");
        let gone = manifest(&store, "gone", b"gone");
        let stray = store.put_blob(b"stray").unwrap();
        // Everything was written just now.
        assert_eq!(store.prune(|_| true), Pruned::default());
        std::thread::sleep(Duration::from_millis(20));
        let pruned = store.prune_older_than(Duration::from_millis(1), |m| m.server != "gone");
        assert_eq!(pruned, Pruned { manifests: 1, blobs: 2 });
        assert_eq!(store.blob_size(&stray), None);
        assert_eq!(store.blob_size(&gone.media[0].hash), None);
        assert!(kept.hashes().all(|hash| store.blob_size(hash).is_some()));
        assert_eq!(store.load_manifest("kept", &kept.pair), Some(kept));
        assert!(!dir.path().join("servers/gone").exists());
    }

    #[test]
    fn damaged_manifests_and_foreign_files_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        fs::create_dir_all(dir.path().join("servers/x")).unwrap();
        fs::write(dir.path().join("servers/x/53-.json"), b"{").unwrap();
        fs::create_dir_all(dir.path().join("blobs/zz")).unwrap();
        fs::write(dir.path().join("blobs/zz/not-a-hash"), b"").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let pruned = store.prune_older_than(Duration::from_millis(1), |_| true);
        assert_eq!(pruned, Pruned { manifests: 1, blobs: 1 });
    }
}
