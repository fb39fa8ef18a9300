//! What each kind of thing shows of itself.

use std::fmt::Write as _;
use std::time::SystemTime;

use mesegate_proto::admin::v1 as pb;
use prost_types::{Duration, Timestamp};
use serde_json::{Value, json};

use crate::output::{Row, plain};
use mesegate_proto::span;

/// An enum's name without the enum's own.
fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

fn time(at: Option<&Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(at.to_string()))
}

/// How long ago, or `-`.
fn ago(at: Option<&Timestamp>) -> String {
    let since = at.and_then(|at| SystemTime::try_from(*at).ok());
    let past = since.and_then(|since| SystemTime::now().duration_since(since).ok());
    past.map_or_else(|| "-".to_owned(), span::short)
}

/// How long from now, or `never`.
fn ahead(at: Option<&Timestamp>) -> String {
    let Some(at) = at else { return "never".to_owned() };
    let end = SystemTime::try_from(*at).ok();
    let left = end.and_then(|end| end.duration_since(SystemTime::now()).ok());
    left.map_or_else(|| "ended".to_owned(), span::short)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { plain(text) }
}

/// How far a player is.
pub(crate) fn player_state(player: &pb::Player) -> String {
    short(player.state().as_str_name(), "PLAYER_STATE_")
}

impl Row for pb::Player {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "SERVER", "STATE", "SINCE", "JOINED", "PROTOCOL", "PROXY", "ADDRESS"];

    fn cells(&self) -> Vec<String> {
        vec![
            plain(&self.name),
            or_dash(&self.server),
            player_state(self),
            ago(self.since.as_ref()),
            ago(self.joined.as_ref()),
            self.protocol.to_string(),
            or_dash(&self.proxy),
            or_dash(&self.address),
        ]
    }

    fn value(&self) -> Value {
        json!({
            "name": self.name,
            "server": self.server,
            "state": player_state(self),
            "since": time(self.since.as_ref()),
            "joined": time(self.joined.as_ref()),
            "protocol": self.protocol,
            "proxy": self.proxy,
            "address": self.address,
        })
    }
}

/// A connection, and whom it leads to.
pub(crate) struct Connected {
    pub(crate) to: String,
    pub(crate) it: pb::Connection,
}

/// A time in milliseconds, if there is one.
fn milliseconds(time: Option<&Duration>) -> Option<f64> {
    time.map(|it| it.seconds as f64 * 1e3 + f64::from(it.nanos) / 1e6)
}

impl Row for Connected {
    const COLUMNS: &'static [&'static str] = &[
        "TO",
        "RTT",
        "LOWEST",
        "WINDOW",
        "IN FLIGHT",
        "IN",
        "OUT",
        "RELIABLE",
        "AGAIN",
        "NEEDLESS",
        "MALFORMED",
        "OVER LIMIT",
    ];

    fn cells(&self) -> Vec<String> {
        let time = |it: Option<&Duration>| {
            milliseconds(it).map_or_else(|| "-".to_owned(), |it| format!("{it:.1}ms"))
        };
        let it = &self.it;
        let mut cells = vec![plain(&self.to), time(it.rtt.as_ref()), time(it.min_rtt.as_ref())];
        let numbers = [
            it.congestion_window,
            it.in_flight,
            it.datagrams_in,
            it.datagrams_out,
            it.reliables_out,
            it.retransmits,
            it.spurious_retransmits,
            it.malformed,
            it.over_limit,
        ];
        cells.extend(numbers.map(|number| number.to_string()));
        cells
    }

    fn value(&self) -> Value {
        let it = &self.it;
        json!({
            "to": self.to,
            "rttMs": milliseconds(it.rtt.as_ref()),
            "minRttMs": milliseconds(it.min_rtt.as_ref()),
            "congestionWindow": it.congestion_window,
            "inFlight": it.in_flight,
            "datagramsIn": it.datagrams_in,
            "bytesIn": it.bytes_in,
            "datagramsOut": it.datagrams_out,
            "bytesOut": it.bytes_out,
            "reliablesOut": it.reliables_out,
            "retransmits": it.retransmits,
            "spuriousRetransmits": it.spurious_retransmits,
            "malformed": it.malformed,
            "overLimit": it.over_limit,
            "receiveHighWater": it.receive_high_water,
            "sendHighWater": it.send_high_water,
        })
    }
}

