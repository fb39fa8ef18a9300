//! What a configuration of mt-multiserver-proxy is in documents.

use std::collections::{BTreeMap, BTreeSet};

use mesegate_resource::{API_VERSION, Name};
use serde_json::{Map, Value, json};

use super::Plan;
use super::config::{Config, List, Server};

/// What a server is in: one label a group.
const LABEL: &str = "mesegate.dev/group-";

/// Keys that say nothing here, with what to know about them; the others of `config.go` that are not
/// read are passed over in silence.
const MEANINGLESS: [(&str, &str); 4] = [
    ("kickonnewpool", "KickOnNewPool: players reach new content by reconnecting, none is kicked"),
    ("sendinterval", "SendInterval: the proxy has no tick"),
    ("noplugins", ""),
    ("noautoplugins", ""),
];

/// Makes the documents.
pub(super) fn make(config: &Config) -> Plan {
    let mut maker = Maker::new(config);
    let mut documents = maker.servers();
    documents.extend(maker.groups());
    documents.push(maker.proxy());
    maker.left_over();
    let head = "# Made of the config.json of mt-multiserver-proxy by `mesegate-proxy migrate`.\n";
    let mut text = head.to_owned();
    for document in &documents {
        // Maps, lists, text, numbers: there is nothing in them that YAML could not say.
        let document = serde_yaml::to_string(document).unwrap_or_default();
        text.push_str("---\n");
        text.push_str(&document);
    }
    let renamed = maker.servers.into_iter().map(|(old, new)| (old, new.as_str().to_owned()));
    let renamed = renamed.filter(|(old, new)| old != new).collect();
    Plan { text, notes: maker.notes, renamed }
}

struct Maker<'a> {
    config: &'a Config,
    notes: Vec<String>,
    /// New names by old ones.
    servers: BTreeMap<String, Name>,
    groups: BTreeMap<String, Name>,
    pools: BTreeMap<String, Name>,
}

impl<'a> Maker<'a> {
    fn new(config: &'a Config) -> Self {
        let mut notes = Vec::new();
        let servers = names("server", config.servers.keys(), &mut notes);
        let groups = config.servers.values().flat_map(|it| &it.groups);
        let groups = names("group", groups, &mut notes);
        let pools = config.servers.values().map(|it| &it.mediapool).filter(|it| !it.is_empty());
        let pools = names("media pool", pools, &mut notes);
        Self { config, notes, servers, groups, pools }
    }

    fn servers(&mut self) -> Vec<Value> {
        let config = self.config;
        config.servers.iter().map(|(name, server)| self.server(name, server)).collect()
    }

    fn server(&mut self, name: &str, server: &Server) -> Value {
        let mut spec = Map::new();
        match endpoint(&server.addr) {
            Some((host, port)) => {
                spec.insert("endpoint".into(), json!({ "host": host, "port": port }));
            }
            None => self.note(format!(
                "server {name}: {:?} is no address with a port; write its endpoint",
                server.addr
            )),
        }
        // Its backends know all players with the empty password.
        spec.insert("backendAuth".into(), "empty".into());
        if let Some(pool) = self.pools.get(&server.mediapool) {
            spec.insert("mediaPool".into(), pool.as_str().into());
        }
        if !server.fallback.is_empty() {
            // Groups were not allowed there.
            match self.servers.get(&server.fallback) {
                Some(fallback) => {
                    let fallback = fallback.as_str();
                    spec.insert("fallbacks".into(), json!([{ "server": fallback }]));
                }
                None => self.note(format!(
                    "server {name}: there is no server {}, its Fallback, so it has none",
                    server.fallback
                )),
            }
        }
        let labels: Map<String, Value> = server
            .groups
            .iter()
            .filter_map(|group| self.groups.get(group))
            .map(|group| (format!("{LABEL}{group}"), "true".into()))
            .collect();
        let mut metadata = Map::new();
        metadata.insert("name".into(), self.servers[name].as_str().into());
        if !labels.is_empty() {
            metadata.insert("labels".into(), labels.into());
        }
        document("MinetestServer", metadata, spec)
    }

