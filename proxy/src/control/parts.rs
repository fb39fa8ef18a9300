//! Messages of a snapshot that is not complete yet.

use mesegate_proto::control::v1::{Resource, Snapshot};

use super::documents::{MAX_BYTES, MAX_DOCUMENTS, Refused};

/// Messages of a snapshot that is not complete yet.
#[derive(Default)]
pub(super) struct Parts {
    hash: Vec<u8>,
    resources: Vec<Resource>,
    bytes: usize,
}

/// The hash of a snapshot, and its documents.
type Whole = (Vec<u8>, Result<Vec<Resource>, Refused>);

impl Parts {
    /// All documents once they are complete.
    pub(super) fn add(&mut self, part: Snapshot) -> Option<Whole> {
        if part.hash != self.hash {
            self.resources.clear();
            self.bytes = 0;
            self.hash = part.hash;
        }
        self.bytes += part.resources.iter().map(|it| it.spec.len()).sum::<usize>();
        let fits =
            self.bytes <= MAX_BYTES && self.resources.len() + part.resources.len() <= MAX_DOCUMENTS;
        if fits {
            self.resources.extend(part.resources);
        } else {
            // The rest is passed over, and counted.
            self.resources = Vec::new();
            self.bytes = self.bytes.max(MAX_BYTES + 1);
        }
        if !part.complete {
            return None;
        }
        let resources = std::mem::take(&mut self.resources);
        self.bytes = 0;
        let hash = std::mem::take(&mut self.hash);
        Some((hash, if fits { Ok(resources) } else { Err(Refused::TooMuch) }))
    }
}
