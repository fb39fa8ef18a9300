//! Holding back a client's actions between the switch to another backend and the moment the
//! client knows where it stands there.
//!
//! Until then its positions are those of the world before: passed on, they would put the player
//! at the old place in the new world. Opens once MOVE_PLAYER was acknowledged and a position near
//! it has come, or a short while after the acknowledgement, since a client whose position does
//! not change, or who is dead, sends none (`client/client.cpp` sendPlayerPos).

use std::time::{Duration, Instant};

use mesegate_protocol::play::PlayerPos;
use mesegate_transport::Ticket;

/// Distance in position units (10 a node) at which a position counts as the new one.
const NEAR: f32 = 200.0;

/// How long after the acknowledgement a position is waited for.
const PATIENCE: Duration = Duration::from_millis(700);

/// How long after the switch a MOVE_PLAYER and its acknowledgement are waited for.
const LIMIT: Duration = Duration::from_secs(15);

/// Whether a client's actions reach the backend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gate {
    /// They do.
    Open,
    /// The switch was made at this time; the new backend's MOVE_PLAYER has not come.
    Waiting(Instant),
    /// MOVE_PLAYER was sent.
    Moving {
        /// When.
        since: Instant,
        /// Tells the acknowledgement.
        ticket: Ticket,
        /// Where to.
        position: [f32; 3],
        /// When it was acknowledged.
        acknowledged: Option<Instant>,
    },
}

impl Gate {
    /// True when actions pass.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// True from the switch to the first MOVE_PLAYER.
    pub(super) fn awaits_move(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }

    /// MOVE_PLAYER was sent to the client.
    pub(super) fn moved(&mut self, ticket: Ticket, position: [f32; 3], now: Instant) {
        *self = Self::Moving { since: now, ticket, position, acknowledged: None };
    }

    /// The client acknowledged a message.
    pub(super) fn acknowledged(&mut self, which: Ticket, now: Instant) {
        if let Self::Moving { ticket, acknowledged, .. } = self
            && *ticket == which
        {
            *acknowledged = Some(now);
        }
    }

    /// The client sent a position.
    pub(super) fn position(&mut self, position: &PlayerPos) {
        if let Self::Moving { position: target, acknowledged: Some(_), .. } = *self
            && position.distance(target) < NEAR
        {
            *self = Self::Open;
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Instant) {
        let open = match *self {
            Self::Open => true,
            Self::Waiting(since) => now.duration_since(since) > LIMIT,
            Self::Moving { acknowledged: Some(at), .. } => now.duration_since(at) > PATIENCE,
            Self::Moving { since, .. } => now.duration_since(since) > LIMIT,
        };
        if open {
            *self = Self::Open;
        }
    }
}
