//! A lane: one thread with one socket of the shared address and the players behind it.
//!
//! The kernel spreads peers over the sockets; a player's datagrams are then read and handled by
//! one thread, backend included. Waking a task never wakes another thread, which at ten datagrams
//! a second and player costs more than the work itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mesegate_transport::{Binding, Listener};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::session;
use crate::shared::Shared;

/// Tells when all lanes have ended.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Every lane holds a sender; nothing is ever sent.
    ended: mpsc::Receiver<()>,
    /// Dropped with it, when no lane's runtime is needed any more.
    _hold: watch::Sender<()>,
}

impl Lanes {
    /// Starts a lane for every socket. They end after `shared.stopping`, at the latest
    /// `patience` later.
    ///
    /// # Errors
    /// When a thread, a runtime or a socket fails at the start.
    pub(crate) async fn start(
        bindings: Vec<Binding>,
        shared: &Arc<Shared>,
        patience: Duration,
    ) -> io::Result<Self> {
        let (running, ended) = mpsc::channel(1);
        let (hold, held) = watch::channel(());
        for (index, binding) in bindings.into_iter().enumerate() {
            let (started, result) = oneshot::channel();
            let shared = Arc::clone(shared);
            let (running, held) = (running.clone(), held.clone());
            let name = format!("lane-{index}");
            std::thread::Builder::new().name(name.clone()).spawn(move || {
                run(&name, binding, shared, patience, started, (running, held));
            })?;
            result.await.map_err(|_| io::Error::other("a lane ended at its start"))??;
        }
        Ok(Self { ended, _hold: hold })
    }

    /// Waits until all lanes have ended.
    pub(crate) async fn ended(&mut self) {
        while self.ended.recv().await.is_some() {}
    }
}

fn run(
    name: &str,
    binding: Binding,
    shared: Arc<Shared>,
    patience: Duration,
    started: oneshot::Sender<io::Result<()>>,
    (running, mut held): (mpsc::Sender<()>, watch::Receiver<()>),
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        match binding.listen() {
            Ok(listener) => {
                shared.metrics.runs_on(name);
                let _ = started.send(Ok(()));
                serve(listener, &shared, patience).await;
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
    drop(running);
    // Connections to the account database that were opened by a player of this lane are driven by
    // its runtime, and are used by those of other lanes until all are gone. It fails when they are.
    let _ = runtime.block_on(held.changed());
    // Work on the blocking pool is of players who are gone.
    runtime.shutdown_background();
}

async fn serve(mut listener: Listener, shared: &Arc<Shared>, patience: Duration) {
    let mut stopping = shared.stopping.clone();
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            link = listener.accept() => match link {
                Some(link) => {
                    sessions.spawn(session::serve(link, Arc::clone(shared)));
                }
                None => break,
            },
            Some(ended) = sessions.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a session failed");
                }
            }
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
    // Sessions see the same signal and say goodbye to their players.
    let leaving = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, leaving).await.is_err() {
        tracing::warn!(sessions = sessions.len(), "some players did not leave in time");
    }
}
