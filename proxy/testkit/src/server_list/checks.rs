//! What an announcement has to look like.

use std::net::{IpAddr, ToSocketAddrs as _};

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Float,
    Truth,
    Names,
}

/// Fields, their types, and whether every `start` and `update` needs them.
const FIELDS: &[(&str, Kind, bool)] = &[
    ("action", Kind::Text, true),
    ("port", Kind::Number, true),
    ("address", Kind::Text, false),
    ("name", Kind::Text, true),
    ("description", Kind::Text, true),
    ("version", Kind::Text, true),
    ("url", Kind::Text, false),
    ("proto_min", Kind::Number, true),
    ("proto_max", Kind::Number, true),
    ("creative", Kind::Truth, false),
    ("damage", Kind::Truth, false),
    ("password", Kind::Truth, false),
    ("pvp", Kind::Truth, false),
    ("uptime", Kind::Number, true),
    ("game_time", Kind::Number, true),
    ("clients", Kind::Number, true),
    ("clients_max", Kind::Number, true),
    ("clients_list", Kind::Names, false),
    ("gameid", Kind::Text, true),
    ("dedicated", Kind::Truth, false),
    ("rollback", Kind::Truth, false),
    ("can_see_far_names", Kind::Truth, false),
    ("mapgen", Kind::Text, false),
    ("privs", Kind::Text, false),
    ("mods", Kind::Names, false),
    ("lag", Kind::Float, false),
];

impl Kind {
    fn fits(self, value: &Value) -> bool {
        let name = |it: &Value| {
            let bad = |c: char| c.is_whitespace() || c.is_control() || "\"'".contains(c);
            it.as_str().is_some_and(|it| !it.is_empty() && !it.contains(bad))
        };
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_u64(),
            Self::Float => value.as_f64().is_some_and(|it| it >= 0.0),
            Self::Truth => value.is_boolean(),
            Self::Names => value.as_array().is_some_and(|it| it.iter().all(name)),
        }
    }
}

/// The announced port.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn check(json: &Value) -> Result<u16, String> {
    let fields = json.as_object().ok_or("not an object")?;
    let action = json["action"].as_str().unwrap_or_default();
    if !["start", "update", "delete"].contains(&action) {
        return Err(format!("unknown action {action:?}"));
    }
    for (name, value) in fields {
        let known = FIELDS.iter().find(|(known, ..)| known == name);
        let (_, kind, _) = known.ok_or_else(|| format!("unknown field {name}"))?;
        if !kind.fits(value) {
            return Err(format!("{name} is no {kind:?}: {value}"));
        }
    }
    let needed = |(name, _, needed): &&(&str, Kind, bool)| {
        *needed && (action != "delete" || *name == "port") && !fields.contains_key(*name)
    };
    if let Some((name, ..)) = FIELDS.iter().find(needed) {
        return Err(format!("{name} is missing"));
    }
    let number = |name: &str| json[name].as_u64().unwrap_or_default();
    if number("proto_min") > number("proto_max") {
        return Err("proto_min is above proto_max".into());
    }
    if let Some(names) = json["clients_list"].as_array()
        && names.len() as u64 != number("clients")
    {
        return Err("clients_list has not as many names as clients says".into());
    }
    match u16::try_from(number("port")) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("port is none".into()),
    }
}

/// Where the server is, which has to be where the announcement came from.
///
/// # Errors
/// When it is not.
pub(super) fn address(json: &Value, from: IpAddr) -> Result<IpAddr, String> {
    let Some(host) = json["address"].as_str().filter(|it| !it.is_empty()) else { return Ok(from) };
    let found = (host, 0).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    let mut found = found.map(|it| it.ip().to_canonical());
    found
        .find(|ip| *ip == from.to_canonical())
        .ok_or_else(|| format!("{host} is not where the announcement comes from, {from}"))
}
