//! Carrying requests of mods out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesegate_admin::{Failure, Move, Network, Selection};
use mesegate_proto::admin::v1::{
    FailureReason as Reason, MoveOutcome, PlayerSelector, Target, target::Kind,
};
use mesegate_resource::{ModApi, ModRight};

use super::forward::forward;
use super::hub::{DATA, Data, TOPIC};
use super::request::{Answer, Id, Op, Somebody, Told};
use crate::abroad;
use crate::shared::Shared;

/// How long a request may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Players in one answer: names and servers of so many fit into a message.
const PAGE: usize = 200;

/// Bytes of a line for somebody's chat, as in the admin interface.
const TEXT: usize = 500;

/// The mods of a server.
pub(super) struct Asker {
    pub(super) shared: Arc<Shared>,
    pub(super) server: String,
}

impl Asker {
    /// Whether they may ask for that now.
    pub(super) fn check(&self, op: &Op, busy: bool) -> Result<(), Failure> {
        let network = self.shared.network.load();
        let api = network.server(&self.server).and_then(|it| it.spec.mod_api.as_ref());
        let denied = || Failure::new(Reason::Permission, "modApi.allow does not have it");
        let api = api.ok_or_else(denied)?;
        if !self.shared.mods.admit(&self.server, api.rate) || busy {
            let text = format!("more than {} requests a second", api.rate);
            return Err(Failure::new(Reason::TooManyRequests, text));
        }
        if may(api, op) { Ok(()) } else { Err(denied()) }
    }

    /// Carries a request out; gives the answer as JSON.
    pub(super) async fn answer(&self, id: &Id, op: Op) -> String {
        let name = op.name();
        let result = self.carry_out(op).await;
        self.told(id, name, result)
    }

    /// As [`Asker::answer`], for data.
    pub(super) fn sent(
        &self,
        id: &Id,
        server: Option<String>,
        topic: String,
        data: String,
    ) -> String {
        self.told(id, "send", self.send(server, topic, data))
    }

    fn told(&self, id: &Id, name: &str, result: Result<Answer, Failure>) -> String {
        let reason = result.as_ref().map_or_else(|failure| failure.reason.name(), |_| "OK");
        self.shared.metrics.mod_request(name, reason);
        match result {
            Ok(answer) => Told::Done { id, result: &answer }.json(),
            Err(failure) => failed(Some(id), &failure),
        }
    }

    async fn carry_out(&self, op: Op) -> Result<Answer, Failure> {
        let network = self.network();
        let deadline = Instant::now() + DEADLINE;
        match op {
            Op::Players { after } => {
                let page = network.players(after.as_deref(), PAGE, &Selection::default());
                let players = page
                    .players
                    .into_iter()
                    .map(|it| Somebody { name: it.name, server: it.server });
                Ok(Answer::Players { players: players.collect(), more: page.more })
            }
            Op::Where { name } => {
                let player = network.player(&name);
                let player = player.ok_or_else(|| Failure::no_such_player(&name))?;
                Ok(Answer::Where(Somebody { name: player.name, server: player.server }))
            }
            Op::Address { name } => {
                let player = network.player(&name).filter(|it| it.server == self.server);
                let player = player.ok_or_else(|| Failure::no_such_player(&name))?;
                let player = network.find(&player.name, deadline).await?;
                Ok(Answer::Address { address: player.address })
            }
            Op::Message { name, text } => {
                if text.is_empty() || text.len() > TEXT || text.contains(char::is_control) {
                    let wrong = format!("1 to {TEXT} bytes without control characters");
                    return Err(Failure::field("text", wrong));
                }
                let names = vec![name.clone()];
                let only = PlayerSelector { names, ..PlayerSelector::default() };
                let told =
                    network.tell(&Selection::new(Some(only))?, &text, None, deadline).await?;
                self.audit("message", &name, if told == 0 { "NO_SUCH_PLAYER" } else { "OK" });
                if told == 0 { Err(Failure::no_such_player(&name)) } else { Ok(Answer::Message {}) }
            }
            Op::Move { name, server, group, allow_reconnect } => {
                let moved = self.go(&name, server, group, allow_reconnect, deadline).await;
                let result = moved.as_ref().map_or_else(|it| it.reason.name(), |_| "OK");
                self.audit("move", &name, result);
                moved
            }
            Op::Send { server, topic, data } => self.send(server, topic, data),
        }
    }

