//! Commands that come over a control stream, carried out by whom the admin interface asks as well.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{Command, CommandResult, Done, Failed};
use mesegate_telemetry::span::{TARGET, follow};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span};

use crate::call::audit;
use crate::failure::Failure;
use crate::network::{Kick, Move, Network};
use crate::players::TEXT;
use crate::repeats::{Key, Repeats, Turn};
use crate::select::Selection;

/// Commands at a time.
const MOST: usize = 256;

/// How long any of them may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Bytes of a text that players read, with what the proxy puts around it.
const WITH_COLOURS: usize = 2 * TEXT;

/// The commands of one stream that are under way. Dropping it gives their answers up; what players'
/// tasks were told to do they do.
#[derive(Debug)]
pub struct Work {
    under_way: JoinSet<CommandResult>,
    refused: VecDeque<CommandResult>,
    /// What was done under an id, whichever stream it came by.
    repeats: Arc<Repeats>,
}

impl Work {
    /// Nothing yet; what is done under an id is remembered in `repeats`.
    pub fn new(repeats: Arc<Repeats>) -> Self {
        Self { under_way: JoinSet::new(), refused: VecDeque::new(), repeats }
    }

    /// Begins to carry a command out. There is no network as long as the process starts.
    pub fn begin(&mut self, network: Option<Arc<dyn Network>>, command: Command) {
        let id = command.id;
        match self.place(network) {
            Ok(network) => {
                let deadline = deadline(&command);
                let outcome = self.outcome(network, command, deadline);
                self.under_way.spawn(async move { result(id, outcome.await) });
            }
            Err(failure) => self.refuse(id, failure),
        }
    }

    /// Begins to carry a command out that somebody gives whom audit records call `actor`. It is
    /// finished and written down even if the stream ends.
    pub fn ask(&mut self, network: Arc<dyn Network>, command: Command, actor: String) {
        let id = command.id;
        let network = match check(&command).and_then(|()| self.place(Some(network))) {
            Ok(network) => network,
            Err(failure) => return self.refuse(id, failure),
        };
        let deadline = deadline(&command);
        let work = tokio::spawn(async move {
            let record = command.op.as_ref().and_then(record);
            let span = span(&command);
            let outcome = carry_out(&*network, command.op, &actor, deadline).instrument(span).await;
            if let Some((verb, subject)) = record {
                let how = outcome.as_ref().map_or_else(|failure| failure.reason.name(), |_| "OK");
                audit(&actor, verb, &subject, how);
            }
            outcome
        });
        self.under_way.spawn(async move {
            let broken = || Failure::new(pb::FailureReason::Unspecified, "the command broke");
            result(id, work.await.unwrap_or_else(|_| Err(broken())))
        });
    }

    fn place(&self, network: Option<Arc<dyn Network>>) -> Result<Arc<dyn Network>, Failure> {
        if self.under_way.len() >= MOST {
            let reason = pb::FailureReason::TooManyRequests;
            return Err(Failure::new(reason, "too many commands of one stream are under way"));
        }
        let starting =
            || Failure::new(pb::FailureReason::PlayerNotReady, "the process has only just started");
        network.ok_or_else(starting)
    }

    /// Answers that a command is not carried out. The other side keeps to the limit; one that does not
    /// is not answered for ever.
    pub fn refuse(&mut self, id: u64, failure: Failure) {
        if self.refused.len() < MOST {
            self.refused.push_back(result(id, Err(failure)));
        }
    }

