//! Who is kept out, kept beside the accounts.

mod cache;
mod news;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use crate::accounts::{Store, on_store};
use crate::{AccountError, Prefix};
use cache::Cache;
pub use news::BanNews;

/// Whom a ban concerns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BanSubject {
    /// The player of that name; ASCII letter case does not count.
    Name(String),
    /// Whoever connects from there.
    Addresses(Prefix),
}

impl BanSubject {
    /// Whether it is about this player.
    pub fn concerns(&self, name: &str, address: IpAddr) -> bool {
        match self {
            Self::Name(banned) => banned.eq_ignore_ascii_case(name),
            Self::Addresses(prefix) => prefix.contains(address),
        }
    }

    /// One name of the kind, for metrics: `name` or `address`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Addresses(_) => "address",
        }
    }

    /// What [`columns`](Self::columns) gave, as a store has kept it.
    pub(crate) fn from_columns(
        name: Option<String>,
        addresses: Option<String>,
    ) -> Result<Self, AccountError> {
        if let Some(name) = name {
            return Ok(Self::Name(name));
        }
        let text = addresses.unwrap_or_default();
        let prefix = text.parse().map_err(|error| AccountError::Ban { text, error })?;
        Ok(Self::Addresses(prefix))
    }

    pub(crate) fn columns(&self) -> (Option<&str>, Option<String>) {
        match self {
            Self::Name(name) => (Some(name), None),
            Self::Addresses(prefix) => (None, Some(prefix.to_string())),
        }
    }
}

/// What a ban says. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewBan {
    /// Whom it concerns.
    pub subject: BanSubject,
    /// What the player reads.
    pub reason: String,
    /// What only operators read.
    pub note: String,
    /// Who made it.
    pub author: String,
    /// When it was made.
    pub created: i64,
    /// When it ends by itself.
    pub expires: Option<i64>,
}

/// A stored ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Never used for another one.
    pub id: i64,
    /// What it says.
    pub terms: NewBan,
}

impl Ban {
    /// Whether it has not ended by itself.
    pub fn holds(&self, now: i64) -> bool {
        holds(self.terms.expires, now)
    }
}

/// Whether what ends by itself has not.
pub(crate) fn holds(expires: Option<i64>, now: i64) -> bool {
    expires.is_none_or(|expires| expires > now)
}

/// Which ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanKey {
    /// By its number.
    Id(i64),
    /// The one in force about exactly this subject.
    Subject(BanSubject),
}

/// Why a ban was not made or lifted.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// The very subject is banned already.
    #[error("there is such a ban already, number {}", .0.id)]
    Exists(Box<Ban>),
    /// No such ban.
    #[error("there is no such ban")]
    Missing,
    /// The file.
    #[error(transparent)]
    Store(#[from] AccountError),
}

impl From<sqlx::Error> for BanError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The bans of a network. Clones share the store and what is remembered of it.
#[derive(Debug, Clone)]
pub struct Bans {
    store: Store,
    cache: Arc<Cache>,
}

impl Bans {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, cache: Arc::default() }
    }

    /// Bans.
    ///
    /// # Errors
    /// [`BanError::Exists`] while a ban about the very subject is in force.
    pub async fn create(&self, terms: NewBan) -> Result<Ban, BanError> {
        let made = self.store.within(async { on_store!(self.store, create_ban(terms)) }).await;
        self.cache.forget();
        made
    }

    /// Lifts a ban and returns what it was.
    ///
    /// # Errors
    /// [`BanError::Missing`].
    pub async fn delete(&self, key: &BanKey, now: i64) -> Result<Ban, BanError> {
        let gone = self.store.within(async { on_store!(self.store, delete_ban(key, now)) }).await;
        self.cache.forget();
        gone
    }

    /// At most `limit` bans with numbers above `after`, in the order of their numbers: those that
    /// hold at `now`, or all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(
        &self,
        after: i64,
        limit: u32,
        with_expired: bool,
        now: i64,
    ) -> Result<Vec<Ban>, AccountError> {
        let work = async { on_store!(self.store, list_bans(after, limit, with_expired, now)) };
        self.store.within(work).await
    }

    /// The ban that keeps a player out at `now`, if any: the oldest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn check(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
        now: i64,
    ) -> Result<Option<Arc<Ban>>, AccountError> {
        let name = name.map(str::to_ascii_lowercase);
        let who = (name, address.map(|address| address.to_canonical()));
        let ticket = match self.cache.get(&who, now) {
            Ok(known) => return Ok(known),
            Err(ticket) => ticket,
        };
        let work = async { on_store!(self.store, check_ban(who.0.as_deref(), who.1, now)) };
        let ban = self.store.within(work).await?.map(Arc::new);
        self.cache.put(ticket, who, ban.clone());
        Ok(ban)
    }

    /// Those that are made from now on, by whomever, beginning with all there are.
    pub fn news(&self) -> BanNews {
        BanNews::new(self.clone())
    }

    /// Adds bans without a look at those that are there, all or none of them.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn put(&self, bans: &[NewBan]) -> Result<(), AccountError> {
        let put = self.store.within(async { on_store!(self.store, put_bans(bans)) }).await;
        self.cache.forget();
        put
    }
}
