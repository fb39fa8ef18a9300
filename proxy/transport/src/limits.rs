//! Memory limits: per connection, and one budget shared by all connections of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one connection may make this side hold on its behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveLimits {
    /// Datagrams waiting for an earlier one, over all channels.
    pub reorder_datagrams: usize,
    /// Bytes in those datagrams, including bookkeeping.
    pub reorder_bytes: usize,
    /// Split messages being put together at the same time.
    pub reassemblies: usize,
    /// Bytes in those, including bookkeeping.
    pub reassembly_bytes: usize,
    /// Bytes of messages the application has not taken. Above it everything that carries a
    /// message is dropped without acknowledgement, so the sender slows down and retries.
    pub undelivered_bytes: usize,
}

impl ReceiveLimits {
    /// For peers that have not logged in: an honest client sends a few messages of at most
    /// 300 bytes and splits nothing until then.
    pub const STRANGER: Self = Self {
        reorder_datagrams: 64,
        reorder_bytes: 32 << 10,
        reassemblies: 4,
        reassembly_bytes: 32 << 10,
        undelivered_bytes: 32 << 10,
    };
    /// For peers that have: room for the longest message the engine can send.
    pub const AUTHENTICATED: Self = Self {
        reorder_datagrams: 4096,
        reorder_bytes: 4 << 20,
        reassemblies: 64,
        reassembly_bytes: 16 << 20,
        undelivered_bytes: 16 << 20,
    };
}

/// Memory shared by all connections: receive buffers, send queues and undelivered messages.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    /// Bytes in use, in steps of the connections' accounting grain (64 KiB).
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether nothing is left.
    pub fn exhausted(&self) -> bool {
        self.used() >= self.limit
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limit {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One connection's share of the budget, taken in grains so that the shared counter is not
/// touched for every datagram.
#[derive(Debug)]
pub(crate) struct Ledger {
    budget: Arc<Budget>,
    taken: usize,
}

impl Ledger {
    const GRAIN: usize = 64 << 10;
    /// Use below this is not counted: it is what every idle connection has.
    const FREE: usize = 4 << 10;

    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, taken: 0 }
    }

    /// Makes the share match `used` bytes; false if the budget does not have them.
    pub(crate) fn settle(&mut self, used: usize) -> bool {
        let wanted = if used <= Self::FREE { 0 } else { used.div_ceil(Self::GRAIN) * Self::GRAIN };
        if wanted > self.taken {
            if !self.budget.take(wanted - self.taken) {
                return false;
            }
            self.taken = wanted;
        } else if wanted + Self::GRAIN < self.taken || (wanted == 0 && self.taken != 0) {
            self.budget.give_back(self.taken - wanted);
            self.taken = wanted;
        }
        true
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_exceeded_and_comes_back() {
        let budget = Budget::new(200 << 10);
        let mut first = Ledger::new(budget.clone());
        let mut second = Ledger::new(budget.clone());
        assert!(first.settle(100 << 10));
        assert!(second.settle(60 << 10));
        assert!(!second.settle(70 << 10), "128 + 128 KiB is too much");
        assert!(first.settle(1 << 10));
        assert!(second.settle(70 << 10));
        assert_eq!(budget.used(), 128 << 10);
        drop(second);
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn small_use_is_free() {
        let budget = Budget::new(0);
        let mut ledger = Ledger::new(budget.clone());
        assert!(ledger.settle(4 << 10));
        assert!(!ledger.settle((4 << 10) + 1));
        assert_eq!(budget.used(), 0);
    }
}
