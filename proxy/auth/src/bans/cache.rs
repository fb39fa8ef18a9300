//! What was found out about players who log in, so that a flood of logins is not one of queries.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Ban;

/// Players that are remembered; all are forgotten when there would be more.
const MOST: usize = 10_000;

/// How long something is remembered. Changes made here forget all at once; this is for those who
/// edit the file by other means.
const AGE: Duration = Duration::from_secs(10);

/// A name in lower case and an address.
pub(super) type Who = (Option<String>, Option<IpAddr>);

/// Answers that were given.
#[derive(Debug, Default)]
pub(super) struct Cache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts changes, so that an answer from before a change is not remembered after it.
    changes: u64,
    known: HashMap<Who, (Instant, Option<Arc<Ban>>)>,
}

/// When a question was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Cache {
    /// What is known, or the ticket for [`Cache::put`].
    pub(super) fn get(&self, who: &Who, now: i64) -> Result<Option<Arc<Ban>>, Ticket> {
        let state = self.lock();
        match state.known.get(who) {
            Some((since, ban))
                if since.elapsed() < AGE && ban.as_ref().is_none_or(|ban| ban.holds(now)) =>
            {
                Ok(ban.clone())
            }
            _ => Err(Ticket(state.changes)),
        }
    }

    /// Remembers an answer, unless something changed since the question.
    pub(super) fn put(&self, ticket: Ticket, who: Who, ban: Option<Arc<Ban>>) {
        let mut state = self.lock();
        if ticket.0 != state.changes {
            return;
        }
        if state.known.len() >= MOST {
            state.known.clear();
        }
        state.known.insert(who, (Instant::now(), ban));
    }

    /// Something changed.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.changes += 1;
        state.known.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Who {
        (Some(name.into()), None)
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_remembered() {
        let cache = Cache::default();
        let ticket = cache.get(&who("a"), 0).unwrap_err();
        cache.forget();
        cache.put(ticket, who("a"), None);
        let ticket = cache.get(&who("a"), 0).unwrap_err();
        cache.put(ticket, who("a"), None);
        assert_eq!(cache.get(&who("a"), 0), Ok(None));
        cache.forget();
        assert!(cache.get(&who("a"), 0).is_err());
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let cache = Cache::default();
        for i in 0..MOST * 2 + 5 {
            let ticket = cache.get(&who(&i.to_string()), 0).unwrap_err();
            cache.put(ticket, who(&i.to_string()), None);
        }
        assert!(cache.lock().known.len() <= MOST);
    }
}
