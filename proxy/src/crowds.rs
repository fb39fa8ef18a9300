//! The players of each server: how many they are, and that they tell each other when it is gone.
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

/// The players of all servers.
#[derive(Debug, Default)]
pub(crate) struct Crowds {
    /// When each server with players was last lost by one of them.
    losses: Mutex<HashMap<String, watch::Sender<Option<Instant>>>>,
}

/// A player's place among those of a server, given up when dropped.
#[derive(Debug)]
pub(crate) struct Member {
    losses: watch::Receiver<Option<Instant>>,
}

impl Crowds {
    /// A player comes to `server`.
    pub(crate) fn join(&self, server: &str) -> Member {
        let mut losses = self.lock();
        losses.retain(|name, sender| name == server || sender.receiver_count() > 0);
        let sender = losses.entry(server.to_owned()).or_insert_with(|| watch::Sender::new(None));
        Member { losses: sender.subscribe() }
    }

    /// How many players are on `server`.
    pub(crate) fn size(&self, server: &str) -> usize {
        self.lock().get(server).map_or(0, watch::Sender::receiver_count)
    }

    /// A player has lost `server`.
    pub(crate) fn lost(&self, server: &str, now: Instant) {
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
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Waits until another player has lost the server. May be dropped without missing that.
    pub(crate) async fn doubt(&mut self) {
        if self.losses.changed().await.is_err() {
            // The crowds are gone, and with them everybody who could tell.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(member: &mut Member) -> bool {
        let news = member.losses.has_changed().unwrap();
        member.losses.mark_unchanged();
        news
    }

    #[test]
    fn players_of_the_same_server_hear_of_a_loss_once() {
        let crowds = Crowds::default();
        let (mut alice, mut bob) = (crowds.join("a"), crowds.join("b"));
        let now = Instant::now();
        crowds.lost("a", now);
        assert!(hears(&mut alice));
        crowds.lost("a", now + PAUSE / 2);
        assert!(!hears(&mut alice));
        crowds.lost("a", now + PAUSE);
        assert!(hears(&mut alice));
        assert!(!hears(&mut bob));
    }

    #[test]
    fn an_old_loss_is_no_news_to_who_comes_later() {
        let crowds = Crowds::default();
        let _alice = crowds.join("a");
        crowds.lost("a", Instant::now());
        assert!(!hears(&mut crowds.join("a")));
    }

    #[test]
    fn players_are_counted_and_servers_without_any_forgotten() {
        let crowds = Crowds::default();
        let alice = crowds.join("a");
        let bob = crowds.join("a");
        assert_eq!((crowds.size("a"), crowds.size("b")), (2, 0));
        drop((alice, bob));
        assert_eq!(crowds.size("a"), 0);
        let _carol = crowds.join("b");
        assert_eq!(crowds.lock().len(), 1);
        crowds.lost("gone", Instant::now());
    }
}
