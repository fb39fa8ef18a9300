//! `PlayerService`.

use std::sync::Arc;
use std::time::Instant;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::player_service_server::PlayerService;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::failure::Failure;
use super::select::Selection;
use super::verb::{Role, Verb};
use super::{Api, moves, page, watch};
use crate::players::{Kick, Order, Presence, Whereabouts};

/// Bytes of a text that players read.
const TEXT: usize = 500;

pub(super) struct Service(pub(super) Arc<Api>);

#[tonic::async_trait]
impl PlayerService for Service {
    async fn list_players(
        &self,
        request: Request<pb::ListPlayersRequest>,
    ) -> Result<Response<pb::ListPlayersResponse>, Status> {
        self.0.look(Verb::LIST_PLAYERS, request, list).await
    }

    async fn get_player(
        &self,
        request: Request<pb::GetPlayerRequest>,
    ) -> Result<Response<pb::GetPlayerResponse>, Status> {
        let get = async |api: Arc<Api>, call: Call, message: pb::GetPlayerRequest| {
            let player = api.shared.players.get(&message.name);
            let player = player.ok_or_else(|| Failure::no_such_player(&message.name))?;
            Ok(pb::GetPlayerResponse { player: Some(api.player(&player, call.actor.role)) })
        };
        self.0.look(Verb::GET_PLAYER, request, get).await
    }

    type WatchPlayersStream = watch::Events<pb::WatchPlayersResponse>;

    async fn watch_players(
        &self,
        request: Request<pb::WatchPlayersRequest>,
    ) -> Result<Response<Self::WatchPlayersStream>, Status> {
        let begin = async |api: Arc<Api>, call: Call, message: pb::WatchPlayersRequest| {
            watch::players(api, call, Selection::new(message.selector)?)
        };
        self.0.look(Verb::WATCH_PLAYERS, request, begin).await
    }

    async fn move_player(
        &self,
        request: Request<pb::MovePlayerRequest>,
    ) -> Result<Response<pb::MovePlayerResponse>, Status> {
        self.0.change(Verb::MOVE_PLAYER, request, moves::one).await
    }

    type MovePlayersStream = watch::Events<pb::MovePlayersResponse>;

    async fn move_players(
        &self,
        request: Request<pb::MovePlayersRequest>,
    ) -> Result<Response<Self::MovePlayersStream>, Status> {
        self.0.look(Verb::MOVE_PLAYERS, request, moves::many).await
    }

    async fn kick_player(
        &self,
        request: Request<pb::KickPlayerRequest>,
    ) -> Result<Response<pb::KickPlayerResponse>, Status> {
        self.0.change(Verb::KICK_PLAYER, request, kick).await
    }

    async fn send_message(
        &self,
        request: Request<pb::SendMessageRequest>,
    ) -> Result<Response<pb::SendMessageResponse>, Status> {
        self.0.change(Verb::SEND_MESSAGE, request, send).await
    }
}

impl Api {
    /// A player as callers of that role see them.
    pub(super) fn player(&self, player: &Presence, role: Role) -> pb::Player {
        let state = match player.whereabouts {
            Whereabouts::Joining => pb::PlayerState::Joining,
            Whereabouts::On(_) => pb::PlayerState::Playing,
            Whereabouts::Between => pb::PlayerState::Between,
        };
        let address = match role {
            Role::Viewer => String::new(),
            Role::Moderator | Role::Admin => player.address.to_string(),
        };
        pb::Player {
            name: player.name.clone(),
            server: player.whereabouts.server().unwrap_or_default().to_owned(),
            state: state.into(),
            proxy: self.about.name.clone(),
            protocol: player.protocol.into(),
            joined: Some(player.joined.into()),
            since: Some(player.since.into()),
            address,
        }
    }
}

async fn list(
    api: Arc<Api>,
    call: Call,
    message: pb::ListPlayersRequest,
) -> Result<pb::ListPlayersResponse, Failure> {
    let selection = Selection::new(message.selector)?;
    let after = page::after(&message.page_token)?;
    let size = page::size(message.page_size);
    let page = api.shared.players.page(after.as_deref(), size, |p| selection.means(p));
    let next = page.players.last().filter(|_| page.more).map(|last| page::token(&last.name));
    let players = page.players.iter().map(|player| api.player(player, call.actor.role));
    Ok(pb::ListPlayersResponse {
        players: players.collect(),
        next_page_token: next.unwrap_or_default(),
        total: page.total as u32,
    })
}

async fn kick(
    api: Arc<Api>,
    call: Call,
    message: pb::KickPlayerRequest,
) -> Result<pb::KickPlayerResponse, Failure> {
    let text = match message.reason.as_str() {
        "" => "An operator has ended your visit.",
        reason => readable("reason", reason)?,
    };
    let (done, taken) = oneshot::channel();
    let text = text.to_owned();
    let kick = Kick { source: "operator", text, reconnect: message.reconnect, done };
    let name = &message.name;
    api.shared.players.order(name, Order::Kick(kick)).map_err(|e| Failure::undelivered(name, e))?;
    let patience = call.deadline.saturating_duration_since(Instant::now());
    match tokio::time::timeout(patience, taken).await {
        Ok(Ok(())) => Ok(pb::KickPlayerResponse {}),
        Ok(Err(_)) => Err(Failure::left(name)),
        Err(_) => Err(Failure::timeout()),
    }
}

async fn send(
    api: Arc<Api>,
    _call: Call,
    message: pb::SendMessageRequest,
) -> Result<pb::SendMessageResponse, Failure> {
    let selection = Selection::deliberate(message.selector, message.all)?;
    let text = readable("text", &message.text)?;
    let on_server = |p: &Presence| p.whereabouts.server().is_some() && selection.means(p);
    let mut players = 0;
    for player in api.shared.players.select(on_server) {
        // Who has left meanwhile, or is busy, does not read it.
        players +=
            u32::from(api.shared.players.order(&player.name, Order::Tell(text.into())).is_ok());
    }
    Ok(pb::SendMessageResponse { players })
}

/// Checks a text that players read.
pub(super) fn readable<'a>(field: &str, text: &'a str) -> Result<&'a str, Failure> {
    if text.is_empty() || text.len() > TEXT {
        return Err(Failure::field(field, format!("must have 1 to {TEXT} bytes")));
    }
    if text.chars().any(|c| c.is_control()) {
        return Err(Failure::field(field, "must not have control characters"));
    }
    Ok(text)
}
