//! Who must not write, kept beside the accounts.
//!
//! Every line of chat asks, and chat must not wait for a store: all mutes are in memory, and what
//! other processes change in the store is read when its version says that something has changed.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::AccountError;
use crate::accounts::{Store, on_store};
use crate::bans::holds;

/// Players who can be muted at once.
const MOST: usize = 10_000;

/// That a player must not write. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mute {
    /// The player, in lower case: letter case does not count.
    pub name: String,
    /// What the player reads; may be empty.
    #[serde(default)]
    pub reason: String,
    /// Who ordered it.
    #[serde(default)]
    pub author: String,
    /// When it was ordered.
    #[serde(default)]
    pub created: i64,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
}

impl Mute {
    /// Whether it has not ended by itself.
    pub fn holds(&self, now: i64) -> bool {
        holds(self.expires, now)
    }
}

/// Why somebody was not muted.
#[derive(Debug, thiserror::Error)]
pub enum MuteError {
    /// More cannot be remembered.
    #[error("{MOST} players are muted already")]
    TooMany,
    /// The store.
    #[error(transparent)]
    Store(#[from] AccountError),
}

/// Which state of the stored mutes something was read from.
pub(crate) type Version = (i64, i64, u64);

/// The mutes of a network. Clones share the store and what is remembered of it.
#[derive(Debug, Clone)]
pub struct Mutes {
    store: Store,
    known: Arc<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Held while the store is asked, so that what was read before a change does not replace it.
    version: tokio::sync::Mutex<Option<Version>>,
    list: RwLock<HashMap<String, Arc<Mute>>>,
}

impl Mutes {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, known: Arc::default() }
    }

    /// Reads what has changed in the store since the last time: one number if nothing has. What is
    /// known stays in force when that fails.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn refresh(&self) -> Result<(), AccountError> {
        let mut version = self.known.version.lock().await;
        let seen = *version;
        let work = async { on_store!(self.store, read_mutes(seen)) };
        if let Some((read, mutes)) = self.store.within(work).await? {
            let list = mutes.into_iter().map(|it| (it.name.clone(), Arc::new(it))).collect();
            self.change(|known| *known = list);
            *version = Some(read);
        }
        Ok(())
    }

    /// Mutes a player, or changes how; in force here at once.
    ///
    /// # Errors
    /// [`MuteError::TooMany`] above 10,000, and when the store cannot be written: nothing has
    /// changed then.
    pub async fn set(&self, mut mute: Mute) -> Result<(), MuteError> {
        mute.name.make_ascii_lowercase();
        let _turn = self.known.version.lock().await;
        let work = async { on_store!(self.store, set_mute(&mute, MOST)) };
        if !self.store.within(work).await? {
            return Err(MuteError::TooMany);
        }
        self.change(|known| known.insert(mute.name.clone(), Arc::new(mute)));
        Ok(())
    }

    /// Lets a player write again; false if they could at `now`.
    ///
    /// # Errors
    /// When the store cannot be written: nothing has changed then.
    pub async fn lift(&self, name: &str, now: i64) -> Result<bool, AccountError> {
        let name = name.to_ascii_lowercase();
        let _turn = self.known.version.lock().await;
        let work = async { on_store!(self.store, lift_mute(&name, now)) };
        let lifted = self.store.within(work).await?;
        self.change(|known| known.remove(&name));
        Ok(lifted)
    }

    /// Why a player must not write at `now`, as far as is known. Never waits for the store.
    pub fn of(&self, name: &str, now: i64) -> Option<Arc<Mute>> {
        let known = self.known.list.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return None;
        }
        known.get(&name.to_ascii_lowercase()).filter(|mute| mute.holds(now)).cloned()
    }

    /// All that the store has, in no order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn list(&self) -> Result<Vec<Mute>, AccountError> {
        let work = async { on_store!(self.store, read_mutes(None)) };
        Ok(self.store.within(work).await?.map_or_else(Vec::new, |(_, mutes)| mutes))
    }

    /// Adds mutes, or changes them to what is given, all or none of them.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn put(&self, mutes: &[Mute]) -> Result<(), AccountError> {
        self.store.within(async { on_store!(self.store, put_mutes(mutes)) }).await
    }

    fn change<T>(&self, how: impl FnOnce(&mut HashMap<String, Arc<Mute>>) -> T) {
        how(&mut self.known.list.write().unwrap_or_else(PoisonError::into_inner));
    }
}
