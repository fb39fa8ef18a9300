//! Wrong passwords of the last minutes.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use mesegate_auth::{FailedLogins, FailureChange, Prefix};
use mesegate_resource::Admission;

use super::{Clock, FREE_OF_PREFIX, MOST, Who};

/// Failures are forgotten when none has come for so long, or for twice the longest wait.
const MEMORY: Duration = Duration::from_mins(10);

/// What is remembered of whom. When there would be too many, those are forgotten that failed
/// longest ago.
#[derive(Debug, Default)]
pub(super) struct Failures {
    of_names: HashMap<Who, Count>,
    /// Those of all names together.
    of_prefixes: HashMap<Prefix, Count>,
    /// What the store does not know yet.
    unwritten: HashMap<Who, Unwritten>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    count: u32,
    last: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Unwritten {
    added: Count,
    afresh: bool,
}

/// How long what failed is remembered.
pub(super) fn memory(admission: &Admission) -> Duration {
    MEMORY.max(Duration::from_secs(2 * u64::from(admission.longest_wait_seconds)))
}

impl Failures {
    /// How long somebody has to wait before the next attempt.
    pub(super) fn wait(&self, who: &Who, admission: &Admission, now: Instant) -> Duration {
        let free = admission.free_failures;
        let of_name = self.of_names.get(who).map(|it| it.wait(free, admission, now));
        let free = FREE_OF_PREFIX.max(free);
        let of_prefix = self.of_prefixes.get(&who.prefix).map(|it| it.wait(free, admission, now));
        of_name.max(of_prefix).unwrap_or_default()
    }

    pub(super) fn has(&self, who: &Who) -> bool {
        self.of_names.contains_key(who) || self.of_prefixes.contains_key(&who.prefix)
    }

    pub(super) fn add(&mut self, who: Who, admission: &Admission, now: Instant) {
        let memory = memory(admission);
        for count in [
            count_of(&mut self.of_prefixes, who.prefix, memory, now),
            count_of(&mut self.of_names, who.clone(), memory, now),
        ] {
            count.count = count.count.saturating_add(1);
            count.last = now;
        }
        self.note(who, Unwritten { added: Count { count: 1, last: now }, afresh: false });
    }

    /// Forgets what was sent for one name.
    pub(super) fn forget(&mut self, who: &Who, now: Instant) {
        let Some(own) = self.of_names.remove(who) else { return };
        self.recount(who.prefix, own.count, 0);
        // The row stays for a while, so that other proxies see what has become of it.
        self.note(who.clone(), Unwritten { added: Count { count: 0, last: now }, afresh: true });
    }

    pub(super) fn take_unwritten(&mut self, most: usize, clock: Clock) -> Vec<FailureChange> {
        let whose: Vec<Who> = self.unwritten.keys().take(most).cloned().collect();
        let mut changes = Vec::with_capacity(whose.len());
        for who in whose {
            let Some(Unwritten { added, afresh }) = self.unwritten.remove(&who) else { continue };
            let Who { name, prefix } = who;
            let last = clock.unix(added.last);
            let added = FailedLogins { name, prefix, count: added.count, last };
            changes.push(FailureChange { added, afresh });
        }
        changes
    }

    pub(super) fn put_back(&mut self, changes: Vec<FailureChange>, clock: Clock) {
        for FailureChange { added: FailedLogins { name, prefix, count, last }, afresh } in changes {
            let who = Who { name, prefix };
            let since = self.unwritten.remove(&who);
            let added = Count { count, last: clock.instant(last) };
            self.note(who.clone(), Unwritten { added, afresh });
            if let Some(since) = since {
                self.note(who, since);
            }
        }
    }

