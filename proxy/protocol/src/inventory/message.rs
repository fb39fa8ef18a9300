//! INVENTORY and DETACHED_INVENTORY.

use bytes::Bytes;

use crate::to_client;
use crate::version::ProtocolVersion;
use crate::wire::{Reader, Result, Writer};

/// INVENTORY: the player's own. The text may be incremental (`KeepList`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryMessage<'a> {
    /// The inventory text.
    pub text: &'a [u8],
    /// What follows the text from protocol 52 on: a flag, and whatever comes later.
    pub tail: &'a [u8],
}

impl<'a> InventoryMessage<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &'a [u8], version: ProtocolVersion) -> Result<Self> {
        if !version.framed_inventory() {
            return Ok(Self { text: body, tail: &[] });
        }
        let mut r = Reader::new(body);
        Ok(Self { text: r.str32()?, tail: r.rest() })
    }

    /// The whole message.
    pub fn encode(&self, version: ProtocolVersion) -> Bytes {
        let mut w = Writer::command(to_client::INVENTORY);
        if version.framed_inventory() {
            w.str32(self.text).raw(self.tail);
        } else {
            w.raw(self.text);
        }
        w.finish()
    }
}

/// DETACHED_INVENTORY: one that belongs to no player or node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachedInventory<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its text, always complete; `None` removes it.
    pub text: Option<&'a [u8]>,
}

impl<'a> DetachedInventory<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let name = r.str16()?;
        let text = if r.bool()? {
            // The length wraps at 65 536, so nobody uses it.
            r.u16()?;
            Some(r.rest())
        } else {
            None
        };
        Ok(Self { name, text })
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::DETACHED_INVENTORY);
        w.str16(self.name).bool(self.text.is_some());
        if let Some(text) = self.text {
            w.u16(text.len() as u16).raw(text);
        }
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventory_is_framed_since_52() {
        let text = &b"EndInventory\n"[..];
        for version in [37, 51, 52, 53].map(ProtocolVersion) {
            let tail = if version.0 >= 52 { &[1][..] } else { &[] };
            let inventory = InventoryMessage { text, tail };
            let message = inventory.encode(version);
            assert_eq!(message.len() > 2 + text.len(), version.0 >= 52);
            assert_eq!(InventoryMessage::decode(&message[2..], version), Ok(inventory));
        }
    }

    #[test]
    fn detached_inventories_are_read_to_the_end() {
        let long = vec![b'x'; 70_000];
        for text in [None, Some(&b"EndInventory\n"[..]), Some(&long)] {
            let inventory = DetachedInventory { name: b"bag", text };
            assert_eq!(DetachedInventory::decode(&inventory.encode()[2..]), Ok(inventory));
        }
    }
}
