//! Accounts and bans as files, in the layout of mt-multiserver-proxy (`auth_files.go` there), which
//! can go on using them:
//!
//! - `auth/NAME/salt`, `auth/NAME/verifier`: raw bytes;
//! - `auth/NAME/timestamp`: empty, its modification time is the last login;
//! - `auth/NAME/last_server`: a name;
//! - `ban/ADDRESS`: the name that was banned.
//!
//! That layout has no place for the rest, which is kept in further files that it does not look at:
//! `auth/NAME/privileges` (one a line), `auth/NAME/password` (a password field that is no salt and
//! verifier: a legacy hash), `auth/NAME/reconnect`, and in `mesegate/bans` all bans with their
//! terms, in `mesegate/mutes` mutes and in `mesegate/failures` failed logins, one JSON object a
//! line. A ban of one address is in force while its file in `ban/` is
//! there, whoever removes or adds it.
//!
//! Every file appears whole or not at all. Salt and verifier belong together: a new pair is written
//! into a new folder, which then takes the old one's place in one step (`renameat2`,
//! `RENAME_EXCHANGE`), so no crash and no reader ever finds half of each. Writers of several
//! processes wait for each other at `mesegate/lock`. One machine's disk alone: for several proxies
//! there is PostgreSQL.

mod account;
mod atomic;
mod bans;
mod failures;
mod lines;
mod mutes;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::AccountError;
use atomic::Folder;

/// An open folder. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: Folder,
    bans: Mutex<bans::Seen>,
}

impl Files {
    /// Opens the folder; with `create` it is made if it does not exist.
    pub(crate) async fn open(root: PathBuf, create: bool) -> Result<Self, AccountError> {
        let open = move || {
            let folder = if create { Folder::create(root)? } else { Folder::look(root)? };
            Ok(Self { inner: Arc::new(Inner { folder, bans: Mutex::default() }) })
        };
        blocking(open).await
    }

    /// Does work on files where it may block.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&inner)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AccountError> + Send + 'static,
) -> Result<T, AccountError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(AccountError::Interrupted))
}

/// Whether a name is one of a player (`player.h`), and so harmless as the name of a file.
pub(crate) fn is_player_name(name: &str) -> bool {
    (1..=20).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
}
