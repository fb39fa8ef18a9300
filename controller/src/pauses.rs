//! How long a watch that failed waits before it is tried again.

use std::time::Duration;

use kube::runtime::utils::{Backoff, ResetTimerBackoff};

/// The first pause and the longest one. client-go's half a minute, doubled by jitter and followed
/// by another one for the "too old resource version" that a restarted API server answers first,
/// would leave proxies a minute behind; six watches of few replicas are no load that has to be
/// kept off.
const PAUSES: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(3));

/// After so long without a failure the pauses are short again.
const CALM: Duration = Duration::from_secs(30);

/// Pauses that double, with jitter.
pub(crate) fn pauses() -> ResetTimerBackoff<Pauses> {
    ResetTimerBackoff::new(Pauses { limit: PAUSES.0 }, CALM)
}

/// The pauses of one watch.
#[derive(Debug)]
pub(crate) struct Pauses {
    limit: Duration,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.limit.mul_f64(rand::random_range(0.5..1.0));
        self.limit = (self.limit * 2).min(PAUSES.1);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.limit = PAUSES.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_a_limit() {
        let mut pauses = pauses();
        assert!(pauses.next().unwrap() < PAUSES.0);
        let last = pauses.nth(20).unwrap();
        assert!(last >= PAUSES.1 / 2 && last <= PAUSES.1, "{last:?}");
        pauses.reset();
        assert!(pauses.next().unwrap() < PAUSES.0);
    }
}
