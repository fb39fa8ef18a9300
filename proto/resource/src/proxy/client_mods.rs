//! What mods of the client itself may do.

use serde::{Deserialize, Serialize};

use crate::check;

/// What the network forbids mods of the client, beside what each server forbids them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct ClientModRestrictions {
    /// What is forbidden.
    #[serde(deserialize_with = "check::list::<_, _, 16>", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic")))]
    pub forbid: Vec<ClientModRestriction>,
    /// With NodeLookup: how many nodes away from the player it is allowed all the same, 0 to 1000.
    #[serde(deserialize_with = "check::number::<_, _, 0, 1000>")]
    #[cfg_attr(feature = "crd", schemars(range(max = 1000)))]
    pub lookup_range: u32,
}

/// Something that mods of the client can be forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum ClientModRestriction {
    /// To run at all.
    ClientMods,
    /// To write into the chat.
    ChatMessages,
    /// To read definitions of items.
    ItemDefinitions,
    /// To read definitions of nodes.
    NodeDefinitions,
    /// To read nodes of the world farther away than the range.
    NodeLookup,
    /// To read who is connected.
    PlayerInfo,
}

impl ClientModRestriction {
    /// The bit of the network protocol (`network/networkprotocol.h`, `CSMRestrictionFlags`).
    pub fn flag(self) -> u64 {
        match self {
            Self::ClientMods => 1,
            Self::ChatMessages => 2,
            Self::ItemDefinitions => 4,
            Self::NodeDefinitions => 8,
            Self::NodeLookup => 16,
            Self::PlayerInfo => 32,
        }
    }
}

impl ClientModRestrictions {
    /// All flags together.
    pub fn flags(&self) -> u64 {
        self.forbid.iter().fold(0, |flags, it| flags | it.flag())
    }
}
