//! Bans that others have made in the same store: another proxy, or `mesegate-proxy accounts`.

use super::{Ban, Bans};
use crate::AccountError;

/// Bans that are read at once.
const PAGE: u32 = 1000;

/// Numbers that are looked at again: of two bans made at the same time, the one with the higher
/// number may be seen first.
const OVERLAP: i64 = 16;

/// What has been made since it was looked the last time.
#[derive(Debug)]
pub struct BanNews {
    bans: Bans,
    /// The highest number so far.
    seen: i64,
    /// Whether there was more than one page.
    more: bool,
}

impl BanNews {
    pub(super) fn new(bans: Bans) -> Self {
        Self { bans, seen: 0, more: false }
    }

    /// Whether there is more at once than was given.
    pub fn more(&self) -> bool {
        self.more
    }

    /// Bans that hold at `now`, in Unix seconds, at most 1000; some may be given again. What was
    /// remembered of others is forgotten if there are new ones.
    ///
    /// # Errors
    /// When the store cannot be read; the next call gives what this one would have.
    pub async fn next(&mut self, now: i64) -> Result<Vec<Ban>, AccountError> {
        let after = if self.more { self.seen } else { (self.seen - OVERLAP).max(0) };
        let found = self.bans.list(after, PAGE, false, now).await?;
        self.more = found.len() == PAGE as usize;
        if let Some(last) = found.last().filter(|last| last.id > self.seen) {
            self.seen = last.id;
            self.bans.cache.forget();
        }
        Ok(found)
    }
}
