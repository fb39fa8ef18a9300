//! What a server told a client, in a form in which two visits can be compared: every file is named
//! by its hash, every node and item by its name on the server itself, every passing number by the
//! order in which it was given out.
//!
//! One visit goes straight to the server, the other through a proxy that may have renamed and
//! renumbered things. How it did is not asked of the proxy: [`Names::through`] finds it out from
//! the two sets of definitions and announced hashes, by equality of content. All messages are read
//! by this module's own code.

mod blocks;
mod canon;
mod content;
mod definition;
mod difference;
mod interface;
mod messages;
mod names;
mod objects;
mod particles;
mod relation;
mod text;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::wire::WireError;

use crate::bot::{Bot, Event};

pub use content::Content;
pub use difference::{differences, take_back};
pub use messages::State;
pub use names::Names;

/// Everything a bot was told since it joined.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The player's name, which is left out of comparisons.
    pub player: String,
    /// The protocol version that was spoken.
    pub version: ProtocolVersion,
    /// Announced files and definitions.
    pub content: Content,
    /// Body of ITEMDEF as it came.
    pub item_def: Bytes,
    /// Body of NODEDEF as it came.
    pub node_def: Bytes,
    /// What would have made an engine client abort, crash or leave.
    pub violations: Vec<String>,
    /// All later messages, in order of arrival.
    pub events: Vec<Event>,
}

impl Recording {
    /// Takes what a bot has received so far.
    ///
    /// # Errors
    /// Definitions that cannot be read.
    pub fn take(bot: &Bot) -> Result<Self, WireError> {
        Ok(Self {
            player: bot.name().to_owned(),
            version: bot.version(),
            content: Content::read(bot.announced(), bot.node_def(), bot.item_def(), bot.version())?,
            item_def: bot.item_def().clone(),
            node_def: bot.node_def().clone(),
            violations: bot.look(|view| view.violations.clone()),
            events: bot.events(),
        })
    }
}

/// Decompresses a whole stream as a server of this version writes it, up to 64 MiB.
fn inflate(data: &[u8], zstd: bool) -> Result<Bytes, WireError> {
    use std::io::Read;
    const LIMIT: u64 = 64 << 20;
    let mut out = Vec::new();
    let read = if zstd {
        zstd::stream::read::Decoder::with_buffer(data)
            .and_then(|decoder| decoder.take(LIMIT).read_to_end(&mut out))
    } else {
        flate2::bufread::ZlibDecoder::new(data).take(LIMIT).read_to_end(&mut out)
    };
    read.map_err(|_| WireError::Invalid { what: "compressed data", offset: 0 })?;
    Ok(out.into())
}
