//! The mod's side of one player's visit to a server.

use std::sync::Arc;

use bytes::Bytes;
use mesegate_admin::Failure;
use mesegate_protocol::play::{ChannelMessage, ChannelSignal, Signal, channel};
use mesegate_protocol::to_client;
use mesegate_resource::{ModApi, ModRight};
use tokio::sync::mpsc;

use super::forward::forward;
use super::hub::Data;
use super::request::{OnlyId, Op, Ready, Request, Told};
use super::seal::{Refused, Seal};
use super::work::{self, Asker};
use crate::players::Presence;
use crate::shared::Shared;

/// Channels whose names begin so are between the proxy and mods.
const RESERVED: &[u8] = b"mesegate:";

/// Parcels that wait for a player's session, of at most 64 KiB each.
const INBOX: usize = 32;

/// Requests of one visit that are being carried out.
const FLYING: usize = 16;

/// Whether a channel is between the proxy and mods; no client may be in it.
pub(crate) fn is_reserved(channel: &[u8]) -> bool {
    channel.starts_with(RESERVED)
}

/// Something for the mod, and the visit it is meant for.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// The answer to a request, as JSON.
    Answer(u64, String),
    /// Data from another server.
    Data(u64, Arc<Data>),
}

/// The mod's side of a session.
#[derive(Debug)]
pub(crate) struct ModLink {
    player: String,
    state: State,
    /// Different for each visit to a server.
    visit: u64,
    flying: usize,
    sender: mpsc::Sender<Parcel>,
    inbox: mpsc::Receiver<Parcel>,
}

#[derive(Debug)]
enum State {
    /// The server has no such mod, or may not ask for anything.
    Off,
    /// The channel is being joined.
    Joining { server: String },
    /// The mod was greeted.
    Greeted { server: String, seal: Seal },
    /// Both sides have proved who they are.
    Open { server: String, seal: Seal },
}

impl ModLink {
    /// For a player who is on no server yet.
    pub(crate) fn new(player: &str) -> Self {
        let (sender, inbox) = mpsc::channel(INBOX);
        Self { player: player.to_owned(), state: State::Off, visit: 0, flying: 0, sender, inbox }
    }

    fn channel(&self) -> String {
        format!("mesegate:{}", self.player)
    }

    /// The player has come to a server that takes messages now. Gives what is to be sent to it.
    pub(crate) fn arrived(&mut self, server: &str, api: Option<&ModApi>) -> Option<Bytes> {
        api?;
        self.state = State::Joining { server: server.to_owned() };
        Some(channel::encode_join(self.channel().as_bytes()))
    }

    /// The player has left the server.
    pub(crate) fn left(&mut self, shared: &Arc<Shared>) {
        let state = std::mem::replace(&mut self.state, State::Off);
        self.visit += 1;
        self.flying = 0;
        let State::Open { server, .. } = state else { return };
        shared.mods.end(&server, &self.player);
        let mut rest = Vec::new();
        while let Ok(parcel) = self.inbox.try_recv() {
            if let Parcel::Data(_, data) = parcel {
                rest.push(data);
            }
        }
        shared.mods.put_back(&server, rest.into_iter());
        forward(shared, &server);
    }

    /// The next parcel for the mod.
    pub(crate) async fn next(&mut self) -> Parcel {
        match self.inbox.recv().await {
            Some(parcel) => parcel,
            // There is always the sender beside it.
            None => std::future::pending().await,
        }
    }

    /// The message that a parcel becomes, if it is for this visit.
    pub(crate) fn deliver(&mut self, parcel: Parcel, shared: &Shared) -> Option<Bytes> {
        let (visit, json) = match &parcel {
            Parcel::Answer(visit, json) => (*visit, json.clone()),
            Parcel::Data(visit, data) => {
                let Data { from, topic, text } = &**data;
                (*visit, Told::Data { from, topic, data: text }.json())
            }
        };
        let State::Open { server, seal } = &mut self.state else { return None };
        if visit != self.visit {
            return None;
        }
        match parcel {
            Parcel::Answer(..) => self.flying = self.flying.saturating_sub(1),
            Parcel::Data(..) => shared.mods.room(server),
        }
        let line = seal.write(&json);
        Some(channel::encode_say(self.channel().as_bytes(), line.as_bytes()))
    }

    /// Takes a message of the server if it is for the proxy; `None` if it is for the client.
    /// Otherwise what is to be sent to the server.
    pub(crate) fn message(
        &mut self,
        command: u16,
        body: &[u8],
        presence: Option<&Presence>,
        shared: &Arc<Shared>,
    ) -> Option<Vec<Bytes>> {
        match command {
            to_client::MODCHANNEL_SIGNAL => {
                let signal = ChannelSignal::decode(body).ok()?;
                let ours = is_reserved(signal.channel);
                ours.then(|| self.signal(signal, shared).into_iter().collect())
            }
            to_client::MODCHANNEL_MSG => {
                let message = ChannelMessage::decode(body).ok()?;
                let ours = is_reserved(message.channel);
                ours.then(|| self.line(message, presence, shared))
            }
            _ => None,
        }
    }

