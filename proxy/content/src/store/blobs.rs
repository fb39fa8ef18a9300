//! Contents by hash.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::ContentStore;
use crate::ContentError;
use crate::hash::{Hash, sha1, to_hex};

/// Largest content in bytes: what the engine's transport can carry in one message
/// (`network/networkprotocol.h`, MEDIAFILE_MAX_SIZE).
pub const BLOB_MAX: usize = 16_700_000;

impl ContentStore {
    pub(super) fn blob_path(&self, hash: &Hash) -> PathBuf {
        let hex = to_hex(hash);
        self.blob_root().join(&hex[..2]).join(hex)
    }

    /// Keeps `data` and returns its hash. Refuses more than [`BLOB_MAX`] bytes.
    pub fn put_blob(&self, data: &[u8]) -> Result<Hash, ContentError> {
        if data.len() > BLOB_MAX {
            return Err(ContentError::TooLarge { what: "content", limit: BLOB_MAX as u64 });
        }
        let hash = sha1(data);
        // A file of the same length is taken for the content; if it is damaged, reading it tells.
        if self.blob_size(&hash) != Some(data.len() as u64) {
            self.write_atomically(&self.blob_path(&hash), data)?;
        }
        Ok(hash)
    }

    /// Size in bytes if the content is there. Does not look inside.
    pub fn blob_size(&self, hash: &Hash) -> Option<u64> {
        fs::metadata(self.blob_path(hash)).ok().filter(|m| m.is_file()).map(|m| m.len())
    }

    /// Opens a content that must have `size` bytes. `None` if it is missing or has another size;
    /// that is counted as damaged, so that the next fetch brings it again.
    pub(crate) fn open_blob(&self, hash: &Hash, size: u64) -> Option<fs::File> {
        let file = fs::File::open(self.blob_path(hash)).ok();
        let whole = file.filter(|file| file.metadata().is_ok_and(|meta| meta.len() == size));
        if whole.is_none() {
            self.damaged.fetch_add(1, Ordering::Relaxed);
        }
        whole
    }

    /// Reads and verifies a content. `None` if it is missing or damaged; a damaged file is removed,
    /// so that the next fetch brings it again.
    pub fn read_blob(&self, hash: &Hash) -> Option<Bytes> {
        let path = self.blob_path(hash);
        let size = self.blob_size(hash);
        if size.is_some_and(|size| size <= BLOB_MAX as u64)
            && let Ok(data) = fs::read(&path)
            && sha1(&data) == *hash
        {
            return Some(data.into());
        }
        self.damaged.fetch_add(1, Ordering::Relaxed);
        if size.is_some() {
            tracing::warn!(path = %path.display(), "stored content is damaged, removed");
            let _ = fs::remove_file(&path);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, ContentStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        (dir, store)
    }

    #[test]
    fn contents_survive_reopening() {
        let (dir, store) = store();
        let hash = store.put_blob(b"abc").unwrap();
        drop(store);
        let path = dir.path().join("blobs/a9/a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(path.is_file());
        let store = ContentStore::open(dir.path()).unwrap();
        assert_eq!(store.read_blob(&hash).unwrap(), &b"abc"[..]);
        assert_eq!(store.blob_size(&hash), Some(3));
        assert_eq!(store.damaged(), 0);
    }

    #[test]
    fn a_damaged_content_is_missing_and_can_be_written_again() {
        let (_dir, store) = store();
        let hash = store.put_blob(b"abc").unwrap();
        fs::write(store.blob_path(&hash), b"abd").unwrap();
        assert_eq!(store.read_blob(&hash), None);
        assert_eq!(store.damaged(), 1);
        assert_eq!(store.blob_size(&hash), None);
        store.put_blob(b"abc").unwrap();
        assert_eq!(store.read_blob(&hash).unwrap(), &b"abc"[..]);
    }

    #[test]
    fn a_truncated_content_is_replaced_on_writing() {
        let (_dir, store) = store();
        let hash = store.put_blob(b"abc").unwrap();
        fs::write(store.blob_path(&hash), b"").unwrap();
        store.put_blob(b"abc").unwrap();
        assert_eq!(store.read_blob(&hash).unwrap(), &b"abc"[..]);
    }

    #[test]
    fn oversize_is_refused_and_absent_is_none() {
        let (_dir, store) = store();
        assert!(store.put_blob(&vec![0; BLOB_MAX + 1]).is_err());
        assert_eq!(store.read_blob(&[7; 20]), None);
        assert_eq!(store.damaged(), 1);
    }
}