    async fn go(
        &self,
        name: &str,
        server: Option<String>,
        group: Option<String>,
        allow_reconnect: bool,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let network = self.network();
        let kind = match (server, group) {
            (Some(server), None) => Kind::Server(server),
            (None, Some(group)) => Kind::Group(group),
            _ => return Err(Failure::field("server", "give either a server or a group")),
        };
        let target = Target { kind: Some(kind) };
        network.check_target(&target)?;
        let player = network.player(name).ok_or_else(|| Failure::no_such_player(name))?;
        if player.server != self.server && !self.has(ModRight::MoveAny) {
            let text = "only players of the own server may be moved";
            return Err(Failure::new(Reason::Permission, text));
        }
        let order = Move { target, allow_reconnect, dry_run: false };
        let moved = network.go(name, &order, deadline).await?;
        let outcome = match moved.outcome {
            MoveOutcome::AlreadyThere => "already_there",
            MoveOutcome::Reconnecting => "reconnecting",
            _ => "moved",
        };
        Ok(Answer::Moved { outcome, server: moved.server })
    }

    fn send(&self, server: Option<String>, topic: String, data: String) -> Result<Answer, Failure> {
        if topic.is_empty() || topic.len() > TOPIC || topic.contains(char::is_control) {
            let wrong = format!("1 to {TOPIC} bytes without control characters");
            return Err(Failure::field("topic", wrong));
        }
        let written = serde_json::to_string(&data).map_or(usize::MAX, |json| json.len());
        if written > DATA {
            let wrong = format!("{written} bytes as JSON, at most {DATA}");
            return Err(Failure::field("data", wrong));
        }
        let network = self.shared.network.load_full();
        let takes = |name: &str| network.server(name).is_some_and(|it| it.spec.mod_api.is_some());
        let targets = match server {
            Some(server) if takes(&server) => vec![server],
            Some(server) => return Err(Failure::no_such_server(&server)),
            None => {
                let all = network.servers().map(|it| it.name.to_string());
                all.filter(|it| *it != self.server && takes(it)).collect()
            }
        };
        let data = Arc::new(Data { from: self.server.clone(), topic, text: data });
        let mut waiting = 0;
        for target in &targets {
            if self.shared.mods.send(target, Arc::clone(&data))? {
                forward(&self.shared, target);
                waiting += usize::from(!self.shared.abroad.is_on(target));
            }
        }
        Ok(Answer::Sent { servers: targets.len(), waiting })
    }

    fn network(&self) -> Arc<dyn Network> {
        abroad::network(&self.shared, self.actor())
    }

    fn actor(&self) -> String {
        format!("mod:{}", self.server)
    }

    fn has(&self, right: ModRight) -> bool {
        let network = self.shared.network.load();
        let api = network.server(&self.server).and_then(|it| it.spec.mod_api.as_ref());
        api.is_some_and(|api| api.allow.contains(&right))
    }

    fn audit(&self, verb: &str, subject: &str, result: &str) {
        let actor = self.actor();
        tracing::info!(target: "audit", actor, verb, subject, result, "audit");
    }
}

fn may(api: &ModApi, op: &Op) -> bool {
    let any = |rights: &[ModRight]| rights.iter().any(|right| api.allow.contains(right));
    match op {
        Op::Players { .. } | Op::Where { .. } => any(&[ModRight::Players]),
        Op::Address { .. } => any(&[ModRight::Addresses]),
        Op::Message { .. } => any(&[ModRight::Message]),
        Op::Move { .. } => any(&[ModRight::Move, ModRight::MoveAny]),
        Op::Send { .. } => any(&[ModRight::Data]),
    }
}

/// What a mod is told whose request failed.
pub(super) fn failed(id: Option<&Id>, failure: &Failure) -> String {
    let Failure { reason, text } = failure;
    Told::Failed { id, error: reason.name(), text }.json()
}
