//! Conditions in the status of documents, as `metav1.Condition` has them.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// One aspect of an object's state, as last seen. True is always the good state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The generation of the object that this was found out for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0)))]
    pub observed_generation: Option<i64>,
    /// When `status` was last another.
    pub last_transition_time: Timestamp,
    /// The cause in one word.
    pub reason: Reason,
    /// The cause in words, and what to do about it.
    #[cfg_attr(feature = "crd", schemars(length(max = 32768)))]
    pub message: String,
}

/// An aspect of an object's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum ConditionType {
    /// The document is valid among the others.
    Accepted,
    /// What it refers to was found.
    ResolvedRefs,
    /// Every connected proxy has it.
    Programmed,
    /// Most proxies get an answer from the server.
    Reachable,
    /// The server's definitions and media are known.
    ContentReady,
    /// All of the others hold but RolledOut, and players are let in.
    Ready,
    /// What the controller makes for a managed server is as the document says, and runs.
    RolledOut,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// That is not known.
    Unknown,
}

/// Causes of conditions: one list for all kinds, so that one cause has one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Nothing is wrong with the document.
    Accepted,
    /// A server and a group have the same name.
    NameConflict,
    /// A fallback or default target names a server or group that is not there.
    UnknownTarget,
    /// Following the fallbacks of groups leads back to where it began.
    FallbackCycle,
    /// The document could not be read.
    Invalid,
    /// A ban is over.
    Expired,
    /// Everything referred to was found.
    ResolvedRefs,
    /// The Service of a server is not there.
    ServiceNotFound,
    /// The Service of a server has no such port.
    PortNotFound,
    /// The Service of a server has no endpoint.
    NoEndpoints,
    /// The host name of a server was not found.
    HostNotFound,
    /// All proxies have it.
    Programmed,
    /// Some proxies do not have it yet.
    Pending,
    /// A proxy refused it.
    Refused,
    /// No proxy is connected.
    NoProxies,
    /// All proxies get an answer.
    Reachable,
    /// Most proxies get an answer, some do not.
    PartlyReachable,
    /// Most proxies get no answer.
    Unreachable,
    /// Definitions and media are known.
    ContentReady,
    /// Definitions or media could not be fetched yet.
    ContentUnknown,
    /// Nothing is missing.
    Ready,
    /// A condition that has to hold does not.
    NotReady,
    /// The server's state is Drain.
    Draining,
    /// The server's state is Disabled.
    Disabled,
    /// No server has the group's labels.
    NoMembers,
    /// None of the group's servers is ready.
    NoReadyMembers,
    /// A managed server runs as its document says.
    RolledOut,
    /// A managed server has just been made or changed, and does not run yet.
    RollingOut,
    /// A managed server is changed when another one runs again.
    WaitingForTurn,
    /// The controller does not run servers.
    NotManaged,
    /// An object that a managed server needs is there and belongs to somebody else.
    NotOwned,
    /// The API server refused to make or change an object of a managed server.
    ApplyFailed,
    /// The volume of a managed server cannot become what the document says.
    VolumeFixed,
    /// A cause that only a newer release knows.
    #[serde(other)]
    Unknown,
}
