//! Media as it goes over the wire, kept in memory and shared by all clients.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::hash::Hash;
use crate::store::ContentStore;

/// Compression level: most media is compressed already, so more effort buys nothing.
const ZSTD_LEVEL: i32 = 3;

/// How a file is written into MEDIA: raw up to protocol 47, one zstd frame since 48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Raw,
    Zstd,
}

/// A cache of encoded files, bounded in bytes; what was not used for longest goes first.
#[derive(Debug)]
pub(crate) struct FrameCache {
    store: Arc<ContentStore>,
    limit: usize,
    inner: Mutex<Inner>,
}

type Key = (Hash, Encoding);

#[derive(Debug, Default)]
struct Inner {
    frames: HashMap<Key, (Bytes, u64)>,
    by_age: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
}

impl FrameCache {
    pub(crate) fn new(store: Arc<ContentStore>, limit: usize) -> Self {
        Self { store, limit, inner: Mutex::default() }
    }

    /// The frame if it is in memory.
    pub(crate) fn cached(&self, hash: &Hash, encoding: Encoding) -> Option<Bytes> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.touch((*hash, encoding))
    }

    /// The frame from memory or disk; blocks. A content that is lost becomes an empty file: a
    /// client counts a file as received whatever is in it, and waits for ever for one that does
    /// not come (`client/clientmedia.cpp`, ClientMediaDownloader::conventionalTransferDone).
    pub(crate) fn load(&self, hash: &Hash, encoding: Encoding) -> Bytes {
        if let Some(frame) = self.cached(hash, encoding) {
            return frame;
        }
        let Some(data) = self.store.read_blob(hash) else {
            return empty(encoding);
        };
        let frame = match encoding {
            Encoding::Raw => data,
            Encoding::Zstd => compress(&data),
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.insert((*hash, encoding), frame.clone(), self.limit);
        frame
    }

    /// Bytes held now.
    pub(crate) fn bytes(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

impl Inner {
    fn touch(&mut self, key: Key) -> Option<Bytes> {
        let (frame, stamp) = self.frames.get_mut(&key)?;
        self.by_age.remove(stamp);
        self.clock += 1;
        *stamp = self.clock;
        self.by_age.insert(self.clock, key);
        Some(frame.clone())
    }

    fn insert(&mut self, key: Key, frame: Bytes, limit: usize) {
        // One huge file must not push out everything else.
        if frame.len() > limit / 4 || self.frames.contains_key(&key) {
            return;
        }
        self.clock += 1;
        self.bytes += frame.len();
        self.frames.insert(key, (frame, self.clock));
        self.by_age.insert(self.clock, key);
        while self.bytes > limit
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            if let Some((frame, _)) = self.frames.remove(&oldest) {
                self.bytes -= frame.len();
            }
        }
    }
}

/// What is sent for a file whose content is not there.
pub(crate) fn empty(encoding: Encoding) -> Bytes {
    match encoding {
        Encoding::Raw => Bytes::new(),
        Encoding::Zstd => compress(&[]),
    }
}

fn compress(data: &[u8]) -> Bytes {
    match zstd::bulk::compress(data, ZSTD_LEVEL) {
        Ok(frame) => frame.into(),
        Err(error) => {
            // Only running out of memory can lead here.
            tracing::error!(%error, "media could not be compressed");
            Bytes::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(limit: usize) -> (tempfile::TempDir, Arc<ContentStore>, FrameCache) {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(ContentStore::open(dir.path()).unwrap());
        let cache = FrameCache::new(store.clone(), limit);
        (dir, store, cache)
    }

    #[test]
    fn frames_are_made_once_and_shared() {
        let (_dir, store, cache) = cache(1000);
        let hash = store.put_blob(b"hello").unwrap();
        assert_eq!(cache.cached(&hash, Encoding::Zstd), None);
        let frame = cache.load(&hash, Encoding::Zstd);
        assert_eq!(zstd::decode_all(&frame[..]).unwrap(), b"hello");
        let again = cache.load(&hash, Encoding::Zstd);
        assert_eq!(frame.as_ptr(), again.as_ptr());
        assert_eq!(cache.load(&hash, Encoding::Raw), &b"hello"[..]);
        assert_eq!(cache.bytes(), frame.len() + 5);
    }

    #[test]
    fn the_least_recently_used_frame_goes_first_and_memory_stays_bounded() {
        let (_dir, store, cache) = cache(100);
        let hashes: Vec<Hash> = (0..6u8).map(|i| store.put_blob(&[i; 20]).unwrap()).collect();
        for hash in &hashes[..5] {
            cache.load(hash, Encoding::Raw);
        }
        cache.load(&hashes[0], Encoding::Raw);
        cache.load(&hashes[5], Encoding::Raw);
        assert!(cache.cached(&hashes[0], Encoding::Raw).is_some());
        assert!(cache.cached(&hashes[1], Encoding::Raw).is_none());
        assert_eq!(cache.bytes(), 100);
        let big = store.put_blob(&[9; 26]).unwrap();
        assert_eq!(cache.load(&big, Encoding::Raw).len(), 26);
        assert!(cache.cached(&big, Encoding::Raw).is_none());
    }

    #[test]
    fn a_lost_content_is_an_empty_file_and_counted() {
        let (_dir, store, cache) = cache(100);
        assert_eq!(cache.load(&[1; 20], Encoding::Raw), Bytes::new());
        let frame = cache.load(&[1; 20], Encoding::Zstd);
        assert_eq!(zstd::decode_all(&frame[..]).unwrap(), b"");
        assert_eq!(store.damaged(), 2);
    }
}
