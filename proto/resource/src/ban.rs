//! `kind: MinetestBan`: somebody who is kept out.

use std::net::IpAddr;

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize, Serializer};

use crate::check::{self, Fault};
use crate::condition::Condition;
use crate::document::Kind;
use crate::timestamp::Timestamp;

/// Somebody who is kept out of the whole network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(
    feature = "crd",
    derive(kube::CustomResource, schemars::JsonSchema),
    kube(
        group = "mesegate.dev",
        version = "v1alpha1",
        kind = "MinetestBan",
        doc = "A player or a network that is kept out.",
        shortname = "mtb",
        category = "minetest",
        namespaced,
        status = "BanStatus",
        derive = "PartialEq",
        printcolumn = r#"{"name":"Player","type":"string","jsonPath":".spec.target.name"}"#,
        printcolumn = r#"{"name":"CIDR","type":"string","jsonPath":".spec.target.cidr"}"#,
        printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".spec.expiresAt"}"#,
        printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type==\"Accepted\")].status"}"#,
        printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".spec.reason"}"#,
        printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
    )
)]
pub struct BanSpec {
    /// Who is kept out.
    pub target: BanTarget,
    /// What they read, at most 200 characters.
    #[serde(
        default,
        deserialize_with = "check::optional_text::<_, 200>",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 200)))]
    pub reason: Option<String>,
    /// Until when, such as 2030-01-31T12:00:00Z; without it, for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Kind for BanSpec {
    const KIND: &'static str = "MinetestBan";

    fn check(&self) -> Result<(), Fault> {
        Ok(())
    }
}

impl BanSpec {
    /// What the player reads.
    pub fn text(&self) -> String {
        let until = self.expires_at.map_or_else(String::new, |end| format!(" until {end}"));
        let reason = self.reason.as_ref().map_or(".".to_owned(), |it| format!(": {it}"));
        format!("You are banned from this network{until}{reason}")
    }

    /// Whether it keeps this player out at this time (Unix seconds). Names that differ only in
    /// letter case are the same player.
    pub fn applies(&self, player: &str, address: IpAddr, now: u64) -> bool {
        if self.expires_at.is_some_and(|end| end.unix() <= now as i64) {
            return false;
        }
        match &self.target {
            BanTarget::Name(name) => name.eq_ignore_ascii_case(player),
            BanTarget::Cidr(cidr) => cidr.contains(address),
        }
    }
}

/// Who is kept out: `{ name: PLAYER }` or `{ cidr: ADDRESS/BITS }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum BanTarget {
    /// A player.
    Name(String),
    /// All players from these addresses.
    Cidr(Cidr),
}

/// Who is kept out: a player or a network.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline, extend(
    "x-kubernetes-map-type" = "atomic",
    "x-kubernetes-validations" = [{
        "rule": "has(self.name) != has(self.cidr)",
        "message": "write either { name: PLAYER } or { cidr: ADDRESS/BITS }"
    }]
)))]
struct Fields {
    /// Name of a player, letter case aside.
    #[serde(default, deserialize_with = "player", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 20), extend(
        "x-kubernetes-validations" = [{
            "rule": "self.matches('^[-A-Za-z0-9_]+$')",
            "message": "write a player's name: 1 to 20 of a-z, A-Z, 0-9, '-' and '_'"
        }]
    )))]
    name: Option<String>,
    /// A network such as 192.0.2.0/24 or 2001:db8::/32, or a single address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cidr: Option<Cidr>,
}

impl TryFrom<Fields> for BanTarget {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.name, fields.cidr) {
            (Some(name), None) => Ok(Self::Name(name)),
            (None, Some(cidr)) => Ok(Self::Cidr(cidr)),
            _ => Err("write either { name: PLAYER } or { cidr: ADDRESS/BITS }"),
        }
    }
}

impl From<BanTarget> for Fields {
    fn from(target: BanTarget) -> Self {
        match target {
            BanTarget::Name(name) => Self { name: Some(name), cidr: None },
            BanTarget::Cidr(cidr) => Self { name: None, cidr: Some(cidr) },
        }
    }
}

#[cfg(feature = "crd")]
crate::schema::same_as!(BanTarget, Fields);

/// What names of players are made of (`player.h`, PLAYERNAME_ALLOWED_CHARS and PLAYERNAME_SIZE).
fn player<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let good = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
    if (1..=20).contains(&text.len()) && text.bytes().all(good) {
        return Ok(Some(text));
    }
    let expected = "a player's name: 1 to 20 of a-z, A-Z, 0-9, '-' and '_'";
    Err(D::Error::invalid_value(Unexpected::Str(&text), &expected))
}

/// A range of addresses. IPv4 addresses written as IPv6 ones are refused: write them as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Reads `text`; `None` if it is neither ADDRESS/BITS nor an address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().ok()?;
        if address.to_canonical() != address {
            return None;
        }
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => all,
            Some(text) => {
                let plain = text.bytes().all(|c| c.is_ascii_digit())
                    && (text == "0" || !text.starts_with('0'));
                let bits = plain.then(|| text.parse::<u8>().ok()).flatten()?;
                (bits <= all).then_some(bits)?
            }
        };
        Some(Self { address, bits })
    }

    /// It without the bits that do not count.
    #[must_use]
    pub fn network(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, bits: self.bits }
    }

    /// The address, if it is a single one.
    pub fn single(self) -> Option<IpAddr> {
        let all = if self.address.is_ipv4() { 32 } else { 128 };
        (self.bits == all).then_some(self.address)
    }

    /// Whether an address is in it. An IPv4 address may come as an IPv6 one.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let other = u32::from(a) ^ u32::from(b);
                other.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let other = u128::from(a) ^ u128::from(b);
                other.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = "a network such as 192.0.2.0/24 or 2001:db8::/32, or an address";
        Self::parse(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &expected))
    }
}

/// What a controller found out about a ban.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct BanStatus {
    /// The generation that the rest was found out for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    )))]
    pub conditions: Vec<Condition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        for (cidr, address, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            let network = Cidr::parse(cidr).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{cidr} {address}");
        }
        for (cidr, network, single) in [
            ("192.0.2.77/24", "192.0.2.0/24", None),
            ("192.0.2.7", "192.0.2.7/32", Some("192.0.2.7")),
            ("192.0.2.7/0", "0.0.0.0/0", None),
            ("2001:db8::1/32", "2001:db8::/32", None),
        ] {
            let network = Cidr::parse(network).unwrap();
            assert_eq!(Cidr::parse(cidr).unwrap().network(), network);
            assert_eq!(network.single(), single.map(|it| it.parse().unwrap()));
        }
        for bad in [
            "",
            "192.0.2.0/33",
            "192.0.2/24",
            "::1/129",
            "1.2.3.4/",
            "1.2.3.4/024",
            "1.2.3.4/+8",
            "01.2.3.4",
            "::ffff:1.2.3.4/120",
            "fe80::1%eth0",
            "host/8",
        ] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_ban_ends_when_it_says_and_knows_no_letter_case() {
        let ban = BanSpec {
            target: BanTarget::Name("Mallory".into()),
            reason: None,
            expires_at: Timestamp::parse("1970-01-01T00:01:40Z"),
        };
        let from = "192.0.2.7".parse().unwrap();
        assert!(ban.applies("mallory", from, 99));
        assert!(!ban.applies("mallory", from, 100));
        assert!(!ban.applies("mallor", from, 99));
    }
}
