//! An exporter that complains once a minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_otlp::SpanExporter as Otlp;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

/// How long a collector that is away is not spoken of again.
const QUIET: Duration = Duration::from_mins(1);

/// Sends batches in a runtime, and tells of failures.
#[derive(Debug)]
pub(super) struct Exporter {
    inner: Arc<Otlp>,
    handle: Handle,
    lost: Mutex<Lost>,
}

/// What could not be sent.
#[derive(Debug, Default)]
struct Lost {
    told: Option<Instant>,
    /// Spans since then.
    spans: usize,
}

impl Lost {
    /// Whether it is time to tell, and of how many.
    fn more(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.spans += spans;
        let quiet = self.told.is_some_and(|told| now.duration_since(told) < QUIET);
        (!quiet).then(|| {
            self.told = Some(now);
            std::mem::take(&mut self.spans)
        })
    }
}

impl Exporter {
    pub(super) fn new(inner: Otlp, handle: Handle) -> Self {
        Self { inner: Arc::new(inner), handle, lost: Mutex::default() }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let inner = Arc::clone(&self.inner);
        // Whoever polls this has no timers.
        let sent = self.handle.spawn(async move { inner.export(batch).await }).await;
        let sent =
            sent.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        if let Err(error) = &sent {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(spans) = lost.more(spans, Instant::now()) {
                tracing::warn!(%error, spans, "traces could not be sent");
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_is_away_is_told_of_once_a_minute() {
        let mut lost = Lost::default();
        let start = Instant::now();
        assert_eq!(lost.more(3, start), Some(3));
        assert_eq!(lost.more(4, start + QUIET / 2), None);
        assert_eq!(lost.more(5, start + QUIET), Some(9));
    }
}
