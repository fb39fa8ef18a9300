//! What is changed in messages about objects.

use super::ObjectMap;
use crate::translation::Translation;

/// Both maps that messages about objects go through.
pub(super) struct Mapping<'a> {
    pub(super) objects: &'a ObjectMap,
    pub(super) translation: &'a Translation,
}

impl Mapping<'_> {
    /// True if no message about objects changes.
    pub(super) fn is_identity(&self) -> bool {
        self.objects.is_identity()
            && self.translation.ids().is_identity()
            && !self.translation.renames_media()
            && !self.translation.renames_items()
    }

    /// An object's id.
    pub(super) fn object(&self, id: u16) -> u16 {
        self.objects.swap(id)
    }

    /// A texture string, if it changes.
    pub(super) fn texture(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.translation.names().texture(text)
    }
}
