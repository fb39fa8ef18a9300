//! Changing parts of a text while every other byte of it stays as it was sent.

use std::ops::Range;

/// Collects replacements from left to right.
pub(crate) struct Edits<'a> {
    text: &'a [u8],
    out: Vec<u8>,
    copied: usize,
    changed: bool,
}

impl<'a> Edits<'a> {
    /// No replacement yet, so nothing is allocated.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, out: Vec::new(), copied: 0, changed: false }
    }

    /// Puts `new` in the place of a part that lies behind all that were replaced before.
    pub(crate) fn replace(&mut self, part: Range<usize>, new: &[u8]) {
        self.out.extend_from_slice(&self.text[self.copied..part.start]);
        self.out.extend_from_slice(new);
        self.copied = part.end;
        self.changed = true;
    }

    /// [`Self::replace`] with what `rewrite` makes of the part; `None` keeps it.
    pub(crate) fn rewrite(
        &mut self,
        part: Range<usize>,
        rewrite: impl FnOnce(&'a [u8]) -> Option<Vec<u8>>,
    ) {
        if let Some(new) = rewrite(&self.text[part.clone()]) {
            self.replace(part, &new);
        }
    }

    /// The changed text, or `None` if nothing was replaced.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        if !self.changed {
            return None;
        }
        self.out.extend_from_slice(&self.text[self.copied..]);
        Some(self.out)
    }
}
