//! The store on disk: contents by hash, and per server what it last sent.
//!
//! ```text
//! DIR/blobs/ab/abcdef…            one content, named by its SHA-1
//! DIR/servers/<server>/53-de.json a manifest: what that server announces to such a client
//! DIR/pairs.json                  versions and languages in use
//! DIR/tmp/                        files being written
//! ```
//!
//! Files are written under `tmp` and renamed, so that a reader sees a whole file or none. There is
//! no fsync: everything here can be fetched again, and what a crash damaged is recognised by its
//! hash and treated as missing.

mod blobs;
mod manifest;
mod pairs;
mod prune;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use std::{fs, io};

pub use blobs::BLOB_MAX;
pub use manifest::{Manifest, MediaFile};
pub use pairs::Pair;
pub use prune::Pruned;

use crate::ContentError;

/// Half-written files of a crashed process are removed after this time; younger ones may belong to
/// another process that uses the same folder.
const STALE_TMP: Duration = Duration::from_hours(1);

/// A folder of contents and manifests. All methods block on the disk.
#[derive(Debug)]
pub struct ContentStore {
    root: PathBuf,
    /// Makes temporary names unique within the process.
    serial: AtomicU64,
    /// Counts contents that were found damaged or missing on reading.
    damaged: AtomicU64,
}

impl ContentStore {
    /// Opens or creates the store in `dir`. Fails only if the folders cannot be created.
    pub fn open(dir: &Path) -> Result<Self, ContentError> {
        let store =
            Self { root: dir.to_owned(), serial: AtomicU64::new(0), damaged: AtomicU64::new(0) };
        for path in [store.blob_root(), store.server_root(), store.tmp_root()] {
            fs::create_dir_all(&path).map_err(|e| ContentError::io(&path, e))?;
        }
        store.clear_tmp();
        Ok(store)
    }

    /// How many contents were found damaged or missing so far. A change tells fetchers to look
    /// whether something has to be downloaded again.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    fn blob_root(&self) -> PathBuf {
        self.root.join("blobs")
    }

    fn server_root(&self) -> PathBuf {
        self.root.join("servers")
    }

    fn tmp_root(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn clear_tmp(&self) {
        let Ok(entries) = fs::read_dir(self.tmp_root()) else {
            return;
        };
        for entry in entries.flatten().take(10_000) {
            if older_than(&entry, STALE_TMP) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes a whole file or nothing.
    fn write_atomically(&self, path: &Path, data: &[u8]) -> Result<(), ContentError> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let tmp = self.tmp_root().join(format!("{}-{serial}", std::process::id()));
        let write = || -> io::Result<()> {
            fs::write(&tmp, data)?;
            match fs::rename(&tmp, path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    if let Some(parent) = path.parent() {
                        fs::create_dir_all(parent)?;
                    }
                    fs::rename(&tmp, path)
                }
                result => result,
            }
        };
        write().map_err(|e| {
            let _ = fs::remove_file(&tmp);
            ContentError::io(path, e)
        })
    }
}

/// True if the file was last written longer than `age` ago; false if that cannot be told.
fn older_than(entry: &fs::DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().and_then(|m| m.modified());
    modified.is_ok_and(|m| SystemTime::now().duration_since(m).is_ok_and(|d| d > age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_replace_whole_files_and_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        let path = dir.path().join("servers/new/file");
        store.write_atomically(&path, b"one").unwrap();
        store.write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        // A folder stands where the file should go: the rename fails.
        let path = dir.path().join("servers/taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        assert!(store.write_atomically(&path, b"x").is_err());
        assert!(path.join("inside").is_dir());
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = ContentStore::open(&file).unwrap_err().to_string();
        assert!(error.contains("file"), "{error}");
    }
}
