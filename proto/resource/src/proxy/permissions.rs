//! Who may do what.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};

use crate::check::{self, Fault};
use crate::name::Name;

/// What a permission in a list is made of, as a regular expression.
#[cfg(feature = "crd")]
const RULE: &str = r"^-?([A-Za-z0-9_.][-A-Za-z0-9_.]{0,62}\*?|\*)$";

/// It in words.
const RULE_WORDS: &str =
    "a permission: 1 to 63 of a-z, A-Z, 0-9, '_', '.' and '-', '*' at the end, '-' in front";

/// Who may do what: groups of permissions, and which players are in them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct Permissions {
    /// Groups of permissions; at most 64. Everybody is in the one called `default`; without one of
    /// that name, everybody may use the commands that change nothing.
    #[serde(deserialize_with = "check::list::<_, _, 64>", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 64), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    )))]
    pub groups: Vec<PermissionGroup>,
    /// Players with more, or less, than everybody has; at most 1000.
    #[serde(deserialize_with = "check::list::<_, _, 1000>", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 1000), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    )))]
    pub players: Vec<PlayerPermissions>,
}

/// A group of permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct PermissionGroup {
    /// Its name.
    pub name: Name,
    /// Groups whose permissions it has as well, where it says nothing else itself; at most 16.
    #[serde(
        default,
        deserialize_with = "check::list::<_, _, 16>",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic")))]
    pub inherits: Vec<Name>,
    /// Permissions, such as `cmd_kick`; `cmd_*` and `*` stand for all that begin so; one with `-` in
    /// front is taken away. At most 128.
    #[serde(default, deserialize_with = "rules", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "rule_list"))]
    pub permissions: Vec<String>,
}

/// What one player may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
pub struct PlayerPermissions {
    /// The player's name, letter case aside.
    #[serde(deserialize_with = "player")]
    #[cfg_attr(feature = "crd", schemars(regex(pattern = "^[-A-Za-z0-9_]{1,20}$")))]
    pub name: String,
    /// Groups that the player is in; at most 16.
    #[serde(
        default,
        deserialize_with = "check::list::<_, _, 16>",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[cfg_attr(feature = "crd", schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic")))]
    pub groups: Vec<Name>,
    /// Permissions as in a group, which go before those of the groups. At most 128.
    #[serde(default, deserialize_with = "rules", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "rule_list"))]
    pub permissions: Vec<String>,
}

fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let rules: Vec<String> = check::list::<_, _, 128>(deserializer)?;
    match rules.iter().find(|rule| !is_rule(rule)) {
        None => Ok(rules),
        Some(wrong) => Err(D::Error::invalid_value(Unexpected::Str(wrong), &RULE_WORDS)),
    }
}

fn is_rule(text: &str) -> bool {
    let name = text.strip_prefix('-').unwrap_or(text);
    let (name, any) = name.strip_suffix('*').map_or((name, false), |stem| (stem, true));
    let good = |c: u8| c.is_ascii_alphanumeric() || b"_.-".contains(&c);
    (name.is_empty() && any)
        || ((1..=63).contains(&name.len()) && name.bytes().all(good) && !name.starts_with('-'))
}

fn player<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let good = |c: u8| c.is_ascii_alphanumeric() || b"_-".contains(&c);
    if (1..=20).contains(&text.len()) && text.bytes().all(good) {
        return Ok(text);
    }
    let expected = "a player's name: 1 to 20 of a-z, A-Z, 0-9, '-' and '_'";
    Err(D::Error::invalid_value(Unexpected::Str(&text), &expected))
}

#[cfg(feature = "crd")]
fn rule_list(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 128,
        "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "maxLength": 65, "pattern": RULE },
    })
}

impl Permissions {
    /// That every group that is named is there once, and that inheritance ends.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let mut groups: BTreeMap<&Name, &PermissionGroup> = BTreeMap::new();
        for (index, group) in self.groups.iter().enumerate() {
            if groups.insert(&group.name, group).is_some() {
                let field = format!("spec.permissions.groups[{index}].name");
                return Err(Fault::new(field, format!("there are two groups {}", group.name)));
            }
        }
        let known = |field: String, names: &[Name]| {
            let unknown = names.iter().find(|name| !groups.contains_key(name));
            unknown.map_or(Ok(()), |name| {
                Err(Fault::new(field, format!("there is no permission group {name}")))
            })
        };
        for (index, group) in self.groups.iter().enumerate() {
            known(format!("spec.permissions.groups[{index}].inherits"), &group.inherits)?;
        }
        let mut names = BTreeSet::new();
        for (index, player) in self.players.iter().enumerate() {
            let field = |last: &str| format!("spec.permissions.players[{index}].{last}");
            if !names.insert(player.name.to_ascii_lowercase()) {
                let what = format!("{} stands there twice, letter case aside", player.name);
                return Err(Fault::new(field("name"), what));
            }
            known(field("groups"), &player.groups)?;
        }
        for (index, group) in self.groups.iter().enumerate() {
            if let Some(way) = cycle(&groups, &group.name) {
                let what = format!("a group inherits from itself: {}", way.join(" -> "));
                return Err(Fault::new(format!("spec.permissions.groups[{index}].inherits"), what));
            }
        }
        Ok(())
    }
}

/// A way from a group back to itself.
fn cycle<'a>(
    groups: &BTreeMap<&Name, &'a PermissionGroup>,
    from: &'a Name,
) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let Some(group) = way.last().and_then(|last| groups.get(last)) else { continue };
        for name in &group.inherits {
            let mut further = way.clone();
            further.push(name);
            if name == from {
                return Some(further.into_iter().map(Name::as_str).collect());
            }
            if seen.insert(name) {
                ways.push(further);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_permissions_with_signs() {
        for good in ["cmd_kick", "*", "-*", "cmd_*", "-cmd_ban", "a.b-c", "mesegate.reserved"] {
            assert!(is_rule(good), "{good}");
        }
        for bad in ["", "-", "**", "a*b", "--a", "a b", "é", "*a"] {
            assert!(!is_rule(bad), "{bad}");
        }
    }
}