    fn groups(&self) -> Vec<Value> {
        let group = |name: &Name| {
            let mut labels = Map::new();
            labels.insert(format!("{LABEL}{name}"), "true".into());
            let mut spec = Map::new();
            spec.insert("selector".into(), json!({ "matchLabels": labels }));
            // It knew no other.
            spec.insert("strategy".into(), "Random".into());
            document("MinetestServerGroup", named(name.as_str()), spec)
        };
        self.groups.values().map(group).collect()
    }

    fn proxy(&mut self) -> Value {
        let config = self.config;
        let mut spec = Map::new();
        if let Some(target) = self.default_target() {
            spec.insert("defaultTarget".into(), target);
        }
        // Ten is what it takes when nothing is said.
        let players = config.userlimit.unwrap_or(10).clamp(0, 1_000_000);
        spec.insert("limits".into(), json!({ "players": players }));
        spec.insert("passwordPolicy".into(), json!({ "allowEmpty": !config.requirepasswd }));
        if let Some(prefix) = &config.cmdprefix {
            spec.insert("commandPrefix".into(), prefix.as_str().into());
        }
        spec.insert("rejoinLast".into(), (!config.forcedefaultsrv).into());
        spec.insert("csmRestrictions".into(), self.restrictions());
        if let Some(permissions) = self.permissions() {
            spec.insert("permissions".into(), permissions);
        }
        if let Some(announce) = self.announce(&config.list) {
            spec.insert("announce".into(), announce);
        }
        document("MinetestProxy", named("default"), spec)
    }

    /// A server goes before a group of the same name (`DefaultServerInfo`).
    fn default_target(&mut self) -> Option<Value> {
        let wanted = &self.config.defaultsrv;
        let (server, group) = (self.servers.get(wanted), self.groups.get(wanted));
        if let Some(server) = server {
            return Some(json!({ "server": server.as_str() }));
        }
        if let Some(group) = group {
            return Some(json!({ "group": group.as_str() }));
        }
        let first = self.servers.values().next().map(|it| it.as_str().to_owned());
        let Some(first) = first else {
            self.note("there are no servers; write MinetestServer documents".into());
            return None;
        };
        self.note(match wanted.as_str() {
            "" => format!("no DefaultSrv is given: players go to {first}"),
            _ => format!(
                "there is no server or group {wanted}, the DefaultSrv: players go to {first}"
            ),
        });
        Some(json!({ "server": first }))
    }

    fn restrictions(&mut self) -> Value {
        let mods = &self.config.csmrf;
        let forbidden = [
            (mods.nocsms, "ClientMods"),
            (!mods.chatmsgs, "ChatMessages"),
            (!mods.itemdefs, "ItemDefinitions"),
            (!mods.nodedefs, "NodeDefinitions"),
            (!mods.nolimitmaprange, "NodeLookup"),
            (!mods.playerlist, "PlayerInfo"),
        ];
        let forbidden: Vec<&str> =
            forbidden.into_iter().filter_map(|(is, what)| is.then_some(what)).collect();
        if !self.config.dropcsmrf {
            self.note(
                "csmRestrictions hold on all servers; before, those of a server took their place"
                    .into(),
            );
        }
        json!({ "forbid": forbidden, "lookupRange": self.config.maprange.min(1000) })
    }

    /// There, a player has the permissions of one group and of no other, `default` included.
    fn permissions(&mut self) -> Option<Value> {
        let config = self.config;
        if config.groups.is_empty() && config.usergroups.is_empty() {
            // Nobody was allowed any command; ours let everybody look around.
            self.note("no Groups: everybody may use the commands that change nothing".into());
            return None;
        }
        let names = names("permission group", config.groups.keys(), &mut self.notes);
        let mut groups = Vec::new();
        for (old, permissions) in &config.groups {
            let mut rules: Vec<String> = Vec::new();
            for permission in permissions {
                if is_permission(permission) {
                    rules.push(permission.clone());
                } else {
                    self.note(format!("group {old}: {permission:?} is no permission here"));
                }
            }
            if old != "default" && !rules.iter().any(|it| it == "*") {
                rules.push("-*".into());
            }
            groups.push(json!({ "name": names[old].as_str(), "permissions": rules }));
        }
        if !config.groups.contains_key("default") {
            groups.push(json!({ "name": "default" }));
        }
        let mut players = Vec::new();
        for (player, group) in &config.usergroups {
            match names.get(group) {
                Some(_) if group == "default" => {}
                Some(group) => players.push(json!({ "name": player, "groups": [group.as_str()] })),
                None => players.push(json!({ "name": player, "permissions": ["-*"] })),
            }
        }
        Some(json!({ "groups": groups, "players": players }))
    }

