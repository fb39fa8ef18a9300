//! A world that was recorded from a real server: a folder with `manifest.json`, the bodies of the
//! definitions, the media by hash, and map blocks as they came.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use mesegate_protocol::content::NodeDefs;
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{ProtocolVersion, to_client};

use super::{NodeSpec, World, WorldError, sha1};

/// Definitions and blocks of a recording, as messages.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    pub version: ProtocolVersion,
    pub item_def: Bytes,
    pub node_def: Bytes,
    pub blocks: Vec<Bytes>,
}

/// What `manifest.json` holds.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Manifest {
    /// Protocol version of the recording.
    pub version: u16,
    /// Where the player was put, in nodes.
    pub spawn: [f32; 3],
    /// The media files in `media/`.
    pub media: Vec<RecordedFile>,
    /// Number of files `blocks/0.bin`, `blocks/1.bin`, …
    pub blocks: usize,
}

/// One media file; its content is `media/SHA1`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct RecordedFile {
    pub name: String,
    /// 40 hex digits.
    pub sha1: String,
}

pub(super) fn load(folder: &Path) -> Result<World, WorldError> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).map(Bytes::from).map_err(|source| WorldError::Read { path, source })
    };
    let manifest: Manifest = serde_json::from_slice(&read("manifest.json")?)?;
    let version = ProtocolVersion(manifest.version);
    let mut media = Vec::with_capacity(manifest.media.len());
    for file in manifest.media {
        let content = read(&format!("media/{}", file.sha1))?;
        if hex(&sha1(&content)) != file.sha1 {
            return Err(WorldError::Damaged(file.name));
        }
        media.push((file.name, content));
    }
    let mut blocks = Vec::with_capacity(manifest.blocks);
    for index in 0..manifest.blocks {
        blocks.push(message(to_client::BLOCKDATA, &read(&format!("blocks/{index}.bin"))?));
    }
    let node_def = read("nodedef.bin")?;
    let nodes = NodeDefs::decode(&node_def, version)?.nodes.into_iter().map(|node| NodeSpec {
        name: node.name,
        id: node.id,
        texture: String::new(),
        connects_to: Vec::new(),
    });
    let mut world = World::new("recording").with_spawn(manifest.spawn);
    world.nodes = nodes.collect();
    world.media = media;
    world.recording = Some(Recording {
        version,
        item_def: message(to_client::ITEMDEF, &read("itemdef.bin")?),
        node_def: message(to_client::NODEDEF, &node_def),
        blocks,
    });
    Ok(world)
}

fn message(command: u16, body: &[u8]) -> Bytes {
    let mut w = Writer::command(command);
    w.raw(body);
    w.finish()
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
