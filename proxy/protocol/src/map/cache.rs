//! Translated map blocks, kept for all players.
//!
//! Players of one backend who are near each other get the same blocks, as the same compressed
//! bytes. With the same definitions they also get the same translation of them.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::block::{BlockLimits, BlockRemapper, PREFIX, changes};
use crate::translation::Translation;
use crate::wire::{Result, WireError};

/// Parts with a lock of their own, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Memory of an entry besides its message, in bytes: key and entry in the table (which is half
/// empty at worst), key in the queue, reference count of the message.
const ENTRY: usize = 256;

/// What a block and its translation are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    translation: [u8; 20],
    format: u8,
    /// Two independent keyed hashes of the block's bytes. Nobody outside knows the keys, so no
    /// server can make another one's block out of them.
    block: [u64; 2],
}

/// A translated block.
#[derive(Debug)]
struct Entry {
    /// The whole message; `None` if the translation does not change the block.
    message: Option<Bytes>,
    /// It was asked for since the last time that room was needed.
    used: bool,
}

impl Entry {
    fn size(&self) -> usize {
        ENTRY + self.message.as_ref().map_or(0, Bytes::len)
    }
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Key, Entry>,
    /// All keys, in the order in which they are looked at when room is needed.
    queue: VecDeque<Key>,
    bytes: usize,
}

impl Shard {
    /// Adds an entry and makes room for it: entries that were used since they were last looked at
    /// get a second chance. Returns how many had to go.
    fn insert(&mut self, key: Key, entry: Entry, limit: usize) -> u64 {
        let size = entry.size();
        if size > limit || self.entries.contains_key(&key) {
            return 0;
        }
        let mut evicted = 0;
        while self.bytes + size > limit {
            let Some(oldest) = self.queue.pop_front() else { break };
            match self.entries.get_mut(&oldest) {
                Some(entry) if entry.used => {
                    entry.used = false;
                    self.queue.push_back(oldest);
                }
                _ => {
                    let gone = self.entries.remove(&oldest);
                    self.bytes -= gone.map_or(0, |gone| gone.size());
                    evicted += 1;
                }
            }
        }
        self.bytes += size;
        self.queue.push_back(key);
        self.entries.insert(key, entry);
        evicted
    }
}

/// Figures of a [`BlockCache`] since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockCacheStats {
    /// Blocks whose translation was there already.
    pub hits: u64,
    /// Blocks that were decompressed and translated.
    pub misses: u64,
    /// Translations given up to make room.
    pub evictions: u64,
    /// Translations that are kept now.
    pub entries: usize,
    /// Memory they take, in bytes.
    pub bytes: usize,
}

/// Translates BLOCKDATA messages and keeps the results within a limit of memory. One is shared by
/// all threads.
///
/// Nobody waits for somebody else's translation of the same block: a block that several threads
/// get for the first time at once is translated at most once in each.
pub struct BlockCache {
    limits: BlockLimits,
    shards: [Mutex<Shard>; SHARDS],
    shard_bytes: usize,
    hashers: [RandomState; 2],
    /// Compressors take hundreds of kilobytes: as many as threads were busy at once.
    idle: Mutex<Vec<BlockRemapper>>,
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

impl BlockCache {
    /// A cache that takes at most `bytes` bytes of memory; with 0 nothing is kept.
    pub fn new(bytes: usize) -> Self {
        Self::with_limits(bytes, BlockLimits::default())
    }

    /// As [`Self::new`], with limits for single blocks.
    pub fn with_limits(bytes: usize, limits: BlockLimits) -> Self {
        Self {
            limits,
            shards: Default::default(),
            shard_bytes: bytes / SHARDS,
            hashers: Default::default(),
            idle: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    /// The figures now.
    pub fn stats(&self) -> BlockCacheStats {
        let mut stats = BlockCacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
            ..BlockCacheStats::default()
        };
        for shard in &self.shards {
            let shard = lock(shard);
            stats.entries += shard.entries.len();
            stats.bytes += shard.bytes;
        }
        stats
    }

    /// Translates a BLOCKDATA message in block format `format` (28 or 29). `None`: forward the same
    /// bytes. A translation that cannot change any block does not look at it.
    ///
    /// # Errors
    /// As [`BlockRemapper::remap`]; nothing is kept then.
    pub fn translate(
        &self,
        message: &[u8],
        translation: &Translation,
        format: u8,
    ) -> Result<Option<Bytes>> {
        if !changes(translation) {
            return Ok(None);
        }
        let Some((position, block)) = message.split_at_checked(PREFIX) else {
            return Err(WireError::Short { what: "block position", offset: 0 });
        };
        let key = Key {
            translation: *translation.digest(),
            format,
            block: [0, 1].map(|i: usize| {
                let mut hasher = self.hashers[i].build_hasher();
                hasher.write(block);
                hasher.finish()
            }),
        };
        let shard = &self.shards[key.block[0] as usize % SHARDS];
        if let Some(entry) = lock(shard).entries.get_mut(&key) {
            entry.used = true;
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(entry.message.as_ref().map(|kept| at_position(kept, position)));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let mut remapper =
            lock(&self.idle).pop().unwrap_or_else(|| BlockRemapper::new(self.limits));
        let result = remapper.remap(message, translation, format);
        lock(&self.idle).push(remapper);
        let new = result?;
        let entry = Entry { message: new.clone(), used: false };
        let evicted = lock(shard).insert(key, entry, self.shard_bytes);
        self.evictions.fetch_add(evicted, Ordering::Relaxed);
        Ok(new)
    }
}

/// The kept message, for a block with the same bytes that may be elsewhere.
fn at_position(kept: &Bytes, position: &[u8]) -> Bytes {
    if kept.starts_with(position) {
        return kept.clone();
    }
    [position, &kept[PREFIX..]].concat().into()
}

/// What the lock guards is whole after every step, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
