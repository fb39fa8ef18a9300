//! The accounts of a network, wherever they are kept.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bans::Bans;
use crate::failures::Failures;
use crate::files::Files;
use crate::mutes::Mutes;
use crate::notes::Notes;
use crate::sql::Sql;
use crate::url::{StoreUrl, Target};
use crate::{AccountError, Password};

#[cfg(test)]
mod tests;

/// What the engine gives new accounts unless configured otherwise (setting `default_privs`).
pub const DEFAULT_PRIVILEGES: &[&str] = &["interact", "shout"];

/// `last_login` of an account that was never used.
pub const NEVER: i64 = -1;

/// How long an operation on files may take; a lock of another process is waited for.
const FILES_LIMIT: Duration = Duration::from_secs(20);

/// How long an import's batch may take.
const BATCH_LIMIT: Duration = Duration::from_mins(2);

/// A stored account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Player name, spelt as at registration.
    pub name: String,
    /// What logins are checked against.
    pub password: Password,
    /// Privileges by name.
    pub privileges: BTreeSet<String>,
    /// Unix seconds of the last join, [`NEVER`] before the first.
    pub last_login: i64,
}

/// All that is stored of an account, as it moves between stores.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Player name.
    pub name: String,
    /// The engine's password field; old engines may have none, and then nobody can log in.
    pub password: Option<String>,
    /// Privileges by name.
    pub privileges: BTreeSet<String>,
    /// Unix seconds of the last join, [`NEVER`] before the first.
    pub last_login: i64,
    /// The server that the player was on last, if that is known.
    pub last_server: Option<String>,
}

impl std::fmt::Debug for Record {
    // A verifier allows guessing the password offline: it does not belong into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("name", &self.name)
            .field("privileges", &self.privileges)
            .field("last_login", &self.last_login)
            .field("last_server", &self.last_server)
            .finish_non_exhaustive()
    }
}

/// Where things are kept.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Sql(Sql),
    Files(Files),
}

/// Calls the method of whichever store it is.
macro_rules! on_store {
    ($self:expr, $method:ident ( $($argument:expr),* )) => {
        match &$self {
            $crate::accounts::Store::Sql(sql) => sql.$method($($argument),*).await,
            $crate::accounts::Store::Files(files) => files.$method($($argument),*).await,
        }
    };
}
pub(crate) use on_store;

impl Store {
    async fn open(url: &StoreUrl) -> Result<Self, AccountError> {
        match url.target() {
            Target::Sqlite | Target::Postgres => Ok(Self::Sql(Sql::open(url).await?)),
            Target::Files(path) => Ok(Self::Files(Files::open(path, true).await?)),
            Target::AuthTxt(_) | Target::IpBan(_) => Err(AccountError::Url {
                url: url.to_string(),
                why: "that is for import and export alone".into(),
            }),
        }
    }

    /// Gives up when an operation takes longer than it may: a server that neither answers nor
    /// refuses must not hold a login or a player.
    pub(crate) async fn within<T, E: From<AccountError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let limit = match self {
            Self::Sql(sql) => sql.limit(),
            Self::Files(_) => FILES_LIMIT,
        };
        tokio::time::timeout(limit, work).await.unwrap_or(Err(AccountError::Slow.into()))
    }
}

/// The accounts of a network. Clones share what is open.
#[derive(Debug, Clone)]
pub struct Accounts {
    store: Store,
    notes: Notes,
}

impl Accounts {
    /// Opens a store:
    ///
    /// - `sqlite:PATH`; with `?mode=rwc` the file is made if it does not exist, with mode 0600.
    ///   `%`, `?` and `#` in the path are percent-encoded. The journal mode stays as it is, and a
    ///   locked file is waited for. A file of an engine is used as it is.
    /// - `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with the options of libpq such as
    ///   `?sslmode=verify-full&sslrootcert=FILE`, and its variables such as `PGPASSWORD`. A
    ///   database of an engine is used as it is. Errors never show the password.
    /// - `files:DIR`, the layout of mt-multiserver-proxy; see [`crate::files`].
    ///
    /// Missing tables and folders are created.
    ///
    /// # Errors
    /// When the URL is not understood, or the store cannot be reached or is something else.
    pub async fn open(url: &StoreUrl) -> Result<Self, AccountError> {
        let store = Store::open(url).await?;
        Ok(Self { notes: Notes::start(store.clone()), store })
    }

    /// Opens a store to read what is there; nothing is made or changed.
    ///
    /// # Errors
    /// As [`open`](Self::open); also when a file is not there.
    pub(crate) async fn open_source(url: &StoreUrl) -> Result<Self, AccountError> {
        let store = match url.target() {
            Target::Files(path) => Store::Files(Files::open(path, false).await?),
            _ => Store::Sql(Sql::open_source(url).await?),
        };
        Ok(Self { notes: Notes::start(store.clone()), store })
    }

    /// The bans in the same store.
    pub fn bans(&self) -> Bans {
        Bans::new(self.store.clone())
    }

