//! Recording what a real server gives a client, so that a fake server can replay it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use mesegate_backend::{Dial, DownloadLimits, EnterError, download, enter, leave};
use mesegate_protocol::content::AnnounceMedia;
use mesegate_protocol::login::ClientReady;
use mesegate_protocol::map::{block_position, encode_positions};
use mesegate_protocol::wire::{Reader, WireError};
use mesegate_protocol::{ProtocolVersion, split_command, to_client, to_server};
use tokio::time::Instant;

use crate::bot::walk::player_pos;
use crate::talk::{self, NoMessage};
use crate::world::{Manifest, RecordedFile, hex, sha1};

/// Blocks recorded at most.
const BLOCKS: usize = 200;

/// How long blocks may keep coming.
const WATCH: Duration = Duration::from_secs(20);

/// Time between two PLAYERPOS.
const STEP: Duration = Duration::from_millis(200);

/// Why a recording failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The server could not be entered.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// A file cannot be written.
    #[error("cannot write the recording: {0}")]
    Write(#[from] io::Error),
    /// A message cannot be read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A file did not have its announced hash.
    #[error("media file {0} is not what was announced")]
    Damaged(String),
    /// The server ended the connection.
    #[error("the server ended the connection: {0}")]
    Closed(&'static str),
}

/// Enters the server as a client, fetches everything, stays until about 200 map blocks have come,
/// and writes all of it to `folder` for [`World::load`](crate::World::load).
///
/// # Errors
/// The server cannot be entered, or the folder cannot be written.
pub async fn record(dial: &Dial, folder: &Path) -> Result<(), RecordError> {
    fs::create_dir_all(folder.join("media"))?;
    fs::create_dir_all(folder.join("blocks"))?;
    let mut entered = enter(dial).await?;
    let version = entered.version;
    let definitions = &entered.definitions;
    fs::write(folder.join("itemdef.bin"), &definitions.item_def)?;
    fs::write(folder.join("nodedef.bin"), &definitions.node_def)?;
    let announced = AnnounceMedia::decode(&definitions.announce, version)?.files;
    let names: Vec<_> = announced.iter().map(|(name, _)| name.clone()).collect();
    let mut written = Ok(());
    let store = |_: &str, content: bytes::Bytes| {
        let path = folder.join("media").join(hex(&sha1(&content)));
        if written.is_ok() {
            written = fs::write(path, content);
        }
    };
    download(&mut entered.link, &names, version, &DownloadLimits::default(), store).await?;
    written?;
    let mut media = Vec::new();
    for (name, hash) in announced {
        let file = RecordedFile { name, sha1: hex(&hash) };
        if !folder.join("media").join(&file.sha1).exists() {
            return Err(RecordError::Damaged(file.name));
        }
        media.push(file);
    }
    let (spawn, blocks) = watch(&mut entered.link, version, folder).await?;
    leave(entered.link);
    let manifest = Manifest { version: version.0, spawn, media, blocks };
    fs::write(folder.join("manifest.json"), serde_json::to_vec(&manifest).unwrap_or_default())?;
    Ok(())
}

/// Enters the world and writes the blocks that come. Returns where it stood, and how many.
async fn watch(
    link: &mut mesegate_transport::Link,
    version: ProtocolVersion,
    folder: &Path,
) -> Result<([f32; 3], usize), RecordError> {
    let closed = || RecordError::Closed("send queue");
    let ready = ClientReady::new((5, 15, 2), "5.15.2", 10);
    link.send(1, true, ready.encode()).map_err(|_| closed())?;
    let deadline = Instant::now() + WATCH;
    let (mut spawn, mut blocks, mut tell) = ([0.0; 3], 0, Instant::now());
    while blocks < BLOCKS {
        let now = Instant::now();
        if now >= tell {
            // It carries the wanted range, without which only the nearest blocks are sent.
            let _ = link.send(0, false, player_pos(spawn, 0.0, version));
            tell = now + STEP;
        }
        let message = match talk::next(link, tell.min(deadline)).await {
            Ok(message) => message,
            Err(NoMessage::Late) if Instant::now() < deadline => continue,
            Err(NoMessage::Late) => break,
            Err(NoMessage::Closed(reason)) => return Err(RecordError::Closed(reason)),
        };
        match split_command(&message.data) {
            Some((to_client::MOVE_PLAYER, body)) => {
                spawn = Reader::new(body).v3f()?.map(|unit| unit / 10.0);
            }
            Some((to_client::BLOCKDATA, body)) => {
                fs::write(folder.join("blocks").join(format!("{blocks}.bin")), body)?;
                blocks += 1;
                let position = block_position(&message.data)?;
                for confirmation in encode_positions(to_server::GOTBLOCKS, &[position]) {
                    link.send(2, true, confirmation).map_err(|_| closed())?;
                }
            }
            _ => {}
        }
    }
    Ok((spawn, blocks))
}
