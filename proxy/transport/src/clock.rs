//! Time inside a connection: microseconds since it was created, which is compact to store.

use std::time::{Duration, Instant};

/// Microseconds since the connection was created.
pub(crate) type Micros = u64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start }
    }

    pub(crate) fn at(self, now: Instant) -> Micros {
        micros(now.saturating_duration_since(self.start))
    }

    /// `None` only for times the platform cannot express.
    pub(crate) fn instant(self, at: Micros) -> Option<Instant> {
        self.start.checked_add(Duration::from_micros(at))
    }
}

/// A duration in microseconds, saturating.
pub(crate) fn micros(duration: Duration) -> Micros {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
