//! Moving players: one, or many at a rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_proto::admin::v1 as pb;
use mesegate_resource::Target;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Api;
use super::call::{Call, audit};
use super::failure::Failure;
use super::select::Selection;
use super::watch::Events;
use crate::network::{Found, Server};
use crate::players::{Move, Moved, NotMoved, Order, Presence};
use crate::selection::Closed;

/// Players that set out in a second, if nothing is said, and at most.
const RATE: u32 = 10;
const MOST: u32 = 1000;

/// Players that are under way at once in one call.
const UNDER_WAY: usize = 64;

/// How long one of many has.
const EACH: Duration = Duration::from_secs(30);

/// What a player's task has in addition to the deadline, which it looks at four times a second.
const SLACK: Duration = Duration::from_millis(300);

impl Api {
    /// What a target means.
    fn target(&self, target: Option<pb::Target>) -> Result<Target, Failure> {
        use pb::target::Kind;
        let network = self.shared.network.load();
        let none = |what: &str, name: &str| {
            let text = format!("there is no {what} {name:?}");
            Failure::new(pb::FailureReason::NoSuchTarget, text)
        };
        match target.and_then(|target| target.kind) {
            Some(Kind::Server(name)) => {
                let server = network.server(&name);
                Ok(server.ok_or_else(|| none("server", &name))?.target())
            }
            Some(Kind::Group(name)) => {
                let group = network.group(&name).map(|group| Found::Group(group).target());
                group.ok_or_else(|| none("group", &name))
            }
            None => Err(Failure::field("target", "give a server or a group")),
        }
    }

    /// Has a player's task do it and waits for what came of it.
    async fn carry(&self, name: &str, target: Target, deadline: Instant) -> Result<Moved, Failure> {
        let (done, outcome) = oneshot::channel();
        let order = Order::Move(Move { targets: vec![target], deadline, done });
        self.shared.players.order(name, order).map_err(|e| Failure::undelivered(name, e))?;
        let patience = deadline.saturating_duration_since(Instant::now()) + SLACK;
        match tokio::time::timeout(patience, outcome).await {
            Ok(Ok(result)) => result.map_err(Failure::from),
            Ok(Err(_)) => Err(Failure::left(name)),
            Err(_) => Err(Failure::timeout()),
        }
    }
}

/// `MovePlayer`.
pub(super) async fn one(
    api: Arc<Api>,
    call: Call,
    message: pb::MovePlayerRequest,
) -> Result<pb::MovePlayerResponse, Failure> {
    let target = api.target(message.target)?;
    let (outcome, server) = told(api.carry(&message.name, target, call.deadline).await?);
    Ok(pb::MovePlayerResponse { outcome: outcome.into(), server })
}

fn told(moved: Moved) -> (pb::MoveOutcome, String) {
    match moved {
        Moved::Now(server) => (pb::MoveOutcome::Moved, server),
        Moved::Before(server) => (pb::MoveOutcome::AlreadyThere, server),
    }
}

/// `MovePlayers`.
pub(super) async fn many(
    api: Arc<Api>,
    call: Call,
    message: pb::MovePlayersRequest,
) -> Result<Events<pb::MovePlayersResponse>, Failure> {
    let begun = begin(&api, message);
    let (name, verb) = (call.actor.name.clone(), call.verb);
    let (plan, place) = match begun {
        Ok(begun) => begun,
        Err(failure) => {
            audit(&name, verb, "players", failure.reason.name());
            return Err(failure);
        }
    };
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    tokio::spawn(async move {
        let last = sender.clone();
        let tally = plan.run(&api, call.limited.then_some(call.deadline), sender).await;
        let subject = format!(
            "players to {}: {} moved, {} failed, {} there before",
            tally.target, tally.moved, tally.failed, tally.there
        );
        let result = tally.end.as_ref().map_or("OK", |failure| failure.reason.name());
        if !tally.dry_run {
            audit(&name, verb, &subject, result);
        }
        if let Some(failure) = tally.end {
            // The caller may have left.
            let _ = tokio::time::timeout(EACH, last.send(Err(failure.status()))).await;
        }
        drop(place);
    });
    Ok(ReceiverStream::new(receiver))
}

