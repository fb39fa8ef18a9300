//! Names for files that servers push while their players play.

use bytes::Bytes;

use super::Catalogue;
use crate::hash::Hash;
use crate::union::{Kind, NAME_MAX, prefix_of, sound_group, unique_name};

impl Catalogue {
    /// Under which name a client with this catalogue can be given a file that `server` pushes as
    /// `name`: the server's own if nobody else's file goes by it, else one with the prefix of the
    /// server. The same for the same file.
    ///
    /// A sound belongs to the group that its file name tells: if the answer is in another group
    /// than `name`, so is the sound (see [`sound_group`](crate::sound_group)).
    pub fn pushed_media(&self, server: &str, name: &str, hash: &Hash) -> Bytes {
        let part = self.part_of(server);
        let own = part.and_then(|at| self.parts[at].media.get(name));
        let new = match (own, Kind::of(name)) {
            // It has that file already, or replaces one that nobody else has.
            (Some(known), _) if known.hash == *hash || self.owner(&known.name, part) => {
                known.name.clone()
            }
            (_, Kind::Sound) => self.pushed_sound(server, part, name),
            // Their names cannot be others.
            (_, Kind::Unmovable | Kind::Illegal) => name.to_owned(),
            (_, kind) => match self.media_file(name) {
                Some(known) if known.hash == *hash => name.to_owned(),
                None if kind != Kind::ClientOwn => name.to_owned(),
                _ => self.prefixed(server, part, name, |new| self.media_index.contains_key(new)),
            },
        };
        new.into()
    }

    /// True if a file is only that part's.
    fn owner(&self, name: &str, part: Option<usize>) -> bool {
        let at = self.media_index.get(name).copied();
        at.is_some_and(|at| self.owners.get(at as usize).is_some_and(|owner| *owner == part))
            && part.is_some()
    }

    fn pushed_sound(&self, server: &str, part: Option<usize>, name: &str) -> String {
        let Some((group, ending)) = sound_group(name) else { return name.to_owned() };
        let names = part.map(|at| self.parts[at].translation.names());
        let known = names.and_then(|names| names.sound(group.as_bytes()));
        let known = known.map_or_else(|| group.into(), |new| String::from_utf8_lossy(new));
        let free = match self.sound_owners.get(known.as_ref()) {
            None => true,
            Some(owner) => owner.is_some() && *owner == part,
        };
        if free {
            return format!("{known}{ending}");
        }
        let group = self.prefixed(server, part, group, |new| self.sound_owners.contains_key(new));
        format!("{group}{ending}")
    }

    fn prefixed(
        &self,
        server: &str,
        part: Option<usize>,
        name: &str,
        taken: impl Fn(&str) -> bool,
    ) -> String {
        let prefix = part.map_or_else(|| prefix_of(server), |at| self.parts[at].prefix.clone());
        let ending = name.rfind('.').map_or(0, |dot| name.len() - dot);
        unique_name(&prefix, name, ending, NAME_MAX - 6, taken)
    }
}