    fn signal(&mut self, signal: ChannelSignal<'_>, shared: &Shared) -> Option<Bytes> {
        let State::Joining { server } = &self.state else { return None };
        let server = server.clone();
        if signal.signal != Signal::JoinOk {
            let hint = "set enable_mod_channels = true there";
            tracing::debug!(server, hint, "the server has no mod channels");
            self.state = State::Off;
            return None;
        }
        let channel = self.channel();
        let token = shared.key.mod_token(&server);
        let mut seal = Seal::new(token, &channel, rand::random());
        let line = seal.write(&Told::Greeting { hello: &self.player, server: &server }.json());
        self.state = State::Greeted { server, seal };
        Some(channel::encode_say(channel.as_bytes(), line.as_bytes()))
    }

    fn line(
        &mut self,
        message: ChannelMessage<'_>,
        presence: Option<&Presence>,
        shared: &Arc<Shared>,
    ) -> Vec<Bytes> {
        // A player who is on the server in another way may be in the channel, too; the server's
        // own mods have no name (`server.cpp`, sendModChannelMessage).
        if !message.sender.is_empty() || message.channel != self.channel().as_bytes() {
            return Vec::new();
        }
        let (State::Greeted { server, seal } | State::Open { server, seal }) = &mut self.state
        else {
            return Vec::new();
        };
        let line = std::str::from_utf8(message.message).map_err(|_| Refused::Foreign);
        let json = match line.and_then(|line| seal.read(line)) {
            Ok(json) => json.to_owned(),
            Err(why) => {
                shared.metrics.mod_request("", why.as_str());
                tracing::warn!(
                    server,
                    player = self.player,
                    reason = why.as_str(),
                    "a mod's message was refused: the server's token must be that of \
                     `mesegate-proxy mod-token`"
                );
                return Vec::new();
            }
        };
        if matches!(self.state, State::Greeted { .. }) {
            return self.opened(&json, presence, shared).into_iter().collect();
        }
        self.request(&json, shared).into_iter().collect()
    }

    /// The mod has proved who it is; the proxy does so with its next line.
    fn opened(
        &mut self,
        json: &str,
        presence: Option<&Presence>,
        shared: &Shared,
    ) -> Option<Bytes> {
        let State::Greeted { server, seal } = &mut self.state else { return None };
        let ready: Ready = serde_json::from_str(json).ok()?;
        seal.open(ready.nonce()?);
        let network = shared.network.load();
        let api = network.server(server).and_then(|it| it.spec.mod_api.as_ref());
        let may_know = api.is_some_and(|api| api.allow.contains(&ModRight::Addresses));
        let told = Told::Session {
            session: &self.player,
            protocol: presence.map_or(0, |it| it.protocol),
            address: presence.filter(|_| may_know).map(|it| it.address.to_string()),
        };
        let line = seal.write(&told.json());
        let server = server.clone();
        let State::Greeted { seal, .. } = std::mem::replace(&mut self.state, State::Off) else {
            return None;
        };
        tracing::debug!(server, player = self.player, "the server's mod can be reached");
        shared.mods.carry(&server, &self.player, self.visit, self.sender.clone());
        self.state = State::Open { server, seal };
        Some(channel::encode_say(self.channel().as_bytes(), line.as_bytes()))
    }

    /// Begins to carry a request out. Gives the answer if there is one at once.
    fn request(&mut self, json: &str, shared: &Arc<Shared>) -> Option<Bytes> {
        let State::Open { server, .. } = &self.state else { return None };
        let request: Request = match serde_json::from_str(json) {
            Ok(request) => request,
            Err(error) => {
                let id = serde_json::from_str::<OnlyId>(json).ok().map(|it| it.id);
                let failure = Failure::field("request", error);
                shared.metrics.mod_request("", failure.reason.name());
                return self.answer_now(&work::failed(id.as_ref(), &failure));
            }
        };
        let asker = Asker { shared: Arc::clone(shared), server: server.clone() };
        if let Err(failure) = asker.check(&request.op, self.flying >= FLYING) {
            shared.metrics.mod_request(request.op.name(), failure.reason.name());
            return self.answer_now(&work::failed(Some(&request.id), &failure));
        }
        let Request { id, op } = request;
        let op = match op {
            // Done in no time, and many may be on their way at once.
            Op::Send { server, topic, data } => {
                let json = asker.sent(&id, server, topic, data);
                return self.answer_now(&json);
            }
            op => op,
        };
        self.flying += 1;
        let (visit, sender) = (self.visit, self.sender.clone());
        tokio::spawn(async move {
            let json = asker.answer(&id, op).await;
            // Nobody waits for it any more if the player has left.
            let _ = sender.send(Parcel::Answer(visit, json)).await;
        });
        None
    }

    fn answer_now(&mut self, json: &str) -> Option<Bytes> {
        let channel = self.channel();
        let State::Open { seal, .. } = &mut self.state else { return None };
        Some(channel::encode_say(channel.as_bytes(), seal.write(json).as_bytes()))
    }
}
