//! What a player has lost lately. Servers that send everybody on to each other end here.

use std::time::{Duration, Instant};

/// How long a player has to be on a server for what was before to be over.
const STEADY: Duration = Duration::from_secs(10);

/// Servers that a player has lost, one soon after the other, without having asked to go anywhere.
#[derive(Debug, Default)]
pub(super) struct LostLately {
    servers: Vec<String>,
    /// Why the first of them was lost, in words.
    why: Option<String>,
    /// Since when the player is on a server.
    since: Option<Instant>,
}

impl LostLately {
    /// The player has arrived somewhere; `wanted` if they, or an operator, had asked for it.
    pub(super) fn arrived(&mut self, wanted: bool, now: Instant) {
        if wanted {
            *self = Self::default();
        }
        self.since = Some(now);
    }

    /// The player has lost a server.
    pub(super) fn lost(&mut self, server: &str, why: String, now: Instant) {
        if self.since.is_some_and(|since| now.duration_since(since) >= STEADY) {
            *self = Self::default();
        }
        self.since = None;
        self.servers.push(server.to_owned());
        self.why.get_or_insert(why);
    }

    /// The servers that are not to be tried again, in the order in which they were lost.
    pub(super) fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Why the first of them was lost.
    pub(super) fn first(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_that_follow_each_other_are_remembered_until_a_player_stays_somewhere() {
        let mut lost = LostLately::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        lost.arrived(true, at(0));
        lost.lost("a", "a fell".into(), at(3));
        lost.arrived(false, at(4));
        lost.lost("b", "b fell".into(), at(13));
        assert_eq!(
            (lost.servers(), lost.first()),
            (&["a".to_owned(), "b".to_owned()][..], Some("a fell"))
        );
        lost.arrived(false, at(14));
        lost.lost("c", "c fell".into(), at(24));
        assert_eq!((lost.servers(), lost.first()), (&["c".to_owned()][..], Some("c fell")));
        lost.arrived(true, at(25));
        assert!(lost.servers().is_empty() && lost.first().is_none());
    }
}