    fn announce(&mut self, list: &List) -> Option<Value> {
        if !list.enable && list.name.is_empty() {
            return None;
        }
        let mut entry = Map::new();
        entry.insert("enabled".into(), list.enable.into());
        for (key, value) in [("name", &list.name), ("description", &list.desc), ("url", &list.url)]
        {
            entry.insert(key.into(), value.as_str().into());
        }
        if !list.addr.is_empty() {
            entry.insert("serverListUrl".into(), list.addr.trim_end_matches('/').into());
        }
        if list.game.is_empty() {
            self.note("List has no Game: it is announced as minetest".into());
        }
        let game = if list.game.is_empty() { "minetest" } else { &list.game };
        entry.insert("gameId".into(), game.into());
        if let Some(seconds) = list.interval {
            entry.insert("interval".into(), format!("{}s", seconds.clamp(1, 300)).into());
        }
        let flags = [
            ("creative", list.creative),
            ("damage", list.dmg),
            ("pvp", list.pvp),
            ("farNames", list.farnames),
        ];
        entry.extend(flags.map(|(key, value)| (key.into(), value.into())));
        if !list.mods.is_empty() {
            entry.insert("mods".into(), json!(list.mods));
        }
        Some(entry.into())
    }

    fn left_over(&mut self) {
        if !self.config.srvselector.is_empty() {
            self.note("SrvSelector is a plugin's; MinetestServerGroup has strategies".into());
        }
        let known = ["notelnet", "telnetaddr"];
        for key in self.config.rest.keys() {
            match MEANINGLESS.iter().find(|(name, _)| name == key) {
                Some((_, "")) => {}
                Some((_, what)) => self.notes.push((*what).to_owned()),
                None if known.contains(&key.as_str()) => {}
                None => self.notes.push(format!("{key} is no key of config.json; it did nothing")),
            }
        }
        self.notes.push(
            "servers are entered with the empty password, as before: keep them unreachable for \
             others, or see backendAuth"
                .into(),
        );
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

fn document(kind: &str, metadata: Map<String, Value>, spec: Map<String, Value>) -> Value {
    json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec })
}

fn named(name: &str) -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), name.into())])
}

/// `HOST:PORT`, `:PORT` for this machine, as Go's `net.Dial` takes them.
fn endpoint(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    let port: u16 = port.parse().ok().filter(|it| *it > 0)?;
    Some((if host.is_empty() { "127.0.0.1".into() } else { host.to_owned() }, port))
}

fn is_permission(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    let good = |c: u8| c.is_ascii_alphanumeric() || b"_.-".contains(&c);
    name.len() <= 63
        && name.bytes().all(good)
        && !name.starts_with('-')
        && (!name.is_empty() || text.ends_with('*'))
}

/// Names as they may be here (DNS labels), by what they were; no two become one.
fn names<'a>(
    what: &str,
    old: impl Iterator<Item = &'a String>,
    notes: &mut Vec<String>,
) -> BTreeMap<String, Name> {
    let old: BTreeSet<&String> = old.collect();
    // Those that may stay as they are do.
    let mut taken: BTreeSet<Name> = old.iter().filter_map(|it| Name::new(it)).collect();
    let mut names = BTreeMap::new();
    for old in old {
        let name = Name::new(old).unwrap_or_else(|| {
            let name = fresh(old, &taken);
            notes.push(format!("{what} {old:?} is called {name} now"));
            name
        });
        taken.insert(name.clone());
        names.insert(old.clone(), name);
    }
    names
}

