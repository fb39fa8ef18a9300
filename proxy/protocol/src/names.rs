//! What one backend's names are called in a client's definitions.
//!
//! Clients know one set of definitions and files, put together from those of all backends. Where
//! two backends use one name for different things, one of them is announced under another name,
//! and every message of that backend has to use it. Names that a map does not hold stay as they
//! are: they are shared, or the client's own (`textures/base`).

use std::collections::HashMap;

use bytes::Bytes;

use crate::edits::Edits;
use crate::inventory;

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

    /// A texture string with the client's file names, or `None` if none of them is another one.
    ///
    /// File names are made of `a-zA-Z0-9_.-` and hold a dot, and none of these characters separates
    /// anything in the grammar (`client/imagesource.cpp`), at any depth of nesting and escaping. So
    /// looking at every longest run of them finds the same names as a full parser, in modifiers
    /// that are not known too. A backslash before such a character is an escape that nobody needs
    /// and that vanishes with its level, so it does not end a run. For the same reasons the text may
    /// be an argument of a formspec with its escapes.
    pub fn texture(&self, text: &[u8]) -> Option<Vec<u8>> {
        if self.media.is_empty() {
            return None;
        }
        let mut edits = Edits::new(text);
        let mut pos = 0;
        while let Some(skipped) = text[pos..].iter().position(|byte| is_name_char(*byte)) {
            let start = pos + skipped;
            let mut escaped = false;
            // The end of the run; a backslash belongs to it only if more of the run follows.
            let mut end = start;
            for (at, byte) in text.iter().enumerate().skip(start) {
                if is_name_char(*byte) {
                    escaped |= at > end;
                    end = at + 1;
                } else if *byte != b'\\' {
                    break;
                }
            }
            let run = &text[start..end];
            let new = if escaped {
                let plain: Vec<u8> = run.iter().copied().filter(|b| *b != b'\\').collect();
                self.media(&plain)
            } else {
                self.media(run)
            };
            if let Some(new) = new {
                edits.replace(start..end, new);
            }
            pos = end;
        }
        edits.finish()
    }

    /// An item string (`NAME COUNT WEAR METADATA`) with the client's name of the item and, in the
    /// metadata, of the files in texture strings, or `None` if nothing is another one. Everything
    /// else stays as it was written.
    pub fn item_string(&self, text: &[u8]) -> Option<Vec<u8>> {
        inventory::rewrite_item(text, self)
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

    /// Adds a sound whose file the backend pushed while playing.
    pub fn add_sound(&mut self, name: Bytes, new: Bytes) {
        if name != new {
            self.sounds.insert(name, new);
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

/// What announced file names are made of (`client/clientmedia.cpp`, addFile).
fn is_name_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_texture_strings_are_renamed_at_any_depth() {
        let pairs = [("a.png", "p_a.png"), ("b.png", "p_b.png")];
        let media = pairs.map(|(old, new)| (Bytes::from(old), Bytes::from(new)));
        let names = NameMap::new(media, [], [], None);
        let texture = |text: &str| {
            names.texture(text.as_bytes()).map(|text| String::from_utf8_lossy(&text).into_owned())
        };
        assert_eq!(texture("a.png"), Some("p_a.png".into()));
        assert_eq!(
            texture("c.png^[combine:16x16:0,0=a.png\\^[mask\\:b.png^(aa.png)"),
            Some("c.png^[combine:16x16:0,0=p_a.png\\^[mask\\:p_b.png^(aa.png)".into())
        );
        assert_eq!(texture("\\a\\\\.\\png\\^b.png\\"), Some("\\p_a.png\\^p_b.png\\".into()));
        assert_eq!(texture("a.pngb^xa.png^[fill:1x1:red"), None);
        assert_eq!(texture(""), None);
    }
}
