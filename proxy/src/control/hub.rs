//! What all streams give, and what is in force.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use mesegate_proto::control::Hash;
use tokio::sync::{mpsc, oneshot, watch};

use super::Update;
use super::board::Board;
use super::documents::{Documents, Refused};
use super::last_good::{Keeper, LastGood};
use super::strange::Strange;
use crate::metrics::Metrics;

/// What streams tell.
#[derive(Debug)]
pub(super) enum Event {
    /// A stream has begun.
    Up(SocketAddr),
    /// Its controller says what it is called.
    Welcome(SocketAddr, String),
    /// It has given documents.
    Offer(SocketAddr, Arc<Documents>),
    /// A stream has ended.
    Lost(SocketAddr),
}

/// What streams are told.
#[derive(Debug, Clone, Default)]
pub(super) struct Ruling {
    /// The documents in force.
    pub(super) good: Option<Arc<Documents>>,
    /// What was refused last, and why.
    pub(super) refused: Option<(Hash, String)>,
    /// Whose documents count.
    pub(super) primary: Option<SocketAddr>,
    /// Addresses that are not to be used, as another one leads to the same controller.
    pub(super) twins: BTreeMap<SocketAddr, SocketAddr>,
}

/// Decides what is in force.
pub(super) struct Hub {
    board: Board,
    last_good: LastGood,
    keeper: Keeper,
    strange: Strange,
    metrics: Metrics,
    updates: mpsc::Sender<Update>,
    events: mpsc::Receiver<Event>,
    ruling: watch::Sender<Ruling>,
}

/// Nobody takes networks any more.
struct Stopping;

impl Hub {
    pub(super) fn new(
        proxy: String,
        last_good: LastGood,
        metrics: Metrics,
        updates: mpsc::Sender<Update>,
        events: mpsc::Receiver<Event>,
        ruling: watch::Sender<Ruling>,
    ) -> Self {
        let strange = Strange::new(metrics.clone());
        let (board, keeper) = (Board::new(proxy), Keeper::new(last_good.clone()));
        Self { board, last_good, keeper, strange, metrics, updates, events, ruling }
    }

    /// Puts the documents on disk in force.
    pub(super) async fn begin(&mut self) {
        match self.last_good.load() {
            Ok(None) => {}
            Ok(Some(documents)) => match self.enforce(Arc::new(documents)).await {
                Ok(Ok(())) => tracing::info!("the documents that were good last are in force"),
                Ok(Err(error)) => tracing::warn!("the last good documents are refused: {error}"),
                Err(Stopping) => {}
            },
            Err(error) => tracing::warn!("the last good documents cannot be used: {error}"),
        }
    }

    /// Decides until nobody takes networks any more.
    pub(super) async fn run(mut self) {
        while let Some(event) = self.events.recv().await {
            self.take(event);
            // What came meanwhile is decided about together.
            while let Ok(event) = self.events.try_recv() {
                self.take(event);
            }
            if self.settle().await.is_err() {
                return;
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Up(from) => self.board.up(from),
            Event::Offer(from, documents) => self.board.offer(from, documents),
            Event::Welcome(from, replica) => {
                self.board.welcome(from, replica);
                let twins = self.board.twins(from);
                if !twins.is_empty() {
                    self.ruling.send_modify(|it| {
                        it.twins.extend(twins.into_iter().map(|twin| (twin, from)));
                    });
                }
            }
            Event::Lost(from) => {
                self.board.lost(from);
                self.ruling.send_if_modified(|it| {
                    let before = it.twins.len();
                    it.twins.retain(|_, newest| *newest != from);
                    it.twins.len() < before
                });
                if self.board.len() == 0 {
                    tracing::warn!("no control stream, the last good documents stay");
                }
            }
        }
        let streams = self.board.len();
        self.metrics.control_streams.set(streams as i64);
        self.metrics.control_stream_up.set((streams > 0).into());
    }

    /// Puts in force what is to be.
    async fn settle(&mut self) -> Result<(), Stopping> {
        let primary = self.board.primary().map(|(from, it)| (from, Arc::clone(it)));
        let from = primary.as_ref().map(|(from, _)| *from);
        let changed =
            self.ruling.send_if_modified(|it| std::mem::replace(&mut it.primary, from) != from);
        let Some((from, documents)) = primary else { return Ok(()) };
        if changed {
            tracing::info!(controller = %from, "this controller's documents count from now on");
        }
        let hash = documents.hash();
        let decided = {
            let ruling = self.ruling.borrow();
            let good = ruling.good.as_ref().is_some_and(|it| it.hash() == hash);
            good || ruling.refused.as_ref().is_some_and(|(it, _)| *it == hash)
        };
        if decided {
            return Ok(());
        }
        match self.enforce(Arc::clone(&documents)).await? {
            Ok(()) => self.keeper.keep(documents),
            Err(refused) => {
                self.metrics.config_nacks_total.inc();
                tracing::error!("documents are refused, the last good ones stay: {refused}");
                let refused = Some((hash, refused.to_string()));
                self.ruling.send_modify(|it| it.refused = refused);
            }
        }
        Ok(())
    }

    /// Puts documents in force.
    async fn enforce(&self, documents: Arc<Documents>) -> Result<Result<(), Refused>, Stopping> {
        let network = match documents.network(&self.strange) {
            Ok(network) => network,
            Err(refused) => return Ok(Err(refused)),
        };
        let (done, wait) = oneshot::channel();
        self.updates.send(Update { network, done }).await.map_err(|_| Stopping)?;
        // Fails only while the process stops.
        let _ = wait.await;
        self.metrics.documents(&documents.hash());
        self.ruling.send_modify(|it| {
            it.good = Some(documents);
            it.refused = None;
        });
        Ok(Ok(()))
    }
}
