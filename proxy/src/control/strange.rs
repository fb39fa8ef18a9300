//! What a newer controller says and this release does not know.

use mesegate_resource::Unknown;

use crate::metrics::Metrics;

/// Kinds and fields that documents have and this release does not know. Cloning shares them.
#[derive(Debug, Clone)]
pub(super) struct Strange {
    seen: Unknown,
    metrics: Metrics,
}

impl Strange {
    /// None yet.
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { seen: Unknown::default(), metrics }
    }

    /// Counts and logs a field of a kind, once; the empty one stands for the whole kind.
    pub(super) fn note(&self, kind: &str, field: &str) {
        if let Some(count) = self.seen.note(kind, field) {
            self.metrics.unknown_fields.set(count as i64);
            tracing::warn!(
                kind,
                field,
                "documents have something that this release does not know; it is passed over"
            );
        }
    }
}
