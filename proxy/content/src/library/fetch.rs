//! One visit to a server: what it sends to a client of one version and language.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mesegate_backend::{Definitions, Dial, DownloadLimits, EnterError, download, enter, leave};
use mesegate_protocol::ProtocolVersion;

use super::Shared;
use super::config::ServerSpec;
use super::status::ServerState;
use crate::ContentError;
use crate::codec;
use crate::hash::Hash;
use crate::store::{BLOB_MAX, Manifest, MediaFile, Pair};
use crate::union::Kind;

/// Time after which a manifest that is still true is written again, so that it is not taken for
/// one that nobody needs.
const REFRESH: u64 = 24 * 3600;

/// Names of files that a line of the log has.
const NAMES_SHOWN: usize = 5;

/// Why a visit failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// What it sends cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The proxy's own disk.
    #[error("content cannot be stored: {0}")]
    Store(#[from] ContentError),
}

impl FetchError {
    /// One name of the cause.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Enter(error) => error.reason(),
            Self::Unusable(_) => ServerState::UNUSABLE,
            Self::Store(_) => "store",
        }
    }
}

/// What a visit found.
#[derive(Debug)]
pub(super) enum Fetched {
    /// What is there now; the same as `known` if nothing has changed.
    Content(Arc<Manifest>),
    /// The server does not speak the version any more; it chose this one.
    Older(ProtocolVersion),
}

pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(super) fn dial(shared: &Shared, spec: &ServerSpec) -> Dial {
    let mut dial =
        Dial::new(spec.address.clone(), &shared.config.account, spec.credentials.clone());
    dial.deadline = shared.config.enter_timeout;
    dial.retry_already_connected = true;
    dial.transport = shared.config.transport.clone();
    dial
}

/// Enters the server, takes its definitions, downloads the media that the store lacks, and leaves
/// without ever having had a character there.
pub(super) async fn fetch(
    shared: &Shared,
    spec: &ServerSpec,
    pair: &Pair,
    known: Option<Arc<Manifest>>,
) -> Result<Fetched, FetchError> {
    let mut dial = dial(shared, spec);
    dial.max_version = ProtocolVersion(pair.version);
    dial.language.clone_from(&pair.language);
    let entered = enter(&dial).await?;
    // From here on the link is closed by `Leaving`, however the visit ends.
    let mut link = Leaving(Some(entered.link));
    let definitions = entered.definitions;
    if entered.version.0 != pair.version {
        return Ok(Fetched::Older(entered.version));
    }
    let unusable = |error| FetchError::Unusable(format!("its definitions cannot be read: {error}"));
    let version = entered.version;
    let new_digest = check(shared, &definitions, version).await?;
    if let Some(known) = known
        && known.digest == new_digest
        && is_complete(shared, &known)
    {
        return refresh(shared, known).map(Fetched::Content);
    }
    let announce = codec::announce(&definitions.announce, version).map_err(unusable)?;
    tell_illegal(&spec.name, &announce.files);
    let delivered = match &mut link.0 {
        Some(link) => download_missing(shared, spec, link, &announce.files, version).await?,
        None => HashMap::new(),
    };
    drop(link);

    let store = &shared.store;
    let media = announce.files.into_iter().map(|(name, announced)| {
        // What was delivered counts, not what was announced: a file that was changed while the
        // server runs is announced with the hash of its old content.
        let hash = delivered.get(&announced).copied().unwrap_or(announced);
        MediaFile { name, hash, size: store.blob_size(&hash).map(|size| size as u32) }
    });
    let manifest = Manifest {
        server: spec.source(),
        pair: pair.clone(),
        newest: pair.version, // overwritten by the caller, who asked for it
        digest: new_digest,
        item_def: store.put_blob(&definitions.item_def)?,
        node_def: store.put_blob(&definitions.node_def)?,
        media: media.collect(),
        remote: announce.remote,
        fetched_at: unix_now(),
    };
    Ok(Fetched::Content(Arc::new(manifest)))
}

