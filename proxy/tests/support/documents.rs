//! Resource documents as text.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Servers, the first of which is where players arrive, and the proxy's own fields.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    servers: Vec<Server>,
    target: Option<String>,
    proxy: String,
    more: String,
}

#[derive(Debug, Clone)]
struct Server {
    name: String,
    addr: SocketAddr,
    labels: String,
    fields: String,
}

impl Documents {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn server(self, name: &str, addr: SocketAddr) -> Self {
        self.server_with(name, addr, "")
    }

    /// With one line of further fields in its `spec`.
    pub fn server_with(self, name: &str, addr: SocketAddr, fields: &str) -> Self {
        self.labelled(name, addr, "", fields)
    }

    /// With labels, such as `in: all`, and one line of further fields in its `spec`.
    pub fn labelled(mut self, name: &str, addr: SocketAddr, labels: &str, fields: &str) -> Self {
        let [name, labels, fields] = [name, labels, fields].map(str::to_owned);
        self.servers.push(Server { name, addr, labels, fields });
        self
    }

    /// The group of all servers with the label `in: NAME`, with one line of further fields.
    pub fn group(self, name: &str, fields: &str) -> Self {
        let spec = format!("{{ selector: {{ matchLabels: {{ in: {name} }} }}, {fields} }}");
        self.more("MinetestServerGroup", name, &spec)
    }

    /// A document of any kind.
    pub fn more(mut self, kind: &str, name: &str, spec: &str) -> Self {
        write!(
            self.more,
            "---\napiVersion: mesegate.dev/v1alpha1\nkind: {kind}\n\
             metadata: {{ name: {name} }}\nspec: {spec}\n"
        )
        .unwrap();
        self
    }

    /// Where players arrive, if not on the first server, such as `group: all`.
    pub fn arriving(mut self, target: &str) -> Self {
        self.target = Some(target.into());
        self
    }

    /// One line of fields for the `spec` of the `MinetestProxy`.
    pub fn proxy(mut self, fields: &str) -> Self {
        writeln!(self.proxy, "  {fields}").unwrap();
        self
    }

    pub fn names(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.name.clone()).collect()
    }

    pub fn yaml(&self) -> String {
        let mut yaml = String::new();
        for Server { name, addr, labels, fields } in &self.servers {
            write!(
                yaml,
                "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestServer\n\
                 metadata:\n  name: {name}\n  labels: {{ {labels} }}\nspec:\n  \
                 endpoint: {{ host: \"{}\", port: {} }}\n  {fields}\n---\n",
                addr.ip(),
                addr.port()
            )
            .unwrap();
        }
        let first = self.servers.first().map_or("nowhere", |server| &server.name);
        let target = self.target.clone().unwrap_or_else(|| format!("server: {first}"));
        write!(
            yaml,
            "apiVersion: mesegate.dev/v1alpha1\nkind: MinetestProxy\nmetadata:\n  name: default\n\
             spec:\n  defaultTarget: {{ {target} }}\n{}{}",
            self.proxy, self.more
        )
        .unwrap();
        yaml
    }
}
