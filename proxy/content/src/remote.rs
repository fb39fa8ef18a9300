//! Media for clients that load it over HTTP (`remote_media`), by hash.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;

use crate::hash::{Hash, sha1, to_hex};
use crate::store::{ContentStore, MediaFile};

/// Begins a signature file (`client/clientmedia.cpp`, MTHASHSET_FILE_SIGNATURE), with version 1.
const SIGNATURE: [u8; 6] = *b"MTHS\0\x01";

/// The media of all catalogues as they were at one moment. Definitions are contents of the same
/// store but never part of it: they are not for those who have not logged in.
#[derive(Debug)]
pub struct RemoteMedia {
    store: Arc<ContentStore>,
    sizes: BTreeMap<Hash, u32>,
    index: Bytes,
    index_tag: String,
}

impl RemoteMedia {
    pub(crate) fn new<'a>(
        store: Arc<ContentStore>,
        files: impl IntoIterator<Item = &'a MediaFile>,
    ) -> Self {
        let sizes = |file: &MediaFile| Some((file.hash, file.size?));
        let sizes: BTreeMap<Hash, u32> = files.into_iter().filter_map(sizes).collect();
        let mut index = Vec::with_capacity(SIGNATURE.len() + sizes.len() * 20);
        index.extend_from_slice(&SIGNATURE);
        for hash in sizes.keys() {
            index.extend_from_slice(hash);
        }
        let index_tag = to_hex(&sha1(&index));
        Self { store, sizes, index: index.into(), index_tag }
    }

    /// The signature file: which hashes there are.
    pub fn index(&self) -> &Bytes {
        &self.index
    }

    /// SHA-1 of the signature file in hexadecimal digits.
    pub fn index_tag(&self) -> &str {
        &self.index_tag
    }

    /// Size in bytes of a content, if it is media.
    pub fn size(&self, hash: &Hash) -> Option<u64> {
        self.sizes.get(hash).map(|size| u64::from(*size))
    }

    /// Opens a content, if it is media and has the size it should have. Blocks on the disk. What is
    /// inside is not verified: clients do that (`client/clientmedia.cpp`, checkAndLoad).
    pub fn open(&self, hash: &Hash) -> Option<File> {
        self.store.open_blob(hash, self.size(hash)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(store: &ContentStore, name: &str, data: &[u8]) -> MediaFile {
        let hash = store.put_blob(data).unwrap();
        MediaFile { name: name.to_owned(), hash, size: Some(data.len() as u32) }
    }

    #[test]
    fn the_index_lists_delivered_media_once_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(ContentStore::open(dir.path()).unwrap());
        let withheld = MediaFile { name: "withheld.png".into(), hash: [3; 20], size: None };
        let files = [
            file(&store, "x.png", b"one"),
            file(&store, "again.png", b"one"),
            withheld,
            file(&store, "y.png", b"two"),
            file(&store, "x.png", b"three"),
        ];
        let media = RemoteMedia::new(store.clone(), &files);
        let mut wanted = [sha1(b"one"), sha1(b"two"), sha1(b"three")];
        wanted.sort_unstable();
        assert_eq!(media.index()[..6], *b"MTHS\0\x01");
        assert_eq!(media.index()[6..], wanted.concat());
        assert_eq!(media.index_tag(), to_hex(&sha1(media.index())));
        assert_eq!(media.size(&sha1(b"three")), Some(5));
        assert_eq!(media.size(&[3; 20]), None);
        let definitions = store.put_blob(b"definitions").unwrap();
        assert!(media.open(&definitions).is_none());
    }

    #[test]
    fn what_lost_its_size_on_disk_is_not_served_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(ContentStore::open(dir.path()).unwrap());
        let media = RemoteMedia::new(store.clone(), &[file(&store, "x.png", b"one")]);
        let hash = sha1(b"one");
        assert!(media.open(&hash).is_some());
        let hex = to_hex(&hash);
        std::fs::write(dir.path().join("blobs").join(&hex[..2]).join(&hex), b"on").unwrap();
        assert!(media.open(&hash).is_none());
        assert_eq!(store.damaged(), 1);
    }
}
