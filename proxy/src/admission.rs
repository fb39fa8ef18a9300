//! How often somebody may try to log in.
//!
//! A wait is for a name *and* the prefix that the wrong passwords came from: whoever guesses makes
//! only themselves wait, and the owner logs in from home all the while. Many prefixes that guess at
//! once are bounded by what arithmetic may cost at a time (`mesegate_auth::srp::blocking`), where
//! those that have failed lately wait behind everybody else.

mod failures;
mod keep;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesegate_auth::{FailedLogins, FailureChange, Prefix};
use mesegate_resource::Admission;

use crate::bucket::{Bucket, Rate};
use failures::Failures;
pub(crate) use keep::Keeper;

/// Names and prefixes that are remembered, each.
const MOST: usize = 50_000;

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
    failures: Failures,
    /// Logins that were begun.
    logins: HashMap<Prefix, Bucket>,
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
        let wait = state.failures.wait(who, admission, now);
        if !wait.is_zero() {
            return Err(TooOften::Failures(wait));
        }
        let most = f64::from(admission.logins_per_minute);
        if most == 0.0 {
            return Ok(());
        }
        let rate = Rate { per_second: most / 60.0, most };
        if state.logins.len() >= MOST {
            state.logins.retain(|_, it| !it.is_full(rate, now));
            if state.logins.len() >= MOST {
                state.logins.clear();
            }
        }
        let bucket = state.logins.entry(who.prefix).or_insert_with(|| Bucket::full(rate, now));
        bucket.take(rate, now).map_err(TooOften::Logins)
    }

    /// Whether somebody sent a wrong password lately, and so waits behind those who did not.
    pub(crate) fn is_suspect(&self, who: &Who) -> bool {
        self.lock().failures.has(who)
    }

    /// The password was wrong.
    pub(crate) fn failed(&self, who: Who, admission: &Admission, now: Instant) {
        self.lock().failures.add(who, admission, now);
    }

    /// The password was right: what somebody mistyped before is forgotten. What they sent for other
    /// names is not.
    pub(crate) fn succeeded(&self, who: &Who, now: Instant) {
        self.lock().failures.forget(who, now);
    }

    /// What happened since the last time and is to be stored, at most `most`.
    fn take_unwritten(&self, most: usize, clock: Clock) -> Vec<FailureChange> {
        self.lock().failures.take_unwritten(most, clock)
    }

    /// What was taken could not be stored.
    fn put_back(&self, changes: Vec<FailureChange>, clock: Clock) {
        self.lock().failures.put_back(changes, clock);
    }

    /// Takes over what is stored.
    fn learn(&self, stored: Vec<FailedLogins>, admission: &Admission, clock: Clock) {
        self.lock().failures.learn(stored, admission, clock);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One moment on both clocks: what is stored has the time of day, what is measured does not.
#[derive(Debug, Clone, Copy)]
struct Clock {
    now: Instant,
    unix: i64,
}

impl Clock {
    fn instant(self, unix: i64) -> Instant {
        let ago = Duration::from_secs(self.unix.saturating_sub(unix).max(0).unsigned_abs());
        self.now.checked_sub(ago).unwrap_or(self.now)
    }

    fn unix(self, at: Instant) -> i64 {
        let ago = self.now.saturating_duration_since(at).as_secs();
        self.unix.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX))
    }
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
        attempts.succeeded(&guesser, now);
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
}
