//! The documents that describe a network: `MinetestServer`, `MinetestServerGroup`,
//! `MinetestProxy` and `MinetestBan`.
//!
//! They are the same in a folder beside a stand-alone proxy and as custom resources in a cluster,
//! so there is one definition of each field, of its default and of its limits. Limits stand here
//! twice on purpose: as serde checks for files, and (feature `crd`) as schema and CEL rules that
//! an API server applies. `tests/agreement.rs` and the tests with a real API server hold both to
//! the same table of wrong documents.
//!
//! This crate knows nothing of files, watches or references between documents.
#![forbid(unsafe_code)]

mod ban;
mod check;
mod condition;
mod document;
mod endpoint;
mod group;
mod lenient;
mod managed;
mod mod_api;
mod name;
mod probe;
mod proxy;
mod quantity;
#[cfg(feature = "crd")]
pub mod schema;
mod selector;
mod server;
mod target;
mod timestamp;
mod unknown;

pub use ban::{BanSpec, BanStatus, BanTarget, Cidr};
pub use check::Fault;
pub use condition::{Condition, ConditionStatus, ConditionType, Reason};
pub use document::{Document, Header, Kind, Metadata};
pub use endpoint::{Endpoint, ServiceRef};
pub use group::{EmptyPolicy, GroupSpec, GroupStatus, Strategy};
pub use lenient::Lenient;
pub use managed::{
    Amounts, ImagePullSecret, Managed, Mod, ModVolume, PullPolicy, Resources, Storage, TaintEffect,
    Toleration, TolerationOperator, WhenDeleted,
};
pub use mod_api::{ModApi, ModRight};
pub use name::{Name, ObjectName};
pub use probe::{Interval, Probe};
pub use proxy::{
    Admission, Announce, ClientModRestriction, ClientModRestrictions, ControlLoss, DuplicateLogin,
    Limits, Messages, PasswordPolicy, PermissionGroup, Permissions, PlayerList, PlayerPermissions,
    ProxyMember, ProxySpec, ProxyStatus, Registration,
};
pub use quantity::Quantity;
pub use selector::{Expression, Operator, Selector};
pub use server::{Access, BackendAuth, ServerSpec, ServerState, ServerStatus};
pub use target::Target;
pub use timestamp::Timestamp;
pub use unknown::Unknown;

#[cfg(feature = "crd")]
pub use {
    ban::MinetestBan, group::MinetestServerGroup, proxy::MinetestProxy, server::MinetestServer,
};

/// The API group.
pub const GROUP: &str = "mesegate.dev";

/// The version of the API group.
pub const VERSION: &str = "v1alpha1";

/// The only `apiVersion` there is.
pub const API_VERSION: &str = "mesegate.dev/v1alpha1";
