//! Everything that differs between what a backend says and what a client was told at login.

use sha1::{Digest, Sha1};

use crate::map::IdMap;
use crate::names::NameMap;

/// Ids and names of one backend, as a client with certain definitions knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    ids: IdMap,
    names: NameMap,
    digest: [u8; 20],
}

impl Translation {
    /// Puts the two maps together.
    pub fn new(ids: IdMap, names: NameMap) -> Self {
        let digest = digest(&ids, &names);
        Self { ids, names, digest }
    }

    /// Content ids.
    pub fn ids(&self) -> &IdMap {
        &self.ids
    }

    /// Names.
    pub fn names(&self) -> &NameMap {
        &self.names
    }

    /// Equal for equal maps, so that what was rewritten with one can be kept for the other.
    pub fn digest(&self) -> &[u8; 20] {
        &self.digest
    }

    /// True if the client has another name for a file of the backend.
    pub(crate) fn renames_media(&self) -> bool {
        self.names.renamed_media().next().is_some()
    }

    /// True if the client has another name for a sound of the backend.
    pub(crate) fn renames_sounds(&self) -> bool {
        self.names.renamed_sounds().next().is_some()
    }

    /// True if the client has another name for an item or node of the backend.
    pub(crate) fn renames_items(&self) -> bool {
        self.names.renamed_items().next().is_some()
    }

    /// True if text of any kind may hold a name that the client has another one for.
    pub(crate) fn renames(&self) -> bool {
        self.renames_media() || self.renames_sounds() || self.renames_items()
    }

    /// The client's number of a content id. The identity leaves even ids alone that it does not
    /// know.
    pub(crate) fn content(&self, id: u16) -> u16 {
        if self.ids.is_identity() { id } else { self.ids.get(id) }
    }

    /// True if every message can be passed on as it is.
    pub fn is_identity(&self) -> bool {
        self.ids.is_identity() && self.names.is_identity()
    }
}

fn digest(ids: &IdMap, names: &NameMap) -> [u8; 20] {
    let mut hash = Sha1::new();
    let mut text = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for (id, new) in ids.pairs() {
        text(&[id.to_be_bytes(), new.to_be_bytes()].concat());
    }
    let kinds: [Vec<_>; 3] = [
        names.renamed_media().collect(),
        names.renamed_sounds().collect(),
        names.renamed_items().collect(),
    ];
    for mut pairs in kinds {
        pairs.sort_unstable();
        text(&(pairs.len() as u64).to_be_bytes());
        for (old, new) in pairs {
            text(old);
            text(new);
        }
    }
    text(names.hand().map_or(&[][..], |hand| hand));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn equal_maps_have_one_digest_and_others_have_others() {
        let make = |id: u16, media: &[(&'static str, &'static str)], hand: Option<&'static str>| {
            let media = media.iter().map(|(a, b)| (Bytes::from(*a), Bytes::from(*b)));
            let names = NameMap::new(media, [], [], hand.map(Bytes::from));
            Translation::new(IdMap::new([(1, id)]), names)
        };
        let a = make(1, &[("x.png", "p_x.png"), ("y.png", "y.png")], None);
        assert_eq!(a.digest(), make(1, &[("x.png", "p_x.png")], None).digest());
        let others = [
            make(2, &[("x.png", "p_x.png")], None),
            make(1, &[("x.png", "q_x.png")], None),
            make(1, &[], None),
            make(1, &[("x.png", "p_x.png")], Some("p_hand")),
        ];
        assert!(others.iter().all(|other| other.digest() != a.digest()));
        assert!(others[2].is_identity() && !a.is_identity());
    }
}
