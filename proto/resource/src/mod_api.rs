//! What a server's mods may ask the proxy for.

use serde::{Deserialize, Serialize};

use crate::check;

/// What a server's mods may ask the proxy for, over mod channels. They prove with the server's
/// token that it is them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct ModApi {
    /// What they may do. At most 8.
    #[serde(default, deserialize_with = "check::list::<_, _, 8>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 8), extend("x-kubernetes-list-type" = "set")))]
    pub allow: Vec<ModRight>,
    /// Requests a second that are answered, from all mods of the server together and on each
    /// proxy; twice as many at once. 1 to 10000.
    #[serde(default = "rate", deserialize_with = "check::number::<_, _, 1, 10000>")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 10_000)))]
    pub rate: u32,
}

fn rate() -> u32 {
    20
}

/// Something that mods may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum ModRight {
    /// Ask who is in the game, and where.
    Players,
    /// Learn the IP addresses of their server's players.
    Addresses,
    /// Write lines into players' chats, on any server.
    Message,
    /// Send their server's players elsewhere.
    Move,
    /// Send anybody anywhere.
    MoveAny,
    /// Send data to mods of other servers. Whoever has the mod receives some.
    Data,
}
