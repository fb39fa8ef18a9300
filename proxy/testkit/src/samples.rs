//! Measured durations and their percentiles.

use std::time::Duration;

/// Most samples kept by one set.
const LIMIT: usize = 2_000_000;

/// A set of durations.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    nanos: Vec<u64>,
}

/// What is reported of a set, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Number of samples.
    pub count: usize,
    /// Half were faster.
    pub p50_ms: f64,
    /// 99 % were faster.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Samples {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one sample; past two million they are no longer kept.
    pub fn add(&mut self, sample: Duration) {
        self.add_nanos(sample.as_nanos() as u64);
    }

    /// Adds one sample in nanoseconds.
    pub fn add_nanos(&mut self, nanos: u64) {
        if self.nanos.len() < LIMIT {
            self.nanos.push(nanos);
        }
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        let room = LIMIT - self.nanos.len().min(LIMIT);
        self.nanos.extend(other.nanos.iter().take(room));
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.nanos.len()
    }

    /// True without samples.
    pub fn is_empty(&self) -> bool {
        self.nanos.is_empty()
    }

    /// Nearest-rank percentiles; all 0 without samples.
    pub fn summary(&self) -> Summary {
        let mut sorted = self.nanos.clone();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let index = (sorted.len() * percent).div_ceil(100).max(1) - 1;
            sorted.get(index).map_or(0.0, |nanos| *nanos as f64 / 1e6)
        };
        Summary { count: sorted.len(), p50_ms: rank(50), p99_ms: rank(99), max_ms: rank(100) }
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(iter: I) -> Self {
        let mut samples = Self::new();
        iter.into_iter().for_each(|sample| samples.add(sample));
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let samples: Samples = (1..=200).rev().map(Duration::from_millis).collect();
        let summary = samples.summary();
        assert_eq!(summary, Summary { count: 200, p50_ms: 100.0, p99_ms: 198.0, max_ms: 200.0 });
        assert_eq!(Samples::new().summary(), Summary::default());
        let one: Samples = [Duration::from_millis(3)].into_iter().collect();
        assert_eq!(one.summary(), Summary { count: 1, p50_ms: 3.0, p99_ms: 3.0, max_ms: 3.0 });
    }
}
