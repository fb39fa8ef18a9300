//! Calls that are made again because their answer was lost: they get the first one's outcome.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_proto::admin::v1::FailureReason as Reason;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::failure::Failure;

/// How long an id is remembered.
const AGE: Duration = Duration::from_mins(10);

/// Ids that are remembered; more in ten minutes are no retries of anything.
const MOST: usize = 16_384;

/// Bytes of an id.
const ID: usize = 64;

/// What came of a call: the encoded answer, or why it failed.
pub type Outcome = Result<Bytes, Failure>;

/// Which call: who, what, and under which id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who made it.
    pub actor: String,
    /// The method.
    pub method: &'static str,
    /// The id that the caller gave, at most 64 bytes.
    pub id: String,
}

tokio::task_local! {
    /// The id of the call that is carried out.
    static CURRENT: String;
}

impl Key {
    /// Runs `work` as the work of this call.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let Self { actor, method, id } = self;
        let mut hasher = Sha256::new();
        for part in [actor.as_str(), method, id.as_str()] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let name = hasher.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        CURRENT.scope(name, work).await
    }
}

/// What the call whose work this is has in common with its repetitions, wherever they are made: 32
/// hexadecimal digits. `None` if it has no id, and outside of calls.
pub fn request_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Calls that were made under an id.
#[derive(Debug, Default)]
pub struct Repeats {
    known: Mutex<HashMap<Key, Entry>>,
}

#[derive(Debug)]
struct Entry {
    request: [u8; 32],
    since: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// Whether a call is new.
#[derive(Debug)]
pub enum Turn {
    /// It is, and its outcome is to be left here.
    First(watch::Sender<Option<Outcome>>),
    /// It was made before; its outcome comes from here.
    Again(watch::Receiver<Option<Outcome>>),
}

impl Repeats {
    /// Looks up a call by its id and the bytes of its request.
    ///
    /// # Errors
    /// When the id is too long, was used for another request, or too many are remembered.
    pub fn begin(&self, key: Key, request: &[u8]) -> Result<Turn, Failure> {
        if key.id.len() > ID {
            return Err(Failure::field("request_id", format!("at most {ID} bytes")));
        }
        let request: [u8; 32] = Sha256::digest(request).into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, entry| entry.since.elapsed() < AGE);
        }
        if let Some(entry) = known.get(&key).filter(|entry| entry.since.elapsed() < AGE) {
            if entry.request != request {
                let text = "request_id was used for another request";
                return Err(Failure::new(Reason::RequestIdReused, text));
            }
            return Ok(Turn::Again(entry.outcome.clone()));
        }
        if known.len() >= MOST {
            let text = "too many request ids are remembered; try again later, or without one";
            return Err(Failure::new(Reason::TooManyRequests, text));
        }
        let (sender, outcome) = watch::channel(None);
        known.insert(key, Entry { request, since: Instant::now(), outcome });
        Ok(Turn::First(sender))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Key {
        Key { actor: "ops".into(), method: "KickPlayer", id: id.into() }
    }

    #[test]
    fn the_same_call_gets_the_same_outcome() {
        let repeats = Repeats::default();
        let Ok(Turn::First(sender)) = repeats.begin(key("1"), b"kick alice") else { panic!() };
        sender.send_replace(Some(Ok(Bytes::from_static(b"done"))));
        let Ok(Turn::Again(outcome)) = repeats.begin(key("1"), b"kick alice") else { panic!() };
        assert_eq!(*outcome.borrow(), Some(Ok(Bytes::from_static(b"done"))));
        let reused = repeats.begin(key("1"), b"kick bob").unwrap_err();
        assert_eq!(reused.reason, Reason::RequestIdReused);
        let other = Key { actor: "bot".into(), ..key("1") };
        assert!(matches!(repeats.begin(other, b"kick bob"), Ok(Turn::First(_))));
    }

    #[test]
    fn ids_are_bounded_in_length_and_number() {
        let repeats = Repeats::default();
        assert_eq!(
            repeats.begin(key(&"x".repeat(65)), b"").unwrap_err().reason,
            Reason::InvalidField
        );
        for i in 0..MOST {
            repeats.begin(key(&i.to_string()), b"").unwrap();
        }
        assert_eq!(
            repeats.begin(key("one more"), b"").unwrap_err().reason,
            Reason::TooManyRequests
        );
    }
}
