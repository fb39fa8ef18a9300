//! `kind: MinetestServerGroup`: servers that stand for each other.

use serde::{Deserialize, Serialize};

use crate::check::{self, Fault};
use crate::condition::Condition;
use crate::document::Kind;
use crate::selector::Selector;
use crate::target::Target;

/// Servers that stand for each other. A player who is sent to the group gets one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(
    feature = "crd",
    derive(kube::CustomResource, schemars::JsonSchema),
    kube(
        group = "mesegate.dev",
        version = "v1alpha1",
        kind = "MinetestServerGroup",
        doc = "Game servers that stand for each other, chosen by their labels.",
        shortname = "mtg",
        category = "minetest",
        namespaced,
        status = "GroupStatus",
        derive = "PartialEq",
        printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
        printcolumn = r#"{"name":"Members","type":"integer","jsonPath":".status.members"}"#,
        printcolumn = r#"{"name":"ReadyMembers","type":"integer","jsonPath":".status.readyMembers"}"#,
        printcolumn = r#"{"name":"Strategy","type":"string","jsonPath":".spec.strategy"}"#,
        printcolumn = r#"{"name":"Players","type":"integer","priority":1,"jsonPath":".status.players"}"#,
        printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
        printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
    )
)]
pub struct GroupSpec {
    /// Which servers belong to it.
    pub selector: Selector,
    /// How one of them is chosen.
    #[serde(default)]
    pub strategy: Strategy,
    /// Players per second who are let in to the whole group, 1 to 10000; the others wait for their
    /// turn. Keeps a lobby from being overrun when another server is lost. Without it, everybody at
    /// once.
    #[serde(
        default,
        deserialize_with = "check::optional_number::<_, _, 1, 10000>",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 10_000)))]
    pub join_rate: Option<u32>,
    /// What happens to a player whom no member can take.
    #[serde(default)]
    pub empty_policy: EmptyPolicy,
    /// Where players go, in this order, whom no member can take. At most 8.
    #[serde(
        default,
        deserialize_with = "check::list::<_, _, 8>",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "crd", schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic")))]
    pub fallbacks: Vec<Target>,
    /// What players read instead of the name, 1 to 100 characters.
    #[serde(
        default,
        deserialize_with = "check::optional_text::<_, 100>",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 100)))]
    pub display_name: Option<String>,
}

impl Kind for GroupSpec {
    const KIND: &'static str = "MinetestServerGroup";

    fn check(&self) -> Result<(), Fault> {
        self.selector.check("spec.selector")
    }
}

/// How a member of a group is chosen among those that can take the player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum Strategy {
    /// Any, each as likely as the other.
    Random,
    /// The one with the fewest players, in proportion to `maxPlayers` where all have it.
    #[default]
    LeastPlayers,
    /// One after the other.
    RoundRobin,
    /// Any, as likely as its `weight` says.
    Weighted,
}

/// What happens to a player whom no member of a group can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum EmptyPolicy {
    /// They wait half a minute for one that can, and then go to the group's fallbacks.
    Wait,
    /// They go to the group's fallbacks.
    #[default]
    Fallback,
    /// They go to the next target of whoever sent them to the group.
    Reject,
}

/// What a controller found out about a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct GroupStatus {
    /// The generation that the rest was found out for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted and Ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    )))]
    pub conditions: Vec<Condition>,
    /// Servers with the group's labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u32>,
    /// Those of them that are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_members: Option<u32>,
    /// Players on all of them, brought up to date now and then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub players: Option<u32>,
}
