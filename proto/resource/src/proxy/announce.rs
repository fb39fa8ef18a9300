//! What the public server list is told.

use std::time::Duration;

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};

use crate::check;
use crate::probe::{Interval, between};

/// The entry in the public server list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Announce {
    /// Whether the network is listed.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The list, an http or https URL of at most 500 characters without query; announcements go to
    /// `/announce` below it.
    #[serde(default = "server_list", deserialize_with = "list_url")]
    #[cfg_attr(feature = "crd", schemars(length(max = 500), extend(
        "x-kubernetes-validations" = [{
            "rule": r"self.matches('^https?://[-0-9A-Za-z._:%\\[\\]]+(/[-0-9A-Za-z._~%/]*)?$')",
            "message": "write a URL such as https://servers.luanti.org"
        }]
    )))]
    pub server_list_url: String,
    /// What players read, 1 to 200 characters.
    #[serde(deserialize_with = "title")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 200)))]
    pub name: String,
    /// What they read below it, at most 1000 characters.
    #[serde(default, deserialize_with = "check::text::<_, 1000>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 1000)))]
    pub description: String,
    /// The network's web page, at most 500 characters.
    #[serde(default, deserialize_with = "check::text::<_, 500>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 500)))]
    pub url: String,
    /// Public host name or IP address that players connect to, which must be the one that the
    /// announcements come from. Without it the list takes the address that it sees.
    #[serde(default, deserialize_with = "address", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253), extend(
        "x-kubernetes-validations" = [{
            "rule": "self.matches('^[-0-9A-Za-z._:]+$')",
            "message": "write a host name or an IP address"
        }]
    )))]
    pub address: Option<String>,
    /// UDP port that players connect to, 1 to 65535. Without it, the one that a stand-alone proxy
    /// listens on, and 30000 with a controller.
    #[serde(
        default,
        deserialize_with = "check::optional_number::<_, _, 1, 65535>",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 65535)))]
    pub port: Option<u16>,
    /// The game, 1 to 100 characters.
    #[serde(deserialize_with = "game")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 100)))]
    pub game_id: String,
    /// Whether the names of the players are told, and not only how many there are.
    #[serde(default = "yes")]
    pub players: bool,
    /// Names of mods, at most 500, of at most 100 characters from `a-z`, `A-Z`, `0-9`, `_` and `-`.
    #[serde(default, deserialize_with = "mods", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 500), inner(
        length(max = 100), regex(pattern = "^[-0-9A-Za-z_]+$")
    ), extend("x-kubernetes-list-type" = "atomic")))]
    pub mods: Vec<String>,
    /// Whether players have all items for nothing.
    #[serde(default)]
    pub creative: bool,
    /// Whether players can be hurt.
    #[serde(default = "yes")]
    pub damage: bool,
    /// Whether players can hurt each other.
    #[serde(default = "yes")]
    pub pvp: bool,
    /// Whether names of players are seen from afar.
    #[serde(default)]
    pub far_names: bool,
    /// The map generator, at most 100 characters.
    #[serde(default, deserialize_with = "check::text::<_, 100>")]
    #[cfg_attr(feature = "crd", schemars(length(max = 100)))]
    pub mapgen: String,
    /// Pause between two announcements, 1s to 5m. The public list forgets a server after 330 s.
    #[serde(default = "five_minutes", deserialize_with = "interval")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = [{
        "rule": "duration(self) >= duration('1s') && duration(self) <= duration('5m')",
        "message": "write 1s to 5m"
    }])))]
    pub interval: Interval,
}

fn yes() -> bool {
    true
}

fn server_list() -> String {
    "https://servers.luanti.org".into()
}

fn five_minutes() -> Interval {
    Interval(Duration::from_mins(5))
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Interval, D::Error> {
    between(deserializer, 1000, 300_000, "1s to 5m")
}

fn list_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() <= 500 && is_list_url(&text) {
        return Ok(text);
    }
    let wanted = "a URL such as https://servers.luanti.org";
    Err(D::Error::invalid_value(Unexpected::Str(&text), &wanted))
}

fn is_list_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let good = |c: char| c.is_ascii_alphanumeric() || "-._:%[]".contains(c);
    let also = |c: char| c.is_ascii_alphanumeric() || "-._~%/".contains(c);
    !authority.is_empty() && authority.chars().all(good) && path.chars().all(also)
}

fn title<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    some_text(deserializer, 200, "1 to 200 characters")
}

fn game<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    some_text(deserializer, 100, "1 to 100 characters")
}

fn some_text<'de, D: Deserializer<'de>>(
    deserializer: D,
    most: usize,
    wanted: &str,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let length = text.chars().count();
    if (1..=most).contains(&length) {
        return Ok(text);
    }
    Err(D::Error::invalid_length(length, &wanted))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if (1..=253).contains(&text.len()) && text.chars().all(good) {
        return Ok(Some(text));
    }
    Err(D::Error::invalid_value(Unexpected::Str(&text), &"a host name or an IP address"))
}

fn mods<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list: Vec<String> = check::list::<_, _, 500>(deserializer)?;
    let good = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    match list.iter().find(|it| !(1..=100).contains(&it.len()) || !it.chars().all(good)) {
        None => Ok(list),
        Some(other) => Err(D::Error::invalid_value(Unexpected::Str(other), &"names of mods")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_has_to_be_said() {
        let read = |text| serde_json::from_str::<Announce>(text);
        let short = read(r#"{"name": "N", "gameId": "g"}"#).unwrap();
        assert!(short.enabled && short.players && short.damage && short.pvp && !short.creative);
        assert_eq!(short.server_list_url, "https://servers.luanti.org");
        assert_eq!((short.port, short.interval.0.as_secs()), (None, 300));
        let written = serde_json::to_string(&short).unwrap();
        assert_eq!(serde_json::from_str::<Announce>(&written).unwrap(), short);
        for bad in [
            r#"{"name": "", "gameId": "g"}"#,
            r#"{"name": "N"}"#,
            r#"{"name": "N", "gameId": "g", "interval": "6m"}"#,
            r#"{"name": "N", "gameId": "g", "mods": ["a b"]}"#,
            r#"{"name": "N", "gameId": "g", "address": "a b"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_of_lists_are_plain() {
        for good in ["http://127.0.0.1:5000", "https://servers.luanti.org/", "http://[::1]:1/a/b"] {
            assert!(is_list_url(good), "{good}");
        }
        for bad in ["ftp://a", "https://", "http:///x", "http://a b", "http://a/?b", "http://u@a"] {
            assert!(!is_list_url(bad), "{bad}");
        }
    }
}
