//! Messages with some of their fields replaced and every other byte kept.

use std::ops::Range;

/// New bytes for places in a message, in their order.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    list: Vec<(Range<usize>, Vec<u8>)>,
}

impl Edits {
    /// Replaces the bytes at `place`, which lies after all places before it.
    pub(crate) fn replace(&mut self, place: Range<usize>, new: Vec<u8>) {
        self.list.push((place, new));
    }

    /// Replaces the `str16` whose text lies at `text`. A text that does not fit the length is left
    /// out: something that is not drawn is better than a message that nobody can read.
    pub(crate) fn replace_str16(&mut self, text: Range<usize>, new: &[u8]) {
        let new = if u16::try_from(new.len()).is_ok() { new } else { &[] };
        let mut bytes = Vec::with_capacity(2 + new.len());
        bytes.extend_from_slice(&(new.len() as u16).to_be_bytes());
        bytes.extend_from_slice(new);
        self.replace(text.start - 2..text.end, bytes);
    }

    /// `data` with the new bytes, or `None` if nothing is replaced.
    pub(crate) fn apply(&self, data: &[u8]) -> Option<Vec<u8>> {
        if self.list.is_empty() {
            return None;
        }
        let grown: usize = self.list.iter().map(|(_, new)| new.len()).sum();
        let mut out = Vec::with_capacity(data.len() + grown);
        let mut copied = 0;
        for (place, new) in &self.list {
            out.extend_from_slice(&data[copied..place.start]);
            out.extend_from_slice(new);
            copied = place.end;
        }
        out.extend_from_slice(&data[copied..]);
        Some(out)
    }
}
