//! Orders to players' tasks, and what comes of them.

use std::time::{Duration, Instant};

use mesegate_admin::{self as admin, Failure};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_resource::Target;
use mesegate_transport::Stats;
use tokio::sync::oneshot;
use tracing::Span;

use crate::network::{Found, Server};
use crate::players::{Kick, Move, Moved, NotMoved, Order, Undelivered};
use crate::selection::Closed;
use crate::shared::Shared;

/// What a player's task has in addition to the deadline, which it looks at four times a second.
const SLACK: Duration = Duration::from_millis(300);

/// What a target means.
pub(super) fn target(shared: &Shared, target: &pb::Target) -> Result<Target, Failure> {
    use pb::target::Kind;
    let network = shared.network.load();
    match &target.kind {
        Some(Kind::Server(name)) => {
            let server = network.server(name).map(Server::target);
            server.ok_or_else(|| Failure::no_such_server(name))
        }
        Some(Kind::Group(name)) => {
            let group = network.group(name).map(|group| Found::Group(group).target());
            group.ok_or_else(|| Failure::no_such_group(name))
        }
        None => Err(Failure::field("target", "give a server or a group")),
    }
}

/// Has a player's task move them and waits for what comes of it.
pub(super) async fn go(
    shared: &Shared,
    name: &str,
    order: &admin::Move,
    deadline: Instant,
) -> Result<admin::Moved, Failure> {
    let target = target(shared, &order.target)?;
    if order.dry_run {
        return foresee(shared, name, &target);
    }
    let (done, outcome) = oneshot::channel();
    let allow_reconnect = order.allow_reconnect;
    let (targets, span) = (vec![target], Span::current());
    let order = Order::Move(Move { targets, allow_reconnect, deadline, span, done });
    shared.players.order(name, order).map_err(|why| undelivered(name, why))?;
    let patience = deadline.saturating_duration_since(Instant::now()) + SLACK;
    match tokio::time::timeout(patience, outcome).await {
        Ok(Ok(result)) => result.map(told).map_err(not_moved),
        Ok(Err(_)) => Err(Failure::left(name)),
        Err(_) => Err(Failure::timeout()),
    }
}

fn told(moved: Moved) -> admin::Moved {
    let (outcome, server) = match moved {
        Moved::Now(server) => (pb::MoveOutcome::Moved, server),
        Moved::Before(server) => (pb::MoveOutcome::AlreadyThere, server),
        Moved::Reconnecting(server) => (pb::MoveOutcome::Reconnecting, server),
    };
    admin::Moved { outcome, server }
}

/// What a move would come to, as far as the proxy knows.
fn foresee(shared: &Shared, name: &str, target: &Target) -> Result<admin::Moved, Failure> {
    let player = shared.players.get(name).ok_or_else(|| Failure::left(name))?;
    let Some(here) = player.whereabouts.server().map(str::to_owned) else {
        return Err(Failure::new(Reason::PlayerNotReady, "the player is on no server"));
    };
    let network = shared.network.load_full();
    if network.includes(target, &here) {
        return Ok(admin::Moved { outcome: pb::MoveOutcome::AlreadyThere, server: here });
    }
    let members: Vec<&Server> = match network.target(target) {
        Some(Found::Server(server)) => vec![server],
        Some(Found::Group(group)) => network.members(group).collect(),
        None => Vec::new(),
    };
    let mut closed = Closed::NoMember;
    for server in members {
        match shared.selector.closed(server) {
            None => return Ok(admin::Moved { outcome: pb::MoveOutcome::WouldMove, server: here }),
            Some(why) => closed = why,
        }
    }
    Err(not_moved(NotMoved::new(closed.reason(), closed.to_string())))
}

/// Has a player's task send them away and waits until it has taken the order.
pub(super) async fn kick(
    shared: &Shared,
    name: &str,
    kick: admin::Kick,
    deadline: Instant,
) -> Result<(), Failure> {
    let admin::Kick { text, reconnect, ban } = kick;
    let source = if ban { "ban" } else { "operator" };
    let order = |done| Order::Kick(Kick { source, text, reconnect, done });
    answered(shared, name, order, deadline).await
}

/// Counters of a player's connections to the client and, if on a server, to that.
pub(super) async fn inspect(
    shared: &Shared,
    name: &str,
    deadline: Instant,
) -> Result<(Stats, Option<Stats>), Failure> {
    let inspected = answered(shared, name, Order::Inspect, deadline).await?;
    inspected.ok_or_else(|| Failure::new(Reason::PlayerNotReady, "the player is still joining"))
}

/// Gives a player's task an order and waits for its answer.
async fn answered<T>(
    shared: &Shared,
    name: &str,
    order: impl FnOnce(oneshot::Sender<T>) -> Order,
    deadline: Instant,
) -> Result<T, Failure> {
    let (done, answer) = oneshot::channel();
    shared.players.order(name, order(done)).map_err(|why| undelivered(name, why))?;
    match tokio::time::timeout_at(deadline.into(), answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Failure::left(name)),
        Err(_) => Err(Failure::timeout()),
    }
}

fn undelivered(name: &str, why: Undelivered) -> Failure {
    match why {
        Undelivered::Missing => Failure::no_such_player(name),
        Undelivered::Busy => {
            Failure::new(Reason::TooManyRequests, format!("too many orders wait for {name:?}"))
        }
    }
}

fn not_moved(why: NotMoved) -> Failure {
    let reason = match why.reason {
        "full" | "crowded" => Reason::TargetFull,
        "draining" => Reason::TargetDraining,
        "disabled" => Reason::TargetDisabled,
        "content_unknown" | "client_state_overflow" => Reason::ReconnectRequired,
        "nowhere" | "unknown_server" => Reason::NoSuchTarget,
        "not_ready" => Reason::PlayerNotReady,
        "busy" => Reason::TooManyRequests,
        "move_deadline" => Reason::Timeout,
        "interrupted" => Reason::Stopping,
        "bad_address" | "unresolved" | "unreachable" | "socket" | "closed" | "timeout"
        | "no_member" => Reason::TargetUnreachable,
        // The target answered: wrong_password, version_refused, denied, …; or
        // the player may not go there.
        _ => Reason::TargetRefused,
    };
    Failure::new(reason, why.text)
}
