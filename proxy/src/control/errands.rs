//! Commands of a controller, carried out by whom the admin interface asks as well.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_admin::{Failure, Kick, Move, Network, Selection};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{Command, CommandResult, Done, Failed};
use tokio::task::JoinSet;

/// Commands at a time.
const MOST: usize = 256;

/// How long any of them may take.
const LIMIT: Duration = Duration::from_mins(1);

/// The commands of one stream. Dropping it gives their answers up; what players' tasks were told
/// to do they do.
#[derive(Default)]
pub(super) struct Errands {
    under_way: JoinSet<CommandResult>,
    refused: VecDeque<CommandResult>,
}

impl Errands {
    /// Begins to carry a command out. There is no network as long as the proxy starts.
    pub(super) fn begin(&mut self, network: Option<Arc<dyn Network>>, command: Command) {
        let Command { id, timeout_ms, op } = command;
        let failure = match network {
            Some(network) if self.under_way.len() < MOST => {
                let deadline = Instant::now() + Duration::from_millis(timeout_ms.into()).min(LIMIT);
                self.under_way.spawn(async move {
                    let outcome = carry_out(&*network, op, deadline).await;
                    CommandResult { id, result: Some(outcome.unwrap_or_else(failed)) }
                });
                return;
            }
            Some(_) => {
                let reason = pb::FailureReason::TooManyRequests;
                Failure::new(reason, "too many commands are under way at this proxy")
            }
            None => {
                let reason = pb::FailureReason::PlayerNotReady;
                Failure::new(reason, "the proxy has only just started")
            }
        };
        // A controller keeps to the limit; one that does not is not answered for ever.
        if self.refused.len() < MOST {
            self.refused.push_back(CommandResult { id, result: Some(failed(failure)) });
        }
    }

    /// The next answer. None is lost if it is not waited for to the end.
    pub(super) async fn next(&mut self) -> CommandResult {
        if let Some(refused) = self.refused.pop_front() {
            return refused;
        }
        loop {
            match self.under_way.join_next().await {
                Some(Ok(result)) => return result,
                // A command that broke has no answer; the controller's deadline ends it.
                Some(Err(error)) => tracing::error!(%error, "a command could not be carried out"),
                None => std::future::pending().await,
            }
        }
    }
}

fn failed(failure: Failure) -> Outcome {
    Outcome::Failed(Failed { reason: failure.reason.into(), text: failure.text })
}

async fn carry_out(
    network: &dyn Network,
    op: Option<Op>,
    deadline: Instant,
) -> Result<Outcome, Failure> {
    match op {
        Some(Op::Move(it)) => {
            let target = it.target.unwrap_or_default();
            let order = Move { target, allow_reconnect: it.allow_reconnect, dry_run: it.dry_run };
            let moved = network.go(&it.name, &order, deadline).await?;
            let (outcome, server) = (moved.outcome.into(), moved.server);
            Ok(Outcome::Moved(pb::MovePlayerResponse { outcome, server }))
        }
        Some(Op::Kick(it)) => {
            let kick = Kick { text: it.text, reconnect: it.reconnect, ban: it.ban };
            network.kick(&it.name, kick, deadline).await?;
            Ok(Outcome::Done(Done {}))
        }
        Some(Op::Tell(it)) => {
            let wanted = Selection::new(it.selector)?;
            Ok(Outcome::Told(network.tell(&wanted, &it.text, deadline).await?))
        }
        Some(Op::Drain(it)) => {
            let proxies = network.proxies();
            let own = proxies.first().map(|proxy| proxy.name.as_str()).unwrap_or_default();
            network.drain(own, it.cancel, deadline).await?;
            Ok(Outcome::Done(Done {}))
        }
        // A newer controller's.
        None => Err(Failure::field("op", "this proxy does not know the command")),
    }
}