/// A name like this one that is not taken.
fn fresh(old: &str, taken: &BTreeSet<Name>) -> Name {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let stem: String = old.chars().map(plain).take(50).collect();
    let stem = stem.trim_matches('-');
    let stem = if stem.is_empty() { "unnamed" } else { stem };
    let numbered = (2_u32..).map(|number| format!("{stem}-{number}"));
    let mut candidates = std::iter::once(stem.to_owned()).chain(numbered);
    loop {
        let candidate = candidates.next().and_then(|text| Name::new(&text));
        if let Some(name) = candidate.filter(|it| !taken.contains(it)) {
            return name;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> (Plan, crate::network::Network) {
        let plan = make(&Config::parse(text).unwrap());
        let network = crate::resource::check(std::path::Path::new("x.yaml"), &plan.text)
            .unwrap_or_else(|error| panic!("{error}\n{}", plan.text));
        (plan, network)
    }

    #[test]
    fn a_whole_configuration_becomes_documents() {
        let (plan, network) = made(
            r#"{
            "CmdPrefix": "!", "RequirePasswd": true, "UserLimit": 40, "DefaultSrv": "lobbies",
            "Servers": {
                "Lobby One": { "Addr": "10.0.0.1:30000", "Groups": ["lobbies"], "MediaPool": "Hub" },
                "lobby-one": { "Addr": ":30001", "Groups": ["lobbies"], "MediaPool": "Hub" },
                "pvp": { "Addr": "[::1]:30002", "Fallback": "Lobby One" }
            },
            "CSMRF": { "ChatMsgs": true, "PlayerList": true }, "MapRange": 8,
            "Groups": { "default": ["cmd_server"], "Mods": ["cmd_k*", "cmd_server", "no good"] },
            "UserGroups": { "alice": "Mods", "bob": "gone" },
            "List": { "Enable": true, "Name": "Net", "Game": "mtg", "Interval": 900, "Dmg": true }
            }"#,
        );
        let renamed: Vec<(&str, &str)> =
            plan.renamed.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        assert_eq!(renamed, [("Lobby One", "lobby-one-2")]);
        let server = network.server("lobby-one-2").unwrap();
        assert_eq!(server.spec.media_pool.as_ref().unwrap().as_str(), "hub");
        assert_eq!(network.server("pvp").unwrap().spec.fallbacks.len(), 1);
        assert_eq!(network.members(network.group("lobbies").unwrap()).count(), 2);
        let proxy = &network.proxy;
        assert_eq!((proxy.command_prefix.as_str(), proxy.limits.players), ("!", 40));
        assert!(!proxy.password_policy.allow_empty && proxy.rejoin_last);
        assert_eq!(proxy.csm_restrictions.flags(), 4 | 8 | 16);
        assert_eq!(proxy.announce.as_ref().unwrap().interval.0.as_secs(), 300);
        let may = |player, permission| network.permissions.allows(player, permission);
        assert!(may("alice", "cmd_kick") && may("alice", "cmd_server"));
        assert!(may("eve", "cmd_server") && !may("eve", "cmd_kick"));
        assert!(!may("bob", "cmd_server"), "a group that is not there has nothing");
        assert!(plan.notes.iter().any(|note| note.contains("no good")), "{:?}", plan.notes);
    }

    #[test]
    fn what_is_missing_is_said() {
        let (plan, network) = made(
            r#"{ "Servers": { "a": { "Addr": "x:1", "Fallback": "gone" } }, "SrvSelector": "s",
                 "Typo": 1 }"#,
        );
        assert_eq!(network.proxy.limits.players, 10);
        for expected in ["no DefaultSrv", "server gone", "SrvSelector", "typo is no key"] {
            assert!(plan.notes.iter().any(|it| it.contains(expected)), "{expected}");
        }
        let empty = make(&Config::parse("{}").unwrap());
        assert!(crate::resource::check(std::path::Path::new("x"), &empty.text).is_err());
    }

    #[test]
    fn addresses_are_those_that_go_dials() {
        assert_eq!(endpoint("h:1"), Some(("h".into(), 1)));
        assert_eq!(endpoint(":1"), Some(("127.0.0.1".into(), 1)));
        assert_eq!(endpoint("[fe80::1%eth0]:1"), Some(("fe80::1%eth0".into(), 1)));
        assert_eq!((endpoint("h"), endpoint("h:0"), endpoint("h:70000")), (None, None, None));
    }
}
