//! The network in force: an immutable snapshot of the documents.

use crate::resource::{Name, ProxySpec, ServerSpec};

/// One backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: Name,
    /// What the document says.
    pub spec: ServerSpec,
}

impl Server {
    /// What players read: the display name, or the name.
    pub fn title(&self) -> &str {
        self.spec.display_name.as_deref().unwrap_or(self.name.as_str())
    }
}

/// All servers and the proxy's own document. References between them were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    servers: Vec<Server>,
    /// The proxy's own document.
    pub proxy: ProxySpec,
}

impl Network {
    /// Takes documents that were checked against each other.
    pub(crate) fn new(servers: Vec<Server>, proxy: ProxySpec) -> Self {
        Self { servers, proxy }
    }

    /// The servers in the order of their documents.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter()
    }

    /// The server of that name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|s| s.name.as_str() == name)
    }

    /// The server that `typed` means: exactly, or as the only one with that beginning, letter
    /// case aside.
    pub fn find(&self, typed: &str) -> Option<&Server> {
        let typed = typed.to_ascii_lowercase();
        if let Some(server) = self.server(&typed) {
            return Some(server);
        }
        let mut matching = self.servers.iter().filter(|s| s.name.as_str().starts_with(&typed));
        matching.next().filter(|_| !typed.is_empty() && matching.next().is_none())
    }

    /// Servers in the order in which content is joined: the base, then the default target.
    pub fn by_precedence(&self, base: Option<&str>) -> Vec<&Server> {
        let default = self.proxy.default_target.server.as_str();
        let mut servers: Vec<&Server> = self.servers.iter().collect();
        servers.sort_by_key(|server| {
            let name = server.name.as_str();
            (Some(name) != base, name != default)
        });
        servers
    }

    /// Where a player goes who logs in, in order: the server they come back for, if any, the
    /// default target, its fallbacks.
    pub fn ways_in(&self, returning: Option<&str>) -> Vec<&Server> {
        let default = self.proxy.default_target.server.as_str();
        let first = [returning, Some(default)].into_iter().flatten();
        let mut ways: Vec<&Server> = Vec::new();
        for server in first.filter_map(|name| self.server(name)).chain(self.ways_out(default)) {
            if !ways.contains(&server) {
                ways.push(server);
            }
        }
        ways
    }

    /// Where a player of `lost` goes, in order: its fallbacks, then the default target.
    pub fn ways_out(&self, lost: &str) -> Vec<&Server> {
        let fallbacks = self.server(lost).map(|s| s.spec.fallbacks.as_slice()).unwrap_or_default();
        let named = fallbacks.iter().map(|t| &t.server);
        let all = named.chain([&self.proxy.default_target.server]);
        let mut ways: Vec<&Server> = Vec::new();
        for server in all.filter_map(|name| self.server(name.as_str())) {
            if server.name.as_str() != lost && !ways.contains(&server) {
                ways.push(server);
            }
        }
        ways
    }
}
