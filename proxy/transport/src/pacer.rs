//! Spreads bulk data over time: a token bucket in bytes.

use crate::clock::Micros;
use crate::packet::MAX_DATAGRAM;

#[derive(Debug)]
pub(crate) struct Pacer {
    tokens: i64,
    /// Bytes per second.
    rate: u64,
    refilled: Micros,
}

impl Pacer {
    /// Timers are no finer than a millisecond, so a burst must last for several of them.
    const BURST_MICROS: u64 = 10_000;
    const MIN_BURST: i64 = 64 * MAX_DATAGRAM as i64;

    pub(crate) fn new() -> Self {
        Self { tokens: Self::MIN_BURST, rate: 1, refilled: 0 }
    }

    fn burst(&self) -> i64 {
        let burst = (u128::from(self.rate) * u128::from(Self::BURST_MICROS) / 1_000_000) as i64;
        burst.max(Self::MIN_BURST)
    }

    pub(crate) fn refill(&mut self, now: Micros, rate: u64) {
        self.rate = rate.max(1);
        let elapsed = now.saturating_sub(self.refilled);
        let earned = u128::from(elapsed) * u128::from(self.rate) / 1_000_000;
        if earned == 0 {
            // Keep the fraction: the time stays unaccounted until it is worth a byte.
            return;
        }
        self.refilled = now;
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        self.tokens = self.tokens.saturating_add(earned).min(self.burst());
    }

    /// Whether a datagram may go now, `reserve` bytes into debt.
    pub(crate) fn allows(&self, reserve: usize) -> bool {
        self.tokens > -(reserve as i64)
    }

    pub(crate) fn spend(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_sub(bytes as i64);
    }

    /// When about a millisecond's worth of tokens will be there.
    pub(crate) fn ready_at(&self) -> Micros {
        let target = (self.rate / 1000).clamp(1, 16 * MAX_DATAGRAM as u64) as i64;
        let missing = target.saturating_sub(self.tokens).max(0) as u128;
        let wait = (missing * 1_000_000).div_ceil(u128::from(self.rate));
        self.refilled + u64::try_from(wait).unwrap_or(u64::MAX >> 1).min(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_run_rate_is_kept_and_bursts_are_bounded() {
        let mut pacer = Pacer::new();
        let mut sent = 0usize;
        let mut now = 0;
        while now < 10_000_000 {
            pacer.refill(now, 1_000_000);
            while pacer.allows(0) {
                pacer.spend(512);
                sent += 512;
            }
            let at = pacer.ready_at();
            assert!(at > now);
            now = at;
        }
        assert!((10_000_000..10_040_000).contains(&sent), "{sent}");
    }

    #[test]
    fn an_idle_pacer_saves_up_no_more_than_a_burst() {
        let mut pacer = Pacer::new();
        pacer.refill(60_000_000, 100_000);
        let mut packets = 0;
        while pacer.allows(0) {
            pacer.spend(512);
            packets += 1;
        }
        assert_eq!(packets, 64);
    }
}
