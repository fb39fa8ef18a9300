//! Resource documents as text.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Servers, the first of which is where players arrive, and the proxy's own fields.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    servers: Vec<(String, SocketAddr, String)>,
    proxy: String,
}

impl Documents {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn server(self, name: &str, addr: SocketAddr) -> Self {
        self.server_with(name, addr, "")
    }

    /// With one line of further fields in its `spec`.
    pub fn server_with(mut self, name: &str, addr: SocketAddr, fields: &str) -> Self {
        self.servers.push((name.into(), addr, fields.into()));
        self
    }

    /// One line of fields for the `spec` of the `MinetestProxy`.
    pub fn proxy(mut self, fields: &str) -> Self {
        writeln!(self.proxy, "  {fields}").unwrap();
        self
    }

    pub fn names(&self) -> Vec<String> {
        self.servers.iter().map(|(name, ..)| name.clone()).collect()
    }

    pub fn yaml(&self) -> String {
        let mut yaml = String::new();
        for (name, addr, fields) in &self.servers {
            write!(
                yaml,
                "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\n\
                 metadata:\n  name: {name}\nspec:\n  \
                 endpoint: {{ host: \"{}\", port: {} }}\n  {fields}\n---\n",
                addr.ip(),
                addr.port()
            )
            .unwrap();
        }
        let first = self.servers.first().map_or("nowhere", |(name, ..)| name);
        write!(
            yaml,
            "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\nmetadata:\n  name: default\n\
             spec:\n  defaultTarget: {{ server: {first} }}\n{}",
            self.proxy
        )
        .unwrap();
        yaml
    }
}
