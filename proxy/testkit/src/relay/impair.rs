//! One direction of an impaired relay: draws each datagram's fate and holds it until its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Impairment, RelayStats};

/// Datagrams that may wait for their time; a path that holds more drops the newest.
const WAITING: usize = 65_536;

/// Where a datagram goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Socket to send from.
    pub socket: Arc<UdpSocket>,
    /// Receiver, or `None` if the socket is connected.
    pub to: Option<SocketAddr>,
}

impl Target {
    fn send(&self, data: &[u8]) -> bool {
        let sent = match self.to {
            Some(to) => self.socket.try_send_to(data, to),
            None => self.socket.try_send(data),
        };
        sent.is_ok()
    }
}

struct Held {
    due: Instant,
    order: u64,
    data: Box<[u8]>,
    target: Target,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.order) == (other.due, other.order)
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

/// One direction. Clones share the generator and the queue.
#[derive(Clone)]
pub(super) struct Lane {
    impairment: Impairment,
    rng: Arc<Mutex<SmallRng>>,
    hold: mpsc::Sender<(Duration, Box<[u8]>, Target)>,
    stats: Arc<RelayStats>,
    cut: Arc<AtomicBool>,
}

impl Lane {
    /// A lane whose delay queue runs in `tasks`.
    pub(super) fn new(
        impairment: Impairment,
        seed: u64,
        stats: Arc<RelayStats>,
        cut: Arc<AtomicBool>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (hold, held) = mpsc::channel(WAITING);
        tasks.spawn(release(held, stats.clone()));
        let rng = Arc::new(Mutex::new(SmallRng::seed_from_u64(seed)));
        Self { impairment, rng, hold, stats, cut }
    }

    /// Decides what becomes of one datagram, and starts it on its way.
    pub(super) fn pass(&self, data: &[u8], target: &Target) {
        let mut delays = [None; 2];
        {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            let lost = rng.random::<f64>() < self.impairment.loss;
            let twice = rng.random::<f64>() < self.impairment.duplicate;
            for (slot, wanted) in delays.iter_mut().zip([true, twice]) {
                if wanted {
                    *slot = Some(self.delay(&mut rng));
                }
            }
            if lost || self.cut.load(Ordering::Relaxed) {
                self.stats.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        for (copy, delay) in delays.into_iter().flatten().enumerate() {
            if copy > 0 {
                self.stats.duplicated.fetch_add(1, Ordering::Relaxed);
            }
            if delay.is_zero() {
                if target.send(data) {
                    self.stats.forwarded.fetch_add(1, Ordering::Relaxed);
                }
            } else if self.hold.try_send((delay, data.into(), target.clone())).is_err() {
                self.stats.overflow.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn delay(&self, rng: &mut SmallRng) -> Duration {
        let jitter = self.impairment.jitter.as_secs_f64() * (rng.random::<f64>() * 2.0 - 1.0);
        Duration::from_secs_f64((self.impairment.delay.as_secs_f64() + jitter).max(0.0))
    }
}

async fn release(
    mut arriving: mpsc::Receiver<(Duration, Box<[u8]>, Target)>,
    stats: Arc<RelayStats>,
) {
    let mut waiting: BinaryHeap<Reverse<Held>> = BinaryHeap::new();
    let mut order = 0;
    loop {
        let due = waiting.peek().map(|Reverse(held)| held.due);
        let next = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            arrival = arriving.recv(), if waiting.len() < WAITING => {
                let Some((delay, data, target)) = arrival else { return };
                order += 1;
                waiting.push(Reverse(Held { due: Instant::now() + delay, order, data, target }));
            }
            () = next => {
                let now = Instant::now();
                while waiting.peek().is_some_and(|Reverse(held)| held.due <= now) {
                    let Some(Reverse(held)) = waiting.pop() else { break };
                    if held.target.send(&held.data) {
                        stats.forwarded.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}
