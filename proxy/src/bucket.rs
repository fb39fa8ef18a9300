//! How often something may be done: a store of permits that fills up steadily.

use std::time::{Duration, Instant};

/// How fast permits come, and how many are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) most: f64,
}

/// The permits of one who is limited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// As many as can be.
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self { left: rate.most, at: now }
    }

    /// Takes a permit.
    ///
    /// # Errors
    /// How long until there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.left = self.level(rate, now);
        self.at = self.at.max(now);
        if self.left < 1.0 {
            let wait = Duration::try_from_secs_f64((1.0 - self.left) / rate.per_second);
            return Err(wait.unwrap_or(Duration::MAX));
        }
        self.left -= 1.0;
        Ok(())
    }

    /// Whether it is as good as a new one.
    pub(crate) fn is_full(&self, rate: Rate, now: Instant) -> bool {
        self.level(rate, now) >= rate.most
    }

    fn level(&self, rate: Rate, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + passed * rate.per_second).min(rate.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_come_back_at_the_rate_and_are_not_hoarded() {
        let rate = Rate { per_second: 0.1, most: 6.0 };
        let start = Instant::now();
        let mut bucket = Bucket::full(rate, start);
        for _ in 0..6 {
            assert!(bucket.is_full(rate, start + Duration::from_mins(1)));
            assert_eq!(bucket.take(rate, start), Ok(()));
            assert!(!bucket.is_full(rate, start));
        }
        let wait = bucket.take(rate, start).unwrap_err();
        assert_eq!(wait.as_secs(), 10);
        assert_eq!(bucket.take(rate, start + wait), Ok(()));
        assert!(bucket.take(rate, start + wait).is_err());
        let later = start + Duration::from_secs(10_000);
        assert_eq!((0..20).filter(|_| bucket.take(rate, later).is_ok()).count(), 6);
    }

    #[test]
    fn a_rate_of_nothing_and_a_clock_that_went_back_harm_nobody() {
        let never = Rate { per_second: 0.0, most: 0.0 };
        let before = Instant::now();
        let now = before + Duration::from_secs(10);
        let mut bucket = Bucket::full(never, now);
        assert_eq!(bucket.take(never, now), Err(Duration::MAX));
        let rate = Rate { per_second: 1.0, most: 1.0 };
        let mut bucket = Bucket::full(rate, now);
        assert_eq!(bucket.take(rate, now), Ok(()));
        assert!(bucket.take(rate, before).is_err());
        assert!(bucket.take(rate, now).is_err());
    }
}
