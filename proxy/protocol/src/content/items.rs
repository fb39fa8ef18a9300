//! ITEMDEF (`itemdef.cpp` CItemDefManager::serialize).

use bytes::Bytes;

use super::compression::{Compression, DEFINITIONS_MAX};
use crate::wire::{Reader, Result, WireError, Writer};
use crate::{ProtocolVersion, lossy, to_client};

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemDef {
    /// Its name, for looking it up; empty = the hand. The bytes are in `raw`.
    pub name: String,
    /// The definition, as [`ItemView`](super::ItemView) reads it. At most 65 535 bytes.
    pub raw: Bytes,
}

/// All items and aliases of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemDefs {
    /// In the order of the message; engines send them by name.
    pub items: Vec<ItemDef>,
    /// Other names: alias and target. Aliases do not chain.
    pub aliases: Vec<(String, String)>,
}

impl ItemDefs {
    /// From the body. The definitions share one buffer.
    pub fn decode(body: &[u8], version: ProtocolVersion) -> Result<Self> {
        let blob = Reader::new(body).str32()?;
        let inner = Compression::of_definitions(version).decompress(blob, DEFINITIONS_MAX)?;
        let inner = Bytes::from(inner);
        let mut r = Reader::new(&inner);
        if r.u8()? != 0 {
            return Err(r.invalid("version of item definitions"));
        }
        let count = r.u16()?;
        let mut items = Vec::with_capacity(count.into());
        for _ in 0..count {
            let raw = inner.slice_ref(r.str16()?);
            let mut f = Reader::new(&raw);
            f.u16()?; // version and type
            let name = lossy(f.str16()?);
            items.push(ItemDef { name, raw });
        }
        let count = r.u16()?;
        let mut aliases = Vec::with_capacity(count.into());
        for _ in 0..count {
            aliases.push((lossy(r.str16()?), lossy(r.str16()?)));
        }
        Ok(Self { items, aliases })
    }

    /// With command. Fails if there are more than 65 535 items or aliases, or one string is longer
    /// than a `str16` holds.
    pub fn encode(&self, version: ProtocolVersion) -> Result<Bytes> {
        let limit = usize::from(u16::MAX);
        let too_large = |what| WireError::TooLarge { what, limit };
        if self.items.len() > limit || self.aliases.len() > limit {
            return Err(too_large("item definitions"));
        }
        let mut inner = Writer::new();
        inner.u8(0).u16(self.items.len() as u16);
        for item in &self.items {
            if item.raw.len() > limit {
                return Err(too_large("item definition"));
            }
            inner.str16(&item.raw);
        }
        inner.u16(self.aliases.len() as u16);
        for (alias, target) in &self.aliases {
            if alias.len() > limit || target.len() > limit {
                return Err(too_large("alias"));
            }
            inner.str16(alias.as_bytes()).str16(target.as_bytes());
        }
        let blob = Compression::of_definitions(version).compress(&inner.into_vec())?;
        let mut w = Writer::command(to_client::ITEMDEF);
        w.str32(&blob);
        Ok(w.finish())
    }
}
