//! `PlayerService`.

use std::sync::Arc;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::player_service_server::PlayerService;
use tonic::{Request, Response, Status};

use crate::call::Call;
use crate::failure::Failure;
use crate::network::Kick;
use crate::select::Selection;
use crate::serve::Api;
use crate::verb::Verb;
use crate::{moves, page, watch};

/// Bytes of a text that players read.
pub(crate) const TEXT: usize = 500;

pub(crate) struct Service(pub(crate) Arc<Api>);

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
            let player = api.network.player(&message.name);
            let player = player.ok_or_else(|| Failure::no_such_player(&message.name))?;
            let player = shown(player, call.actor.sees_addresses().await?);
            Ok(pb::GetPlayerResponse { player: Some(player) })
        };
        self.0.look(Verb::GET_PLAYER, request, get).await
    }

    async fn inspect_player(
        &self,
        request: Request<pb::InspectPlayerRequest>,
    ) -> Result<Response<pb::InspectPlayerResponse>, Status> {
        let inspect = async |api: Arc<Api>, call: Call, message: pb::InspectPlayerRequest| {
            let addresses = call.actor.sees_addresses().await?;
            let mut found = api.network.inspect(&message.name, call.deadline).await?;
            found.player = found.player.map(|player| shown(player, addresses));
            Ok(found)
        };
        self.0.look(Verb::INSPECT_PLAYER, request, inspect).await
    }

    type WatchPlayersStream = watch::Events<pb::WatchPlayersResponse>;

    async fn watch_players(
        &self,
        request: Request<pb::WatchPlayersRequest>,
    ) -> Result<Response<Self::WatchPlayersStream>, Status> {
        let begin = async |api: Arc<Api>, call: Call, message: pb::WatchPlayersRequest| {
            watch::players(api, call, Selection::new(message.selector)?).await
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

/// A player as somebody sees them who may see addresses, or may not.
pub(crate) fn shown(player: pb::Player, addresses: bool) -> pb::Player {
    if addresses { player } else { pb::Player { address: String::new(), ..player } }
}

/// The server that a player is on.
pub fn server_of(player: &pb::Player) -> Option<&str> {
    Some(player.server.as_str()).filter(|server| !server.is_empty())
}

async fn list(
    api: Arc<Api>,
    call: Call,
    message: pb::ListPlayersRequest,
) -> Result<pb::ListPlayersResponse, Failure> {
    let selection = Selection::new(message.selector)?;
    let after = page::after(&message.page_token)?;
    let addresses = call.actor.sees_addresses().await?;
    let page = api.network.players(after.as_deref(), page::size(message.page_size), &selection);
    let next = page.players.last().filter(|_| page.more).map(|last| page::token(&last.name));
    Ok(pb::ListPlayersResponse {
        players: page.players.into_iter().map(|player| shown(player, addresses)).collect(),
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
    let kick = Kick { text: text.to_owned(), reconnect: message.reconnect, ban: false };
    api.network.kick(&message.name, kick, call.deadline).await?;
    Ok(pb::KickPlayerResponse {})
}

async fn send(
    api: Arc<Api>,
    call: Call,
    message: pb::SendMessageRequest,
) -> Result<pb::SendMessageResponse, Failure> {
    let selection = Selection::deliberate(message.selector, message.all)?;
    let text = readable("text", &message.text)?;
    let players = api.network.tell(&selection, text, None, call.deadline).await?;
    Ok(pb::SendMessageResponse { players })
}

/// Checks a text that players read.
pub(crate) fn readable<'a>(field: &str, text: &'a str) -> Result<&'a str, Failure> {
    if text.is_empty() || text.len() > TEXT {
        return Err(Failure::field(field, format!("must have 1 to {TEXT} bytes")));
    }
    if text.chars().any(|c| c.is_control()) {
        return Err(Failure::field(field, "must not have control characters"));
    }
    Ok(text)
}
