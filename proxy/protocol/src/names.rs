//! What one backend's names are called in a client's definitions.
//!
//! Clients know one set of definitions and files, put together from those of all backends. Where
//! two backends use one name for different things, one of them is announced under another name,
//! and every message of that backend has to use it. Names that a map does not hold stay as they
//! are: they are shared, or the client's own (`textures/base`).

use std::collections::HashMap;

use bytes::Bytes;

/// New names by old ones.
pub type Renames = HashMap<Bytes, Bytes>;

/// The names of one backend that are others for the client. Pairs of equal names are not kept, so
/// an empty map is the identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameMap {
    media: Renames,
    sounds: Renames,
    items: Renames,
    hand: Option<Bytes>,
}

impl NameMap {
    /// A map of file names (textures and models, with their extension), sound names (without
    /// extension and number), item and node names, and the item that stands for the backend's own
    /// hand if that is not the client's.
    pub fn new(
        media: impl IntoIterator<Item = (Bytes, Bytes)>,
        sounds: impl IntoIterator<Item = (Bytes, Bytes)>,
        items: impl IntoIterator<Item = (Bytes, Bytes)>,
        hand: Option<Bytes>,
    ) -> Self {
        Self { media: differing(media), sounds: differing(sounds), items: differing(items), hand }
    }

    /// True if every name stays as it is and the client's hand is the backend's.
    pub fn is_identity(&self) -> bool {
        self.media.is_empty()
            && self.sounds.is_empty()
            && self.items.is_empty()
            && self.hand.is_none()
    }

    /// The client's name of a file, if it is another one.
    pub fn media(&self, name: &[u8]) -> Option<&Bytes> {
        self.media.get(name)
    }

    /// The client's name of a sound, if it is another one.
    pub fn sound(&self, name: &[u8]) -> Option<&Bytes> {
        self.sounds.get(name)
    }

    /// The client's name of an item or node, if it is another one.
    pub fn item(&self, name: &[u8]) -> Option<&Bytes> {
        self.items.get(name)
    }

    /// The item that stands for the backend's own hand.
    pub fn hand(&self) -> Option<&Bytes> {
        self.hand.as_ref()
    }

    /// Adds a file that the backend pushed while playing.
    pub fn add_media(&mut self, name: Bytes, new: Bytes) {
        if name != new {
            self.media.insert(name, new);
        }
    }

    /// All renamed files, in no order.
    pub fn renamed_media(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.media.iter()
    }

    /// All renamed sounds, in no order.
    pub fn renamed_sounds(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.sounds.iter()
    }

    /// All renamed items and nodes, in no order.
    pub fn renamed_items(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.items.iter()
    }
}

fn differing(pairs: impl IntoIterator<Item = (Bytes, Bytes)>) -> Renames {
    pairs.into_iter().filter(|(old, new)| old != new).collect()
}
