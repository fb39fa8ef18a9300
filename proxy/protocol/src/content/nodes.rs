//! NODEDEF (`nodedef.cpp` NodeDefManager::serialize).

use bytes::Bytes;

use super::FeaturesView;
use super::compression::{Compression, DEFINITIONS_MAX};
use crate::wire::{Reader, Result, STR32_MAX, WireError, Writer};
use crate::{ProtocolVersion, lossy, to_client};

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDef {
    /// Content id on the server that sent it.
    pub id: u16,
    /// Its name, for looking it up; engines allow ASCII only. The bytes are in `features`.
    pub name: String,
    /// ContentFeatures, as [`FeaturesView`] reads it. At most 65 535 bytes.
    pub features: Bytes,
}

/// All nodes of a server, without the three that clients define themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeDefs {
    /// In the order of the message; engines send them by ascending id.
    pub nodes: Vec<NodeDef>,
}

impl NodeDefs {
    /// From the body. The features share one buffer.
    pub fn decode(body: &[u8], version: ProtocolVersion) -> Result<Self> {
        let blob = Reader::new(body).str32()?;
        let inner = Compression::of_definitions(version).decompress(blob, DEFINITIONS_MAX)?;
        let inner = Bytes::from(inner);
        let mut r = Reader::new(&inner);
        if r.u8()? < 1 {
            return Err(r.invalid("version of node definitions"));
        }
        let count = r.u16()?;
        let list = inner.slice_ref(r.str32()?);
        let mut r = Reader::new(&list);
        let mut nodes = Vec::with_capacity(count.into());
        for _ in 0..count {
            let id = r.u16()?;
            let features = list.slice_ref(r.str16()?);
            let mut f = Reader::new(&features);
            f.u8()?;
            let name = lossy(f.str16()?);
            nodes.push(NodeDef { id, name, features });
        }
        // The count wraps at 65 536 in a server with more.
        if !r.is_empty() {
            return Err(r.invalid("list of nodes: it holds more than it counts, which"));
        }
        Ok(Self { nodes })
    }

    /// With command. Fails if there are more than 65 535 nodes, if one is longer than a `str16`
    /// holds, or all are longer than a `str32` may be.
    pub fn encode(&self, version: ProtocolVersion) -> Result<Bytes> {
        let count = u16::try_from(self.nodes.len())
            .map_err(|_| WireError::TooLarge { what: "node definitions", limit: 65535 })?;
        let mut list = Writer::new();
        for node in &self.nodes {
            if node.features.len() > usize::from(u16::MAX) {
                return Err(WireError::TooLarge { what: "content features", limit: 65535 });
            }
            list.u16(node.id).str16(&node.features);
        }
        if list.len() > STR32_MAX {
            return Err(WireError::TooLarge { what: "node definitions", limit: STR32_MAX });
        }
        let mut inner = Writer::new();
        inner.u8(1).u16(count).str32(&list.into_vec());
        let blob = Compression::of_definitions(version).compress(&inner.into_vec())?;
        let mut w = Writer::command(to_client::NODEDEF);
        w.str32(&blob);
        Ok(w.finish())
    }
}

/// ContentFeatures for a node that is placed among other ids: maps the ids it connects to.
pub fn remap_connects_to(features: &[u8], map: &dyn Fn(u16) -> u16) -> Result<Bytes> {
    Ok(FeaturesView::parse(features)?.remap_connects_to(map))
}
