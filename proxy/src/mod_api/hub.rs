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

/// What is given to another proxy at once.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 256 * 1024;

/// Bytes of data and of its topic, as JSON: with all that is around them they must fit into a
/// message's 65535.
pub(super) const DATA: usize = 48 * 1024;
pub(super) const TOPIC: usize = 64;

/// Data that waits, and since when.
pub(super) type Waiting = (Instant, Arc<Data>);

/// Data for a server.
#[derive(Debug)]
pub(crate) struct Data {
    /// The server it comes from.
    pub(crate) from: String,
    pub(crate) topic: String,
    pub(crate) text: String,
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
    waiting: VecDeque<Waiting>,
    /// Whether a task looks for another proxy that could carry it.
    forwarded: bool,
    /// Whether some of it is being given to another proxy; nothing may overtake that.
    away: bool,
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
            if it.is_idle() {
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

    /// Whether a task is to be begun that gives what waits for a server to other proxies.
    pub(super) fn begin_forwarding(&self, server: &str) -> bool {
        let mut state = self.lock();
        let Some(it) = state.servers.get_mut(server) else { return false };
        !it.waiting.is_empty() && !std::mem::replace(&mut it.forwarded, true)
    }

    /// What is to be given to another proxy now: nothing unless there is somebody `there`, and nobody
    /// here. `None` if nothing waits any more: the task ends. Whatever is given has to be
    /// [returned](Self::returned).
    pub(super) fn batch(&self, server: &str, there: bool) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        let it = state.servers.get_mut(server)?;
        it.refill(Instant::now());
        if it.waiting.is_empty() {
            it.forwarded = false;
            if it.is_idle() {
                state.servers.remove(server);
            }
            return None;
        }
        let mut batch = Vec::new();
        if there && it.carriers.is_empty() {
            let mut bytes = 0;
            while batch.len() < BATCH
                && let Some(next) = it.waiting.pop_front_if(|(_, data)| {
                    bytes += data.bytes();
                    bytes <= BATCH_BYTES
                })
            {
                batch.push(next);
            }
            it.away = !batch.is_empty();
        }
        Some(batch)
    }

    /// What of a batch was not taken.
    pub(super) fn returned(&self, server: &str, rest: Vec<Waiting>) {
        let mut state = self.lock();
        let it = state.servers.entry(server.to_owned()).or_default();
        it.away = false;
        for data in rest.into_iter().rev() {
            it.waiting.push_front(data);
        }
        it.refill(Instant::now());
    }

    /// Takes data that another proxy has for a server, as long as there is somebody who can carry
    /// it, and room; gives how much.
    pub(crate) fn take(&self, server: &str, all: Vec<Data>) -> usize {
        let count = all.len();
        for (taken, data) in all.into_iter().enumerate() {
            // No proxy of this release sends such.
            if data.text.len() > DATA || data.topic.len() > TOPIC {
                continue;
            }
            let somebody =
                self.lock().servers.get(server).is_some_and(|it| !it.carriers.is_empty());
            if !somebody || self.send(server, Arc::new(data)).is_err() {
                return taken;
            }
        }
        count
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

    fn is_idle(&self) -> bool {
        self.carriers.is_empty() && self.waiting.is_empty() && !self.forwarded
    }

    fn refill(&mut self, now: Instant) {
        self.expire(now);
        if self.away {
            return;
        }
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
    fn what_is_given_to_another_proxy_is_not_overtaken() {
        let hub = Hub::default();
        assert!(!hub.begin_forwarding("b"));
        for topic in ["1", "2", "3"] {
            hub.send("b", data(topic)).unwrap();
        }
        assert!(hub.begin_forwarding("b") && !hub.begin_forwarding("b"));
        assert!(hub.batch("b", false).unwrap().is_empty(), "nobody is anywhere");
        let mut batch = hub.batch("b", true).unwrap();
        assert_eq!(batch.len(), 3);
        // Somebody comes before it is known what became of it.
        let (sender, mut inbox) = mpsc::channel(9);
        hub.carry("b", "alice", 1, sender);
        assert!(hub.send("b", data("4")).unwrap());
        assert!(inbox.try_recv().is_err());
        hub.returned("b", batch.split_off(1));
        let come: Vec<String> = std::iter::from_fn(|| inbox.try_recv().ok()).map(topic).collect();
        assert_eq!(come, ["2", "3", "4"]);
        assert!(hub.batch("b", true).is_none());
        hub.end("b", "alice");
        assert!(hub.lock().servers.is_empty());
    }

    #[test]
    fn another_proxys_data_is_taken_while_somebody_can_carry_it() {
        let hub = Hub::default();
        let all = |count: usize| -> Vec<Data> {
            let one =
                |n: usize| Data { from: "a".into(), topic: n.to_string(), text: String::new() };
            (0..count).map(one).collect()
        };
        assert_eq!(hub.take("b", all(2)), 0);
        let (sender, _inbox) = mpsc::channel(9);
        hub.carry("b", "alice", 1, sender);
        assert_eq!(hub.take("b", all(2)), 2);
        // The session has stalled: what does not fit stays where it was.
        let taken = hub.take("b", all(WAITING + 9));
        assert_eq!(taken, WAITING + 7);
        hub.end("b", "alice");
        assert_eq!(hub.take("b", all(1)), 0);
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
