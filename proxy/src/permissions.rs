//! Who may do what: the document's groups, made ready for quick answers.
//!
//! Rules stand in layers. The nearest layer that has a rule for a permission decides: first what the
//! document says of the player, then the groups that the player is in, then those which these
//! inherit from, step by step, and last the group `default` with all that it inherits. Within one
//! layer the more specific rule decides (`cmd_ban` before `cmd_*` before `*`), and of two that are
//! the same, the one that takes away.

mod layer;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mesegate_protocol::login::NAME_MAX;
use mesegate_resource as resource;
use mesegate_resource::Name;

use layer::Layer;

/// The group that everybody is in.
pub(crate) const DEFAULT: &str = "default";

/// What everybody may where the document has no group of that name: to look, to go where they may
/// enter, and to write to each other.
const BUILT_IN: [&str; 12] = [
    "cmd_find",
    "cmd_group",
    "cmd_gserver",
    "cmd_help",
    "cmd_msg",
    "cmd_perms",
    "cmd_players",
    "cmd_r",
    "cmd_server",
    "cmd_servers",
    "cmd_usage",
    "cmd_whereami",
];

/// What everybody may do. Compiled once for every edit of the documents; a question costs a few
/// look-ups and no memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    everybody: Arc<[Layer]>,
    /// By names in lower case.
    players: HashMap<Box<str>, Player>,
    /// As the document has them, to be shown.
    groups: Vec<Group>,
}

/// A player whom the document names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Player {
    /// Before those of everybody.
    own: Arc<[Layer]>,
    groups: Vec<Name>,
}

/// A group, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) inherits: Vec<Name>,
    pub(crate) rules: Vec<String>,
}

impl Permissions {
    /// Of a document that was checked: what is not there grants nothing.
    pub(crate) fn new(document: &resource::Permissions) -> Self {
        let declared: HashMap<&str, &resource::PermissionGroup> =
            document.groups.iter().map(|group| (group.name.as_str(), group)).collect();
        let mut groups: Vec<Group> = document
            .groups
            .iter()
            .map(|group| Group {
                name: group.name.to_string(),
                inherits: group.inherits.clone(),
                rules: group.permissions.clone(),
            })
            .collect();
        let everybody: Vec<Layer> = if declared.contains_key(DEFAULT) {
            layers(&declared, &[DEFAULT])
        } else {
            let rules = BUILT_IN.map(str::to_owned).to_vec();
            let layer = Layer::new(rules.iter());
            groups.push(Group { name: DEFAULT.into(), inherits: Vec::new(), rules });
            vec![layer]
        };
        let players = document.players.iter().map(|player| {
            let names: Vec<&str> = player.groups.iter().map(Name::as_str).collect();
            let own = Layer::new(player.permissions.iter());
            let own: Vec<Layer> = [own].into_iter().chain(layers(&declared, &names)).collect();
            let entry = Player { own: own.into(), groups: player.groups.clone() };
            (player.name.to_ascii_lowercase().into(), entry)
        });
        Self { everybody: everybody.into(), players: players.collect(), groups }
    }

    /// Whether a player may do something. Letter case does not count in the player's name.
    pub fn allows(&self, player: &str, permission: &str) -> bool {
        self.rule(player, permission) == Some(true)
    }

    /// What the rules say of a player and a permission: nothing, if none is about it.
    pub fn rule(&self, player: &str, permission: &str) -> Option<bool> {
        let own = self.player(player).map(|it| &*it.own).unwrap_or_default();
        own.iter().chain(&*self.everybody).find_map(|layer| layer.rule(permission))
    }

    fn player(&self, name: &str) -> Option<&Player> {
        let mut lower = [0; NAME_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        self.players.get(std::str::from_utf8(lower).ok()?)
    }

    /// The groups that a player is in, the default one last.
    pub(crate) fn groups_of(&self, player: &str) -> Vec<&str> {
        let own = self.player(player).map(|it| it.groups.as_slice()).unwrap_or_default();
        let own = own.iter().map(Name::as_str).filter(|name| *name != DEFAULT);
        own.chain([DEFAULT]).collect()
    }

    /// The rules that hold for a player, the nearest first; those that never decide are left out.
    pub(crate) fn rules_of(&self, player: &str) -> Vec<String> {
        let own = self.player(player).map(|it| &*it.own).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let all = own.iter().chain(&*self.everybody).flat_map(Layer::rules);
        let first = all.filter(|(stem, any, _)| seen.insert((stem.to_string(), *any)));
        first.map(|(stem, any, given)| layer::written(stem, any, given)).collect()
    }

    /// The group of that name.
    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The names of all groups.
    pub(crate) fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }
}

/// The layers of groups: they themselves, what they inherit from, and so on. A group counts where
/// it is nearest.
fn layers(groups: &HashMap<&str, &resource::PermissionGroup>, begin: &[&str]) -> Vec<Layer> {
    let mut seen = BTreeSet::new();
    let mut layers = Vec::new();
    let mut names: Vec<&str> = begin.to_vec();
    while !names.is_empty() {
        names.retain(|name| seen.insert((*name).to_owned()));
        let found: Vec<_> = names.iter().filter_map(|name| groups.get(name)).collect();
        layers.push(Layer::new(found.iter().flat_map(|group| &group.permissions)));
        names = found.iter().flat_map(|group| group.inherits.iter().map(Name::as_str)).collect();
    }
    layers.retain(|layer| !layer.is_empty());
    layers
}

#[cfg(test)]
mod tests;
