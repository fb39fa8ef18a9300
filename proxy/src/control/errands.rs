//! Commands of a controller, carried out by whom the admin interface asks as well.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_admin::{Failure, Key, Kick, Move, Network, Repeats, Selection, Turn};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{Command, CommandResult, Done, Failed};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use super::last_good::hex;

/// Commands at a time.
const MOST: usize = 256;

/// How long any of them may take.
const LIMIT: Duration = Duration::from_mins(1);

/// The commands of one stream. Dropping it gives their answers up; what players' tasks were told
/// to do they do.
pub(super) struct Errands {
    under_way: JoinSet<CommandResult>,
    refused: VecDeque<CommandResult>,
    /// What was done under an id, whichever stream it came by.
    repeats: Arc<Repeats>,
}

impl Errands {
    pub(super) fn new(repeats: Arc<Repeats>) -> Self {
        Self { under_way: JoinSet::new(), refused: VecDeque::new(), repeats }
    }

    /// Begins to carry a command out. There is no network as long as the proxy starts.
    pub(super) fn begin(&mut self, network: Option<Arc<dyn Network>>, command: Command) {
        let id = command.id;
        let failure = match network {
            Some(network) if self.under_way.len() < MOST => {
                let limit = Duration::from_millis(command.timeout_ms.into()).min(LIMIT);
                let deadline = Instant::now() + limit;
                let outcome = self.outcome(network, command, deadline);
                self.under_way.spawn(async move {
                    let outcome = outcome.await;
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

    /// What comes of a command. What was done under its id is not done again.
    fn outcome(
        &self,
        network: Arc<dyn Network>,
        command: Command,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send>> {
        let Command { op, request_id, .. } = command;
        if request_id.is_empty() {
            return Box::pin(async move { carry_out(&*network, op, deadline).await });
        }
        // One call may lead to several commands, such as those of a ban.
        let what = Command { op: op.clone(), ..Command::default() }.encode_to_vec();
        let digest = Sha256::new_with_prefix(&request_id).chain_update(what).finalize();
        let id = hex(&digest);
        let key = Key { actor: String::new(), method: "Command", id };
        let mut outcome = match self.repeats.begin(key, &[]) {
            Ok(Turn::Again(outcome)) => outcome,
            Ok(Turn::First(sender)) => {
                let outcome = sender.subscribe();
                // Not given up with the stream: the call may be made again by way of another one.
                tokio::spawn(async move {
                    let done = carry_out(&*network, op, deadline).await;
                    let done = CommandResult { id: 0, result: Some(done.unwrap_or_else(failed)) };
                    sender.send_replace(Some(Ok(done.encode_to_vec().into())));
                });
                outcome
            }
            Err(failure) => return Box::pin(async move { Err(failure) }),
        };
        Box::pin(async move {
            let done = tokio::time::timeout_at(deadline.into(), outcome.wait_for(Option::is_some));
            let done = done.await.map_err(|_| Failure::timeout())?;
            let known = done.ok().and_then(|it| it.clone()).and_then(Result::ok);
            let known = known.and_then(|bytes| CommandResult::decode(bytes).ok()?.result);
            let broken = || Failure::new(pb::FailureReason::Unspecified, "the command broke");
            known.ok_or_else(broken)
        })
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
