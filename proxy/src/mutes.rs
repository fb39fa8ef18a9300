//! Who must not write: neither in the chat of any world nor to other players. Forgotten when the
//! process ends; who is to be silent for longer is banned.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Players who can be muted at once.
const MOST: usize = 10_000;

/// Chat commands of the engine and of common mods that write to others. Other commands, which do
/// something in the game, are left to a muted player.
const TALK: [&str; 16] = [
    "all",
    "broadcast",
    "dm",
    "m",
    "mail",
    "me",
    "message",
    "msg",
    "pm",
    "r",
    "reply",
    "say",
    "shout",
    "t",
    "tell",
    "w",
];

/// That a player must not write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mute {
    /// When it ends by itself.
    pub(crate) until: Option<SystemTime>,
    /// What the player reads; may be empty.
    pub(crate) reason: String,
}

impl Mute {
    fn holds(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// What the player reads.
    pub(crate) fn told(&self, now: SystemTime) -> String {
        let reason = match self.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let left = self.until.and_then(|until| until.duration_since(now).ok());
        let end = left.map_or_else(String::new, |left| {
            format!(" for {}", crate::banned::span(left.as_secs()))
        });
        format!("You are muted{end}{reason}")
    }
}

/// Who must not write, by names in lower case.
#[derive(Debug, Default)]
pub(crate) struct Mutes {
    list: Mutex<HashMap<String, Mute>>,
}

impl Mutes {
    /// Mutes a player, or changes how. False if too many are muted.
    pub(crate) fn set(&self, name: &str, mute: Mute, now: SystemTime) -> bool {
        let mut list = self.lock();
        let name = name.to_ascii_lowercase();
        if list.len() >= MOST && !list.contains_key(&name) {
            list.retain(|_, mute| mute.holds(now));
            if list.len() >= MOST {
                return false;
            }
        }
        list.insert(name, mute);
        true
    }

    /// Lets a player write again; false if they could.
    pub(crate) fn lift(&self, name: &str, now: SystemTime) -> bool {
        let removed = self.lock().remove(&name.to_ascii_lowercase());
        removed.is_some_and(|mute| mute.holds(now))
    }

    /// Why a player must not write, if so.
    pub(crate) fn of(&self, name: &str, now: SystemTime) -> Option<Mute> {
        let list = self.lock();
        if list.is_empty() {
            return None;
        }
        list.get(&name.to_ascii_lowercase()).filter(|mute| mute.holds(now)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Mute>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a chat line is read by others, as opposed to a command that does something.
pub(crate) fn is_talk(line: &str) -> bool {
    let Some(command) = line.trim_start().strip_prefix('/') else { return true };
    let word = command.split_whitespace().next().unwrap_or_default();
    TALK.iter().any(|talk| word.eq_ignore_ascii_case(talk))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn mutes_hold_until_they_end_or_are_lifted() {
        let mutes = Mutes::default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let later = now + Duration::from_mins(10);
        assert!(mutes.set("Bob", Mute { until: Some(later), reason: "caps".into() }, now));
        let mute = mutes.of("bOB", now).unwrap();
        assert_eq!(mute.told(now), "You are muted for 10 minutes: caps");
        assert_eq!(mutes.of("bob", later), None);
        assert!(!mutes.lift("bob", later) && !mutes.lift("bob", now));
        assert!(mutes.set("bob", Mute { until: None, reason: String::new() }, now));
        assert_eq!(mutes.of("bob", later).unwrap().told(later), "You are muted");
        assert!(mutes.lift("BOB", later) && mutes.of("bob", later).is_none());
    }

    #[test]
    fn no_more_are_muted_than_can_be_remembered() {
        let mutes = Mutes::default();
        let now = SystemTime::UNIX_EPOCH;
        let soon = Some(now + Duration::from_secs(1));
        for index in 0..MOST {
            let until = if index == 0 { soon } else { None };
            assert!(mutes.set(&index.to_string(), Mute { until, reason: String::new() }, now));
        }
        let mute = Mute { until: None, reason: String::new() };
        assert!(!mutes.set("new", mute.clone(), now));
        assert!(mutes.set("1", mute.clone(), now));
        assert!(mutes.set("new", mute, now + Duration::from_secs(2)));
    }

    #[test]
    fn commands_that_talk_are_known() {
        for line in ["hello", " hi", "/me waves", "/MSG bob x", " /tell bob", ""] {
            assert!(is_talk(line), "{line}");
        }
        for line in ["/home", "/spawn now", "/", "/meow"] {
            assert!(!is_talk(line), "{line}");
        }
    }
}
