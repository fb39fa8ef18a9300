//! Players of one server tell each other that it is gone.
//!
//! A backend that dies says nothing. Each of its players would find out alone: with the next
//! datagram that is refused, and a moment of doubt after it. So the first one who is sure lets the
//! others know, who then ask the server for a sign of life at once. Each of them still decides by
//! its own link: the broken path of one player must not take the others off a live server.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Reports about one server that come closer together than this are one.
const PAUSE: Duration = Duration::from_millis(500);

/// When each server with players was last lost by one of them.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    last: Mutex<HashMap<String, watch::Sender<Option<Instant>>>>,
}

/// What a player on a server hears of the others' losses. The server is forgotten when its last
/// player has dropped theirs.
pub(crate) type LossNotice = watch::Receiver<Option<Instant>>;

impl Losses {
    /// Hears about losses of `server` from now on.
    pub(crate) fn watch(&self, server: &str) -> LossNotice {
        let mut last = self.lock();
        last.retain(|name, sender| name == server || sender.receiver_count() > 0);
        let sender = last.entry(server.to_owned()).or_insert_with(|| watch::Sender::new(None));
        sender.subscribe()
    }

    /// A player has lost `server`.
    pub(crate) fn report(&self, server: &str, now: Instant) {
        if let Some(sender) = self.lock().get(server) {
            sender.send_if_modified(|last| {
                let fresh = last.is_none_or(|last| now.duration_since(last) >= PAUSE);
                if fresh {
                    *last = Some(now);
                }
                fresh
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Option<Instant>>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_of_the_same_server_hear_of_a_loss_once() {
        let losses = Losses::default();
        let (mut alice, mut bob) = (losses.watch("a"), losses.watch("b"));
        let now = Instant::now();
        losses.report("a", now);
        losses.report("a", now + PAUSE / 2);
        assert!(alice.has_changed().unwrap());
        assert_eq!(*alice.borrow_and_update(), Some(now));
        assert!(!bob.has_changed().unwrap());
        losses.report("a", now + PAUSE);
        assert_eq!(*alice.borrow_and_update(), Some(now + PAUSE));
        assert_eq!(*bob.borrow_and_update(), None);
    }

    #[test]
    fn an_old_loss_is_no_news_to_who_comes_later() {
        let losses = Losses::default();
        let _alice = losses.watch("a");
        losses.report("a", Instant::now());
        assert!(!losses.watch("a").has_changed().unwrap());
    }

    #[test]
    fn servers_without_players_are_forgotten() {
        let losses = Losses::default();
        for index in 0..10 {
            losses.watch(&index.to_string());
        }
        let _alice = losses.watch("a");
        assert_eq!(losses.lock().len(), 1);
        losses.report("gone", Instant::now());
    }
}
