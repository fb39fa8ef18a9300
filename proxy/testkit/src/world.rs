//! What a fake server offers: definitions, media, a small landscape, and things to show.

mod blocks;
mod features;
mod items;
pub(crate) mod objects;
mod recording;
mod show;

use std::path::PathBuf;

use bytes::Bytes;
use mesegate_protocol::content::{
    AnnounceMedia, ItemDef, ItemDefs, MediaFile, NodeDef, NodeDefs, frame,
};
use mesegate_protocol::wire::{WireError, Writer};
use mesegate_protocol::{ProtocolVersion, to_client};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sha1::{Digest, Sha1};

pub(crate) use features::content_features;
pub(crate) use recording::{Manifest, RecordedFile, hex};
pub use show::Show;

use items::{Kind, item_definition};

/// Why a world cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A file of the recording cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The recording's manifest cannot be understood.
    #[error("the manifest of the recording is damaged: {0}")]
    Manifest(#[from] serde_json::Error),
    /// A recorded file does not have the hash it was recorded with.
    #[error("recorded file {0} is damaged")]
    Damaged(String),
    /// The definitions are too large for their message.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// A node definition of a fake server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name, such as `default:stone`.
    pub name: String,
    /// Its content id on this server.
    pub id: u16,
    /// Texture of all sides.
    pub texture: String,
    /// Content ids that it connects to.
    pub connects_to: Vec<u16>,
}

/// What is sent instead of what a world would say, right or wrong.
#[derive(Debug, Clone, Default)]
struct Forged {
    item_def: Option<Bytes>,
    node_def: Option<Bytes>,
    files: Vec<(String, Bytes)>,
}

/// A fake server's world.
#[derive(Debug, Clone)]
pub struct World {
    /// Name that is said to joining players.
    pub name: String,
    /// Nodes; each is an item of the same name as well.
    pub nodes: Vec<NodeSpec>,
    /// Further items.
    pub items: Vec<String>,
    /// Picture of the hand. Worlds with different ones have different hands.
    pub hand: String,
    /// Aliases of items: alias and target.
    pub aliases: Vec<(String, String)>,
    /// Media files: name and content.
    pub media: Vec<(String, Bytes)>,
    /// Where players start, in nodes. Different worlds should differ here: it tells a test in
    /// which one a player stands.
    pub spawn: [f32; 3],
    /// Blocks around the start that are sent, to each side; 0 sends none.
    pub radius: i16,
    /// What is shown to joining players.
    pub show: Vec<Show>,
    /// Entities around the start that move: how many, from object id 1.
    pub entities: u16,
    /// Start value of a hilly landscape that differs from block to block; none = a flat one of
    /// two kinds of blocks.
    pub hills: Option<u64>,
    forged: Forged,
    recording: Option<recording::Recording>,
}

