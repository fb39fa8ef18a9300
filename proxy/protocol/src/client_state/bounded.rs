//! An ordered map whose keys together have a size limit.

use std::borrow::Borrow;
use std::collections::BTreeMap;

/// What an entry counts against the limit, in bytes.
pub(super) trait Weight {
    fn weight(&self) -> usize;
}

impl Weight for u32 {
    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

impl Weight for i32 {
    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

impl Weight for Vec<u8> {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.len()
    }
}

/// Entries up to a limit. One that does not fit is left out and noted for good, because what it
/// stood for can no longer be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bounded<K, V = ()> {
    entries: BTreeMap<K, V>,
    used: usize,
    limit: usize,
    overflowed: bool,
}

impl<K: Ord + Weight, V: Copy> Bounded<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: BTreeMap::new(), used: 0, limit, overflowed: false }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        let weight = key.weight();
        if let Some(old) = self.entries.get_mut(&key) {
            *old = value;
        } else if self.used + weight > self.limit {
            self.overflowed = true;
        } else {
            self.used += weight;
            self.entries.insert(key, value);
        }
    }

    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        match self.entries.remove_entry(key) {
            Some((key, _)) => {
                self.used -= key.weight();
                true
            }
            None => false,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.entries.get(key).copied()
    }

    pub(super) fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entries.contains_key(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
        self.entries.keys()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Takes all entries out.
    pub(super) fn drain(&mut self) -> BTreeMap<K, V> {
        self.used = 0;
        std::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_noted_for_good() {
        let mut ids = Bounded::<u32>::new(8);
        ids.insert(1, ());
        ids.insert(2, ());
        ids.insert(2, ());
        assert!(!ids.overflowed());
        ids.insert(3, ());
        assert!(ids.overflowed());
        assert_eq!(ids.keys().collect::<Vec<_>>(), [&1, &2]);
        assert!(ids.remove(&1));
        ids.insert(3, ());
        assert_eq!(ids.drain().len(), 2);
        assert!(ids.is_empty() && ids.overflowed());
    }
}
