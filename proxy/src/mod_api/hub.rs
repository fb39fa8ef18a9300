//! Data on its way from server to server.
//!
//! A server is reached through the session of any player on it. Data for one that has none waits
//! for a minute; what waits is bounded for each server.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesegate_admin::Failure;
use mesegate_proto::admin::v1::FailureReason as Reason;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::link::Parcel;
use crate::bucket::{Bucket, Rate};

/// How long data waits for somebody to carry it.
const PATIENCE: Duration = Duration::from_mins(1);

/// What may wait for one server.
const WAITING: usize = 1024;
const WAITING_BYTES: usize = 1024 * 1024;

/// Data for a server.
#[derive(Debug)]
pub(crate) struct Data {
    /// The server it comes from.
    pub(super) from: String,
    pub(super) topic: String,
    pub(super) text: String,
}

impl Data {
    fn bytes(&self) -> usize {
        self.from.len() + self.topic.len() + self.text.len()
    }
}

/// Carries data between servers, and counts their requests.
#[derive(Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    servers: BTreeMap<String, Server>,
    rates: HashMap<String, Bucket>,
}

#[derive(Default)]
struct Server {
    /// By player. The first one carries, so that what was sent first comes first.
    carriers: BTreeMap<String, Carrier>,
    waiting: VecDeque<(Instant, Arc<Data>)>,
}

struct Carrier {
    visit: u64,
    inbox: mpsc::Sender<Parcel>,
}

impl Hub {
    /// A player's session can carry data to `server` from now on.
    pub(super) fn carry(
        &self,
        server: &str,
        player: &str,
        visit: u64,
        inbox: mpsc::Sender<Parcel>,
    ) {
        let mut state = self.lock();
        let it = state.servers.entry(server.to_owned()).or_default();
        it.carriers.insert(player.to_owned(), Carrier { visit, inbox });
        it.refill(Instant::now());
    }

    /// It cannot any more.
    pub(super) fn end(&self, server: &str, player: &str) {
        let mut state = self.lock();
        if let Some(it) = state.servers.get_mut(server) {
            it.carriers.remove(player);
            it.refill(Instant::now());
            if it.carriers.is_empty() && it.waiting.is_empty() {
                state.servers.remove(server);
            }
        }
    }

    /// A carrier has room again.
    pub(super) fn room(&self, server: &str) {
        if let Some(it) = self.lock().servers.get_mut(server) {
            it.refill(Instant::now());
        }
    }

    /// Sends data to a server that exists. Gives whether it has to wait for somebody to carry it.
    ///
    /// # Errors
    /// `TOO_MANY_REQUESTS` if too much waits for the server already.
    pub(super) fn send(&self, server: &str, data: Arc<Data>) -> Result<bool, Failure> {
        let mut state = self.lock();
        let now = Instant::now();
        let it = state.servers.entry(server.to_owned()).or_default();
        it.expire(now);
        let bytes: usize = it.waiting.iter().map(|(_, data)| data.bytes()).sum();
        if it.waiting.len() >= WAITING || bytes + data.bytes() > WAITING_BYTES {
            let text = format!("too much data waits for server {server:?}");
            return Err(Failure::new(Reason::TooManyRequests, text));
        }
        it.waiting.push_back((now, data));
        it.refill(now);
        Ok(!it.waiting.is_empty())
    }

    /// Puts back in front what a session did not get to its server.
    pub(super) fn put_back(&self, server: &str, data: impl DoubleEndedIterator<Item = Arc<Data>>) {
        let mut state = self.lock();
        let now = Instant::now();
        let it = state.servers.entry(server.to_owned()).or_default();
        for data in data.rev() {
            it.waiting.push_front((now, data));
        }
        it.refill(now);
    }

    /// Whether a request of `server` keeps to its rate.
    pub(super) fn admit(&self, server: &str, rate: u32) -> bool {
        let mut state = self.lock();
        let now = Instant::now();
        let rate = Rate { per_second: rate.into(), most: 2.0 * f64::from(rate) };
        let new = || Bucket::full(rate, now);
        state.rates.entry(server.to_owned()).or_insert_with(new).take(rate, now).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl Server {
    fn expire(&mut self, now: Instant) {
        while self.waiting.front().is_some_and(|(at, _)| now.duration_since(*at) > PATIENCE) {
            self.waiting.pop_front();
        }
    }

    fn refill(&mut self, now: Instant) {
        self.expire(now);
        while let Some((at, data)) = self.waiting.pop_front() {
            let Some((player, carrier)) = self.carriers.first_key_value() else {
                self.waiting.push_front((at, data));
                return;
            };
            match carrier.inbox.try_send(Parcel::Data(carrier.visit, data)) {
                Ok(()) => {}
                Err(TrySendError::Full(Parcel::Data(_, data))) => {
                    self.waiting.push_front((at, data));
                    return;
                }
                Err(TrySendError::Closed(Parcel::Data(_, data))) => {
                    let player = player.clone();
                    self.carriers.remove(&player);
                    self.waiting.push_front((at, data));
                }
                // What comes back is what was sent.
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(topic: &str) -> Arc<Data> {
        Arc::new(Data { from: "a".into(), topic: topic.into(), text: "x".repeat(1000) })
    }

    fn topic(parcel: Parcel) -> String {
        let Parcel::Data(_, data) = parcel else { panic!() };
        data.topic.clone()
    }

    #[test]
    fn data_waits_for_somebody_who_carries_it_and_keeps_its_order() {
        let hub = Hub::default();
        assert!(hub.send("b", data("1")).unwrap());
        assert!(hub.send("b", data("2")).unwrap());
        let (sender, mut inbox) = mpsc::channel(1);
        hub.carry("b", "alice", 1, sender);
        assert!(hub.send("b", data("3")).unwrap(), "there is room for one");
        for expected in ["1", "2", "3"] {
            assert_eq!(topic(inbox.try_recv().unwrap()), expected);
            hub.room("b");
        }
        assert!(!hub.send("b", data("4")).unwrap());
        // The player leaves with it.
        let Ok(Parcel::Data(_, left)) = inbox.try_recv() else { panic!() };
        hub.end("b", "alice");
        assert!(hub.send("b", data("5")).unwrap());
        hub.put_back("b", [left].into_iter());
        let (sender, mut inbox) = mpsc::channel(9);
        hub.carry("b", "bob", 1, sender);
        assert_eq!(topic(inbox.try_recv().unwrap()), "4");
        assert_eq!(topic(inbox.try_recv().unwrap()), "5");
    }

    #[test]
    fn what_waits_and_what_is_asked_is_bounded() {
        let hub = Hub::default();
        for _ in 0..WAITING {
            hub.send("b", data("1")).unwrap();
        }
        let failure = hub.send("b", data("1")).unwrap_err();
        assert_eq!(failure.reason, Reason::TooManyRequests);
        let admitted = (0..100).filter(|_| hub.admit("a", 5)).count();
        assert!((10..=11).contains(&admitted), "{admitted}");
        assert!(hub.admit("b", 5));
    }
}
