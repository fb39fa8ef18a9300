//! The last words to a client.

use std::time::Duration;

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::login::{AccessDenied, DenyCode};
use mesegate_transport::Link;

use crate::shared::Shared;

/// How long a client has to acknowledge its last message before the connection is cut.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a client is sent away: one name for logs and metrics, and what the player reads.
#[derive(Debug, Clone)]
pub(super) struct Denial {
    pub(super) reason: &'static str,
    pub(super) code: DenyCode,
    pub(super) text: String,
    pub(super) reconnect: bool,
}

impl Denial {
    /// A text of the proxy's own.
    pub(super) fn text(reason: &'static str, text: impl Into<String>) -> Self {
        Self { reason, code: DenyCode::CustomString, text: text.into(), reconnect: false }
    }

    /// With an engine's code, whose meaning every client shows by itself, and a text for those
    /// that show texts.
    pub(super) fn code(reason: &'static str, code: DenyCode, text: impl Into<String>) -> Self {
        Self { reason, code, text: text.into(), reconnect: false }
    }

    /// The proxy is being left, or stops: the player is to come back by way of another one, or of
    /// its successor.
    pub(super) fn leaving(reason: &'static str, shared: &Shared) -> Self {
        let text = shared.network.load().proxy.messages.shutdown.clone();
        Self::code(reason, DenyCode::Shutdown, text).with_reconnect()
    }

    /// Offers the reconnect button.
    pub(super) fn with_reconnect(mut self) -> Self {
        self.reconnect = true;
        self
    }

    /// Sends it and keeps the connection until the client has acknowledged it or left.
    pub(super) async fn deliver(self, link: &mut Link, version: ProtocolVersion) {
        let message = AccessDenied::for_version(self.code, &self.text, self.reconnect, version);
        if link.send(0, true, message.encode()).is_ok() {
            part(link).await;
        }
    }
}

/// Closes a connection after everything sent has been acknowledged, or a short while.
pub(super) async fn part(link: &mut Link) {
    link.close_after_flush(FAREWELL);
    link.flush();
    let leaving = async {
        while link.closed().is_none() {
            link.drive().await;
            while link.recv().is_some() {}
            link.flush();
        }
    };
    // The transport keeps to FAREWELL by itself; this only guards against a bug there.
    let _ = tokio::time::timeout(FAREWELL * 2, leaving).await;
}
