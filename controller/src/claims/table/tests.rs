use mesegate_proto::control::v1::ClaimHeld;

use super::*;

/// A table and a clock.
struct Bed {
    table: Table,
    now: Instant,
}

fn key(name: &str) -> Key {
    ("default".into(), name.into())
}

impl Bed {
    /// With proxies that are connected and have said that they hold nothing.
    fn new(proxies: &[&str]) -> Self {
        let now = Instant::now() + Duration::from_secs(1000);
        let mut bed = Self { table: Table::default(), now };
        for proxy in proxies {
            bed.table.enter(key(proxy), now);
        }
        bed.table.lead(true, 0, now);
        for proxy in proxies {
            bed.report(proxy, &[]);
        }
        bed
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn report(&mut self, proxy: &str, held: &[(u64, &str, u64)]) -> Vec<String> {
        let held = held.iter().map(|(id, name, age)| ClaimHeld {
            id: *id,
            name: (*name).into(),
            age_ms: age * 1000,
        });
        let report = ClaimReport { held: held.collect(), complete: true };
        words(self.table.report(&key(proxy), report, self.now))
    }

    fn claim(&mut self, proxy: &str, id: u64, name: &str) -> Vec<String> {
        self.ask(proxy, id, name, false)
    }

    fn ask(&mut self, proxy: &str, id: u64, name: &str, kick_old: bool) -> Vec<String> {
        let request = ClaimRequest { id, name: name.into(), kick_old };
        words(self.table.claim(&key(proxy), request, self.now))
    }

    fn release(&mut self, proxy: &str, id: u64, name: &str) -> Vec<String> {
        let release = ClaimRelease { id, name: name.into() };
        words(self.table.release(&key(proxy), &release, self.now))
    }
}

fn words(letters: Letters) -> Vec<String> {
    let word = |(key, message): (Key, Message)| match message {
        Message::Claim(it) if it.granted => format!("{}: {} granted", key.1, it.id),
        Message::Claim(it) if it.failure != 0 => {
            format!("{}: {} {:?}", key.1, it.id, it.failure())
        }
        Message::Claim(it) => format!("{}: {} held by {}", key.1, it.id, it.holder),
        Message::Revoked(it) => format!("{}: {} {} revoked", key.1, it.id, it.name),
        other => unreachable!("{other:?}"),
    };
    letters.into_iter().map(word).collect()
}

#[test]
fn a_name_is_held_once_until_it_is_released() {
    let mut bed = Bed::new(&["a", "b"]);
    assert_eq!(bed.claim("a", 1, "bob"), ["a: 1 granted"]);
    assert_eq!(bed.claim("b", 1, "bob"), ["b: 1 held by a"]);
    assert_eq!(bed.claim("b", 2, "Bob"), ["b: 2 granted"]);
    // Only who holds it releases it, and only with the newest request.
    assert!(bed.release("b", 1, "bob").is_empty());
    assert_eq!(bed.claim("a", 2, "bob"), ["a: 2 granted"]);
    assert!(bed.release("a", 1, "bob").is_empty());
    assert_eq!(bed.claim("b", 3, "bob"), ["b: 3 held by a"]);
    assert!(bed.release("a", 2, "bob").is_empty());
    assert_eq!(bed.claim("b", 4, "bob"), ["b: 4 granted"]);
}

#[test]
fn names_outlive_their_stream_by_the_grace() {
    let mut bed = Bed::new(&["a", "b"]);
    bed.claim("a", 1, "bob");
    bed.table.leave(&key("a"), bed.now);
    bed.pass(14);
    assert_eq!(bed.claim("b", 1, "bob"), ["b: 1 held by a"]);
    bed.table.enter(key("a"), bed.now);
    bed.pass(60);
    assert_eq!(bed.claim("b", 2, "bob"), ["b: 2 held by a"]);
    bed.report("a", &[]);
    assert_eq!(bed.claim("b", 3, "bob"), ["b: 3 granted"]);
    bed.table.leave(&key("b"), bed.now);
    bed.pass(15);
    assert_eq!(bed.claim("a", 2, "bob"), ["a: 2 granted"]);
}

#[test]
fn a_new_leader_waits_for_what_proxies_hold() {
    let mut bed = Bed::new(&["a"]);
    bed.table.lead(false, 0, bed.now);
    assert_eq!(bed.claim("a", 1, "bob"), ["a: 1 NotLeader"]);
    bed.table.lead(true, 2, bed.now);
    assert_eq!(bed.claim("a", 2, "bob"), ["a: 2 NotReady"]);
    bed.report("a", &[]);
    // One more was there before.
    assert_eq!(bed.claim("a", 3, "bob"), ["a: 3 NotReady"]);
    bed.table.enter(key("b"), bed.now);
    assert_eq!(bed.claim("a", 4, "bob"), ["a: 4 NotReady"]);
    assert!(bed.report("b", &[(9, "bob", 5)]).is_empty());
    assert_eq!(bed.claim("a", 5, "bob"), ["a: 5 held by b"]);
    // It does not wait for ever.
    bed.table.lead(false, 0, bed.now);
    bed.table.lead(true, 3, bed.now);
    bed.pass(15);
    assert_eq!(bed.claim("a", 6, "bob"), ["a: 6 granted"]);
}

#[test]
fn of_two_the_older_session_stays() {
    let mut bed = Bed::new(&["a", "b", "c"]);
    assert!(bed.report("a", &[(1, "bob", 10)]).is_empty());
    assert_eq!(bed.report("b", &[(2, "bob", 20)]), ["a: 1 bob revoked"]);
    assert_eq!(bed.report("c", &[(3, "bob", 15)]), ["c: 3 bob revoked"]);
    // Who was revoked releases, and takes nothing from the one who stays.
    assert!(bed.release("a", 1, "bob").is_empty());
    assert!(bed.release("c", 3, "bob").is_empty());
    assert_eq!(bed.claim("a", 4, "bob"), ["a: 4 held by b"]);
}

#[test]
fn whoever_was_there_is_sent_away_first() {
    let mut bed = Bed::new(&["a", "b", "c"]);
    bed.claim("a", 1, "bob");
    assert_eq!(bed.ask("b", 2, "bob", true), ["a: 1 bob revoked"]);
    assert_eq!(bed.ask("c", 3, "bob", true), ["a: 1 bob revoked", "b: 2 held by a"]);
    assert_eq!(bed.release("a", 1, "bob"), ["c: 3 granted"]);
    assert_eq!(bed.ask("b", 4, "bob", true), ["c: 3 bob revoked"]);
    // Who waited too long has gone.
    bed.pass(2);
    assert!(bed.release("c", 3, "bob").is_empty());
    assert_eq!(bed.claim("a", 5, "bob"), ["a: 5 granted"]);
    // Who cannot be told keeps the name.
    bed.table.leave(&key("a"), bed.now);
    assert_eq!(bed.ask("b", 6, "bob", true), ["b: 6 held by a"]);
}
