//! Messages with some of their fields replaced and every other byte kept.

use std::ops::Range;

use crate::edits::Edits;
use crate::wire::{Reader, Result};

/// Replaces the `str16` whose text lies at `text`. A text that does not fit the length is left
/// out: something that is not drawn is better than a message that nobody can read.
pub(crate) fn replace_str16(edits: &mut Edits<'_>, text: Range<usize>, new: &[u8]) {
    let new = if u16::try_from(new.len()).is_ok() { new } else { &[] };
    let length = (new.len() as u16).to_be_bytes();
    edits.replace(text.start - 2..text.end, &[&length[..], new].concat());
}

/// Reads a message from its start and replaces fields of it on the way. Bytes that are never read
/// are kept.
pub(crate) struct Editor<'a> {
    reader: Reader<'a>,
    edits: Edits<'a>,
}

impl<'a> Editor<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { reader: Reader::new(data), edits: Edits::new(data) }
    }

    /// The reader, for fields that stay as they are.
    pub(crate) fn read(&mut self) -> &mut Reader<'a> {
        &mut self.reader
    }

    /// Passes `n` bytes; `what` names them in the error.
    pub(crate) fn skip(&mut self, n: usize, what: &'static str) -> Result<()> {
        self.reader.take(n, what).map(drop)
    }

    /// True when all bytes were read.
    pub(crate) fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    /// Reads a `u16` and replaces it.
    pub(crate) fn u16(&mut self, new: impl FnOnce(u16) -> u16) -> Result<()> {
        let old = self.reader.u16()?;
        let new = new(old);
        if new != old {
            let end = self.reader.position();
            self.edits.replace(end - 2..end, &new.to_be_bytes());
        }
        Ok(())
    }

    /// Reads a `str16` and replaces its text unless `new` gives none. A text that becomes too long
    /// for its length is left out.
    pub(crate) fn str16(&mut self, new: impl FnOnce(&'a [u8]) -> Option<Vec<u8>>) -> Result<()> {
        let old = self.reader.str16()?;
        if let Some(new) = new(old) {
            let end = self.reader.position();
            replace_str16(&mut self.edits, end - old.len()..end, &new);
        }
        Ok(())
    }

    /// Reads a `str32` and replaces its bytes unless `new` gives none.
    pub(crate) fn str32(&mut self, new: impl FnOnce(&'a [u8]) -> Option<Vec<u8>>) -> Result<()> {
        let old = self.reader.str32()?;
        if let Some(new) = new(old) {
            let end = self.reader.position();
            let length = (new.len() as u32).to_be_bytes();
            self.edits.replace(end - old.len() - 4..end, &[&length[..], &new].concat());
        }
        Ok(())
    }

    /// Takes all bytes that were not read yet and replaces them unless `new` gives none.
    pub(crate) fn rest(&mut self, new: impl FnOnce(&'a [u8]) -> Option<Vec<u8>>) {
        let start = self.reader.position();
        let length = self.reader.rest().len();
        self.edits.rewrite(start..start + length, new);
    }

    /// The message as it is now; `None` if nothing was replaced.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        self.edits.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_replaced_and_the_rest_is_kept() {
        let data = [&[0, 7, 0, 1, b'a', 0, 0, 0, 1][..], b"b", b"tail"].concat();
        let mut edit = Editor::new(&data);
        edit.u16(|id| id + 1).unwrap();
        edit.str16(|text| Some([text, text].concat())).unwrap();
        edit.str32(|_| Some(b"long".to_vec())).unwrap();
        let expected = [&[0, 8, 0, 2, b'a', b'a', 0, 0, 0, 4][..], b"longtail"].concat();
        assert_eq!(edit.finish(), Some(expected));

        let mut edit = Editor::new(&data);
        edit.u16(|id| id).unwrap();
        edit.str16(|_| None).unwrap();
        edit.rest(|rest| Some(rest[4..].to_vec()));
        assert_eq!(edit.finish(), Some([&data[..5], &data[9..]].concat()));

        let mut edit = Editor::new(&data);
        edit.u16(|id| id).unwrap();
        edit.rest(|_| None);
        assert_eq!(edit.finish(), None);
    }

    #[test]
    fn a_text_that_does_not_fit_is_left_out() {
        let mut edit = Editor::new(&[0, 1, b'a', 9]);
        edit.str16(|_| Some(vec![b'x'; 65_536])).unwrap();
        assert_eq!(edit.finish(), Some(vec![0, 0, 9]));
        let mut edit = Editor::new(&[0, 1, b'a', 9]);
        edit.str16(|_| Some(vec![b'x'; 65_535])).unwrap();
        assert_eq!(edit.finish().unwrap().len(), 2 + 65_535 + 1);
    }
}
