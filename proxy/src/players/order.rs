//! What a player's task can be told to do.

use std::time::Instant;

use mesegate_resource::Target;
use mesegate_transport::Stats;
use tokio::sync::oneshot;
use tracing::Span;

/// What a player's task can be told to do. An order that is dropped unanswered was given to a
/// player who has left.
#[derive(Debug)]
pub enum Order {
    /// Go somewhere else.
    Move(Move),
    /// End the visit.
    Kick(Kick),
    /// Connect anew, as the proxy is being left.
    Leave,
    /// Write a line into the chat.
    Tell(String),
    /// Tell the counters of the connections to the client and, if on one, to the server; nothing
    /// while joining.
    Inspect(oneshot::Sender<Option<(Stats, Option<Stats>)>>),
}

/// Go somewhere else.
#[derive(Debug)]
pub struct Move {
    /// Where to: the first of them that lets the player in.
    pub targets: Vec<Target>,
    /// Whether the player may be asked to connect anew.
    pub allow_reconnect: bool,
    /// When the move is given up, and the player stays.
    pub deadline: Instant,
    /// What it is ordered for.
    pub span: Span,
    /// Where the outcome goes.
    pub done: oneshot::Sender<Result<Moved, NotMoved>>,
}

/// What became of a move that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// The player is on this server now.
    Now(String),
    /// The player had been on this server before.
    Before(String),
    /// The player was on this server, if on one, and is asked to connect anew.
    Reconnecting(String),
}

/// Why a player was not moved: one name, as in logs and metrics, and what it means in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct NotMoved {
    /// The name of the cause.
    pub reason: &'static str,
    /// In words.
    pub text: String,
}

impl NotMoved {
    /// With a text of the proxy's own.
    pub fn new(reason: &'static str, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }
}

/// End the visit.
#[derive(Debug)]
pub struct Kick {
    /// The cause: `operator`, `ban` or `duplicate`.
    pub source: &'static str,
    /// What the player reads.
    pub text: String,
    /// Whether the client offers to reconnect.
    pub reconnect: bool,
    /// Answered when the task has taken the order.
    pub done: oneshot::Sender<()>,
}
