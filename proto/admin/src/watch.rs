//! Streams of what is there and what changes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::call::Call;
use crate::failure::Failure;
use crate::network::{Change, Ended};
use crate::players::{server_of, shown};
use crate::select::Selection;
use crate::serve::Api;

/// Messages that wait for the connection.
const AHEAD: usize = 64;

/// Changes of servers are told at most so often, because every player who moves is one.
const PACE: Duration = Duration::from_millis(250);

/// How often servers are compared with what was told, whoever has changed them.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) type Events<T> = ReceiverStream<Result<T, Status>>;

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
        api.metrics.watches.inc();
        let last = sender.clone();
        let end = tokio::select! {
            end = watch(Arc::clone(&api), Out { sender }) => end,
            () = last.closed() => End::Left,
            () = api.network.stopped() => End::Failed(Failure::stopping()),
        };
        if let End::Failed(failure) = end {
            // Behind what is queued already; a caller who reads nothing is not waited for long.
            let goodbye = last.send(Err(failure.status()));
            let _ = tokio::time::timeout(Duration::from_secs(5), goodbye).await;
        }
        api.metrics.watches.dec();
        drop(place);
    });
    ReceiverStream::new(receiver)
}

/// Players as they come, change and go.
pub(crate) async fn players(
    api: Arc<Api>,
    call: Call,
    selection: Selection,
) -> Result<Events<pb::WatchPlayersResponse>, Failure> {
    let addresses = call.actor.sees_addresses().await?;
    let place = api.long_call()?;
    Ok(run(api, place, move |api, out| async move {
        match follow_players(&api, addresses, &selection, &out).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }))
}

async fn follow_players(
    api: &Api,
    addresses: bool,
    selection: &Selection,
    out: &Out<pb::WatchPlayersResponse>,
) -> Result<std::convert::Infallible, End> {
    use pb::watch_players_response::Event;
    let event = |event| pb::WatchPlayersResponse { event: Some(event) };
    let present = |player: pb::Player| event(Event::Present(shown(player, addresses)));
    let wanted = |player: &pb::Player| selection.means(&player.name, server_of(player));
    let (now, mut changes) = api.network.follow();
    let mut told = HashSet::new();
    for player in now.into_iter().filter(wanted) {
        told.insert(player.name.clone());
        out.send(present(player)).await?;
    }
    out.send(event(Event::Synced(pb::Synced {}))).await?;
    loop {
        match changes.next().await {
            Ok(Change::Present(player)) if wanted(&player) => {
                told.insert(player.name.clone());
                out.send(present(player)).await?;
            }
            Ok(Change::Present(pb::Player { name, .. }) | Change::Gone(name)) => {
                if told.remove(&name) {
                    out.send(event(Event::Gone(name))).await?;
                }
            }
            Err(Ended::Behind(missed)) => {
                let text = format!("{missed} changes were missed; watch again");
                return Err(End::Failed(Failure::new(Reason::WatchTooSlow, text)));
            }
            Err(Ended::Stopping) => return Err(End::Failed(Failure::stopping())),
        }
    }
}

/// Servers as they come, change and go.
pub(crate) async fn servers(
    api: Arc<Api>,
    call: Call,
) -> Result<Events<pb::WatchServersResponse>, Failure> {
    let addresses = call.actor.sees_addresses().await?;
    let place = api.long_call()?;
    Ok(run(api, place, move |api, out| async move {
        match follow_servers(&api, addresses, &out).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }))
}

async fn follow_servers(
    api: &Api,
    addresses: bool,
    out: &Out<pb::WatchServersResponse>,
) -> Result<std::convert::Infallible, End> {
    use pb::watch_servers_response::Event;
    let event = |event| pb::WatchServersResponse { event: Some(event) };
    let mut changes = api.network.server_changes();
    let mut told: BTreeMap<String, pb::Server> = BTreeMap::new();
    let mut synced = false;
    loop {
        let now: BTreeMap<String, pb::Server> = api
            .servers(addresses)
            .into_iter()
            .map(|server| (server.name.clone(), server))
            .collect();
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
            () = changes.happened() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
