//! What a newer controller says and this release does not know.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::Metrics;

/// Fields that are remembered; documents have fewer.
const MOST: usize = 1000;

/// Kinds and fields that documents have and this release does not know. Cloning shares them.
#[derive(Debug, Clone)]
pub(super) struct Strange {
    seen: Arc<Mutex<BTreeSet<(String, String)>>>,
    metrics: Metrics,
}

impl Strange {
    /// None yet.
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { seen: Arc::default(), metrics }
    }

    /// Counts and logs a field of a kind, once; the empty one stands for the whole kind.
    pub(super) fn note(&self, kind: &str, field: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST && seen.insert((kind.to_owned(), field.to_owned())) {
            self.metrics.unknown_fields.set(seen.len() as i64);
            tracing::warn!(
                kind,
                field,
                "documents have something that this release does not know; it is passed over"
            );
        }
    }
}
