//! Round trip estimation after RFC 6298; ambiguous samples (Karn) are kept away by the caller.

use crate::clock::{Micros, micros};
use crate::config::Config;

#[derive(Debug, Default)]
pub(crate) struct Rtt {
    smoothed: Option<Micros>,
    variation: Micros,
}

impl Rtt {
    /// Below this, differences are the scheduler's and not the path's.
    const GRANULARITY: Micros = 5_000;

    pub(crate) fn sample(&mut self, sample: Micros) {
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(sample);
            self.variation = sample / 2;
            return;
        };
        self.variation = (3 * self.variation + smoothed.abs_diff(sample)) / 4;
        self.smoothed = Some((7 * smoothed + sample) / 8);
    }

    pub(crate) fn smoothed(&self) -> Option<Micros> {
        self.smoothed
    }

    pub(crate) fn variation(&self) -> Micros {
        self.variation
    }

    /// Retransmission timeout without back-off.
    pub(crate) fn timeout(&self, config: &Config) -> Micros {
        match self.smoothed {
            None => micros(config.initial_rto),
            Some(smoothed) => {
                (smoothed + (4 * self.variation).max(Self::GRANULARITY)).max(micros(config.min_rto))
            }
        }
    }

    /// Time after its sending at which a packet counts as lost once a later one arrived:
    /// one round trip and what reordering may add to it.
    pub(crate) fn loss_delay(&self, reorder_factor: u64) -> Micros {
        let smoothed = self.smoothed.unwrap_or_default();
        let window = (smoothed / 4).max(reorder_factor * self.variation).max(Self::GRANULARITY);
        smoothed + window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_follows_the_path_and_respects_its_bounds() {
        let config = Config::default();
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout(&config), 500_000);
        rtt.sample(40_000);
        assert_eq!(rtt.timeout(&config), 120_000);
        for _ in 0..100 {
            rtt.sample(40_000);
        }
        assert_eq!(rtt.timeout(&config), 100_000, "lower bound");
        for _ in 0..100 {
            rtt.sample(300_000);
        }
        let timeout = rtt.timeout(&config);
        assert!((300_000..320_000).contains(&timeout), "{timeout}");
    }
}