impl World {
    /// A small world: stone and dirt, one texture, two entities, ground below `spawn`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            nodes: Vec::new(),
            items: vec!["testkit:stick".into()],
            hand: String::new(),
            aliases: vec![("stick".into(), "testkit:stick".into())],
            media: vec![("testkit_stone.png".into(), tiny_png())],
            spawn: [0.0, 1.5, 0.0],
            radius: 1,
            show: Vec::new(),
            entities: 2,
            hills: None,
            forged: Forged::default(),
            recording: None,
        }
        .with_nodes([("testkit:stone", 200), ("testkit:dirt", 201)])
    }

    /// Replaces the nodes. The first one is the ground.
    pub fn with_nodes<'a>(mut self, nodes: impl IntoIterator<Item = (&'a str, u16)>) -> Self {
        let spec = |(name, id): (&str, u16)| NodeSpec {
            name: name.to_owned(),
            id,
            texture: "testkit_stone.png".into(),
            connects_to: Vec::new(),
        };
        self.nodes = nodes.into_iter().map(spec).collect();
        self
    }

    /// Adds `count` nodes `PREFIX0`, `PREFIX1`, … with ids from `first`, all of one texture. Two
    /// worlds with the same prefix and another texture contradict each other.
    pub fn with_more_nodes(mut self, prefix: &str, count: u16, first: u16, texture: &str) -> Self {
        self.nodes.extend((0..count).map(|index| NodeSpec {
            name: format!("{prefix}{index}"),
            id: first + index,
            texture: texture.to_owned(),
            connects_to: Vec::new(),
        }));
        self
    }

    /// Sends a hilly landscape of all nodes, in which no two blocks are alike.
    pub fn with_hills(mut self, seed: u64) -> Self {
        self.hills = Some(seed);
        self
    }

    /// Adds a media file.
    pub fn with_media(mut self, name: &str, content: impl Into<Bytes>) -> Self {
        self.media.push((name.to_owned(), content.into()));
        self
    }

    /// Sends this as the body of ITEMDEF, to clients of all versions.
    pub fn with_forged_items(mut self, body: impl Into<Bytes>) -> Self {
        self.forged.item_def = Some(body.into());
        self
    }

    /// Sends this as the body of NODEDEF, to clients of all versions.
    pub fn with_forged_nodes(mut self, body: impl Into<Bytes>) -> Self {
        self.forged.node_def = Some(body.into());
        self
    }

    /// Delivers this for a media file, as it is, to clients of all versions. The file is announced
    /// as it stands in [`media`](Self::media).
    pub fn with_forged_file(mut self, name: &str, data: impl Into<Bytes>) -> Self {
        self.forged.files.push((name.to_owned(), data.into()));
        self
    }

    /// Adds files of incompressible bytes until all media have `total` bytes. The same seed and
    /// total give the same files under the same names.
    pub fn padded(self, total: usize, seed: u64) -> Self {
        self.padded_with(total, 64 * 1024, seed)
    }

    /// As [`padded`](Self::padded), with files of `file` bytes.
    pub fn padded_with(mut self, total: usize, file: usize, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut have: usize = self.media.iter().map(|(_, content)| content.len()).sum();
        let mut index = 0;
        while have < total {
            let mut content = vec![0; file.clamp(1, total - have)];
            rng.fill_bytes(&mut content);
            have += content.len();
            self.media.push((format!("padding_{seed}_{index}.png"), content.into()));
            index += 1;
        }
        self
    }

    /// Moves the start.
    pub fn with_spawn(mut self, spawn: [f32; 3]) -> Self {
        self.spawn = spawn;
        self
    }

    /// Sends blocks up to this many to each side of the start.
    pub fn with_radius(mut self, radius: i16) -> Self {
        self.radius = radius;
        self
    }

    /// Shows something to every joining player.
    pub fn with_show(mut self, show: Show) -> Self {
        self.show.push(show);
        self
    }

    /// The one version that can be served, if definitions are replayed from a recording.
    pub fn recorded_version(&self) -> Option<ProtocolVersion> {
        self.recording.as_ref().map(|recording| recording.version)
    }

    /// The ground's content id, or air in a world without nodes.
    pub fn ground(&self) -> u16 {
        self.nodes.first().map_or(mesegate_protocol::map::AIR, |node| node.id)
    }

    /// Bytes of all media.
    pub fn media_bytes(&self) -> usize {
        self.media.iter().map(|(_, content)| content.len()).sum()
    }

    /// The messages between INIT2 and CLIENT_READY, for one version.
    pub(crate) fn definitions(&self, version: ProtocolVersion) -> Result<Definitions, WireError> {
        let files = self.media.iter().map(|(name, content)| (name.clone(), sha1(content)));
        let announce = AnnounceMedia { files: files.collect(), remote: String::new() };
        let forged = |command, body: &Bytes| {
            let mut w = Writer::command(command);
            w.raw(body);
            w.finish()
        };
        let (mut item_def, mut node_def) = match &self.recording {
            Some(recording) => (recording.item_def.clone(), recording.node_def.clone()),
            None => (self.item_defs(version).encode(version)?, self.node_defs().encode(version)?),
        };
        if let Some(body) = &self.forged.item_def {
            item_def = forged(to_client::ITEMDEF, body);
        }
        if let Some(body) = &self.forged.node_def {
            node_def = forged(to_client::NODEDEF, body);
        }
        Ok(Definitions { item_def, node_def, announce: announce.encode(version)? })
    }

    fn node_defs(&self) -> NodeDefs {
        let mut nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|node| NodeDef {
                id: node.id,
                name: node.name.clone(),
                features: features::content_features(node),
            })
            .collect();
        nodes.sort_by_key(|node| node.id);
        NodeDefs { nodes }
    }

    fn item_defs(&self, version: ProtocolVersion) -> ItemDefs {
        let mut items: Vec<(&str, Kind)> = vec![
            ("", Kind::None),
            ("unknown", Kind::Node),
            ("air", Kind::Node),
            ("ignore", Kind::Node),
        ];
        items.extend(self.nodes.iter().map(|node| (node.name.as_str(), Kind::Node)));
        items.extend(self.items.iter().map(|item| (item.as_str(), Kind::Craft)));
        items.sort_unstable_by_key(|(name, _)| *name);
        let define = |(name, kind): (&str, Kind)| ItemDef {
            name: name.to_owned(),
            raw: item_definition(
                name,
                kind,
                if name.is_empty() { &self.hand } else { "" },
                version,
            ),
        };
        ItemDefs { items: items.into_iter().map(define).collect(), aliases: self.aliases.clone() }
    }

    /// The files as they travel to clients of a version, in the order of [`World::media`].
    pub(crate) fn frames(&self, version: ProtocolVersion) -> Result<Vec<MediaFile>, WireError> {
        let file = |(name, content): &(String, Bytes)| {
            let forged = self.forged.files.iter().find(|(forged, _)| forged == name);
            let data = match forged {
                Some((_, data)) => data.clone(),
                None => frame(content, version)?,
            };
            Ok(MediaFile { name: name.clone(), data })
        };
        self.media.iter().map(file).collect()
    }

    /// BLOCKDATA messages, nearest first.
    pub(crate) fn block_messages(&self, version: ProtocolVersion) -> Vec<Bytes> {
        match &self.recording {
            Some(recording) => recording.blocks.clone(),
            None => blocks::messages(self, version),
        }
    }

    /// Writes nothing, reads everything: a world that replays what was recorded from a real
    /// server. It can be served at the recorded version only.
    ///
    /// # Errors
    /// A file is missing or damaged.
    pub fn load(folder: &std::path::Path) -> Result<Self, WorldError> {
        recording::load(folder)
    }
}

