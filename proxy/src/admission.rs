//! How often somebody may try to log in.
//!
//! A wait is for a name *and* the prefix that the wrong passwords came from: whoever guesses makes
//! only themselves wait, and the owner logs in from home all the while. Many prefixes that guess at
//! once are bounded by what arithmetic may cost at a time (`mesegate_auth::srp::blocking`), where
//! those that have failed lately wait behind everybody else.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesegate_auth::Prefix;
use mesegate_resource::Admission;

/// Names and prefixes that are remembered, each. When there would be more, those are forgotten
/// that failed longest ago.
const MOST: usize = 50_000;

/// Failures are forgotten when none has come for so long, or for twice the longest wait.
const MEMORY: Duration = Duration::from_mins(10);

/// Wrong passwords of one prefix for whatever names before it counts as one that guesses: a
/// household or a school makes some, too.
const FREE_OF_PREFIX: u32 = 20;

/// Who tries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    name: String,
    prefix: Prefix,
}

impl Who {
    pub(crate) fn new(name: &str, address: IpAddr, admission: &Admission) -> Self {
        Self { name: name.to_ascii_lowercase(), prefix: prefix(address, admission) }
    }
}

/// The prefix that an address is taken together with others by.
pub(crate) fn prefix(address: IpAddr, admission: &Admission) -> Prefix {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { admission.ipv4_prefix } else { admission.ipv6_prefix };
    Prefix::of(address, bits)
}

/// Why an attempt is not even looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooOften {
    /// After wrong passwords, for so long.
    Failures(Duration),
    /// Too many logins were begun, for so long.
    Logins(Duration),
}

/// What is remembered about attempts.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    of_names: HashMap<Who, Failures>,
    of_prefixes: HashMap<Prefix, Failures>,
    logins: HashMap<Prefix, Allowance>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Logins that may be begun: it fills up by the minute.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: f64,
    since: Instant,
}

impl Attempts {
    /// A login begins.
    ///
    /// # Errors
    /// When it comes too early.
    pub(crate) fn begin(
        &self,
        who: &Who,
        admission: &Admission,
        now: Instant,
    ) -> Result<(), TooOften> {
        let mut state = self.lock();
        if let Some(failures) = state.of_names.get(who) {
            let wait = failures.left(admission.free_failures, admission, now);
            if !wait.is_zero() {
                return Err(TooOften::Failures(wait));
            }
        }
        if let Some(failures) = state.of_prefixes.get(&who.prefix) {
            let wait = failures.left(FREE_OF_PREFIX.max(admission.free_failures), admission, now);
            if !wait.is_zero() {
                return Err(TooOften::Failures(wait));
            }
        }
        let rate = f64::from(admission.logins_per_minute);
        if rate > 0.0 {
            if state.logins.len() >= MOST {
                // Full again by then, and so as good as new.
                state.logins.retain(|_, it| now.duration_since(it.since) < Duration::from_mins(1));
                if state.logins.len() >= MOST {
                    state.logins.clear();
                }
            }
            let allowance =
                state.logins.entry(who.prefix).or_insert(Allowance { left: rate, since: now });
            let passed = now.duration_since(allowance.since).as_secs_f64();
            allowance.left = (allowance.left + passed * rate / 60.0).min(rate);
            allowance.since = now;
            if allowance.left < 1.0 {
                let wait = (1.0 - allowance.left) * 60.0 / rate;
                return Err(TooOften::Logins(Duration::from_secs_f64(wait)));
            }
            allowance.left -= 1.0;
        }
        Ok(())
    }

    /// Whether somebody sent a wrong password lately, and so waits behind those who did not.
    pub(crate) fn is_suspect(&self, who: &Who) -> bool {
        let state = self.lock();
        state.of_names.contains_key(who) || state.of_prefixes.contains_key(&who.prefix)
    }

    /// The password was wrong.
    pub(crate) fn failed(&self, who: Who, admission: &Admission, now: Instant) {
        let mut state = self.lock();
        let prefix = who.prefix;
        note(&mut state.of_prefixes, prefix, admission, now);
        note(&mut state.of_names, who, admission, now);
    }

