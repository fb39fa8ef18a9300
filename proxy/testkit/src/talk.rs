//! Waiting for messages of a link, with a limit; and counting what passed.

use std::sync::atomic::{AtomicU64, Ordering};

use mesegate_transport::{Link, Message};
use tokio::time::{Instant, timeout_at};

/// Why no message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMessage {
    /// The connection ended, with the transport's name for why.
    Closed(&'static str),
    /// The time is over.
    Late,
}

/// The next message of a link.
pub(crate) async fn next(link: &mut Link, deadline: Instant) -> Result<Message, NoMessage> {
    loop {
        link.flush();
        if let Some(message) = link.recv() {
            return Ok(message);
        }
        if let Some(reason) = link.closed() {
            return Err(NoMessage::Closed(reason.as_str()));
        }
        if timeout_at(deadline, link.drive()).await.is_err() {
            return Err(NoMessage::Late);
        }
    }
}

/// What went through one or several links.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Datagrams received.
    pub datagrams_in: AtomicU64,
    /// Datagrams sent.
    pub datagrams_out: AtomicU64,
    /// Messages received.
    pub messages_in: AtomicU64,
    /// Messages sent.
    pub messages_out: AtomicU64,
}

impl Traffic {
    /// Datagrams sent so far.
    pub fn sent(&self) -> u64 {
        self.datagrams_out.load(Ordering::Relaxed)
    }

    /// Datagrams received so far.
    pub fn received(&self) -> u64 {
        self.datagrams_in.load(Ordering::Relaxed)
    }
}

/// Adds one link's counters to a [`Traffic`], remembering what was already added.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    datagrams_in: u64,
    datagrams_out: u64,
}

impl Meter {
    pub(crate) fn add(&mut self, link: &Link, traffic: &Traffic) {
        let stats = link.stats();
        let (received, sent) = (stats.datagrams_in, stats.datagrams_out);
        traffic.datagrams_in.fetch_add(received - self.datagrams_in, Ordering::Relaxed);
        traffic.datagrams_out.fetch_add(sent - self.datagrams_out, Ordering::Relaxed);
        (self.datagrams_in, self.datagrams_out) = (received, sent);
    }
}
