//! Small worlds for tests.

pub(crate) mod fake;

use bytes::Bytes;
use mesegate_backend::Definitions;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::{
    AnnounceMedia, FeaturesView, ItemDef, ItemDefs, NodeDef, NodeDefs,
};
use mesegate_protocol::wire::Writer;

use crate::hash::sha1;

/// What one server has.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    /// Id, name and connections.
    pub(crate) nodes: Vec<(u16, &'static str, Vec<u16>)>,
    pub(crate) items: Vec<&'static str>,
    pub(crate) aliases: Vec<(&'static str, &'static str)>,
    pub(crate) media: Vec<(&'static str, Vec<u8>)>,
    pub(crate) remote: &'static str,
}

impl World {
    pub(crate) fn nodes(nodes: &[(u16, &'static str, &[u16])]) -> Self {
        let nodes = nodes.iter().map(|(id, name, to)| (*id, *name, to.to_vec())).collect();
        Self { nodes, items: vec!["", "air", "ignore", "unknown"], ..Self::default() }
    }

    pub(crate) fn items(mut self, names: &[&'static str]) -> Self {
        self.items.extend(names);
        self
    }

    pub(crate) fn file(mut self, name: &'static str, content: &[u8]) -> Self {
        self.media.push((name, content.to_vec()));
        self
    }

    /// What a server with this content sends, without commands.
    pub(crate) fn definitions(&self, version: ProtocolVersion) -> Definitions {
        let nodes = self.nodes.iter().map(|(id, name, to)| NodeDef {
            id: *id,
            name: (*name).to_owned(),
            features: features(name, to),
        });
        let items =
            self.items.iter().map(|name| ItemDef { name: (*name).to_owned(), raw: item(name) });
        let aliases = self.aliases.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        let files = self.media.iter().map(|(name, data)| ((*name).to_owned(), sha1(data)));
        let node_def = NodeDefs { nodes: nodes.collect() }.encode(version).unwrap();
        let item_def = ItemDefs { items: items.collect(), aliases: aliases.collect() };
        let announce = AnnounceMedia { files: files.collect(), remote: self.remote.to_owned() };
        Definitions {
            item_def: item_def.encode(version).unwrap().slice(2..),
            node_def: node_def.slice(2..),
            announce: announce.encode(version).unwrap().slice(2..),
        }
    }
}

/// A node definition in the layout of `nodedef.cpp`, ContentFeatures::serialize, of release 5.8.
pub(crate) fn features(name: &str, connects_to: &[u16]) -> Bytes {
    let mut w = Writer::new();
    w.u8(13).str16(name.as_bytes()).u16(0); // no groups
    w.u8(1).u8(0).u8(0).str16(b"").f32(1.0);
    let tiles = |w: &mut Writer, texture: &[u8]| {
        for _ in 0..6 {
            w.u8(6).str16(texture).u8(0).u16(1);
        }
    };
    w.u8(6);
    tiles(&mut w, b"stone.png");
    tiles(&mut w, b"");
    w.u8(6);
    tiles(&mut w, b"");
    w.u8(255).u8(255).u8(255).u8(255).str16(b"").u8(0).u8(0);
    w.u16(connects_to.len() as u16);
    for id in connects_to {
        w.u16(*id);
    }
    w.u32(0).u8(0).u8(0).u8(0).u8(0).u8(1);
    w.u8(1).u8(1).u8(1).u8(0).u8(0).u8(0).u32(0).u8(0).str16(b"").str16(b"");
    w.u8(0).u8(1).u8(8).u8(0).u8(0);
    for _ in 0..3 {
        w.u8(6).u8(0); // regular boxes
    }
    for _ in 0..3 {
        w.str16(b"").f32(1.0).f32(1.0).f32(0.0);
    }
    w.u8(0).u8(0).str16(b"air").u8(127).u8(2).u8(0).u8(0).u8(0);
    let features = w.finish();
    let view = FeaturesView::parse(&features).unwrap();
    assert_eq!(view.name(), name.as_bytes());
    assert_eq!(view.connects_to().collect::<Vec<u16>>(), connects_to);
    features
}

/// The part of an item definition that is read here.
fn item(name: &str) -> Bytes {
    let mut w = Writer::new();
    w.u8(6).u8(2).str16(name.as_bytes()).str16(b"description");
    w.finish()
}
