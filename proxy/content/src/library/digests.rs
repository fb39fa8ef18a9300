//! What definitions mean, remembered by their bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mesegate_backend::Definitions;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::wire::WireError;

use crate::codec::digest;
use crate::hash::{Hash, sha1, sha1_of_parts};

/// How many are remembered: servers write the same bytes to all clients of a version and language
/// until they are started again.
const REMEMBERED: usize = 256;

/// Digests of definitions that were seen lately. Finding one out takes milliseconds per thousand
/// nodes, recognising one that is known about a millisecond.
#[derive(Debug, Default)]
pub(super) struct Digests(Mutex<VecDeque<(Hash, Hash)>>);

impl Digests {
    /// The definitions' [`digest`].
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn of(
        &self,
        definitions: &Definitions,
        version: ProtocolVersion,
    ) -> Result<Hash, WireError> {
        let Definitions { item_def, node_def, announce } = definitions;
        let bodies = [item_def, node_def, announce].map(|body| sha1(body));
        let [items, nodes, files] = &bodies;
        let written = sha1_of_parts(&[&version.0.to_be_bytes(), items, nodes, files]);
        let known = self.lock().iter().find(|(bytes, _)| *bytes == written).map(|it| it.1);
        if let Some(known) = known {
            return Ok(known);
        }
        let digest = digest(definitions, version)?;
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            known.pop_front();
        }
        known.push_back((written, digest));
        Ok(digest)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Hash, Hash)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