/// Messages that every client of a version gets alike.
#[derive(Debug, Clone)]
pub(crate) struct Definitions {
    pub item_def: Bytes,
    pub node_def: Bytes,
    pub announce: Bytes,
}

/// SHA-1 of a file.
pub(crate) fn sha1(content: &[u8]) -> [u8; 20] {
    Sha1::digest(content).into()
}

/// A valid picture of one grey pixel.
fn tiny_png() -> Bytes {
    Bytes::from_static(&[
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
        0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a,
        0x7e, 0x9b, 0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x68,
        0x00, 0x00, 0x00, 0x82, 0x00, 0x81, 0xda, 0x45, 0x08, 0x3b, 0x00, 0x00, 0x00, 0x00, 0x49,
        0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_read_back_at_every_version() {
        let world = World::new("a").with_media("x.ogg", &b"sound"[..]);
        for version in (37..=53).map(ProtocolVersion) {
            let all = world.definitions(version).unwrap();
            let nodes = NodeDefs::decode(&all.node_def[2..], version).unwrap().nodes;
            let ids: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.id)).collect();
            assert_eq!(ids, [("testkit:stone", 200), ("testkit:dirt", 201)]);
            for node in &nodes {
                let view = mesegate_protocol::content::FeaturesView::parse(&node.features);
                assert!(view.is_ok(), "{view:?}");
            }
            let items = ItemDefs::decode(&all.item_def[2..], version).unwrap();
            assert_eq!(items.items.len(), 4 + 2 + 1);
            assert_eq!(items.items[0].name, "");
            let media = AnnounceMedia::decode(&all.announce[2..], version).unwrap();
            assert_eq!(media.files[1], ("x.ogg".to_owned(), sha1(b"sound")));
        }
    }

    #[test]
    fn padding_reaches_its_size_and_repeats() {
        let world = World::new("a").padded(200_000, 7);
        assert_eq!(world.media_bytes(), 200_000);
        assert_eq!(world.media, World::new("b").padded(200_000, 7).media);
        assert_ne!(world.media[1], World::new("b").padded(200_000, 8).media[1]);
    }

    #[test]
    fn the_picture_is_one_that_decoders_accept() {
        // The checksum of the data chunk and the zlib stream inside must be right.
        let png = tiny_png();
        let data = &png[41..51];
        let mut pixel = Vec::new();
        std::io::Read::read_to_end(&mut flate2::bufread::ZlibDecoder::new(data), &mut pixel)
            .unwrap();
        assert_eq!(pixel, [0, 0x80]);
    }
}
