//! Wrong passwords of the last minutes, kept beside the accounts, so that neither a restart nor
//! another proxy gives somebody who guesses a fresh start.

#[cfg(test)]
mod tests;

use crate::accounts::{Store, on_store};
use crate::{AccountError, Prefix};

/// Rows that are kept: those that failed last.
const MOST: u32 = 20_000;

/// Wrong passwords that were sent for a name from a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedLogins {
    /// The name, in lower case.
    pub name: String,
    /// Where they came from.
    pub prefix: Prefix,
    /// How many.
    pub count: u32,
    /// When the last one was sent, in Unix seconds.
    pub last: i64,
}

/// What has happened to such a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureChange {
    /// What was added to the count, and when.
    pub added: FailedLogins,
    /// Whether what was counted before is forgotten: the right password was sent.
    pub afresh: bool,
}

/// The stored counts. Clones share the store.
#[derive(Debug, Clone)]
pub struct Failures {
    store: Store,
}

impl Failures {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Writes changes, at most one for each name and prefix, in one transaction, and removes what
    /// failed last before `stale`, in Unix seconds, and what is more than 20,000.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn write(&self, changes: &[FailureChange], stale: i64) -> Result<(), AccountError> {
        let work = async { on_store!(self.store, write_failures(changes, stale, MOST)) };
        self.store.within(work).await
    }

    /// What was counted or forgotten since that time, in Unix seconds; the count of what was
    /// forgotten is 0.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn since(&self, after: i64) -> Result<Vec<FailedLogins>, AccountError> {
        self.store.within(async { on_store!(self.store, failures_since(after, MOST)) }).await
    }
}
