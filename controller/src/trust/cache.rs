//! Answers that are remembered for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bounded number of answers, each for the same time.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    lifetime: Duration,
    most: usize,
    entries: Mutex<HashMap<K, (V, Instant)>>,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Remembers at most `most` answers, which must not be 0, each for `lifetime`.
    pub(super) fn new(lifetime: Duration, most: usize) -> Self {
        Self { lifetime, most, entries: Mutex::default() }
    }

    /// The answer, unless it is too old.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, at) = entries.get(key)?;
        (at.elapsed() < self.lifetime).then(|| value.clone())
    }

    /// Remembers an answer; the oldest one goes if there is no room.
    pub(super) fn put(&self, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.most && !entries.contains_key(&key) {
            entries.retain(|_, (_, at)| at.elapsed() < self.lifetime);
            if entries.len() >= self.most {
                let oldest = entries.iter().min_by_key(|(_, (_, at))| *at);
                if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                    entries.remove(&oldest);
                }
            }
        }
        entries.insert(key, (value, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_age_and_the_oldest_make_room() {
        let cache = Cache::new(Duration::from_secs(10), 3);
        for n in 0..5 {
            cache.put(n, n);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let known: Vec<_> = (0..5).filter(|n| cache.get(n).is_some()).collect();
        assert_eq!(known, [2, 3, 4]);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!((cache.get(&2), cache.get(&3), cache.get(&4)), (None, None, None));
        cache.put(4, 5);
        assert_eq!(cache.get(&4), Some(5));
    }
}
