//! Which versions and languages were in use, remembered over restarts.

use std::fs;

use serde::{Deserialize, Serialize};

use super::ContentStore;
use crate::ContentError;

/// Longest list that is read back.
const PAIRS_MAX: usize = 256;

/// A protocol version and a client language: together they decide what a server sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pair {
    /// Protocol version.
    pub version: u16,
    /// Language code as clients send it in INIT2, `""` for none.
    pub language: String,
}

impl Pair {
    /// Puts the two together.
    pub fn new(version: u16, language: &str) -> Self {
        Self { version, language: language.to_owned() }
    }

    /// The same version without a language.
    pub fn plain(&self) -> Self {
        Self::new(self.version, "")
    }
}

impl ContentStore {
    fn pairs_path(&self) -> std::path::PathBuf {
        self.root.join("pairs.json")
    }

    /// The remembered list, most recently used first. Empty if there is none or it is damaged.
    pub fn load_pairs(&self) -> Vec<Pair> {
        let path = self.pairs_path();
        if fs::metadata(&path).map_or(true, |m| m.len() > 1024 * 1024) {
            return Vec::new();
        }
        let Ok(json) = fs::read(&path) else {
            return Vec::new();
        };
        let mut pairs: Vec<Pair> = serde_json::from_slice(&json).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "stored list is damaged, ignored");
            Vec::new()
        });
        pairs.truncate(PAIRS_MAX);
        pairs
    }

    /// Remembers the list, most recently used first.
    pub fn save_pairs(&self, pairs: &[Pair]) -> Result<(), ContentError> {
        let path = self.pairs_path();
        let json =
            serde_json::to_vec_pretty(pairs).map_err(|e| ContentError::io(&path, e.into()))?;
        self.write_atomically(&path, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_and_damage_is_an_empty_list() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path()).unwrap();
        assert!(store.load_pairs().is_empty());
        let pairs = [Pair::new(53, ""), Pair::new(47, "pt_BR")];
        store.save_pairs(&pairs).unwrap();
        assert_eq!(ContentStore::open(dir.path()).unwrap().load_pairs(), pairs);
        fs::write(store.pairs_path(), b"[{\"version\": 5").unwrap();
        assert!(store.load_pairs().is_empty());
    }
}
