//! What was passed over in documents of newer releases.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Kinds and fields that are remembered; definitions have fewer.
const MOST: usize = 1000;

/// Kinds and fields that documents have and this release does not know, each once. Cloning shares
/// them.
#[derive(Debug, Clone, Default)]
pub struct Unknown {
    seen: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl Unknown {
    /// Remembers a field of a kind. Gives how many are remembered with it if it is a new one; of
    /// more than 1000, none is new.
    pub fn note(&self, kind: &str, field: &str) -> Option<usize> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let new = seen.len() < MOST && seen.insert((kind.to_owned(), field.to_owned()));
        new.then_some(seen.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_new_once_and_their_number_is_bounded() {
        let unknown = Unknown::default();
        assert_eq!(unknown.note("MinetestServer", "spec.zone"), Some(1));
        assert_eq!(unknown.clone().note("MinetestServer", "spec.zone"), None);
        assert_eq!(unknown.note("MinetestProxy", "spec.zone"), Some(2));
        let mut last = None;
        for number in 0..MOST {
            last = unknown.note("MinetestBan", &number.to_string()).or(last);
        }
        assert_eq!(last, Some(MOST));
        assert_eq!(unknown.note("MinetestBan", "one more"), None);
    }
}
