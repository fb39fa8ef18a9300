//! What a player has lost lately. Servers that send everybody on to each other end here.
//!
//! A server that was lost is tried again once it is known to have gone and come back. One that sends
//! players away while it answers is not, and none of them for ever.

use std::time::{Duration, Instant};

/// How long a player has to be on a server for what was before to be over.
const STEADY: Duration = Duration::from_secs(10);

/// How often a player may lose the same server until it is not tried again, though it came back.
const TIMES: usize = 3;

/// Servers that a player has lost, one soon after the other, without having asked to go anywhere.
#[derive(Debug, Default)]
pub(super) struct LostLately {
    servers: Vec<(String, Instant)>,
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
        self.servers.push((server.to_owned(), now));
        self.why.get_or_insert(why);
    }

    /// The servers that are not to be tried again, in the order in which they were lost; `up_since`
    /// knows when one was last found to answer after it had not.
    pub(super) fn barred(&self, up_since: impl Fn(&str) -> Option<Instant>) -> Vec<String> {
        let times = |name: &str| self.servers.iter().filter(|(it, _)| it == name).count();
        let barred = self.servers.iter().filter(|(name, lost)| {
            times(name) >= TIMES || up_since(name).is_none_or(|up| up < *lost)
        });
        barred.map(|(name, _)| name.clone()).collect()
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
        let barred = |lost: &LostLately| lost.barred(|_| Some(start));
        assert_eq!(barred(&lost), ["a", "b"]);
        assert_eq!(lost.first(), Some("a fell"));
        lost.arrived(false, at(14));
        lost.lost("c", "c fell".into(), at(24));
        assert_eq!(barred(&lost), ["c"]);
        assert_eq!(lost.first(), Some("c fell"));
        lost.arrived(true, at(25));
        assert!(barred(&lost).is_empty() && lost.first().is_none());
    }

    #[test]
    fn a_server_that_has_come_back_is_tried_again_but_not_for_ever() {
        let mut lost = LostLately::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        lost.lost("a", "a fell".into(), at(1));
        assert_eq!(lost.barred(|_| None), ["a"]);
        assert!(lost.barred(|_| Some(at(2))).is_empty());
        lost.lost("a", "a fell".into(), at(3));
        assert_eq!(lost.barred(|_| Some(at(2))), ["a"]);
        assert!(lost.barred(|_| Some(at(4))).is_empty());
        lost.lost("a", "a fell".into(), at(5));
        assert_eq!(lost.barred(|_| Some(at(6))), ["a", "a", "a"]);
    }
}
