//! Fetching the announced files (`client/clientmedia.cpp`).

mod http;

use std::collections::HashMap;

use mesegate_protocol::content::{MEDIA_FILE_MAX, Media, RequestMedia};
use mesegate_protocol::{ProtocolVersion, split_command, to_client};
use mesegate_transport::{Link, Message};
use tokio::time::Instant;

use super::JoinError;
use super::login::wait;
use crate::world::sha1;

pub(super) use http::fetch;

/// Requests all files and checks each. Other messages go to `other`. Returns the bytes received.
pub(super) async fn download(
    link: &mut Link,
    files: &[(String, [u8; 20])],
    version: ProtocolVersion,
    deadline: Instant,
    mut other: impl FnMut(Message),
) -> Result<u64, JoinError> {
    let mut missing: HashMap<&str, [u8; 20]> =
        files.iter().map(|(name, hash)| (name.as_str(), *hash)).collect();
    if missing.is_empty() {
        // A client that misses nothing does not ask at all.
        return Ok(0);
    }
    let request = RequestMedia { names: missing.keys().map(|name| (*name).to_owned()).collect() };
    super::login::send(link, 1, request.encode(), "media")?;
    let mut bytes = 0;
    while !missing.is_empty() {
        let message = wait(link, deadline, "media").await?;
        if split_command(&message.data).is_none_or(|(command, _)| command != to_client::MEDIA) {
            other(message);
            continue;
        }
        let body = message.data.slice(2..);
        let media = Media::decode(&body).map_err(|_| JoinError::Definitions("MEDIA"))?;
        for file in media.files {
            // Clients ignore what they do not wait for.
            let Some(hash) = missing.remove(file.name.as_str()) else { continue };
            let content = file.content(version, 4 * MEDIA_FILE_MAX);
            match content {
                Ok(content) if sha1(&content) == hash => bytes += content.len() as u64,
                _ => return Err(JoinError::Media(file.name)),
            }
        }
    }
    Ok(bytes)
}
