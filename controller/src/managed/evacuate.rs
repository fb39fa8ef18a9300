//! Sending players away from a server that is about to be changed.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::control::v1::MoveCommand;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_resource::Target;

use crate::fleet::Fleet;

/// How long it may take. Who is still there then loses the server, and proxies look after them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Players who are sent at a time.
const AT_A_TIME: usize = 16;

/// Players who are sent in all.
const MOST: usize = 10_000;

/// Sends the players of a server to the first of its fallbacks that takes them.
pub(super) async fn all(fleet: &Fleet, server: &str, fallbacks: &[Target]) {
    if fallbacks.is_empty() {
        return;
    }
    let there = |player: &pb::Player| player.server == server;
    let players = fleet.players(None, MOST, Some(there)).players;
    if players.is_empty() {
        return;
    }
    let deadline = Instant::now() + PATIENCE;
    let total = players.len();
    let moves = players.into_iter().map(|player| async move {
        for target in fallbacks {
            let op = Op::Move(MoveCommand {
                name: player.name.clone(),
                target: Some(pb::Target { kind: Some(shown(target)) }),
                allow_reconnect: false,
                dry_run: false,
            });
            match fleet.command_holder(&player.name, op, deadline).await {
                // A group may have chosen the same server.
                Ok(Outcome::Moved(moved)) if moved.server != server => return true,
                Ok(_) => {}
                Err(failure) => {
                    tracing::debug!(player = player.name, %target, ?failure, "was not moved");
                }
            }
        }
        false
    });
    let moves = stream::iter(moves).buffer_unordered(AT_A_TIME);
    let moved = moves.filter(|it| std::future::ready(*it)).count();
    let moved = tokio::time::timeout(PATIENCE, moved).await.unwrap_or_default();
    tracing::info!(server, players = total, moved, "players were sent away before a change");
}

fn shown(target: &Target) -> pb::target::Kind {
    match target {
        Target::Server(name) => pb::target::Kind::Server(name.as_str().to_owned()),
        Target::Group(name) => pb::target::Kind::Group(name.as_str().to_owned()),
    }
}
