//! Forms shown to the player, and what the player answers.

use bytes::Bytes;

use crate::wire::{Reader, Result, Writer};
use crate::{to_client, to_server};

/// Largest total of field names and values a server accepts (`serverpackethandler.cpp`,
/// handleCommand_InventoryFields, since 5.7).
pub const FIELDS_LIMIT: usize = 640 * 1024;

/// SHOW_FORMSPEC. An empty form closes whatever form is open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShowFormspec {
    /// The form.
    pub formspec: String,
    /// Name that comes back with the answer.
    pub name: String,
}

impl ShowFormspec {
    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::SHOW_FORMSPEC);
        w.str32(self.formspec.as_bytes()).str16(self.name.as_bytes());
        w.finish()
    }

    /// Reads the body; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { formspec: text(r.str32()?), name: text(r.str16()?) })
    }
}

/// INVENTORY_FIELDS: the answer to a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The form's name.
    pub name: &'a [u8],
    /// Field names and values.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Fields<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short, or over [`FIELDS_LIMIT`].
    pub fn decode(body: &'a [u8]) -> Result<Self> {
        if body.len() > FIELDS_LIMIT {
            return Err(crate::wire::WireError::TooLarge { what: "fields", limit: FIELDS_LIMIT });
        }
        let mut r = Reader::new(body);
        let name = r.str16()?;
        let fields = (0..r.u16()?).map(|_| Ok((r.str16()?, r.str32()?))).collect::<Result<_>>()?;
        Ok(Self { name, fields })
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_server::INVENTORY_FIELDS);
        w.str16(self.name).u16(self.fields.len() as u16);
        for (field, value) in &self.fields {
            w.str16(field).str32(value);
        }
        w.finish()
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&'a [u8]> {
        self.fields.iter().find(|(name, _)| *name == field.as_bytes()).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_answers_survive_being_written_and_read() {
        let form = ShowFormspec { formspec: "size[3,2]".into(), name: "mesegate:menu".into() };
        assert_eq!(ShowFormspec::decode(&form.encode()[2..]), Ok(form));
        assert_eq!(ShowFormspec::default().encode(), [0, 0x44, 0, 0, 0, 0, 0, 0][..]);
        let fields = Fields { name: b"f", fields: vec![(b"quit", b"true"), (b"x", b"")] };
        let message = fields.encode();
        let read = Fields::decode(&message[2..]).unwrap();
        assert_eq!(read, fields);
        assert_eq!(read.get("quit"), Some(&b"true"[..]));
        assert_eq!(read.get("y"), None);
    }
}
