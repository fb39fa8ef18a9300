//! The network in force: an immutable snapshot of the documents.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use mesegate_resource::{
    BanSpec, BanTarget, Endpoint, GroupSpec, Name, ProxySpec, ServerSpec, ServerState, Target,
};

use crate::permissions::Permissions;
use crate::shared::unix_now;

/// One backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: Name,
    /// What groups choose it by.
    pub labels: BTreeMap<String, String>,
    /// Where it is.
    pub endpoint: Endpoint,
    /// What the document says.
    pub spec: ServerSpec,
}

impl Server {
    /// What players read: the display name, or the name.
    pub fn title(&self) -> &str {
        self.spec.display_name.as_deref().unwrap_or(self.name.as_str())
    }

    /// It as a target.
    pub fn target(&self) -> Target {
        Target::Server(self.name.clone())
    }
}

/// Servers that stand for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Name,
    /// What the document says.
    pub spec: GroupSpec,
    /// Places of its servers in the network's list.
    members: Vec<usize>,
}

impl Group {
    /// A group that is not part of a network yet.
    pub(crate) fn new(name: Name, spec: GroupSpec) -> Self {
        Self { name, spec, members: Vec::new() }
    }

    /// What players read: the display name, or the name.
    pub fn title(&self) -> &str {
        self.spec.display_name.as_deref().unwrap_or(self.name.as_str())
    }
}

/// Somebody who is kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Name of the document.
    pub name: Name,
    /// What the document says.
    pub spec: BanSpec,
}

impl Ban {
    /// One name of the kind, for metrics: `name` or `address`.
    pub fn kind(&self) -> &'static str {
        match self.spec.target {
            BanTarget::Name(_) => "name",
            BanTarget::Cidr(_) => "address",
        }
    }

    /// What the player reads.
    pub fn text(&self) -> String {
        self.spec.text()
    }
}

/// Something that players can ask for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// One backend.
    Server(&'a Server),
    /// One of several.
    Group(&'a Group),
}

impl<'a> Found<'a> {
    /// Its name.
    pub fn name(self) -> &'a Name {
        match self {
            Self::Server(server) => &server.name,
            Self::Group(group) => &group.name,
        }
    }

    /// What players read: the display name, or the name.
    pub fn title(self) -> &'a str {
        match self {
            Self::Server(server) => server.title(),
            Self::Group(group) => group.title(),
        }
    }

    /// It as a target.
    pub fn target(self) -> Target {
        match self {
            Self::Server(server) => server.target(),
            Self::Group(group) => Target::Group(group.name.clone()),
        }
    }
}

/// Servers in the order of their documents, which are found by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Servers {
    list: Vec<Arc<Server>>,
    places: HashMap<Name, usize>,
}

impl Servers {
    fn new(list: Vec<Arc<Server>>) -> Self {
        let places = list.iter().enumerate().map(|(place, it)| (it.name.clone(), place)).collect();
        Self { list, places }
    }

    fn iter(&self) -> impl Iterator<Item = &Server> + Clone {
        self.list.iter().map(|it| &**it)
    }

    fn find(&self, name: &str) -> Option<&Server> {
        self.get(*self.places.get(name)?)
    }

    fn get(&self, place: usize) -> Option<&Server> {
        self.list.get(place).map(|it| &**it)
    }
}

/// All documents. References between them were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    servers: Servers,
    groups: Vec<Group>,
    bans: Vec<Arc<Ban>>,
    /// The proxy's own document.
    pub proxy: ProxySpec,
    /// Who may do what, from that document.
    pub permissions: Permissions,
}

impl Network {
    /// Takes documents that were checked against each other.
    pub(crate) fn new(
        servers: Vec<Arc<Server>>,
        mut groups: Vec<Group>,
        bans: Vec<Arc<Ban>>,
        proxy: ProxySpec,
    ) -> Self {
        let servers = Servers::new(servers);
        for group in &mut groups {
            let members = servers.iter().enumerate();
            let members = members.filter(|(_, it)| group.spec.selector.matches(&it.labels));
            group.members = members.map(|(index, _)| index).collect();
        }
        let permissions = Permissions::new(&proxy.permissions);
        Self { servers, groups, bans, proxy, permissions }
    }

    /// The servers in the order of their documents.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter()
    }

    /// The groups in the order of their documents.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// The declared bans in the order of their documents.
    pub fn bans(&self) -> impl Iterator<Item = &Ban> {
        self.bans.iter().map(|it| &**it)
    }

    /// The server of that name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.find(name)
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|g| g.name.as_str() == name)
    }

    /// The servers of a group, in the order of their documents.
    pub fn members(&self, group: &Group) -> impl Iterator<Item = &Server> {
        group.members.iter().filter_map(|index| self.servers.get(*index))
    }

    /// What a target means.
    pub fn target(&self, target: &Target) -> Option<Found<'_>> {
        match target {
            Target::Server(name) => self.server(name.as_str()).map(Found::Server),
            Target::Group(name) => self.group(name.as_str()).map(Found::Group),
        }
    }

    /// The first declared ban that keeps a player out now.
    pub fn banned(&self, player: &str, address: IpAddr) -> Option<&Ban> {
        let now = unix_now();
        self.bans().find(|ban| ban.spec.applies(player, address, now))
    }

    /// Whether a target means this server, alone or among others.
    pub fn includes(&self, target: &Target, server: &str) -> bool {
        match self.target(target) {
            Some(Found::Server(it)) => it.name.as_str() == server,
            Some(Found::Group(group)) => self.members(group).any(|it| it.name.as_str() == server),
            None => false,
        }
    }

    /// Servers in the order in which content is joined: the base, then those of the default target.
    /// Those that are out of service are left out.
    pub fn by_precedence(&self, base: Option<&str>) -> Vec<&Server> {
        let default: HashSet<&str> = match self.target(&self.proxy.default_target) {
            Some(Found::Server(it)) => [it.name.as_str()].into(),
            Some(Found::Group(group)) => self.members(group).map(|it| it.name.as_str()).collect(),
            None => HashSet::new(),
        };
        let in_service = |server: &&Server| server.spec.state != ServerState::Disabled;
        let mut servers: Vec<&Server> = self.servers.iter().filter(in_service).collect();
        servers.sort_by_cached_key(|server| {
            let name = server.name.as_str();
            (Some(name) != base, !default.contains(name))
        });
        servers
    }

    /// Where a player goes who logs in, in order: the server they come back for, if any, the
    /// default target, its fallbacks. The fallbacks of a group are tried by the group itself.
    pub fn ways_in(&self, returning: Option<&str>) -> Vec<Target> {
        let default = &self.proxy.default_target;
        let returning = returning.and_then(|name| self.server(name)).map(Server::target);
        let mut ways: Vec<Target> = returning.into_iter().collect();
        let after = match default {
            Target::Server(name) => self.ways_out(name.as_str()),
            Target::Group(_) => Vec::new(),
        };
        for target in [default.clone()].into_iter().chain(after) {
            if !ways.contains(&target) {
                ways.push(target);
            }
        }
        ways
    }

    /// Where a player of `lost` goes, in order: its fallbacks, then the default target.
    pub fn ways_out(&self, lost: &str) -> Vec<Target> {
        let fallbacks = self.server(lost).map(|s| s.spec.fallbacks.as_slice()).unwrap_or_default();
        let mut ways: Vec<Target> = Vec::new();
        for target in fallbacks.iter().chain([&self.proxy.default_target]) {
            let itself = matches!(target, Target::Server(name) if name.as_str() == lost);
            if !itself && !ways.contains(target) {
                ways.push(target.clone());
            }
        }
        ways
    }
}
