//! What a player waits for, as spans: the login until the first world is there, and each hop. A
//! session is a random number in them, which the log names together with the player.

use mesegate_telemetry::span::TARGET;
use tracing::Span;
use tracing::field::Empty;

use super::play::Purpose;

/// A session's number, as spans and log lines write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionId(u64);

impl SessionId {
    pub(super) fn new() -> Self {
        Self(rand::random())
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// From the first message to the first position on a server.
pub(super) fn login(session: SessionId) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "login",
        session.id = %session,
        protocol = Empty,
        server = Empty,
        result = Empty,
    )
}

/// A part of a login.
macro_rules! step {
    ($name:literal) => {
        tracing::info_span!(target: mesegate_telemetry::span::TARGET, $name)
    };
}
pub(super) use step;

/// From a wish, an order or a loss to the first position on the target, or the first server: then
/// it is a part of the `login`. An order's is a part of what it was given for.
pub(super) fn journey(
    session: SessionId,
    purpose: &Purpose,
    from: &str,
    login: &Span,
    order: Option<&Span>,
) -> Span {
    let (cause, parent) = match purpose {
        Purpose::Join { .. } => {
            return tracing::info_span!(
                target: TARGET,
                parent: login.id(),
                "join",
                server = Empty,
                result = Empty,
            );
        }
        Purpose::Wish { .. } => ("wish", None),
        Purpose::Order { .. } => ("order", order.and_then(Span::id)),
        Purpose::Fallback { .. } => ("fallback", None),
    };
    tracing::info_span!(
        target: TARGET,
        parent: parent,
        "hop",
        session.id = %session,
        cause,
        from,
        server = Empty,
        result = Empty,
    )
}

/// An attempt to enter a server, within a journey.
pub(super) fn enter(server: &str) -> Span {
    tracing::info_span!(target: TARGET, "enter server", server, result = Empty)
}
