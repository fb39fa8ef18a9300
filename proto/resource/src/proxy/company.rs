//! Whom players see.

use serde::{Deserialize, Serialize};

/// Who is in a player's list of players.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum PlayerList {
    /// Those on the same server, as it says.
    #[default]
    World,
    /// All players of the proxy.
    Network,
}
