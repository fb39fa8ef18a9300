//! What names and numbers of one visit stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::wire::WireError;

use super::content::Content;
use super::{definition, relation};

/// What names and numbers of one visit stand for: files for their hashes, nodes and items for
/// their names on the server itself.
#[derive(Debug, Clone, Default)]
pub struct Names {
    files: BTreeMap<String, [u8; 20]>,
    sounds: BTreeMap<String, String>,
    ids: BTreeMap<u16, String>,
    items: BTreeMap<String, String>,
    shapes: BTreeMap<String, String>,
}

impl Names {
    /// Of a visit straight to the server.
    ///
    /// # Errors
    /// Definitions that cannot be read.
    pub fn direct(content: &Content, version: ProtocolVersion) -> Result<Self, WireError> {
        let own = content.defined().into_iter().map(|name| (name.to_owned(), name.to_owned()));
        let own = own.collect();
        Self::with(content, version, own)
    }

    /// Of a visit through a proxy to the server of `direct`: every definition of the server has to
    /// be among those of `through`, under its own name or as `ANYTHING_NAME`.
    ///
    /// # Errors
    /// A line for every definition or file that is missing or different.
    pub fn through(
        direct: &Content,
        through: &Content,
        version: ProtocolVersion,
    ) -> Result<Self, Vec<String>> {
        let map = relation::relate(direct, through, version)?;
        Self::with(through, version, map).map_err(|error| vec![error.to_string()])
    }

    fn with(
        content: &Content,
        version: ProtocolVersion,
        items: BTreeMap<String, String>,
    ) -> Result<Self, WireError> {
        let mut names = Self::files(content);
        for (name, bytes) in &content.items {
            let shape = definition::item(bytes, &names, version)?.shape;
            names.shapes.insert(name.clone(), shape);
        }
        names.items = items;
        for (id, name, _) in &content.nodes {
            let name =
                names.items.get(name).cloned().unwrap_or_else(|| format!("{{foreign {name}}}"));
            names.ids.insert(*id, name);
        }
        for (id, name) in [(125, "unknown"), (126, "air"), (127, "ignore")] {
            names.ids.insert(id, name.into());
        }
        // From here on only items are looked up by name.
        for (alias, target) in &content.aliases {
            if let Some(own) = names.items.get(target).cloned()
                && !content.items.contains_key(alias)
            {
                names.items.insert(alias.clone(), own);
            }
        }
        Ok(names)
    }

    /// Only files and sounds, which is what definitions are compared with.
    pub(super) fn files(content: &Content) -> Self {
        let files = content.files.iter().map(|(name, hash)| (name.as_str(), *hash));
        Self::of_files(files)
    }

    pub(super) fn of_files<'a>(files: impl IntoIterator<Item = (&'a str, [u8; 20])>) -> Self {
        let mut names = Self::default();
        for (name, hash) in files {
            names.add_file(name, hash);
        }
        names
    }

    /// A file that was announced or pushed.
    pub(super) fn add_file(&mut self, name: &str, hash: [u8; 20]) {
        self.files.insert(name.to_owned(), hash);
        let Some(group) = group(name) else { return };
        // All files of the group, as a set of contents.
        let members: BTreeSet<String> = self
            .files
            .iter()
            .filter(|(other, _)| self::group(other) == Some(group))
            .map(|(_, hash)| hex(hash))
            .collect();
        self.sounds.insert(group.to_owned(), format!("{{sound {members:?}}}"));
    }

    /// What a file's name is written as: its hash; as it is if it was not announced: then the
    /// client's own files are meant, or none.
    pub fn file(&self, name: &str) -> String {
        self.files.get(name).map_or_else(|| name.to_owned(), |hash| format!("{{{}}}", hex(hash)))
    }

    /// The name of a group of sounds.
    pub(super) fn sound(&self, name: &str) -> String {
        self.sounds.get(name).map_or_else(|| name.to_owned(), Clone::clone)
    }

    /// The name of a node or an item; as it is if there is none of this name.
    pub(super) fn item(&self, name: &str) -> String {
        match self.items.get(name) {
            Some(own) => own.clone(),
            None if self.shapes.contains_key(name) => format!("{{foreign {name}}}"),
            None => name.to_owned(),
        }
    }

    /// The name of a content id.
    pub(super) fn node(&self, id: u16) -> String {
        self.ids.get(&id).cloned().unwrap_or_else(|| format!("{{undefined {id}}}"))
    }

    /// What a hand of this item's definition is like.
    pub(super) fn hand(&self, item: &str) -> &str {
        self.shapes.get(item).map_or("{no such item}", String::as_str)
    }
}

impl Content {
    /// Every name of a node or an item.
    pub(super) fn defined(&self) -> BTreeSet<&str> {
        let nodes = self.nodes.iter().map(|(_, name, _)| name.as_str());
        nodes.chain(self.items.keys().map(String::as_str)).collect()
    }

    /// What a name stands for.
    pub(super) fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        match self.aliases.get(name) {
            Some(target) if !self.items.contains_key(name) => target,
            _ => name,
        }
    }
}

/// The group that a sound file belongs to (`client/client.cpp` loadMedia).
fn group(file: &str) -> Option<&str> {
    let name = file.strip_suffix(".ogg")?;
    Some(match name.as_bytes() {
        [.., b'.', digit] if digit.is_ascii_digit() => &name[..name.len() - 2],
        _ => name,
    })
}

fn hex(hash: &[u8; 20]) -> String {
    hash.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_sounds_is_the_set_of_its_files() {
        let one = Names::of_files([("a.1.ogg", [1; 20]), ("a.2.ogg", [2; 20])]);
        let same = Names::of_files([("x_a.2.ogg", [2; 20]), ("x_a.1.ogg", [1; 20])]);
        let more =
            Names::of_files([("a.1.ogg", [1; 20]), ("a.2.ogg", [2; 20]), ("a.ogg", [3; 20])]);
        assert_eq!(one.sound("a"), same.sound("x_a"));
        assert_ne!(one.sound("a"), more.sound("a"));
        assert_eq!(one.sound("b"), "b");
        assert_eq!(group("a.b.ogg"), Some("a.b"));
    }
}
