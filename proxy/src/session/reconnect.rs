//! Hops that need a new login. A client learns nodes, items and most of its media once; what it
//! was not given then it can only get by connecting again. The player is asked to, and where they
//! wanted to go is remembered for a while.

use std::time::Duration;

use mesegate_auth::AccountError;

use super::denial::Denial;
use crate::shared::{Shared, unix_now};

/// How long a player may take to come back.
const REMEMBERED: Duration = Duration::from_mins(5);

/// How long somebody who is sent away waits for the database: all are at the same time, and their
/// goodbye must not be late.
const NOTED: Duration = Duration::from_secs(1);

/// A player who is asked to connect anew.
#[derive(Debug)]
pub(super) struct Reconnect {
    server: String,
    title: String,
    reason: &'static str,
}

impl Reconnect {
    /// To go on to `server`, which players know as `title`. `reason` is for logs and metrics.
    pub(super) fn new(server: &str, title: &str, reason: &'static str) -> Self {
        Self { server: server.to_owned(), title: title.to_owned(), reason }
    }

    /// Remembers the target and gives the player's last words. A database that fails costs the
    /// target, not the offer.
    pub(super) async fn offer(self, shared: &Shared, player: &str) -> Denial {
        let Self { server, title, reason } = self;
        tracing::info!(player, server, reason, "a player is asked to reconnect");
        let text = match remember(shared, player, &server).await {
            Ok(()) => format!("To go to {title}, your game has to load more. Please reconnect."),
            Err(error) => {
                tracing::error!(%error, "the target of a reconnect cannot be remembered");
                format!("{title} needs content your game has not loaded. Reconnect and try again.")
            }
        };
        Denial::text(reason, text).with_reconnect()
    }
}

async fn remember(shared: &Shared, player: &str, server: &str) -> Result<(), AccountError> {
    let now = unix_now();
    let (now, expires) = (now as i64, (now + REMEMBERED.as_secs()) as i64);
    shared.accounts.set_reconnect(player, server, now, expires).await
}

/// Who has to leave the proxy comes back to where they were.
pub(super) async fn to_where_they_were(shared: &Shared, player: &str, server: &str) {
    match tokio::time::timeout(NOTED, remember(shared, player, server)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "where a player was cannot be remembered"),
        Err(_) => tracing::warn!(player, "the database is too slow to remember where they were"),
    }
}

/// Where the player wanted to go who was asked to reconnect.
pub(super) async fn remembered(shared: &Shared, player: &str) -> Option<String> {
    let found = shared.accounts.reconnect(player, unix_now() as i64).await;
    found.unwrap_or_else(|error| {
        tracing::error!(%error, "the target of a reconnect cannot be read");
        None
    })
}

/// The server that a player was on last, where the document says that they go there again. One that is
/// there no more is nowhere to go.
pub(super) async fn last_server(shared: &Shared, player: &str) -> Option<String> {
    let network = shared.network.load_full();
    if !network.proxy.rejoin_last {
        return None;
    }
    let found = shared.accounts.last_server(player).await;
    let last = found.unwrap_or_else(|error| {
        tracing::error!(%error, "a player's last server cannot be read");
        None
    });
    last.filter(|name| network.server(name).is_some())
}

/// The player who came back has arrived, there or elsewhere.
pub(super) async fn forget(shared: &Shared, player: &str) {
    if let Err(error) = shared.accounts.clear_reconnect(player).await {
        tracing::error!(%error, "the target of a reconnect cannot be forgotten");
    }
}