    /// The mutes in the same store. Nothing is known of them before the first
    /// [`refresh`](Mutes::refresh).
    pub fn mutes(&self) -> Mutes {
        Mutes::new(self.store.clone())
    }

    /// The failed logins in the same store.
    pub fn failures(&self) -> Failures {
        Failures::new(self.store.clone())
    }

    /// Whether proxies on other machines can use the same store.
    pub fn is_shared(&self) -> bool {
        matches!(&self.store, Store::Sql(sql) if sql.is_server())
    }

    /// The account of exactly this name.
    ///
    /// # Errors
    /// [`AccountError::Password`] for an entry that no login can succeed with.
    pub async fn get(&self, name: &str) -> Result<Option<Account>, AccountError> {
        self.store.within(async { on_store!(self.store, get(name)) }).await
    }

    /// The name of an account that differs from `name` in case only. Reads all names: meant for
    /// players who are not known under the name they gave.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn find_case_insensitive(&self, name: &str) -> Result<Option<String>, AccountError> {
        self.store.within(async { on_store!(self.store, find_case_insensitive(name)) }).await
    }

    /// Adds an account that has never logged in.
    ///
    /// # Errors
    /// [`AccountError::Exists`] or [`AccountError::Twin`] when the name is taken.
    pub async fn create(
        &self,
        name: &str,
        password: &Password,
        privileges: &[&str],
    ) -> Result<(), AccountError> {
        self.store.within(async { on_store!(self.store, create(name, password, privileges)) }).await
    }

    /// Removes an account and all that is remembered of it; bans stay.
    ///
    /// # Errors
    /// [`AccountError::Missing`] when there is no such account.
    pub async fn delete(&self, name: &str) -> Result<(), AccountError> {
        self.notes.forget(name);
        self.store.within(async { on_store!(self.store, delete(name)) }).await
    }

    /// Replaces the password; everything else stays.
    ///
    /// # Errors
    /// [`AccountError::Missing`] when there is no such account.
    pub async fn set_password(&self, name: &str, password: &Password) -> Result<(), AccountError> {
        self.store.within(async { on_store!(self.store, set_password(name, password)) }).await
    }

    /// Notes a join at `unix_seconds`. Written soon: while the store is away it is kept in memory
    /// and tried again, see [`Accounts::close`].
    pub fn note_login(&self, name: &str, unix_seconds: i64) {
        self.notes.login(name, unix_seconds);
    }

    /// Notes that a player is on a server. Written soon, as [`note_login`](Self::note_login).
    pub fn note_server(&self, name: &str, server: &str) {
        self.notes.server(name, server);
    }

    /// The server that a player was on last.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn last_server(&self, name: &str) -> Result<Option<String>, AccountError> {
        if let Some(server) = self.notes.last_server(name) {
            return Ok(Some(server));
        }
        self.store.within(async { on_store!(self.store, last_server(name)) }).await
    }

    /// Remembers that `name` goes to `server` when they log in before `expires`, in Unix seconds.
    /// Replaces what was remembered; what has expired by `now` is not kept for ever.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn set_reconnect(
        &self,
        name: &str,
        server: &str,
        now: i64,
        expires: i64,
    ) -> Result<(), AccountError> {
        let work = async { on_store!(self.store, set_reconnect(name, server, now, expires)) };
        self.store.within(work).await
    }

    /// Where `name` goes if they log in at `now`, in Unix seconds.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn reconnect(&self, name: &str, now: i64) -> Result<Option<String>, AccountError> {
        self.store.within(async { on_store!(self.store, reconnect(name, now)) }).await
    }

    /// Forgets where `name` was to go.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn clear_reconnect(&self, name: &str) -> Result<(), AccountError> {
        self.store.within(async { on_store!(self.store, clear_reconnect(name)) }).await
    }

    /// The names of all accounts, in no order.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn names(&self) -> Result<Vec<String>, AccountError> {
        long(async { on_store!(self.store, names()) }).await
    }

    /// All that is stored of the accounts of these names, those that there are, by name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn records(&self, names: &[String]) -> Result<Vec<Record>, AccountError> {
        long(async { on_store!(self.store, records(names)) }).await
    }

    /// Adds accounts that are new and changes others to what is given. A database does all or none
    /// of it, files one account after the other.
    ///
    /// # Errors
    /// Those of the store; [`AccountError::Name`] for a name that cannot be a file's.
    pub(crate) async fn put(
        &self,
        new: &[&Record],
        changed: &[&Record],
    ) -> Result<(), AccountError> {
        long(async { on_store!(self.store, put(new, changed)) }).await
    }

    /// Writes what was noted and closes the store. What cannot be written is logged with the names
    /// it concerns.
    pub async fn close(&self) {
        self.notes.finish().await;
        if let Store::Sql(sql) = &self.store {
            sql.close().await;
        }
    }
}

async fn long<T>(work: impl Future<Output = Result<T, AccountError>>) -> Result<T, AccountError> {
    tokio::time::timeout(BATCH_LIMIT, work).await.unwrap_or(Err(AccountError::Slow))
}