    /// Takes over what is stored, which includes what other proxies counted.
    pub(super) fn learn(&mut self, stored: Vec<FailedLogins>, admission: &Admission, clock: Clock) {
        let memory = memory(admission);
        for FailedLogins { name, prefix, count, last } in stored {
            let last = clock.instant(last);
            if clock.now.saturating_duration_since(last) > memory {
                continue;
            }
            let who = Who { name, prefix };
            let total = match self.unwritten.get(&who) {
                Some(own) if own.afresh => own.added.count,
                Some(own) => count.saturating_add(own.added.count),
                None => count,
            };
            let before = self.of_names.get(&who).map_or(0, |it| it.count);
            if total == before {
                // Nothing that others did; and what is known here of the time is more exact.
                continue;
            }
            if total == 0 {
                self.of_names.remove(&who);
            } else {
                let own = count_of(&mut self.of_names, who, memory, clock.now);
                own.count = total;
                own.last = if before == 0 { last } else { own.last.max(last) };
                let all = count_of(&mut self.of_prefixes, prefix, memory, clock.now);
                all.last = if all.count == 0 { last } else { all.last.max(last) };
            }
            self.recount(prefix, before, total);
        }
    }

    /// One name's part in the count of its prefix has changed.
    fn recount(&mut self, prefix: Prefix, before: u32, after: u32) {
        let Some(all) = self.of_prefixes.get_mut(&prefix) else { return };
        all.count = all.count.saturating_sub(before).saturating_add(after);
        if all.count == 0 {
            self.of_prefixes.remove(&prefix);
        }
    }

