//! What mods say and are told, as JSON.

use serde::{Deserialize, Serialize};

/// The mod's answer to the greeting.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    /// The mod's nonce: 16 to 64 letters and digits.
    ready: String,
}

impl Ready {
    /// The nonce, if it is one.
    pub(super) fn nonce(&self) -> Option<&str> {
        let fits = (16..=64).contains(&self.ready.len());
        (fits && self.ready.bytes().all(|c| c.is_ascii_alphanumeric())).then_some(&self.ready)
    }
}

/// What a mod asks for. Fields that are not known are passed over, so that newer mods can talk to
/// older proxies.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    /// Repeated in the answer.
    pub(super) id: Id,
    #[serde(flatten)]
    pub(super) op: Op,
}

/// At most 32 bytes, so that an answer's length is the proxy's to decide.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(String);

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        if id.len() <= 32 { Ok(Self(id)) } else { Err("an id of at most 32 bytes") }
    }
}

/// The id alone, of a request that makes no sense otherwise.
#[derive(Debug, Deserialize)]
pub(super) struct OnlyId {
    pub(super) id: Id,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Op {
    /// Who is in the game, and where: up to 200 by name, after a name.
    Players {
        #[serde(default)]
        after: Option<String>,
    },
    /// Where somebody is.
    Where { name: String },
    /// The IP address of somebody on the mod's server.
    Address { name: String },
    /// A line for somebody's chat.
    Message { name: String, text: String },
    /// Sends somebody to a server or group.
    Move {
        name: String,
        #[serde(default)]
        server: Option<String>,
        #[serde(default)]
        group: Option<String>,
        #[serde(default)]
        allow_reconnect: bool,
    },
    /// Data for the mods of a server, or of all others.
    Send {
        #[serde(default)]
        server: Option<String>,
        topic: String,
        data: String,
    },
}

impl Op {
    /// Its name, as mods write it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Players { .. } => "players",
            Self::Where { .. } => "where",
            Self::Address { .. } => "address",
            Self::Message { .. } => "message",
            Self::Move { .. } => "move",
            Self::Send { .. } => "send",
        }
    }
}

/// What a mod is told.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Told<'a> {
    /// The first line of a visit.
    Greeting { hello: &'a str, server: &'a str },
    /// The visit's particulars.
    Session {
        session: &'a str,
        protocol: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// A request was carried out.
    Done { id: &'a Id, result: &'a Answer },
    /// It was not.
    Failed { id: Option<&'a Id>, error: &'a str, text: &'a str },
    /// Data from another server.
    Data { from: &'a str, topic: &'a str, data: &'a str },
}

impl Told<'_> {
    pub(super) fn json(&self) -> String {
        // Strings, numbers and lists of them cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What comes of a request.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Players {
        players: Vec<Somebody>,
        more: bool,
    },
    Where(Somebody),
    Address {
        address: String,
    },
    Message {},
    Moved {
        outcome: &'static str,
        server: String,
    },
    /// How many servers it goes to, and how many of them have nobody on them who could carry it
    /// there now.
    Sent {
        servers: usize,
        waiting: usize,
    },
}

/// Somebody in the game.
#[derive(Debug, Serialize)]
pub(super) struct Somebody {
    pub(super) name: String,
    /// Empty while on no server.
    pub(super) server: String,
}
