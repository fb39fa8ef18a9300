//! Which versions and languages are in use.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::Pair;

/// Longest language code, as engine servers keep it (`clientiface.cpp`, setLangCode).
const LANGUAGE_MAX: usize = 12;
/// A pair stays at least this long: without that, players who each bring another language could
/// make the proxy fetch all the time.
const STAY: Duration = Duration::from_mins(1);

/// The language, or `""` if it is nothing that could be one: it becomes part of file names, and
/// translations are found by it.
pub(super) fn normalise(language: &str) -> &str {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'@');
    let fine = language.len() <= LANGUAGE_MAX && language.bytes().all(allowed);
    if fine { language } else { "" }
}

type Entry = (Pair, Option<Instant>);

/// A short list, most recently used first.
#[derive(Debug)]
pub(super) struct Pairs {
    /// With the time at which each was first used; `None` for those of an earlier run.
    used: Vec<Entry>,
    max: usize,
}

impl Pairs {
    pub(super) fn new(remembered: Vec<Pair>, max: usize) -> Self {
        let max = max.max(2);
        let mut used: Vec<Entry> = Vec::new();
        for pair in remembered {
            let sound = normalise(&pair.language) == pair.language;
            if sound && used.len() < max && used.iter().all(|(known, _)| *known != pair) {
                used.push((pair, None));
            }
        }
        Self { used, max }
    }

    /// Marks a pair, and the same version without a language, as used now. `keep` is never
    /// dropped. Returns the pair that is in use then (without the language, if there is no room)
    /// and whether the list has other members than before.
    pub(super) fn touch(&mut self, pair: &Pair, keep: &Pair, now: Instant) -> (Pair, bool) {
        let plain = pair.plain();
        let mut changed = self.insert(&plain, keep, now).unwrap_or(false);
        if plain == *pair {
            return (plain, changed);
        }
        let room = self.insert(pair, keep, now);
        changed |= room.unwrap_or(false);
        // What all languages fall back to goes after them.
        self.insert(&plain, keep, now);
        (if room.is_some() { pair.clone() } else { plain }, changed)
    }

    /// Whether the pair is new to the list; `None` if there is no room. Without a language there
    /// always is: nobody of that version could play otherwise, and there are few versions.
    fn insert(&mut self, pair: &Pair, keep: &Pair, now: Instant) -> Option<bool> {
        if let Some(at) = self.used.iter().position(|(known, _)| known == pair) {
            let entry = self.used.remove(at);
            self.used.insert(0, entry);
            return Some(false);
        }
        if self.used.len() >= self.max {
            let stays = |since: &Option<Instant>| since.is_some_and(|since| now - since < STAY);
            let may_go = |known: &Pair| known != keep && *known != pair.plain();
            let find = |wanted: &dyn Fn(&Entry) -> bool| {
                self.used.iter().rposition(|entry| may_go(&entry.0) && wanted(entry))
            };
            let mut old = find(&|(_, since)| !stays(since));
            if pair.language.is_empty() {
                old = old.or_else(|| find(&|(known, _)| !known.language.is_empty()));
                old = old.or_else(|| find(&|_| true));
            }
            self.used.remove(old?);
        }
        self.used.insert(0, (pair.clone(), Some(now)));
        Some(true)
    }

    /// Most recently used first.
    pub(super) fn by_use(&self) -> Vec<Pair> {
        self.used.iter().map(|(pair, _)| pair.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(version: u16, language: &str) -> Pair {
        Pair::new(version, language)
    }

    #[test]
    fn only_language_codes_are_languages() {
        assert_eq!(normalise("pt_BR"), "pt_BR");
        for bad in ["../../etc", "de.utf8", "a b", "abcdefghijklm", "ä"] {
            assert_eq!(normalise(bad), "", "{bad}");
        }
    }

    #[test]
    fn the_least_recently_used_pair_goes_but_never_the_networks_own() {
        let keep = pair(53, "");
        let now = Instant::now();
        let mut pairs = Pairs::new(Vec::new(), 4);
        assert_eq!(pairs.touch(&keep, &keep, now), (keep.clone(), true));
        assert_eq!(pairs.touch(&pair(47, "de"), &keep, now), (pair(47, "de"), true));
        assert_eq!(pairs.touch(&pair(53, "fr"), &keep, now), (pair(53, "fr"), true));
        assert_eq!(pairs.touch(&pair(53, "fr"), &keep, now), (pair(53, "fr"), false));
        // Full, and all are young: the language has to wait.
        assert_eq!(pairs.touch(&pair(53, "es"), &keep, now), (keep.clone(), false));
        let now = now + STAY;
        assert_eq!(pairs.touch(&pair(53, "es"), &keep, now), (pair(53, "es"), true));
        assert_eq!(pairs.by_use(), [keep.clone(), pair(53, "es"), pair(53, "fr"), pair(47, "")]);
        assert_eq!(pairs.touch(&pair(41, "it"), &keep, now), (pair(41, "it"), true));
        assert_eq!(pairs.by_use(), [pair(41, ""), pair(41, "it"), keep.clone(), pair(53, "es")]);
        // There is always room for a version, at the cost of a language.
        assert_eq!(pairs.touch(&pair(42, ""), &keep, now), (pair(42, ""), true));
        assert_eq!(pairs.by_use(), [pair(42, ""), pair(41, ""), pair(41, "it"), keep.clone()]);
        assert_eq!(pairs.touch(&pair(42, "de"), &keep, now), (pair(42, ""), false));
    }

    #[test]
    fn remembered_pairs_are_checked_and_can_go_at_once() {
        let remembered =
            vec![pair(53, ""), pair(53, "../x"), pair(53, ""), pair(50, ""), pair(49, "")];
        let now = Instant::now();
        let mut pairs = Pairs::new(remembered, 2);
        assert_eq!(pairs.by_use(), [pair(53, ""), pair(50, "")]);
        assert_eq!(pairs.touch(&pair(48, ""), &pair(48, ""), now), (pair(48, ""), true));
        assert_eq!(pairs.by_use(), [pair(48, ""), pair(53, "")]);
    }
}
