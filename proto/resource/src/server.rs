//! `kind: MinetestServer`: one backend.

use serde::{Deserialize, Serialize};

use crate::check::{self, Fault};
use crate::condition::Condition;
use crate::document::Kind;
use crate::endpoint::{Endpoint, ServiceRef};
use crate::managed::Managed;
use crate::mod_api::ModApi;
use crate::name::Name;
use crate::probe::Probe;
use crate::target::Target;

/// One backend. Which groups it is in is said by its labels, not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(
    feature = "crd",
    derive(kube::CustomResource, schemars::JsonSchema),
    kube(
        group = "mesegate.dev",
        version = "v1alpha1",
        kind = "MinetestServer",
        doc = "A game server that players can be sent to.",
        shortname = "mts",
        category = "minetest",
        namespaced,
        status = "ServerStatus",
        derive = "PartialEq",
        printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
        printcolumn = r#"{"name":"State","type":"string","jsonPath":".spec.state"}"#,
        printcolumn = r#"{"name":"Address","type":"string","jsonPath":".status.address"}"#,
        printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".spec.mediaPool"}"#,
        printcolumn = r#"{"name":"Players","type":"integer","priority":1,"jsonPath":".status.players"}"#,
        printcolumn = r#"{"name":"Reachable","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Reachable\")].status"}"#,
        printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
        printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
    ),
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "[has(self.endpoint), has(self.serviceRef), has(self.managed)].exists_one(it, it)",
        "message": "write one of endpoint, serviceRef and managed"
    }]))
)]
pub struct ServerSpec {
    /// Where the server listens. One of this, serviceRef and managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// The Service that the server stands behind; needs a controller. One of this, endpoint and
    /// managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_ref: Option<ServiceRef>,
    /// What the controller is to make the server of. One of this, endpoint and serviceRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<Managed>,
    /// Whether players are let in.
    #[serde(default)]
    pub state: ServerState,
    /// Players whom the proxies let in at once, 1 to 100000; without it, as many as the server
    /// itself takes.
    #[serde(
        default,
        deserialize_with = "check::optional_number::<_, _, 1, 100000>",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 100_000)))]
    pub max_players: Option<u32>,
    /// Share of the players of a group with the strategy Weighted, 0 to 100. With 0 it gets
    /// players only when no other member can take them.
    #[serde(default = "one", deserialize_with = "check::number::<_, _, 0, 100>")]
    #[cfg_attr(feature = "crd", schemars(range(max = 100)))]
    pub weight: u32,
    /// Servers of one pool have the same content: it is fetched from any of them, and players can
    /// enter all of them once it is known of one. Its name marks content that conflicts with that
    /// of others. Without it, the server stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_pool: Option<Name>,
    /// Where players go, in this order, when the server is lost. At most 8.
    #[serde(
        default,
        deserialize_with = "check::list::<_, _, 8>",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "crd", schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic")))]
    pub fallbacks: Vec<Target>,
    /// Who may enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// How it is found out whether the server answers.
    #[serde(default)]
    pub probe: Probe,
    /// How the proxy logs players in to it.
    #[serde(default)]
    pub backend_auth: BackendAuth,
    /// What the server's mods may ask the proxy for; without it, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mod_api: Option<ModApi>,
    /// What players read instead of the name, 1 to 100 characters.
    #[serde(
        default,
        deserialize_with = "check::optional_text::<_, 100>",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 100)))]
    pub display_name: Option<String>,
}

fn one() -> u32 {
    1
}

impl Kind for ServerSpec {
    const KIND: &'static str = "MinetestServer";

    fn check(&self) -> Result<(), Fault> {
        let ways = [self.endpoint.is_some(), self.service_ref.is_some(), self.managed.is_some()];
        if ways.into_iter().filter(|it| *it).count() != 1 {
            return Err(Fault::new("spec", "write one of endpoint, serviceRef and managed"));
        }
        if let Some(managed) = &self.managed {
            managed.check()?;
        }
        if self.probe.timeout >= self.probe.interval {
            return Err(Fault::new("spec.probe", "timeout has to be shorter than interval"));
        }
        Ok(())
    }
}

/// Whether players are let in to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum ServerState {
    /// They are.
    #[default]
    Active,
    /// Nobody is let in any more; those who are there stay.
    Drain,
    /// As Drain, and the proxy does not look at the server any more. A managed server is stopped once
    /// nobody is on it.
    Disabled,
}

impl ServerState {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Drain => "Drain",
            Self::Disabled => "Disabled",
        }
    }
}

/// Who may enter a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Access {
    /// Players who have this permission, or, where no rule of the proxy's document is about it,
    /// whose account at the proxy has the privilege of that name: 1 to 63 of a-z, A-Z, 0-9, '_',
    /// '.' and '-'.
    #[serde(deserialize_with = "permission")]
    #[cfg_attr(feature = "crd", schemars(length(max = 63), extend(
        "x-kubernetes-validations" = [{
            "rule": "self.matches('^[-A-Za-z0-9_.]+$')",
            "message": "write 1 to 63 of a-z, A-Z, 0-9, '_', '.' and '-'"
        }]
    )))]
    pub permission: String,
}

fn permission<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    use serde::de::Error as _;
    let text = String::deserialize(deserializer)?;
    let good = |c: u8| c.is_ascii_alphanumeric() || b"_.-".contains(&c);
    if (1..=63).contains(&text.len()) && text.bytes().all(good) {
        return Ok(text);
    }
    let expected = "1 to 63 of a-z, A-Z, 0-9, '_', '.' and '-'";
    Err(D::Error::invalid_value(serde::de::Unexpected::Str(&text), &expected))
}

/// How the proxy logs players in to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum BackendAuth {
    /// With a secret derived per player and backend from the proxy's key.
    #[default]
    Secret,
    /// With the empty password, as networks of the past did. Such a backend must be reachable
    /// for the proxy only.
    Empty,
}

/// What a controller found out about a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct ServerStatus {
    /// The generation that the rest was found out for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Programmed, Reachable, ContentReady and Ready, and of managed servers
    /// RolledOut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    )))]
    pub conditions: Vec<Condition>,
    /// Where the server is, as host:port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Players on it, brought up to date now and then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub players: Option<u32>,
    /// Proxies that are connected to the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxies: Option<u32>,
    /// Those of them that reach the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reachable_from: Option<u32>,
    /// Hash of its definitions and media.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
}