    /// The password was right: what somebody mistyped before is forgotten. What they sent for other
    /// names is not.
    pub(crate) fn succeeded(&self, who: &Who) {
        let mut state = self.lock();
        let Some(own) = state.of_names.remove(who) else { return };
        if let Some(failures) = state.of_prefixes.get_mut(&who.prefix) {
            failures.count = failures.count.saturating_sub(own.count);
            if failures.count == 0 {
                state.of_prefixes.remove(&who.prefix);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    /// How long the next attempt has to wait: twice as long after each failure that is not free.
    fn left(&self, free: u32, admission: &Admission, now: Instant) -> Duration {
        let Some(beyond) = self.count.checked_sub(free) else { return Duration::ZERO };
        let longest = u64::from(admission.longest_wait_seconds);
        let wait = 1_u64.checked_shl(beyond).unwrap_or(u64::MAX).min(longest);
        Duration::from_secs(wait).saturating_sub(now.duration_since(self.last))
    }
}

fn note<K: Eq + Hash>(all: &mut HashMap<K, Failures>, key: K, admission: &Admission, now: Instant) {
    let memory = MEMORY.max(Duration::from_secs(2 * u64::from(admission.longest_wait_seconds)));
    let stale = |it: &Failures| now.duration_since(it.last) > memory;
    if all.len() >= MOST && !all.contains_key(&key) {
        all.retain(|_, it| !stale(it));
        if all.len() >= MOST {
            // The older half.
            let mut times: Vec<Instant> = all.values().map(|it| it.last).collect();
            let middle = times.len() / 2;
            let (_, middle, _) = times.select_nth_unstable(middle);
            let middle = *middle;
            all.retain(|_, it| it.last > middle);
        }
    }
    let failures = all.entry(key).or_insert(Failures { count: 0, last: now });
    if stale(failures) {
        failures.count = 0;
    }
    failures.count = failures.count.saturating_add(1);
    failures.last = now;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str, address: &str, admission: &Admission) -> Who {
        Who::new(name, address.parse().unwrap(), admission)
    }

    #[test]
    fn waits_grow_for_who_fails_and_for_nobody_else() {
        let admission = Admission { longest_wait_seconds: 60, ..Admission::default() };
        let attempts = Attempts::default();
        let guesser = who("Alice", "2001:db8::1", &admission);
        let owner = who("alice", "192.0.2.1", &admission);
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..14 {
            if let Err(TooOften::Failures(wait)) = attempts.begin(&guesser, &admission, now) {
                waits.push(wait.as_secs());
                now += wait;
            }
            assert_eq!(attempts.begin(&guesser, &admission, now), Ok(()));
            attempts.failed(guesser.clone(), &admission, now);
            assert_eq!(attempts.begin(&owner, &admission, now), Ok(()));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(attempts.is_suspect(&guesser) && !attempts.is_suspect(&owner));
        // Another address of the same household is the same guesser.
        let neighbour = who("alice", "2001:db8::2", &admission);
        assert!(attempts.begin(&neighbour, &admission, now).is_err());
        attempts.succeeded(&guesser);
        assert_eq!(attempts.begin(&guesser, &admission, now), Ok(()));
        assert!(!attempts.is_suspect(&guesser));
    }

    #[test]
    fn a_prefix_that_tries_many_names_waits_too() {
        let admission = Admission::default();
        let attempts = Attempts::default();
        let now = Instant::now();
        for number in 0..FREE_OF_PREFIX {
            let who = who(&format!("p{number}"), "192.0.2.1", &admission);
            assert_eq!(attempts.begin(&who, &admission, now), Ok(()));
            attempts.failed(who, &admission, now);
        }
        let next = who("other", "192.0.2.1", &admission);
        assert!(attempts.begin(&next, &admission, now).is_err());
    }

    #[test]
    fn logins_are_counted_by_the_minute() {
        let admission = Admission { logins_per_minute: 6, ..Admission::default() };
        let attempts = Attempts::default();
        let now = Instant::now();
        let who = who("alice", "192.0.2.1", &admission);
        for _ in 0..6 {
            assert_eq!(attempts.begin(&who, &admission, now), Ok(()));
        }
        let Err(TooOften::Logins(wait)) = attempts.begin(&who, &admission, now) else { panic!() };
        assert_eq!(wait.as_secs(), 10);
        assert_eq!(attempts.begin(&who, &admission, now + wait), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let admission = Admission::default();
        let attempts = Attempts::default();
        let now = Instant::now();
        for number in 0..MOST as u32 + 1000 {
            let address = std::net::Ipv4Addr::from_bits(number).into();
            let who = Who::new("alice", address, &admission);
            attempts.failed(who, &admission, now + Duration::from_millis(number.into()));
        }
        let state = attempts.lock();
        assert!(state.of_names.len() <= MOST && state.of_prefixes.len() <= MOST);
    }
}
