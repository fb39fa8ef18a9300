//! Who was in the game here a moment ago. A client that loses its path, or loads anew for a
//! server's sake, comes back to where it was; a proxy that is being left lets it in again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long somebody may come back.
const WELCOME: Duration = Duration::from_mins(5);

/// Names that are remembered. Only those who were in the game get in, so it takes as many visits
/// within [`WELCOME`]; who comes on top of them is a stranger.
const MOST: usize = 16_384;

/// Names by when they left.
#[derive(Debug, Default)]
pub(super) struct Regulars(Mutex<HashMap<String, Instant>>);

impl Regulars {
    /// The player left or was lost.
    pub(super) fn left(&self, name: &str, now: Instant) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MOST {
            names.retain(|_, at| now.duration_since(*at) < WELCOME);
        }
        if names.len() < MOST {
            names.insert(name.to_owned(), now);
        }
    }

    /// The player was asked to go elsewhere.
    pub(super) fn sent_away(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Whether the player was here a moment ago.
    pub(super) fn knows(&self, name: &str, now: Instant) -> bool {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(name).is_some_and(|at| now.duration_since(*at) < WELCOME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_for_a_while_unless_they_were_sent_away() {
        let regulars = Regulars::default();
        let start = Instant::now();
        regulars.left("alice", start);
        assert!(regulars.knows("alice", start + WELCOME / 2));
        assert!(!regulars.knows("alice", start + WELCOME));
        assert!(!regulars.knows("bob", start));
        regulars.sent_away("alice");
        assert!(!regulars.knows("alice", start));
    }

    #[test]
    fn there_is_an_end_to_names() {
        let regulars = Regulars::default();
        let start = Instant::now();
        for number in 0..MOST {
            regulars.left(&number.to_string(), start);
        }
        regulars.left("late", start);
        assert!(!regulars.knows("late", start));
        regulars.left("later", start + WELCOME);
        assert!(regulars.knows("later", start + WELCOME));
    }
}
