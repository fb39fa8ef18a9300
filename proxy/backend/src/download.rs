//! Fetching media files over an entered connection (`server.cpp` sendRequestedMedia).

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use mesegate_protocol::content::{MEDIA_FILE_MAX, Media, RequestMedia};
use mesegate_protocol::login::AccessDenied;
use mesegate_protocol::{ProtocolVersion, split_command, to_client};
use mesegate_transport::Link;
use tokio::time::Instant;

use crate::talk::{next, send};
use crate::{EnterError, Step};

/// Names per request: the server reads all files of one request into memory before it answers.
const NAMES_PER_REQUEST: usize = 1000;

/// How much a download may cost.
#[derive(Debug, Clone)]
pub struct DownloadLimits {
    /// Bytes of one file, uncompressed; a larger one counts as missing.
    pub file_bytes: usize,
    /// Bytes of all files together, uncompressed.
    pub total_bytes: u64,
    /// Time for everything.
    pub deadline: Duration,
    /// Time without any message of media.
    pub stall: Duration,
}

impl Default for DownloadLimits {
    /// The engine's largest file, 1 GiB, 10 minutes, 30 s.
    fn default() -> Self {
        Self {
            file_bytes: MEDIA_FILE_MAX,
            total_bytes: 1024 * 1024 * 1024,
            deadline: Duration::from_mins(10),
            stall: Duration::from_secs(30),
        }
    }
}

/// What came of a download.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Downloaded {
    /// Files handed over.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Names the server did not send though it finished its answer, or whose content is damaged
    /// or too large.
    pub missing: Vec<String>,
}

/// Requests the named files and hands each to `on_file` once, as it comes. The contents are not
/// checked against any hash. For connections that only fetch content: other messages are dropped.
pub async fn download(
    link: &mut Link,
    names: &[String],
    version: ProtocolVersion,
    limits: &DownloadLimits,
    mut on_file: impl FnMut(&str, Bytes),
) -> Result<Downloaded, EnterError> {
    let deadline = Instant::now() + limits.deadline;
    let mut seen = HashSet::new();
    // Servers since 5.9 send each file once per connection.
    let names: Vec<&String> = names.iter().filter(|name| seen.insert(name.as_str())).collect();
    let mut done = Downloaded::default();
    let mut requests = names.chunks(NAMES_PER_REQUEST).peekable();
    while let Some(names) = requests.next() {
        let mut wanted: HashSet<&str> = names.iter().map(|name| name.as_str()).collect();
        let request = RequestMedia { names: names.iter().map(|name| (*name).clone()).collect() };
        send(link, request.encode())?;
        loop {
            let bunch = next_bunch(link, version, deadline, limits.stall).await?;
            for file in bunch.files {
                if !wanted.contains(file.name.as_str()) {
                    continue;
                }
                let data = match file.content(version, limits.file_bytes) {
                    Ok(data) => data,
                    Err(error) => {
                        tracing::warn!(file = file.name, %error, "media file is unusable");
                        continue;
                    }
                };
                wanted.remove(file.name.as_str());
                done.files += 1;
                done.bytes += data.len() as u64;
                if done.bytes > limits.total_bytes {
                    let limit = limits.total_bytes;
                    return Err(EnterError::Protocol(format!("media is over {limit} bytes")));
                }
                on_file(&file.name, data);
            }
            // The bunches of one answer come in order on a reliable channel. The last one may be
            // empty; left unread it would pass for the answer to the next request.
            let nothing_follows = wanted.is_empty() && requests.peek().is_none();
            if nothing_follows || bunch.index.saturating_add(1) >= bunch.bunches {
                break;
            }
        }
        done.missing.extend(wanted.into_iter().map(str::to_owned));
    }
    done.missing.sort();
    Ok(done)
}

async fn next_bunch(
    link: &mut Link,
    version: ProtocolVersion,
    deadline: Instant,
    stall: Duration,
) -> Result<Media, EnterError> {
    let until = deadline.min(Instant::now() + stall);
    loop {
        let Some(message) = next(link, until).await? else {
            return Err(EnterError::Timeout { step: Step::Media });
        };
        match split_command(&message.data) {
            Some((to_client::MEDIA, _)) => return Ok(Media::decode(&message.data.slice(2..))?),
            Some((to_client::ACCESS_DENIED, body)) => {
                return Err(EnterError::denied(AccessDenied::decode(body)?, version));
            }
            _ => {}
        }
    }
}
