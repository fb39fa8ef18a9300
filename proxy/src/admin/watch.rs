//! Streams of what is there and what changes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Api;
use super::call::Call;
use super::failure::Failure;
use super::select::Selection;
use super::verb::Role;
use crate::players::{Change, Presence};

/// Messages that wait for the connection.
const AHEAD: usize = 64;

/// Changes of servers are told at most so often, because every player who moves is one.
const PACE: Duration = Duration::from_millis(250);

/// How often servers are compared with what was told, whoever has changed them.
const LOOK: Duration = Duration::from_secs(1);

pub(super) type Events<T> = ReceiverStream<Result<T, Status>>;

/// Why a watch ended.
enum End {
    /// The caller left.
    Left,
    Failed(Failure),
}

struct Out<T> {
    sender: mpsc::Sender<Result<T, Status>>,
}

impl<T> Out<T> {
    async fn send(&self, event: T) -> Result<(), End> {
        self.sender.send(Ok(event)).await.map_err(|_| End::Left)
    }
}

/// Runs `watch` until it ends, or the process does, or the caller leaves.
fn run<T: Send + 'static, W: Future<Output = End> + Send>(
    api: Arc<Api>,
    place: OwnedSemaphorePermit,
    watch: impl FnOnce(Arc<Api>, Out<T>) -> W + Send + 'static,
) -> Events<T> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        api.shared.metrics.admin_watches.inc();
        let last = sender.clone();
        let end = tokio::select! {
            end = watch(Arc::clone(&api), Out { sender }) => end,
            () = last.closed() => End::Left,
            () = api.shared.stopped() => End::Failed(Failure::stopping()),
        };
        if let End::Failed(failure) = end {
            // Behind what is queued already; a caller who reads nothing is not waited for long.
            let goodbye = last.send(Err(failure.status()));
            let _ = tokio::time::timeout(Duration::from_secs(5), goodbye).await;
        }
        api.shared.metrics.admin_watches.dec();
        drop(place);
    });
    ReceiverStream::new(receiver)
}

/// Players as they come, change and go.
pub(super) fn players(
    api: Arc<Api>,
    call: Call,
    selection: Selection,
) -> Result<Events<pb::WatchPlayersResponse>, Failure> {
    let place = api.long_call()?;
    Ok(run(api, place, move |api, out| async move {
        match follow_players(&api, call.actor.role, &selection, &out).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }))
}

async fn follow_players(
    api: &Api,
    role: Role,
    selection: &Selection,
    out: &Out<pb::WatchPlayersResponse>,
) -> Result<std::convert::Infallible, End> {
    use pb::watch_players_response::Event;
    let event = |event| pb::WatchPlayersResponse { event: Some(event) };
    let present = |player: &Presence| event(Event::Present(api.player(player, role)));
    let (now, mut changes) = api.shared.players.follow();
    let mut told = HashSet::new();
    for player in now.iter().filter(|player| selection.means(player)) {
        told.insert(player.name.clone());
        out.send(present(player)).await?;
    }
    drop(now);
    out.send(event(Event::Synced(pb::Synced {}))).await?;
    loop {
        match changes.recv().await {
            Ok(Change::Present(player)) if selection.means(&player) => {
                told.insert(player.name.clone());
                out.send(present(&player)).await?;
            }
            Ok(Change::Present(player)) => {
                if told.remove(&player.name) {
                    out.send(event(Event::Gone(player.name.clone()))).await?;
                }
            }
            Ok(Change::Gone(name)) => {
                if told.remove(&name) {
                    out.send(event(Event::Gone(name))).await?;
                }
            }
            Err(RecvError::Lagged(missed)) => {
                let text = format!("{missed} changes were missed; watch again");
                return Err(End::Failed(Failure::new(Reason::WatchTooSlow, text)));
            }
            Err(RecvError::Closed) => return Err(End::Failed(Failure::stopping())),
        }
    }
}

/// Servers as they come, change and go.
pub(super) fn servers(
    api: Arc<Api>,
    call: Call,
) -> Result<Events<pb::WatchServersResponse>, Failure> {
    let place = api.long_call()?;
    Ok(run(api, place, move |api, out| async move {
        match follow_servers(&api, call.actor.role, &out).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }))
}

async fn follow_servers(
    api: &Api,
    role: Role,
    out: &Out<pb::WatchServersResponse>,
) -> Result<std::convert::Infallible, End> {
    use pb::watch_servers_response::Event;
    let event = |event| pb::WatchServersResponse { event: Some(event) };
    let mut players = api.shared.players.changes();
    let mut library = api.shared.library.changes();
    let mut states = api.shared.selector.changes();
    let mut told: BTreeMap<String, pb::Server> = BTreeMap::new();
    let mut synced = false;
    loop {
        let now: BTreeMap<String, pb::Server> =
            api.servers(role).into_iter().map(|server| (server.name.clone(), server)).collect();
        for server in now.values() {
            if told.get(&server.name) != Some(server) {
                out.send(event(Event::Present(server.clone()))).await?;
            }
        }
        for name in told.keys().filter(|name| !now.contains_key(*name)) {
            out.send(event(Event::Gone(name.clone()))).await?;
        }
        told = now;
        if !synced {
            synced = true;
            out.send(event(Event::Synced(pb::Synced {}))).await?;
        }
        tokio::time::sleep(PACE).await;
        tokio::select! {
            // Whatever was missed, all of it is looked at.
            _ = players.recv() => players = players.resubscribe(),
            _ = library.changed() => {}
            _ = states.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