    /// Notes what the store has to be told, after what it has to be told already.
    fn note(&mut self, who: Who, new: Unwritten) {
        if self.unwritten.len() >= MOST && !self.unwritten.contains_key(&who) {
            // The store has been away for long: what it never hears of is remembered here alone.
            return;
        }
        self.unwritten
            .entry(who)
            .and_modify(|noted| {
                let before = if new.afresh { 0 } else { noted.added.count };
                noted.added.count = before.saturating_add(new.added.count);
                noted.added.last = noted.added.last.max(new.added.last);
                noted.afresh |= new.afresh;
            })
            .or_insert(new);
    }
}

impl Count {
    /// How long the next attempt has to wait: twice as long after each failure that is not free.
    fn wait(&self, free: u32, admission: &Admission, now: Instant) -> Duration {
        let Some(beyond) = self.count.checked_sub(free) else { return Duration::ZERO };
        let longest = u64::from(admission.longest_wait_seconds);
        let wait = 1_u64.checked_shl(beyond).unwrap_or(u64::MAX).min(longest);
        Duration::from_secs(wait).saturating_sub(now.saturating_duration_since(self.last))
    }
}

/// The count of somebody, for whom there is room; nothing if what was counted is too old.
fn count_of<K: Eq + Hash>(
    all: &mut HashMap<K, Count>,
    key: K,
    memory: Duration,
    now: Instant,
) -> &mut Count {
    let stale = |it: &Count| now.saturating_duration_since(it.last) > memory;
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
    let count = all.entry(key).or_insert(Count { count: 0, last: now });
    if stale(count) {
        count.count = 0;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMISSION: fn() -> Admission = Admission::default;

    fn who(name: &str, address: &str) -> Who {
        Who::new(name, address.parse().unwrap(), &ADMISSION())
    }

    fn clock(seconds: u64) -> Clock {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        let unix = 1_000_000 + seconds as i64;
        Clock { now: *START + Duration::from_secs(seconds), unix }
    }

    fn fail(failures: &mut Failures, who: &Who, times: u32, at: u64) {
        for _ in 0..times {
            failures.add(who.clone(), &ADMISSION(), clock(at).now);
        }
    }

    fn waits(failures: &Failures, who: &Who, at: u64) -> u64 {
        failures.wait(who, &ADMISSION(), clock(at).now).as_secs()
    }

    /// What a store makes of changes to nothing.
    fn stored(changes: Vec<FailureChange>) -> Vec<FailedLogins> {
        changes.into_iter().map(|it| it.added).collect()
    }

    #[test]
    fn a_store_is_told_once_of_many_failures_and_another_proxy_goes_on_counting() {
        let guesser = who("Alice", "192.0.2.1");
        let mut one = Failures::default();
        fail(&mut one, &guesser, 8, 0);
        let changes = one.take_unwritten(10, clock(2));
        let added = FailedLogins {
            name: "alice".into(),
            prefix: guesser.prefix,
            count: 8,
            last: 1_000_000,
        };
        assert_eq!(changes, [FailureChange { added, afresh: false }]);
        assert!(one.take_unwritten(10, clock(2)).is_empty());

        let mut other = Failures::default();
        fail(&mut other, &guesser, 1, 1);
        other.learn(stored(changes.clone()), &ADMISSION(), clock(1));
        // 5 are free: the ninth doubles the wait for the fourth time.
        assert_eq!(waits(&other, &guesser, 1), 16);
        // Its own is still to be written, and learning twice changes nothing.
        other.learn(stored(changes), &ADMISSION(), clock(1));
        assert_eq!(waits(&other, &guesser, 1), 16);
        assert_eq!(other.take_unwritten(10, clock(1))[0].added.count, 1);
        // A restart much later: the wait is over, the count is not.
        let mut restarted = Failures::default();
        let row = FailedLogins {
            name: "alice".into(),
            prefix: guesser.prefix,
            count: 9,
            last: 1_000_000,
        };
        restarted.learn(vec![row.clone()], &ADMISSION(), clock(100));
        assert_eq!(waits(&restarted, &guesser, 100), 0);
        fail(&mut restarted, &guesser, 1, 100);
        assert_eq!(waits(&restarted, &guesser, 100), 32);
        // After what it is remembered for, it is not.
        let mut late = Failures::default();
        late.learn(vec![row], &ADMISSION(), clock(2000));
        assert!(!late.has(&guesser));
    }

    #[test]
    fn the_counts_of_prefixes_come_from_those_of_names() {
        let mut failures = Failures::default();
        let rows = (0..30).map(|number| FailedLogins {
            name: format!("p{number}"),
            prefix: who("x", "192.0.2.1").prefix,
            count: 1,
            last: 1_000_000,
        });
        failures.learn(rows.clone().collect(), &ADMISSION(), clock(0));
        assert!(waits(&failures, &who("other", "192.0.2.1"), 0) > 0);
        assert!(!failures.has(&who("other", "192.0.2.2")));
        // Elsewhere the right passwords were sent.
        let forgotten = rows.map(|row| FailedLogins { count: 0, ..row }).collect();
        failures.learn(forgotten, &ADMISSION(), clock(1));
        assert!(!failures.has(&who("other", "192.0.2.1")));
        assert!(failures.of_names.is_empty() && failures.of_prefixes.is_empty());
    }

    #[test]
    fn the_right_password_is_told_to_the_store_and_what_it_did_not_take_is_told_again() {
        let owner = who("alice", "192.0.2.1");
        let mut failures = Failures::default();
        fail(&mut failures, &owner, 3, 0);
        let lost = failures.take_unwritten(10, clock(0));
        fail(&mut failures, &owner, 2, 1);
        failures.put_back(lost, clock(2));
        let changes = failures.take_unwritten(10, clock(2));
        assert_eq!((changes[0].added.count, changes[0].added.last), (5, 1_000_001));
        failures.put_back(changes, clock(2));
        failures.forget(&owner, clock(3).now);
        fail(&mut failures, &owner, 1, 4);
        let changes = failures.take_unwritten(10, clock(4));
        assert_eq!((changes[0].added.count, changes[0].afresh), (1, true));
        // Written and read back, it is what is known here.
        failures.learn(stored(changes), &ADMISSION(), clock(4));
        assert_eq!(failures.of_names[&owner].count, 1);
        assert_eq!(failures.of_prefixes[&owner.prefix].count, 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut failures = Failures::default();
        for number in 0..MOST as u32 + 1000 {
            let address = std::net::Ipv4Addr::from_bits(number).into();
            let who = Who::new("alice", address, &ADMISSION());
            let at = clock(0).now + Duration::from_millis(number.into());
            failures.add(who, &ADMISSION(), at);
        }
        assert!(failures.of_names.len() <= MOST && failures.of_prefixes.len() <= MOST);
        assert!(failures.unwritten.len() <= MOST);
        assert_eq!(failures.take_unwritten(100, clock(90)).len(), 100);
    }
}
