//! Moving players: one, or many at a rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_proto::admin::v1 as pb;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::call::{Call, audit};
use crate::failure::Failure;
use crate::network::{Move, Moved, Network};
use crate::select::Selection;
use crate::serve::Api;
use crate::watch::Events;

/// Players that set out in a second, if nothing is said, and at most.
const RATE: u32 = 10;
const MOST: u32 = 1000;

/// Players that are under way at once in one call.
const UNDER_WAY: usize = 64;

/// How long one of many has.
const EACH: Duration = Duration::from_secs(30);

impl Api {
    /// A target that there is.
    fn target(&self, target: Option<pb::Target>) -> Result<pb::Target, Failure> {
        let given = target.filter(|target| target.kind.is_some());
        let target = given.ok_or_else(|| Failure::field("target", "give a server or a group"))?;
        self.network.check_target(&target)?;
        Ok(target)
    }
}

/// `MovePlayer`.
pub(crate) async fn one(
    api: Arc<Api>,
    call: Call,
    message: pb::MovePlayerRequest,
) -> Result<pb::MovePlayerResponse, Failure> {
    let order = Move {
        target: api.target(message.target)?,
        allow_reconnect: message.allow_reconnect,
        dry_run: false,
    };
    let Moved { outcome, server } = api.network.go(&message.name, &order, call.deadline).await?;
    Ok(pb::MovePlayerResponse { outcome: outcome.into(), server })
}

/// `MovePlayers`.
pub(crate) async fn many(
    api: Arc<Api>,
    call: Call,
    message: pb::MovePlayersRequest,
) -> Result<Events<pb::MovePlayersResponse>, Failure> {
    let begun = begin(&api, message);
    let (name, verb) = (call.actor.name.clone(), call.verb);
    let (plan, place) = match begun {
        Ok(begun) => begun,
        Err(failure) => {
            audit(&name, verb.method, "players", failure.reason.name());
            return Err(failure);
        }
    };
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    tokio::spawn(async move {
        let last = sender.clone();
        let tally = plan.run(&api.network, call.limited.then_some(call.deadline), sender).await;
        let result = tally.end.as_ref().map_or("OK", |failure| failure.reason.name());
        if !tally.dry_run {
            audit(&name, verb.method, &tally.to_string(), result);
        }
        if let Some(failure) = tally.end {
            // The caller may have left.
            let _ = tokio::time::timeout(EACH, last.send(Err(failure.status()))).await;
        }
        drop(place);
    });
    Ok(ReceiverStream::new(receiver))
}

/// Many players who are to be moved.
pub struct Plan {
    /// Names.
    players: Vec<String>,
    order: Arc<Move>,
    pause: Duration,
}

/// What became of many players.
#[derive(Debug, Default)]
pub struct Tally {
    /// Where they were to go.
    pub target: String,
    /// Players who are there now, or were asked to connect anew.
    pub moved: u32,
    /// Players who were there before.
    pub there: u32,
    /// Players who stay where they were.
    pub failed: u32,
    /// Whether it was only told what would be done.
    pub dry_run: bool,
    /// Why it ended early, if it did.
    pub end: Option<Failure>,
}

/// For the audit record.
impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, moved, there, failed, .. } = self;
        write!(f, "players to {target}: {moved} moved, {failed} failed, {there} there before")
    }
}

fn begin(
    api: &Api,
    message: pb::MovePlayersRequest,
) -> Result<(Plan, OwnedSemaphorePermit), Failure> {
    let selection = Selection::deliberate(message.selector, message.all)?;
    let order = Move {
        target: api.target(message.target)?,
        allow_reconnect: message.allow_reconnect,
        dry_run: message.dry_run,
    };
    let rate = match message.rate {
        0 => RATE,
        rate if rate <= MOST => rate,
        _ => return Err(Failure::field("rate", format!("at most {MOST}"))),
    };
    let place = api.long_call()?;
    Ok((Plan::new(&*api.network, &selection, order, rate), place))
}

/// What became of one player. Never an error.
type Line = Result<pb::MovePlayersResponse, Status>;

