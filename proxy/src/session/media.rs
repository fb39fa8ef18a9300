//! Serving media to one client without holding more of it in memory than the client takes.

use std::collections::VecDeque;
use std::sync::Arc;

use mesegate_content::{Catalogue, MediaMessages};
use mesegate_transport::{Link, SendError};

use crate::metrics::Metrics;

/// Media is queued only while fewer bytes than this wait for the client: enough to keep any
/// path busy that the transport's window can fill.
const QUEUE: usize = 512 * 1024;

/// A client may ask more than once; more open requests than this are ignored.
const REQUESTS: usize = 8;

/// What a client asked for and has not been sent yet.
#[derive(Default)]
pub(super) struct MediaQueue {
    requests: VecDeque<MediaMessages>,
    /// Files asked for so far.
    files: usize,
}

impl MediaQueue {
    /// Adds the files that `catalogue` has under these names.
    pub(super) fn request(&mut self, catalogue: &Arc<Catalogue>, names: &[String]) {
        let (_, _, known) = catalogue.counts();
        // Engines send each file once; twice leaves room for a client's doubts.
        if self.requests.len() < REQUESTS && self.files <= 2 * known {
            let messages = catalogue.media_messages(names);
            self.files += messages.files();
            self.requests.push_back(messages);
        }
    }

    /// Queues as much as the client can take now.
    ///
    /// # Errors
    /// When the client is gone or cannot take a message at all.
    pub(super) async fn pump(
        &mut self,
        client: &mut Link,
        metrics: &Metrics,
    ) -> Result<(), SendError> {
        while let Some(messages) = self.requests.front_mut() {
            if client.queued_bytes() >= QUEUE {
                break;
            }
            match messages.next().await {
                Some(message) => {
                    metrics.media_sent_bytes_total.inc_by(message.len() as u64);
                    // Channel 2, as engines do (`network/serveropcodes.cpp`).
                    client.send(2, true, message)?;
                }
                None => {
                    self.requests.pop_front();
                }
            }
        }
        Ok(())
    }
}
