//! Announced files and definitions, taken apart.

use std::collections::BTreeMap;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::wire::{Reader, WireError};

use super::inflate;

/// What a client is given before it enters the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Files by name, with their hashes.
    pub files: BTreeMap<String, [u8; 20]>,
    /// Nodes: content id, name and definition.
    pub nodes: Vec<(u16, String, Bytes)>,
    /// Items: name and definition.
    pub items: BTreeMap<String, Bytes>,
    /// Aliases with their targets.
    pub aliases: BTreeMap<String, String>,
}

impl Content {
    /// Takes announced names and the bodies of NODEDEF and ITEMDEF apart.
    ///
    /// # Errors
    /// Bodies that cannot be read.
    pub fn read(
        announced: &[(String, [u8; 20])],
        node_def: &[u8],
        item_def: &[u8],
        version: ProtocolVersion,
    ) -> Result<Self, WireError> {
        let mut content = Self { files: announced.iter().cloned().collect(), ..Self::default() };
        content.read_nodes(node_def, version)?;
        content.read_items(item_def, version)?;
        Ok(content)
    }

    fn read_nodes(&mut self, body: &[u8], version: ProtocolVersion) -> Result<(), WireError> {
        let inner = inflate(Reader::new(body).str32()?, version.0 >= 48)?;
        let mut r = Reader::new(&inner);
        r.u8()?;
        let count = r.u16()?;
        let list = r.str32()?;
        let mut r = Reader::new(list);
        for _ in 0..count {
            let id = r.u16()?;
            let features = r.str16()?;
            let mut inside = Reader::new(features);
            inside.u8()?;
            let name = String::from_utf8_lossy(inside.str16()?).into_owned();
            self.nodes.push((id, name, Bytes::copy_from_slice(features)));
        }
        Ok(())
    }

    fn read_items(&mut self, body: &[u8], version: ProtocolVersion) -> Result<(), WireError> {
        let inner = inflate(Reader::new(body).str32()?, version.0 >= 48)?;
        let mut r = Reader::new(&inner);
        r.u8()?;
        for _ in 0..r.u16()? {
            let item = r.str16()?;
            let mut inside = Reader::new(item);
            inside.take(2, "version and type")?;
            let name = String::from_utf8_lossy(inside.str16()?).into_owned();
            self.items.insert(name, Bytes::copy_from_slice(item));
        }
        for _ in 0..r.u16()? {
            let alias = String::from_utf8_lossy(r.str16()?).into_owned();
            let target = String::from_utf8_lossy(r.str16()?).into_owned();
            self.aliases.insert(alias, target);
        }
        Ok(())
    }
}