impl Plan {
    /// Everybody who is meant now, `rate` of them in a second.
    pub fn new(network: &dyn Network, selection: &Selection, order: Move, rate: u32) -> Self {
        let players = network.players(None, usize::MAX, selection).players;
        let players = players.into_iter().map(|player| player.name).collect();
        Self { players, order: Arc::new(order), pause: Duration::from_secs(1) / rate.max(1) }
    }

    /// How many it is about.
    pub fn len(&self) -> usize {
        self.players.len()
    }

    /// True if it is about nobody.
    pub fn is_empty(&self) -> bool {
        self.players.is_empty()
    }

    /// Sends one after the other on their way, at most 64 at once, and each outcome to the caller.
    /// Ends when all have arrived or failed, at the deadline, or when the receiver is dropped:
    /// players who are under way arrive, the others stay.
    pub async fn run(
        self,
        network: &Arc<dyn Network>,
        deadline: Option<Instant>,
        sender: mpsc::Sender<Line>,
    ) -> Tally {
        let target = name(&self.order.target);
        let mut tally = Tally { target, dry_run: self.order.dry_run, ..Tally::default() };
        let stopped = network.stopped();
        tokio::pin!(stopped);
        let mut pace = tokio::time::interval(self.pause);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        let mut waiting = self.players.iter();
        let limit = deadline.map(tokio::time::Instant::from);
        let late = async {
            match limit {
                Some(limit) => tokio::time::sleep_until(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(late);
        let mut more = true;
        while more || !under_way.is_empty() {
            tokio::select! {
                Some(line) = under_way.join_next() => {
                    let Ok(line) = line else { continue };
                    tally.count(&line);
                    if sender.send(Ok(line)).await.is_err() {
                        more = false;
                    }
                }
                _ = pace.tick(), if more && under_way.len() < UNDER_WAY => {
                    let Some(player) = waiting.next() else {
                        more = false;
                        continue;
                    };
                    under_way.spawn(self.line(network, player, deadline));
                }
                () = sender.closed(), if more => more = false,
                () = &mut late, if tally.end.is_none() => {
                    tally.end = Some(Failure::timeout());
                    more = false;
                }
                () = &mut stopped, if tally.end.is_none() => {
                    tally.end = Some(Failure::stopping());
                    more = false;
                }
            }
        }
        tally
    }

    /// What becomes of one player.
    fn line(
        &self,
        network: &Arc<dyn Network>,
        player: &str,
        deadline: Option<Instant>,
    ) -> impl Future<Output = pb::MovePlayersResponse> + Send + 'static {
        let (network, order) = (Arc::clone(network), Arc::clone(&self.order));
        let name = player.to_owned();
        async move {
            let own = Instant::now() + EACH;
            let deadline = deadline.map_or(own, |limit| limit.min(own));
            match network.go(&name, &order, deadline).await {
                Ok(Moved { outcome, server }) => pb::MovePlayersResponse {
                    name,
                    outcome: outcome.into(),
                    server,
                    ..Default::default()
                },
                Err(failure) => pb::MovePlayersResponse {
                    outcome: pb::MoveOutcome::Failed.into(),
                    server: network.player(&name).map(|it| it.server).unwrap_or_default(),
                    reason: failure.reason.into(),
                    text: failure.text,
                    name,
                },
            }
        }
    }
}

/// A target for the audit record.
fn name(target: &pb::Target) -> String {
    match &target.kind {
        Some(pb::target::Kind::Server(name)) => format!("server {name}"),
        Some(pb::target::Kind::Group(name)) => format!("group {name}"),
        None => String::new(),
    }
}

impl Tally {
    fn count(&mut self, line: &pb::MovePlayersResponse) {
        match line.outcome() {
            pb::MoveOutcome::Moved | pb::MoveOutcome::Reconnecting => self.moved += 1,
            pb::MoveOutcome::AlreadyThere => self.there += 1,
            pb::MoveOutcome::Failed => self.failed += 1,
            pb::MoveOutcome::WouldMove | pb::MoveOutcome::Unspecified => {}
        }
    }
}