/// Whom a ban concerns, as it is typed.
pub(crate) fn subject(ban: &pb::Ban) -> &str {
    use pb::ban_subject::Kind;
    match ban.subject.as_ref().and_then(|subject| subject.kind.as_ref()) {
        Some(Kind::Name(text) | Kind::Address(text)) => text,
        None => "",
    }
}

impl Row for pb::Ban {
    const COLUMNS: &'static [&'static str] =
        &["ID", "SUBJECT", "ENDS", "AGE", "AUTHOR", "REASON", "NOTE"];

    fn cells(&self) -> Vec<String> {
        vec![
            plain(&self.id),
            plain(subject(self)),
            ahead(self.expires.as_ref()),
            ago(self.created.as_ref()),
            or_dash(&self.author),
            or_dash(&self.reason),
            or_dash(&self.note),
        ]
    }

    fn value(&self) -> Value {
        json!({
            "id": self.id,
            "subject": subject(self),
            "expires": time(self.expires.as_ref()),
            "created": time(self.created.as_ref()),
            "author": self.author,
            "reason": self.reason,
            "note": self.note,
        })
    }
}

/// Whether players may enter.
pub(crate) fn server_state(server: &pb::Server) -> String {
    short(server.state().as_str_name(), "SERVER_STATE_")
}

/// Whether it answers.
pub(crate) fn reachability(server: &pb::Server) -> String {
    short(server.reachability().as_str_name(), "REACHABILITY_")
}

impl Row for pb::Server {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "STATE", "REACHABLE", "PLAYERS", "PROTOCOL", "CHECKED", "ENDPOINT", "PROBLEM"];

    fn cells(&self) -> Vec<String> {
        vec![
            plain(&self.name),
            server_state(self),
            reachability(self),
            self.players.to_string(),
            if self.protocol == 0 { "-".to_owned() } else { self.protocol.to_string() },
            ago(self.checked.as_ref()),
            or_dash(&self.endpoint),
            or_dash(&self.problem),
        ]
    }

    fn value(&self) -> Value {
        json!({
            "name": self.name,
            "title": self.title,
            "state": server_state(self),
            "reachability": reachability(self),
            "players": self.players,
            "protocol": self.protocol,
            "checked": time(self.checked.as_ref()),
            "endpoint": self.endpoint,
            "problem": self.problem,
        })
    }
}

fn proxy_state(proxy: &pb::Proxy) -> String {
    short(proxy.state().as_str_name(), "PROXY_STATE_")
}

impl Row for pb::Proxy {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "STATE", "PLAYERS", "MAX", "VERSION", "AGE", "CONFIGURED"];

    fn cells(&self) -> Vec<String> {
        vec![
            plain(&self.name),
            proxy_state(self),
            self.players.to_string(),
            self.max_players.to_string(),
            or_dash(&self.version),
            ago(self.started.as_ref()),
            ago(self.configured.as_ref()),
        ]
    }

    fn value(&self) -> Value {
        json!({
            "name": self.name,
            "state": proxy_state(self),
            "players": self.players,
            "maxPlayers": self.max_players,
            "version": self.version,
            "started": time(self.started.as_ref()),
            "configured": time(self.configured.as_ref()),
        })
    }
}

/// What became of one of many.
pub(crate) fn moved(line: &pb::MovePlayersResponse) -> (String, Value) {
    let outcome = short(line.outcome().as_str_name(), "MOVE_OUTCOME_");
    let (name, server) = (plain(&line.name), or_dash(&line.server));
    let failed = line.outcome() == pb::MoveOutcome::Failed;
    let reason = if failed { line.reason().name() } else { "" };
    let mut text = format!("{name}   {outcome}   {server}");
    if failed {
        let _ = write!(text, "   {reason}: {}", plain(&line.text));
    }
    let value = json!({
        "name": line.name,
        "outcome": outcome,
        "server": line.server,
        "reason": reason,
        "text": line.text,
    });
    (text, value)
}
