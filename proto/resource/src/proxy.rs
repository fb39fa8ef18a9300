//! `kind: MinetestProxy`: how proxies treat players.

mod admission;
mod announce;
mod client_mods;
mod company;
mod permissions;

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};

use crate::check::{self, Fault};
use crate::condition::Condition;
use crate::document::Kind;
use crate::target::Target;
pub use permissions::{PermissionGroup, Permissions, PlayerPermissions};

pub use announce::Announce;
pub use client_mods::{ClientModRestriction, ClientModRestrictions};
pub use company::PlayerList;

pub use admission::{Admission, Registration};

/// How proxies treat players.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(
    feature = "crd",
    derive(kube::CustomResource, schemars::JsonSchema),
    kube(
        group = "mesegate.dev",
        version = "v1alpha1",
        kind = "MinetestProxy",
        plural = "minetestproxies",
        doc = "How a fleet of proxies treats players.",
        shortname = "mtp",
        category = "minetest",
        namespaced,
        status = "ProxyStatus",
        derive = "PartialEq",
        printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
        printcolumn = r#"{"name":"Proxies","type":"integer","jsonPath":".status.connected"}"#,
        printcolumn = r#"{"name":"Players","type":"integer","jsonPath":".status.players"}"#,
        printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
        printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
    )
)]
pub struct ProxySpec {
    /// Where players go who log in.
    pub default_target: Target,
    /// Which passwords new accounts may have.
    #[serde(default)]
    pub password_policy: PasswordPolicy,
    /// Who may make an account, and how many may come from where.
    #[serde(default)]
    pub admission: Admission,
    /// How much is let in.
    #[serde(default)]
    pub limits: Limits,
    /// What players read.
    #[serde(default)]
    pub messages: Messages,
    /// Chat lines that begin with it are for the proxy and never reach a backend. 1 to 8
    /// characters.
    #[serde(default = "default_prefix", deserialize_with = "prefix")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 8), extend(
        "x-kubernetes-validations" = [{
            "rule": r"self.matches('^[^\\pZ\\p{Cc}]+$')",
            "message": "write 1 to 8 characters without blanks"
        }]
    )))]
    pub command_prefix: String,
    /// What happens when somebody logs in whose name is in the game already, on any proxy. Both
    /// know the password.
    #[serde(default)]
    pub duplicate_login: DuplicateLogin,
    /// What happens when somebody logs in while no controller can tell whether the name is in the
    /// game on another proxy.
    #[serde(default)]
    pub on_control_loss: ControlLoss,
    /// The entry in the public server list; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announce: Option<Announce>,
    /// What mods of the client are forbidden on all servers.
    #[serde(default)]
    pub csm_restrictions: ClientModRestrictions,
    /// Who is in a player's list of players. An edit takes effect for each player with the next
    /// server that they enter.
    #[serde(default)]
    pub player_list: PlayerList,
    /// Who may do what.
    #[serde(default)]
    pub permissions: Permissions,
    /// Whether players who log in go to the server that they were on last, if it lets them in.
    #[serde(default)]
    pub rejoin_last: bool,
}

/// What happens when somebody logs in whose name is in the game already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum DuplicateLogin {
    /// Who comes later is not let in.
    #[default]
    Reject,
    /// Who was there is sent away.
    KickOld,
}

/// What happens to logins that nobody can decide about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum ControlLoss {
    /// The player is let in. If the name turns out to be in the game twice, who came first stays.
    #[default]
    AllowLocal,
    /// The player is not let in.
    Reject,
}

impl Kind for ProxySpec {
    const KIND: &'static str = "MinetestProxy";

    fn check(&self) -> Result<(), Fault> {
        self.permissions.check()
    }
}

/// Which passwords new accounts may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct PasswordPolicy {
    /// Whether an account may have an empty password.
    pub allow_empty: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { allow_empty: true }
    }
}

/// How much is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Limits {
    /// Players in the game at once, on each proxy; 0 to 1000000.
    #[serde(deserialize_with = "check::number::<_, _, 0, 1000000>")]
    #[cfg_attr(feature = "crd", schemars(range(max = 1_000_000)))]
    pub players: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { players: 1000 }
    }
}

/// What players read. Texts of at most 500 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Messages {
    /// When the proxy stops.
    #[serde(deserialize_with = "check::text::<_, 500>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 500)))]
    pub shutdown: String,
    /// When the proxy is full.
    #[serde(deserialize_with = "check::text::<_, 500>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 500)))]
    pub full: String,
    /// When no server can be entered.
    #[serde(deserialize_with = "check::text::<_, 500>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 500)))]
    pub unavailable: String,
    /// For everybody else when somebody joins; `{player}` stands for the name. Nothing if empty.
    #[serde(deserialize_with = "check::text::<_, 500>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 500)))]
    pub joined: String,
    /// For everybody else when somebody leaves; `{player}` stands for the name. Nothing if empty.
    #[serde(deserialize_with = "check::text::<_, 500>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 500)))]
    pub left: String,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            shutdown: "The network restarts. Reconnect in a moment.".into(),
            full: "The network is full. Try again later.".into(),
            unavailable: "No server of the network can be entered now. Try again later.".into(),
            joined: String::new(),
            left: String::new(),
        }
    }
}

fn default_prefix() -> String {
    ">".into()
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = (1..=8).contains(&text.chars().count());
    if fits && !text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Ok(text);
    }
    Err(D::Error::invalid_value(Unexpected::Str(&text), &"1 to 8 characters without blanks"))
}

/// What a controller found out about a fleet of proxies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct ProxyStatus {
    /// The generation that the rest was found out for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Programmed and Ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    )))]
    pub conditions: Vec<Condition>,
    /// Proxies that are connected to the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<u32>,
    /// Players on all of them, brought up to date now and then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub players: Option<u32>,
    /// The first 64 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 64), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    )))]
    pub proxies: Vec<ProxyMember>,
}

/// One proxy of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct ProxyMember {
    /// Name of its pod or machine.
    pub name: String,
    /// Its release.
    pub version: String,
    /// Players on it.
    pub players: u32,
    /// Whether it lets nobody in any more.
    pub draining: bool,
}
