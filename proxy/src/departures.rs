//! When players left servers.
//!
//! An engine keeps a player's object for up to half a second after the goodbye, until the
//! environment is tidied the next time (`serverenvironment.cpp`, removeRemovedObjects). A player of
//! that name who enters meanwhile is mixed up with it: servers 5.10 and 5.15 were seen to end with
//! "missing peer ID" or an error in a mod when somebody came back after 0.4 s, without any proxy
//! between; after 0.6 s they were not. No client of a person is that quick; a proxy is. What players
//! did at another proxy is not known here: who was sent away lately is taken to have left just now.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long after a goodbye a server is left alone: twice the engine's interval.
const REST: Duration = Duration::from_secs(1);

/// Who left which server in the last second.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    /// By server and player.
    last: Mutex<HashMap<(String, String), Instant>>,
}

impl Departures {
    /// The player has just said goodbye to the server, or was lost by it.
    pub(crate) fn left(&self, server: &str, player: &str, now: Instant) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, at| now.duration_since(*at) < REST);
        last.insert((server.to_owned(), player.to_owned()), now);
    }

    /// How long the player has to wait before they enter the server again.
    pub(crate) fn rest(&self, server: &str, player: &str, now: Instant) -> Duration {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let at = last.get(&(server.to_owned(), player.to_owned()));
        at.map_or(Duration::ZERO, |at| REST.saturating_sub(now.duration_since(*at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_left_alone_for_a_second_by_who_left_it() {
        let departures = Departures::default();
        let start = Instant::now();
        departures.left("a", "alice", start);
        let later = start + Duration::from_millis(400);
        assert_eq!(departures.rest("a", "alice", later), Duration::from_millis(600));
        assert_eq!(departures.rest("b", "alice", later), Duration::ZERO);
        assert_eq!(departures.rest("a", "bob", later), Duration::ZERO);
        assert_eq!(departures.rest("a", "alice", start + REST), Duration::ZERO);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let departures = Departures::default();
        let start = Instant::now();
        for second in 0..10 {
            departures.left("a", &second.to_string(), start + REST * second);
        }
        assert_eq!(departures.last.lock().unwrap().len(), 1);
    }
}