/// Says which files are left out because no client accepts their names
/// (`client/clientmedia.cpp`, ClientMediaDownloader::addFile).
fn tell_illegal(server: &str, files: &[(String, Hash)]) {
    let illegal = || files.iter().filter(|(name, _)| Kind::of(name) == Kind::Illegal);
    let count = illegal().count();
    if count > 0 {
        let first: Vec<&str> = illegal().map(|(name, _)| &**name).take(NAMES_SHOWN).collect();
        tracing::warn!(server, count, ?first, "media with illegal names is left out");
    }
}

/// Says goodbye when it is dropped, also when the visit is given up half-way.
struct Leaving(Option<mesegate_transport::Link>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            leave(link);
        }
    }
}

/// True if every content of a manifest is on disk. Files that the server did not deliver do not
/// count: asking again would bring the same.
pub(super) fn is_complete(shared: &Shared, manifest: &Manifest) -> bool {
    manifest.hashes().all(|hash| shared.store.blob_size(hash).is_some())
}

fn refresh(shared: &Shared, known: Arc<Manifest>) -> Result<Arc<Manifest>, FetchError> {
    let now = unix_now();
    if now.saturating_sub(known.fetched_at) < REFRESH {
        return Ok(known);
    }
    let manifest = Manifest { fetched_at: now, ..known.as_ref().clone() };
    shared.store.save_manifest(&manifest)?;
    Ok(Arc::new(manifest))
}

/// The digest of definitions that can be read down to their last field. Those that cannot are
/// refused here, before they replace what is known.
async fn check(
    shared: &Shared,
    definitions: &Definitions,
    version: ProtocolVersion,
) -> Result<Hash, FetchError> {
    let (definitions, digests) = (definitions.clone(), shared.digests.clone());
    let read = tokio::task::spawn_blocking(move || {
        codec::check(&definitions, version)?;
        let digest = digests.of(&definitions, version);
        digest.map_err(|error| format!("its definitions cannot be read: {error}"))
    });
    let read = read.await.map_err(|_| EnterError::Interrupted)?;
    read.map_err(FetchError::Unusable)
}

/// Downloads what the store lacks. Returns the hashes of what was delivered where they differ from
/// those announced.
async fn download_missing(
    shared: &Shared,
    spec: &ServerSpec,
    link: &mut mesegate_transport::Link,
    files: &[(String, Hash)],
    version: ProtocolVersion,
) -> Result<HashMap<Hash, Hash>, FetchError> {
    let limit = shared.config.max_media_bytes;
    let too_much = || FetchError::Store(ContentError::TooLarge { what: "its media", limit });
    let mut have = 0u64;
    let mut missing: HashMap<&str, Hash> = HashMap::new();
    let mut hashes = std::collections::HashSet::new();
    // One name per content is enough.
    let legal = files.iter().filter(|(name, _)| Kind::of(name) != Kind::Illegal);
    for (name, hash) in legal.filter(|(_, hash)| hashes.insert(*hash)) {
        match shared.store.blob_size(hash) {
            Some(size) => have += size,
            None => drop(missing.insert(name, *hash)),
        }
    }
    if have > limit {
        return Err(too_much());
    }
    if missing.is_empty() {
        return Ok(HashMap::new());
    }
    let names: Vec<String> = missing.keys().map(|name| (*name).to_owned()).collect();
    let limits = DownloadLimits {
        total_bytes: limit - have,
        deadline: shared.config.download_timeout,
        ..DownloadLimits::default()
    };
    let mut other = HashMap::new();
    let mut failure = None;
    let result = download(link, &names, version, &limits, |name, data| {
        let Some(announced) = missing.get(name) else {
            return;
        };
        if failure.is_some() || data.len() > BLOB_MAX {
            return;
        }
        match shared.store.put_blob(&data) {
            Ok(hash) if hash != *announced => {
                tracing::debug!(file = name, "delivered file is not what was announced");
                other.insert(*announced, hash);
            }
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
    });
    let result = result.await;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let done = result?;
    tracing::debug!(files = done.files, bytes = done.bytes, "media downloaded");
    if !done.missing.is_empty() {
        let count = done.missing.len();
        let first = &done.missing[..count.min(NAMES_SHOWN)];
        tracing::warn!(server = spec.name, count, ?first, "announced media cannot be had");
    }
    Ok(other)
}