struct Plan {
    players: Vec<Arc<Presence>>,
    target: Target,
    pause: Duration,
    dry_run: bool,
}

#[derive(Default)]
struct Tally {
    target: String,
    moved: u32,
    there: u32,
    failed: u32,
    dry_run: bool,
    end: Option<Failure>,
}

fn begin(
    api: &Api,
    message: pb::MovePlayersRequest,
) -> Result<(Plan, tokio::sync::OwnedSemaphorePermit), Failure> {
    let selection = Selection::deliberate(message.selector, message.all)?;
    let target = api.target(message.target)?;
    let rate = match message.rate {
        0 => RATE,
        rate if rate <= MOST => rate,
        _ => return Err(Failure::field("rate", format!("at most {MOST}"))),
    };
    let place = api.long_call()?;
    let players = api.shared.players.select(|player| selection.means(player));
    let pause = Duration::from_secs(1) / rate;
    Ok((Plan { players, target, pause, dry_run: message.dry_run }, place))
}

type Line = Result<pb::MovePlayersResponse, Status>;

impl Plan {
    /// Sends one after the other on their way and each outcome to the caller.
    async fn run(
        self,
        api: &Arc<Api>,
        deadline: Option<Instant>,
        sender: mpsc::Sender<Line>,
    ) -> Tally {
        let mut tally =
            Tally { target: self.target.to_string(), dry_run: self.dry_run, ..Tally::default() };
        let stopped = api.shared.stopped();
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
                    under_way.spawn(self.line(api, player, deadline));
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
        api: &Arc<Api>,
        player: &Presence,
        deadline: Option<Instant>,
    ) -> impl Future<Output = pb::MovePlayersResponse> + Send + 'static {
        let (api, target) = (Arc::clone(api), self.target.clone());
        let (name, dry_run) = (player.name.clone(), self.dry_run);
        async move {
            let result = if dry_run {
                api.foresee(&name, &target)
            } else {
                let own = Instant::now() + EACH;
                let deadline = deadline.map_or(own, |limit| limit.min(own));
                api.carry(&name, target, deadline).await.map(told)
            };
            let here = || {
                let player = api.shared.players.get(&name);
                player.and_then(|p| p.whereabouts.server().map(str::to_owned)).unwrap_or_default()
            };
            match result {
                Ok((outcome, server)) => pb::MovePlayersResponse {
                    name,
                    outcome: outcome.into(),
                    server,
                    ..Default::default()
                },
                Err(failure) => pb::MovePlayersResponse {
                    outcome: pb::MoveOutcome::Failed.into(),
                    server: here(),
                    reason: failure.reason.into(),
                    text: failure.text,
                    name,
                },
            }
        }
    }
}

impl Api {
    /// What a move would come to, as far as the proxy knows.
    fn foresee(&self, name: &str, target: &Target) -> Result<(pb::MoveOutcome, String), Failure> {
        let player = self.shared.players.get(name).ok_or_else(|| Failure::left(name))?;
        let Some(here) = player.whereabouts.server().map(str::to_owned) else {
            let text = "the player is on no server";
            return Err(Failure::new(pb::FailureReason::PlayerNotReady, text));
        };
        let network = self.shared.network.load_full();
        if network.includes(target, &here) {
            return Ok((pb::MoveOutcome::AlreadyThere, here));
        }
        let members: Vec<&Server> = match network.target(target) {
            Some(Found::Server(server)) => vec![server],
            Some(Found::Group(group)) => network.members(group).collect(),
            None => Vec::new(),
        };
        let mut closed = Closed::NoMember;
        for server in members {
            match self.shared.selector.closed(server) {
                None => return Ok((pb::MoveOutcome::WouldMove, here)),
                Some(why) => closed = why,
            }
        }
        Err(NotMoved::new(closed.reason(), closed.to_string()).into())
    }
}

impl Tally {
    fn count(&mut self, line: &pb::MovePlayersResponse) {
        match line.outcome() {
            pb::MoveOutcome::Moved => self.moved += 1,
            pb::MoveOutcome::AlreadyThere => self.there += 1,
            pb::MoveOutcome::Failed => self.failed += 1,
            pb::MoveOutcome::WouldMove | pb::MoveOutcome::Unspecified => {}
        }
    }
}
