//! What the cluster says, as plain data.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesegate_resource::{BanSpec, GroupSpec, ProxySpec, ServerSpec};

/// One object of a kind of ours.
#[derive(Debug, Clone)]
pub struct Object<S> {
    /// Its name.
    pub name: String,
    /// What tells it from others that have had the name.
    pub uid: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its generation.
    pub generation: i64,
    /// Its fields.
    pub spec: Arc<S>,
}

/// An object that could not be read.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its generation.
    pub generation: i64,
    /// What is wrong with it, in words.
    pub error: String,
}

/// What there is to know of a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports {
    /// The names of its UDP ports.
    pub names: Vec<String>,
    /// The uid of the object that controls it, if one does.
    pub owner: Option<String>,
}

/// Part of the addresses behind a Service.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    /// Name of the Service.
    pub service: String,
    /// Its UDP ports by the name they have in the Service; a port without a name has the empty
    /// one.
    pub ports: BTreeMap<String, u16>,
    /// Addresses that are ready.
    pub addresses: Vec<String>,
}

/// Everything that decides what proxies are told.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Backends.
    pub servers: Vec<Object<ServerSpec>>,
    /// Groups of them.
    pub groups: Vec<Object<GroupSpec>>,
    /// Fleets of proxies.
    pub proxies: Vec<Object<ProxySpec>>,
    /// Declared bans.
    pub bans: Vec<Object<BanSpec>>,
    /// Objects that could not be read.
    pub broken: Vec<Broken>,
    /// Services by name.
    pub services: BTreeMap<String, Ports>,
    /// Where they are.
    pub slices: Vec<Slice>,
    /// Whether controllers run managed servers.
    pub manages: bool,
}
