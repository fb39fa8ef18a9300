//! `config.json` of mt-multiserver-proxy, as its `config.go` reads it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Go finds keys with letter case aside, and `null` is as if a key were not there.
const NESTED: [&str; 2] = ["csmrf", "list"];

/// What it says. Keys are those of `config.go` in lower case.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) cmdprefix: Option<String>,
    pub(super) requirepasswd: bool,
    pub(super) userlimit: Option<i64>,
    pub(super) authbackend: Option<String>,
    pub(super) authpostgresconn: String,
    pub(super) bindaddr: Option<String>,
    pub(super) defaultsrv: String,
    pub(super) srvselector: String,
    pub(super) servers: BTreeMap<String, Server>,
    pub(super) forcedefaultsrv: bool,
    pub(super) csmrf: ClientMods,
    pub(super) maprange: u32,
    pub(super) dropcsmrf: bool,
    pub(super) groups: BTreeMap<String, Vec<String>>,
    pub(super) usergroups: BTreeMap<String, String>,
    pub(super) list: List,
    /// What it has beyond.
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, Value>,
}

/// A server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    pub(super) addr: String,
    pub(super) mediapool: String,
    pub(super) groups: Vec<String>,
    pub(super) fallback: String,
}

/// What mods of the client may; all but the first are permissions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ClientMods {
    pub(super) nocsms: bool,
    pub(super) chatmsgs: bool,
    pub(super) itemdefs: bool,
    pub(super) nodedefs: bool,
    pub(super) nolimitmaprange: bool,
    pub(super) playerlist: bool,
}

/// The entry in the server list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct List {
    pub(super) enable: bool,
    pub(super) addr: String,
    pub(super) interval: Option<i64>,
    pub(super) name: String,
    pub(super) desc: String,
    pub(super) url: String,
    pub(super) creative: bool,
    pub(super) dmg: bool,
    pub(super) pvp: bool,
    pub(super) game: String,
    pub(super) farnames: bool,
    pub(super) mods: Vec<String>,
}

impl Config {
    /// Reads the text.
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        // Made empty by the program itself when it was started without one.
        let text = if text.trim().is_empty() { "{}" } else { text };
        let mut fields = lower(serde_json::from_str(text)?);
        for name in NESTED {
            if let Some(Value::Object(inner)) = fields.get_mut(name) {
                *inner = lower(std::mem::take(inner));
            }
        }
        if let Some(Value::Object(servers)) = fields.get_mut("servers") {
            for server in servers.values_mut() {
                if let Value::Object(inner) = server {
                    *inner = lower(std::mem::take(inner));
                }
            }
        }
        serde_json::from_value(Value::Object(fields))
    }

    /// Where it listens, as our flag wants it.
    pub(super) fn listen(&self) -> Option<String> {
        let address = self.bindaddr.as_deref().unwrap_or(":40000");
        let whole = match address.strip_prefix(':') {
            Some(port) => format!("[::]:{port}"),
            None => address.to_owned(),
        };
        whole.parse::<SocketAddr>().ok().map(|it| it.to_string())
    }
}

fn lower(fields: Map<String, Value>) -> Map<String, Value> {
    let known = fields.into_iter().filter(|(_, value)| !value.is_null());
    known.map(|(key, value)| (key.to_ascii_lowercase(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_as_go_finds_them() {
        let text = r#"{
            "cmdPrefix": "!", "Servers": { "Lobby": { "ADDR": ":1", "Groups": null } },
            "CSMRF": { "NoCSMs": true }, "List": { "PvP": true }, "BindAddr": ":4000",
            "UserGroups": null, "Telnet": 1
        }"#;
        let config = Config::parse(text).unwrap();
        assert_eq!(config.cmdprefix.as_deref(), Some("!"));
        assert_eq!(config.servers["Lobby"].addr, ":1");
        assert!(config.csmrf.nocsms && config.list.pvp && config.usergroups.is_empty());
        assert_eq!(config.listen().as_deref(), Some("[::]:4000"));
        assert_eq!(config.rest.keys().collect::<Vec<_>>(), ["telnet"]);
    }

    #[test]
    fn an_error_says_where() {
        let error = Config::parse("{\n \"UserLimit\": 3,\n}").unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
        assert!(Config::parse("").unwrap().servers.is_empty());
    }
}
