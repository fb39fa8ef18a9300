//! Reading a message while writing down what it says.

use std::fmt::Write as _;

use mesegate_protocol::wire::{Reader, WireError};

use super::names::Names;
use super::text;

type Result<T> = std::result::Result<T, WireError>;

/// Reads fields and writes them down, names in a form that does not depend on who sent them.
pub(super) struct Scribe<'a> {
    pub(super) r: Reader<'a>,
    pub(super) out: String,
    names: &'a Names,
    /// Names of nodes and items are only collected, in order; see [`Scribe::collecting`].
    refs: Option<Vec<String>>,
}

impl<'a> Scribe<'a> {
    pub(super) fn new(data: &'a [u8], names: &'a Names) -> Self {
        Self { r: Reader::new(data), out: String::new(), names, refs: None }
    }

    /// Writes `@` for every name of a node or item and collects the names themselves.
    pub(super) fn collecting(data: &'a [u8], names: &'a Names) -> Self {
        Self { refs: Some(Vec::new()), ..Self::new(data, names) }
    }

    pub(super) fn names(&self) -> &'a Names {
        self.names
    }

    /// What was written, and the names that were collected.
    pub(super) fn finish(self) -> (String, Vec<String>) {
        (self.out, self.refs.unwrap_or_default())
    }

    pub(super) fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push(' ');
    }

    pub(super) fn hex(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let _ = write!(self.out, "{byte:02x}");
        }
        self.out.push(' ');
    }

    /// Copies `n` bytes.
    pub(super) fn copy(&mut self, n: usize) -> Result<&'a [u8]> {
        let bytes = self.r.take(n, "fields")?;
        self.hex(bytes);
        Ok(bytes)
    }

    /// Copies everything that is left.
    pub(super) fn rest(&mut self) {
        let rest = self.r.rest();
        self.hex(rest);
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        let value = self.r.u8()?;
        self.put(&value.to_string());
        Ok(value)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        let value = self.r.u16()?;
        self.put(&value.to_string());
        Ok(value)
    }

    /// A text that is nobody's name.
    pub(super) fn words(&mut self) -> Result<String> {
        let text = String::from_utf8_lossy(self.r.str16()?).into_owned();
        self.put(&format!("{text:?}"));
        Ok(text)
    }

    fn utf8(&self, bytes: &[u8]) -> Result<String> {
        String::from_utf8(bytes.to_vec()).map_err(|_| self.r.invalid("text"))
    }

    pub(super) fn texture(&mut self) -> Result<()> {
        let bytes = self.r.str16()?;
        let text = self.utf8(bytes)?;
        self.put(&text::texture(&text, self.names));
        Ok(())
    }

    pub(super) fn texture32(&mut self) -> Result<()> {
        let bytes = self.r.str32()?;
        let text = self.utf8(bytes)?;
        self.put(&text::texture(&text, self.names));
        Ok(())
    }

    /// Also for models: their names are files' names, too.
    pub(super) fn file(&mut self) -> Result<()> {
        let bytes = self.r.str16()?;
        let text = self.utf8(bytes)?;
        self.put(&self.names.file(&text));
        Ok(())
    }

    pub(super) fn sound(&mut self) -> Result<()> {
        let bytes = self.r.str16()?;
        let text = self.utf8(bytes)?;
        self.put(&self.names.sound(&text));
        Ok(())
    }

    /// A bare name of a node or an item.
    pub(super) fn name(&mut self) -> Result<()> {
        let bytes = self.r.str16()?;
        let name = self.utf8(bytes)?;
        self.named(&name);
        Ok(())
    }

    fn named(&mut self, name: &str) {
        if let Some(refs) = &mut self.refs {
            refs.push(name.to_owned());
            self.put("@");
        } else {
            let name = self.names.item(name);
            self.put(&name);
        }
    }

    /// Adds names that were collected elsewhere.
    pub(super) fn collect(&mut self, more: Vec<String>) {
        if let Some(refs) = &mut self.refs {
            refs.extend(more);
        }
    }

    /// A content id.
    pub(super) fn id(&mut self) -> Result<u16> {
        let id = self.r.u16()?;
        let name = self.names.node(id);
        self.put(&name);
        Ok(id)
    }

    pub(super) fn item_string(&mut self) -> Result<()> {
        let bytes = self.r.str16()?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.put(&text::item(&text, self.names));
        Ok(())
    }

    pub(super) fn formspec(&mut self, bytes: &[u8]) {
        let form = String::from_utf8_lossy(bytes).into_owned();
        self.put(&text::formspec(&form, self.names).0);
    }
}
