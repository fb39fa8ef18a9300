//! How many new peers are let in: token buckets per source and for all sources together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::config::ListenConfig;
use crate::stats::DropReason;

/// Sources remembered; when even a sweep makes no room, only the total limit holds for others.
const MAX_SOURCES: usize = 8192;

/// An IPv4 address or an IPv6 /64: what one attacker has for free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: f64,
    burst: f64,
}

impl Bucket {
    fn level(&self, now: Instant, rate: Rate) -> f64 {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        (self.tokens + elapsed * rate.per_second).min(rate.burst)
    }

    fn take(&mut self, now: Instant, rate: Rate) -> bool {
        self.tokens = self.level(now, rate);
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[derive(Debug)]
pub(crate) struct Admission {
    total_rate: Rate,
    source_rate: Rate,
    total: Bucket,
    sources: HashMap<Source, Bucket>,
}

impl Admission {
    pub(crate) fn new(config: &ListenConfig, now: Instant) -> Self {
        let rate = |per_second: u32, burst: u32| Rate {
            per_second: f64::from(per_second),
            burst: f64::from(burst.max(1)),
        };
        let total_rate = rate(config.new_peers_per_second, config.new_peers_burst);
        Self {
            total_rate,
            source_rate: rate(config.source_peers_per_second, config.source_peers_burst),
            total: Bucket { tokens: total_rate.burst, filled: now },
            sources: HashMap::new(),
        }
    }

    /// Lets a new peer from `ip` in, or says which limit forbids it.
    pub(crate) fn admit(&mut self, now: Instant, ip: IpAddr) -> Result<(), DropReason> {
        if self.sources.len() >= MAX_SOURCES {
            self.forget_idle(now);
        }
        let source = Source::from(ip);
        let rate = self.source_rate;
        // The source comes first: whoever exceeds its own share may not use up everybody's.
        if self.sources.len() < MAX_SOURCES || self.sources.contains_key(&source) {
            let bucket =
                self.sources.entry(source).or_insert(Bucket { tokens: rate.burst, filled: now });
            if !bucket.take(now, rate) {
                return Err(DropReason::SourceRate);
            }
        }
        if self.total.take(now, self.total_rate) { Ok(()) } else { Err(DropReason::TotalRate) }
    }

    /// Forgets sources whose bucket is full again; their next peer finds a full one anyway.
    pub(crate) fn forget_idle(&mut self, now: Instant) {
        let rate = self.source_rate;
        self.sources.retain(|_, bucket| bucket.level(now, rate) < rate.burst);
        if self.sources.is_empty() {
            self.sources = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn config() -> ListenConfig {
        ListenConfig {
            new_peers_per_second: 10,
            new_peers_burst: 20,
            source_peers_per_second: 1,
            source_peers_burst: 2,
            ..ListenConfig::default()
        }
    }

    #[test]
    fn one_source_cannot_use_up_everybodys_share() {
        let now = Instant::now();
        let mut admission = Admission::new(&config(), now);
        let attacker: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::ffff:2".parse().unwrap();
        assert_eq!(admission.admit(now, attacker), Ok(()));
        assert_eq!(admission.admit(now, neighbour), Ok(()));
        assert_eq!(admission.admit(now, attacker), Err(DropReason::SourceRate));
        assert_eq!(admission.admit(now, "::ffff:192.0.2.1".parse().unwrap()), Ok(()));
        assert_eq!(admission.admit(now, "192.0.2.1".parse().unwrap()), Ok(()));
        assert_eq!(admission.admit(now, "192.0.2.1".parse().unwrap()), Err(DropReason::SourceRate));
        let later = now + Duration::from_secs(1);
        assert_eq!(admission.admit(later, attacker), Ok(()));
    }

    #[test]
    fn the_total_holds_for_many_sources_and_memory_is_bounded() {
        let now = Instant::now();
        let mut admission = Admission::new(&config(), now);
        let admitted =
            (0..50_000u32).filter(|&n| admission.admit(now, IpAddr::V4(n.into())).is_ok()).count();
        assert_eq!(admitted, 20);
        assert!(admission.sources.len() <= MAX_SOURCES);
        admission.forget_idle(now + Duration::from_secs(10));
        assert!(admission.sources.is_empty());
    }
}
