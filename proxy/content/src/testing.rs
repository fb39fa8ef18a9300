//! Small worlds for tests.

pub(crate) mod fake;

use bytes::Bytes;
use mesegate_backend::Definitions;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::{
    AnnounceMedia, FeaturesView, ItemDef, ItemDefs, ItemView, NodeDef, NodeDefs,
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
        let items = self
            .items
            .iter()
            .map(|name| ItemDef { name: (*name).to_owned(), raw: item(name, "", version) });
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

/// A node definition with a stone texture.
pub(crate) fn features(name: &str, connects_to: &[u16]) -> Bytes {
    Look::new(name).features(connects_to)
}

/// What a node is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) name: &'a str,
    pub(crate) texture: &'a str,
    pub(crate) mesh: &'a str,
    pub(crate) sound: &'a str,
    /// Name of the flowing alternative.
    pub(crate) flowing: &'a str,
    pub(crate) light: u8,
    /// Groups that it is in, in the order in which they are sent.
    pub(crate) groups: &'a [&'a str],
}

impl<'a> Look<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, texture: "stone.png", mesh: "", sound: "", flowing: "", light: 0, groups: &[] }
    }

    /// A node definition in the layout of `nodedef.cpp`, ContentFeatures::serialize, of release
    /// 5.8.
    pub(crate) fn features(&self, connects_to: &[u16]) -> Bytes {
        let name = self.name;
        let mut w = Writer::new();
        w.u8(13).str16(name.as_bytes());
        write_groups(&mut w, self.groups);
        w.u8(1).u8(0).u8(0).str16(self.mesh.as_bytes()).f32(1.0);
        let tiles = |w: &mut Writer, texture: &[u8]| {
            for _ in 0..6 {
                w.u8(6).str16(texture).u8(0).u16(1);
            }
        };
        w.u8(6);
        tiles(&mut w, self.texture.as_bytes());
        tiles(&mut w, b"");
        w.u8(6);
        tiles(&mut w, b"");
        w.u8(255).u8(255).u8(255).u8(255).str16(b"").u8(0).u8(0);
        w.u16(connects_to.len() as u16);
        for id in connects_to {
            w.u16(*id);
        }
        w.u32(0).u8(0).u8(0).u8(0).u8(self.light).u8(1);
        w.u8(1)
            .u8(1)
            .u8(1)
            .u8(0)
            .u8(0)
            .u8(0)
            .u32(0)
            .u8(0)
            .str16(self.flowing.as_bytes())
            .str16(b"");
        w.u8(0).u8(1).u8(8).u8(0).u8(0);
        for _ in 0..3 {
            w.u8(6).u8(0); // regular boxes
        }
        for _ in 0..3 {
            w.str16(self.sound.as_bytes()).f32(1.0).f32(1.0).f32(0.0);
        }
        w.u8(0).u8(0).str16(b"air").u8(127).u8(2).u8(0).u8(0).u8(0);
        let features = w.finish();
        let view = FeaturesView::parse(&features).unwrap();
        assert_eq!(view.name(), name.as_bytes());
        assert_eq!(view.connects_to().collect::<Vec<u16>>(), connects_to);
        features
    }
}

fn write_groups(w: &mut Writer, groups: &[&str]) {
    w.u16(groups.len() as u16);
    for group in groups {
        w.str16(group.as_bytes()).u16(1);
    }
}

/// [`tool`] without groups.
pub(crate) fn item(name: &str, image: &str, version: ProtocolVersion) -> Bytes {
    tool(name, image, &[], version)
}

/// An item definition in the layout of `itemdef.cpp`, ItemDefinition::serialize, of release 5.9.
/// The item is in these groups, and digs and damages what is in them.
pub(crate) fn tool(name: &str, image: &str, groups: &[&str], version: ProtocolVersion) -> Bytes {
    let mut w = Writer::new();
    w.u8(6).u8(2).str16(name.as_bytes()).str16(b"description");
    let picture = |w: &mut Writer, image: &str| {
        w.str16(image.as_bytes());
        if version.item_image_animation() {
            w.u8(0);
        }
    };
    picture(&mut w, image);
    picture(&mut w, "");
    w.f32(1.0).f32(1.0).f32(1.0).u16(99).u8(0).u8(0);
    let mut digs = Writer::new();
    if !groups.is_empty() {
        let count = groups.len() as u32;
        digs.u8(5).f32(1.0).u16(0).u32(count);
        for group in groups {
            digs.str16(group.as_bytes()).u16(20).u16(1).u32(count);
            // Ratings in the order of the groups, too.
            for rating in groups {
                digs.u16(rating.len() as u16).f32(0.5);
            }
        }
        digs.u32(count);
        for group in groups {
            digs.str16(group.as_bytes()).u16(2);
        }
        digs.u16(0);
    }
    w.str16(&digs.into_vec());
    write_groups(&mut w, groups);
    w.str16(b"");
    for _ in 0..2 {
        w.str16(b"").f32(1.0).f32(1.0).f32(0.0);
    }
    w.f32(-1.0).str16(b"").u32(u32::MAX);
    picture(&mut w, "");
    picture(&mut w, "");
    w.str16(b""); // short description
    if version.item_place_param2_byte() {
        w.u8(0);
    }
    for _ in 0..2 {
        w.str16(b"").f32(1.0).f32(1.0).f32(0.0);
    }
    w.u8(0).u8(0).u8(2).u8(2).u8(2).str16(b"").u8(0);
    let item = w.finish();
    assert_eq!(ItemView::parse(&item, version).unwrap().name(), name.as_bytes());
    item
}

/// The body of a NODEDEF with more nodes than its count can tell: 70 000, counted as 4 464.
pub(crate) fn nodes_beyond_count() -> Bytes {
    let mut list = Writer::new();
    let features = Look::new("m:many").features(&[]);
    for _ in 0..70_000 {
        list.u16(0).str16(&features[..20]);
    }
    let mut inner = Writer::new();
    inner.u8(1).u16((70_000 % 65_536) as u16).str32(&list.into_vec());
    let frame = mesegate_protocol::content::compression::zstd_compress(&inner.into_vec()).unwrap();
    let mut body = Writer::new();
    body.str32(&frame);
    body.finish()
}
