//! Failed logins in the account store. Nobody waits for it: what happened is written every few
//! seconds, one row for many guesses, and what other proxies wrote is read then.

use std::time::{Duration, Instant};

use mesegate_auth::{AccountError, Failures};

use super::failures::memory;
use super::{Attempts, Clock};
use crate::shared::{Shared, unix_now};

/// How often.
const EVERY: Duration = Duration::from_secs(3);

/// Rows that are written at once; more wait for the next time.
const ROWS: usize = 5_000;

/// How often what is too old is removed when nothing is to be written.
const TIDY: Duration = Duration::from_mins(1);

/// What is read again of what was read before: clocks of proxies differ, and rows are written a
/// while after what they are about.
const OVERLAP: i64 = 30;

/// How long the end of the process waits for the last ones.
const LAST: Duration = Duration::from_secs(2);

/// Carries counts between memory and store.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: Failures,
    /// From when on rows are read; none before all were read once.
    read: Option<i64>,
    tidied: Option<Instant>,
    away: bool,
}

impl Keeper {
    pub(crate) fn new(store: Failures) -> Self {
        Self { store, read: None, tidied: None, away: false }
    }

    /// Goes on until the process is asked to stop; then once more.
    pub(crate) async fn keep(mut self, shared: &Shared) {
        loop {
            let pause = tokio::time::timeout(EVERY, shared.stopped()).await;
            let turn = self.turn(shared);
            if pause.is_ok() {
                let _ = tokio::time::timeout(LAST, turn).await;
                return;
            }
            turn.await;
        }
    }

    /// Writes and reads, as far as that is possible now.
    pub(crate) async fn turn(&mut self, shared: &Shared) {
        let error = self.exchange(shared).await.err();
        if let Some(error) = error.as_ref().filter(|_| !self.away) {
            tracing::warn!(%error, "failed logins are remembered by this proxy alone for now");
        }
        self.away = error.is_some();
    }

    async fn exchange(&mut self, shared: &Shared) -> Result<(), AccountError> {
        let attempts: &Attempts = &shared.attempts;
        let admission = &shared.network.load_full().proxy.admission;
        let clock = Clock { now: Instant::now(), unix: unix_now() as i64 };
        let remembered = i64::try_from(memory(admission).as_secs()).unwrap_or(i64::MAX);
        let stale = clock.unix.saturating_sub(remembered);
        let changes = attempts.take_unwritten(ROWS, clock);
        if !changes.is_empty() || self.tidied.is_none_or(|at| at.elapsed() > TIDY) {
            if let Err(error) = self.store.write(&changes, stale).await {
                attempts.put_back(changes, clock);
                return Err(error);
            }
            self.tidied = Some(clock.now);
        }
        let stored = self.store.since(self.read.unwrap_or(stale)).await?;
        let clock = Clock { now: Instant::now(), unix: unix_now() as i64 };
        attempts.learn(stored, admission, clock);
        self.read = Some(clock.unix - OVERLAP);
        Ok(())
    }
}
