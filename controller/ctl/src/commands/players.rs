//! Players.

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::player_service_client::PlayerServiceClient;
use serde_json::json;
use tonic::Request;

use super::{PAGE, Session, pages};
use crate::cli::Selector;
use crate::connection::Connection;
use crate::error::Error;
use crate::rows;

pub(super) fn client(session: &Session) -> PlayerServiceClient<Connection> {
    PlayerServiceClient::new(session.connection())
}

pub(super) async fn list(session: &Session, selector: Selector) -> Result<(), Error> {
    let selector: pb::PlayerSelector = selector.into();
    let call = |page_token| {
        let selector = Some(selector.clone());
        let request = pb::ListPlayersRequest { selector, page_size: PAGE, page_token };
        let mut client = client(session);
        async move { client.list_players(session.request(request)).await }
    };
    let players = pages(call, |page| (page.players, page.next_page_token)).await?;
    session.list(&players)
}

pub(super) async fn inspect(session: &Session, name: String) -> Result<(), Error> {
    let request = session.request(pb::InspectPlayerRequest { name });
    let found = client(session).inspect_player(request).await?.into_inner();
    let server = found.player.unwrap_or_default().server;
    let ends = [("client".to_owned(), found.client), (format!("server {server}"), found.server)];
    let known = ends.into_iter().filter_map(|(to, it)| Some(rows::Connected { to, it: it? }));
    session.list(&known.collect::<Vec<_>>())
}

pub(super) async fn go(session: &Session, request: pb::MovePlayerRequest) -> Result<(), Error> {
    let name = request.name.clone();
    let done = client(session).move_player(session.request(request)).await?.into_inner();
    let (text, value) = rows::moved(&pb::MovePlayersResponse {
        name,
        outcome: done.outcome,
        server: done.server,
        ..Default::default()
    });
    session.line(&text, &value)
}

pub(super) async fn go_many(
    session: &Session,
    request: pb::MovePlayersRequest,
) -> Result<(), Error> {
    let mut lines = client(session).move_players(Request::new(request)).await?.into_inner();
    let (mut all, mut failed) = (0, 0);
    while let Some(line) = lines.message().await? {
        all += 1;
        failed += usize::from(line.outcome() == pb::MoveOutcome::Failed);
        let (text, value) = rows::moved(&line);
        session.line(&text, &value)?;
    }
    if failed > 0 { Err(Error::Partly { failed, all }) } else { Ok(()) }
}

pub(super) async fn kick(session: &Session, request: pb::KickPlayerRequest) -> Result<(), Error> {
    let name = request.name.clone();
    client(session).kick_player(session.request(request)).await?;
    session.say(&format!("{name} was sent away"))
}

pub(super) async fn message(
    session: &Session,
    request: pb::SendMessageRequest,
) -> Result<(), Error> {
    let done = client(session).send_message(session.request(request)).await?.into_inner();
    let text = format!("sent to {} players", done.players);
    session.line(&text, &json!({ "players": done.players }))
}
