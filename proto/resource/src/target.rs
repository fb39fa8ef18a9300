//! Places that players can be sent to.

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// A place that players can be sent to: `{ server: NAME }` or `{ group: NAME }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Target {
    /// A `MinetestServer`.
    Server(Name),
    /// A `MinetestServerGroup`: one of its servers, chosen by its strategy.
    Group(Name),
}

impl Target {
    /// The name of the server or group.
    pub fn name(&self) -> &Name {
        match self {
            Self::Server(name) | Self::Group(name) => name,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(name) => write!(f, "server {name}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// A place that players can be sent to: a server or a group.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline, extend(
    "x-kubernetes-map-type" = "atomic",
    "x-kubernetes-validations" = [{
        "rule": "has(self.server) != has(self.group)",
        "message": "write either { server: NAME } or { group: NAME }"
    }]
)))]
struct Fields {
    /// Name of a MinetestServer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<Name>,
    /// Name of a MinetestServerGroup, of which one server is chosen by the group's strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Name>,
}

impl TryFrom<Fields> for Target {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.server, fields.group) {
            (Some(server), None) => Ok(Self::Server(server)),
            (None, Some(group)) => Ok(Self::Group(group)),
            _ => Err("write either { server: NAME } or { group: NAME }"),
        }
    }
}

impl From<Target> for Fields {
    fn from(target: Target) -> Self {
        match target {
            Target::Server(name) => Self { server: Some(name), group: None },
            Target::Group(name) => Self { server: None, group: Some(name) },
        }
    }
}

#[cfg(feature = "crd")]
crate::schema::same_as!(Target, Fields);