    /// What comes of a command. What was done under its id is not done again.
    fn outcome(
        &self,
        network: Arc<dyn Network>,
        command: Command,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send>> {
        let span = span(&command);
        let Command { op, request_id, .. } = command;
        if request_id.is_empty() {
            let done = async move { carry_out(&*network, op, "", deadline).await };
            return Box::pin(done.instrument(span));
        }
        // One call may lead to several commands, such as those of a ban.
        let what = Command { op: op.clone(), ..Command::default() }.encode_to_vec();
        let digest = Sha256::new_with_prefix(&request_id).chain_update(what).finalize();
        let id = URL_SAFE_NO_PAD.encode(digest);
        let key = Key { actor: String::new(), method: "Command", id };
        let mut outcome = match self.repeats.begin(key, &[]) {
            Ok(Turn::Again(outcome)) => outcome,
            Ok(Turn::First(sender)) => {
                let outcome = sender.subscribe();
                // Not given up with the stream: the call may be made again by way of another one.
                tokio::spawn(async move {
                    let done = carry_out(&*network, op, "", deadline).instrument(span).await;
                    let done = result(0, done);
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
    pub async fn next(&mut self) -> CommandResult {
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

/// What is done for a command, as a part of what its sender does.
fn span(command: &Command) -> Span {
    let op = match &command.op {
        Some(Op::Move(_)) => "move",
        Some(Op::Kick(_)) => "kick",
        Some(Op::Tell(_)) => "tell",
        Some(Op::Drain(_)) => "drain",
        Some(Op::State(_)) => "state",
        Some(Op::Data(_)) => "data",
        Some(Op::Find(_)) => "find",
        Some(Op::Inspect(_)) => "inspect",
        None => "unknown",
    };
    let span = tracing::info_span!(target: TARGET, "command", op);
    follow(&span, &command.traceparent);
    span
}

fn deadline(command: &Command) -> Instant {
    Instant::now() + Duration::from_millis(command.timeout_ms.into()).min(LIMIT)
}

fn result(id: u64, outcome: Result<Outcome, Failure>) -> CommandResult {
    let failed = |it: Failure| Outcome::Failed(Failed { reason: it.reason.into(), text: it.text });
    CommandResult { id, result: Some(outcome.unwrap_or_else(failed)) }
}

/// Whether what a proxy asks for is within bounds, and something that proxies can ask for.
fn check(command: &Command) -> Result<(), Failure> {
    let text = match &command.op {
        Some(Op::Drain(_) | Op::Inspect(_)) => {
            return Err(Failure::field("op", "not for controllers"));
        }
        Some(Op::Kick(it)) => &it.text,
        Some(Op::Tell(it)) => &it.text,
        _ => return Ok(()),
    };
    if text.len() > WITH_COLOURS {
        return Err(Failure::field("text", format!("at most {WITH_COLOURS} bytes")));
    }
    Ok(())
}

/// What is written down about a command, if it is: the call of the interface that does the same,
/// and whom or what it is about. What players write to each other is nobody's business.
fn record(op: &Op) -> Option<(&'static str, String)> {
    match op {
        Op::Move(it) if !it.dry_run => Some(("MovePlayer", format!("player {}", it.name))),
        Op::Kick(it) => Some(("KickPlayer", format!("player {}", it.name))),
        Op::Tell(it) if it.from.is_empty() => {
            let names = it.selector.as_ref().map_or(&[][..], |selector| &selector.names);
            let subject = match names {
                [name] => format!("player {name}"),
                _ => "players".to_owned(),
            };
            Some(("SendMessage", subject))
        }
        Op::State(it) => {
            let subject = format!("server {} to {}", it.server, it.state().as_str_name());
            Some(("SetServerState", subject))
        }
        Op::Move(_) | Op::Tell(_) | Op::Drain(_) | Op::Data(_) | Op::Find(_) | Op::Inspect(_) => {
            None
        }
    }
}

async fn carry_out(
    network: &dyn Network,
    op: Option<Op>,
    by: &str,
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
            let from = Some(it.from.as_str()).filter(|from| !from.is_empty());
            Ok(Outcome::Told(network.tell(&wanted, &it.text, from, deadline).await?))
        }
        Some(Op::Drain(it)) => {
            let proxies = network.proxies();
            let own = proxies.first().map(|proxy| proxy.name.as_str()).unwrap_or_default();
            network.drain(own, it.cancel, deadline).await?;
            Ok(Outcome::Done(Done {}))
        }
        Some(Op::State(it)) => {
            network.set_state(&it.server, it.state(), by, deadline).await?;
            Ok(Outcome::Done(Done {}))
        }
        Some(Op::Data(it)) => Ok(Outcome::Taken(network.carry(it, deadline).await?)),
        Some(Op::Find(it)) => Ok(Outcome::Player(network.find(&it.name, deadline).await?)),
        Some(Op::Inspect(it)) => Ok(Outcome::Inspected(network.inspect(&it.name, deadline).await?)),
        // A newer release's.
        None => Err(Failure::field("op", "this release does not know the command")),
    }
}

#[cfg(test)]
mod tests {
    use mesegate_proto::control::v1::{
        DrainCommand, InspectCommand, KickCommand, SetStateCommand, TellCommand,
    };

    use super::*;

    #[test]
    fn proxies_ask_within_bounds() {
        let check = |op| check(&Command { op: Some(op), ..Command::default() });
        let kick =
            |length| Op::Kick(KickCommand { text: "x".repeat(length), ..Default::default() });
        assert!(check(kick(WITH_COLOURS)).is_ok());
        let inspect = Op::Inspect(InspectCommand::default());
        for op in [kick(WITH_COLOURS + 1), Op::Drain(DrainCommand::default()), inspect] {
            assert_eq!(check(op).unwrap_err().reason, pb::FailureReason::InvalidField);
        }
    }

    #[test]
    fn orders_are_written_down_and_private_lines_are_not() {
        let tell = |names: &[&str], from: &str| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let selector = Some(pb::PlayerSelector { names, ..Default::default() });
            record(&Op::Tell(TellCommand { selector, text: "hi".into(), from: from.into() }))
        };
        assert_eq!(tell(&["bob"], ""), Some(("SendMessage", "player bob".into())));
        assert_eq!(tell(&[], ""), Some(("SendMessage", "players".into())));
        assert_eq!(tell(&["bob"], "alice"), None);
        let state = pb::ServerState::Drain.into();
        let state = record(&Op::State(SetStateCommand { server: "lobby".into(), state }));
        assert_eq!(state, Some(("SetServerState", "server lobby to SERVER_STATE_DRAIN".into())));
    }
}
