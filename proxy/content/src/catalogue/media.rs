//! Answering REQUEST_MEDIA.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::Catalogue;
use crate::codec;
use crate::store::BLOB_MAX;

/// A new message is begun once this many bytes of content are in the current one, as engine
/// servers do (`server.cpp`, sendRequestedMedia, bytes_per_bunch).
const BUNCH_BYTES: usize = 5000;

/// The MEDIA messages for one request, made one by one: what a slow client has not taken yet is
/// not in memory on its account.
#[derive(Debug)]
pub struct MediaMessages {
    catalogue: Arc<Catalogue>,
    /// Indices into the catalogue's media, in the order of the request.
    files: Vec<u32>,
    bunches: Vec<Range<usize>>,
    next: usize,
    unknown: usize,
}

impl Catalogue {
    /// The answer to a request for `names`. Names that were never announced are ignored and
    /// counted; a name that occurs twice is answered once.
    pub fn media_messages<N: AsRef<str>>(
        self: &Arc<Self>,
        names: impl IntoIterator<Item = N>,
    ) -> MediaMessages {
        let mut files = Vec::new();
        let mut unknown = 0;
        let mut seen = HashSet::new();
        for name in names {
            match self.media_index.get(name.as_ref()) {
                Some(index) if seen.insert(*index) => files.push(*index),
                Some(_) => {}
                None => unknown += 1,
            }
        }
        // Names count as well: many empty files must not make one huge message.
        let sizes = files
            .iter()
            .filter_map(|index| self.media.get(*index as usize))
            .map(|file| file.size.map_or(0, |size| size as usize) + file.name.len() + 6);
        let bunches = cut(sizes);
        MediaMessages { catalogue: self.clone(), files, bunches, next: 0, unknown }
    }
}

/// Cuts a list of files of these sizes into bunches of about [`BUNCH_BYTES`].
fn cut(sizes: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut bunches = Vec::new();
    let (mut start, mut end, mut bytes) = (0, 0, 0usize);
    for size in sizes {
        // Beyond the engine's rule: a message with a file of the largest size holds nothing else,
        // or it could grow over what the transport carries.
        if end > start && (bytes >= BUNCH_BYTES || bytes + size > BLOB_MAX - BUNCH_BYTES) {
            bunches.push(start..end);
            (start, bytes) = (end, 0);
        }
        end += 1;
        bytes += size;
    }
    if end > start {
        bunches.push(start..end);
    }
    bunches
}

impl MediaMessages {
    /// Number of messages in all.
    pub fn len(&self) -> usize {
        self.bunches.len()
    }

    /// True if nothing that was requested is known.
    pub fn is_empty(&self) -> bool {
        self.bunches.is_empty()
    }

    /// Number of files in all messages.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// How many requested names were not known.
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    /// The next message, or `None` after the last. Reads from disk on the blocking pool if it has
    /// to. May be dropped and called again without losing a message.
    pub async fn next(&mut self) -> Option<Bytes> {
        let bunch = self.bunches.get(self.next)?.clone();
        if !self.in_memory(bunch.clone()) {
            let catalogue = self.catalogue.clone();
            let files: Vec<u32> = self.files[bunch.clone()].to_vec();
            let (index, count) = (self.next, self.bunches.len());
            let task =
                tokio::task::spawn_blocking(move || encode(&catalogue, &files, index, count));
            if let Ok(message) = task.await {
                self.next += 1;
                return Some(message);
            }
        }
        self.next_blocking()
    }

    /// As [`next`](Self::next), reading from disk on the caller's thread.
    pub fn next_blocking(&mut self) -> Option<Bytes> {
        let bunch = self.bunches.get(self.next)?.clone();
        let files = &self.files[bunch];
        let message = encode(&self.catalogue, files, self.next, self.bunches.len());
        self.next += 1;
        Some(message)
    }

    fn in_memory(&self, bunch: Range<usize>) -> bool {
        let encoding = self.catalogue.encoding();
        self.files[bunch].iter().all(|index| {
            let file = self.catalogue.media.get(*index as usize);
            file.is_none_or(|f| {
                f.size.is_none() || self.catalogue.frames.cached(&f.hash, encoding).is_some()
            })
        })
    }
}

fn encode(catalogue: &Catalogue, files: &[u32], index: usize, count: usize) -> Bytes {
    let encoding = catalogue.encoding();
    let files: Vec<(&str, Bytes)> = files
        .iter()
        .filter_map(|index| catalogue.media.get(*index as usize))
        .map(|file| {
            let frame = match file.size {
                Some(_) => catalogue.frames.load(&file.hash, encoding),
                None => crate::frames::empty(encoding),
            };
            (file.name.as_str(), frame)
        })
        .collect();
    codec::media(index as u16, count as u16, &files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bunch_ends_with_the_file_that_fills_it() {
        let ends = |sizes: &[usize]| -> Vec<usize> {
            let bunches = cut(sizes.iter().copied());
            assert!(bunches.windows(2).all(|pair| pair[0].end == pair[1].start));
            bunches.iter().map(|bunch| bunch.end).collect()
        };
        assert!(ends(&[]).is_empty());
        assert_eq!(ends(&[1, 2, 3]), [3]);
        assert_eq!(ends(&[4999, 1, 1, 1]), [2, 4]);
        assert_eq!(ends(&[5000, 5000, 1]), [1, 2, 3]);
        assert_eq!(ends(&[100, 20_000, 100]), [2, 3]);
        assert_eq!(ends(&[4000, BLOB_MAX, 1]), [1, 2, 3]);
    }
}
