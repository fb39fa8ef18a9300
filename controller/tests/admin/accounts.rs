//! Accounts of the cluster, and what is written into objects.

use std::time::{Duration, Instant};

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::ban_service_client::BanServiceClient;
use mesegate_proto::admin::v1::player_service_client::PlayerServiceClient;
use mesegate_proto::admin::v1::server_service_client::ServerServiceClient;
use mesegate_proto::control::v1::command::Op;
use serde_json::json;
use tonic::{Code, Request, Status};

use crate::bed::{Bed, PATIENCE, reason, target, until};
use crate::cluster::named;

fn ask<M>(token: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    if !token.is_empty() {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

fn why<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), reason(&status))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_says_who_somebody_is_and_what_they_may() {
    let (bed, _cluster) = Bed::in_cluster().await;
    let one = bed.proxy("one").await;
    one.report(&[("alice", "lobby")]).await;
    until(|| bed.fleet.player("alice").is_some()).await;
    let mut players = PlayerServiceClient::new(bed.admin.clone());
    for (token, expected) in [
        ("", (Code::Unauthenticated, "UNAUTHENTICATED")),
        ("expired", (Code::Unauthenticated, "UNAUTHENTICATED")),
        ("broken", (Code::Unavailable, "STORE")),
    ] {
        let list = players.list_players(ask(token, pb::ListPlayersRequest::default())).await;
        let (code, reason) = why(list);
        assert_eq!((code, reason.as_str()), expected, "{token}");
    }
    let mut seen = async |token| {
        let list = players.list_players(ask(token, pb::ListPlayersRequest::default())).await;
        list.unwrap().into_inner().players[0].address.clone()
    };
    assert_eq!((seen("ops").await.as_str(), seen("viewer").await.as_str()), ("192.0.2.1", ""));
    let denied = (Code::PermissionDenied, "PERMISSION".to_owned());
    let to = |name: &str| pb::MovePlayerRequest {
        name: name.into(),
        target: target("arena"),
        ..Default::default()
    };
    assert_eq!(why(players.move_player(ask("viewer", to("bob"))).await), denied);
    let moved = players.move_player(ask("mover", to("bob"))).await;
    assert_eq!(why(moved), (Code::NotFound, "NO_SUCH_PLAYER".into()));
    let kick = pb::KickPlayerRequest { name: "alice".into(), ..Default::default() };
    assert_eq!(why(players.kick_player(ask("mover", kick)).await), denied);
    let mut servers = ServerServiceClient::new(bed.admin.clone());
    let state = pb::ServerState::Drain.into();
    let drain = pb::SetServerStateRequest { name: "arena".into(), state, ..Default::default() };
    assert_eq!(why(servers.set_server_state(ask("mover", drain)).await), denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn states_of_servers_are_written_into_their_objects() {
    let (bed, cluster) = Bed::in_cluster().await;
    let mut servers = ServerServiceClient::new(bed.admin.clone());
    let state = pb::ServerState::Drain.into();
    let drain = pb::SetServerStateRequest { name: "arena".into(), state, ..Default::default() };
    let done = servers.set_server_state(ask("ops", drain)).await.unwrap().into_inner();
    assert_eq!(done.server.unwrap().state(), pb::ServerState::Drain);
    let object = cluster.object("minetestservers", "arena").unwrap();
    assert_eq!(object["spec"]["state"], "Drain");
    assert_eq!(object["metadata"]["annotations"]["mesegate.dev/state-set-by"], "ops");
    let list = servers.list_servers(ask("ops", pb::ListServersRequest::default())).await;
    let list = list.unwrap().into_inner().servers;
    let shown: Vec<_> = list.iter().map(|it| (it.name.as_str(), it.state())).collect();
    let (active, draining) = (pb::ServerState::Active, pb::ServerState::Drain);
    assert_eq!(shown, [("arena", draining), ("lobby", active)]);
    assert_eq!(list[0].endpoint, "h:1");
    let none = pb::SetServerStateRequest { name: "x".into(), state, ..Default::default() };
    let none = servers.set_server_state(ask("ops", none)).await;
    assert_eq!(why(none), (Code::NotFound, "NO_SUCH_TARGET".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bans_are_objects_and_send_players_away_first() {
    use pb::ban_subject::Kind;
    let (bed, cluster) = Bed::in_cluster().await;
    let mut one = bed.proxy("one").await;
    one.report(&[("alice", "lobby"), ("bob", "lobby")]).await;
    one.answer(0).await;
    until(|| bed.fleet.player("alice").is_some()).await;
    let bans = BanServiceClient::new(bed.admin.clone());
    let subject = |kind| Some(pb::BanSubject { kind: Some(kind) });
    let ban = pb::CreateBanRequest {
        subject: subject(Kind::Name("ALICE".into())),
        reason: "spam".into(),
        note: "twice".into(),
        ..Default::default()
    };
    let (mut client, request) = (bans.clone(), ask("ops", ban.clone()));
    let call = tokio::spawn(async move { client.create_ban(request).await });
    let command = one.command().await;
    let Some(Op::Kick(kick)) = command.op else { panic!() };
    assert!(kick.ban && kick.name == "alice" && kick.text.contains("spam"), "{kick:?}");
    one.done(command.id).await;
    let begun = Instant::now();
    // The documents with the ban are on their way.
    one.answer_documents(Duration::from_secs(1)).await;
    let made = call.await.unwrap().unwrap().into_inner();
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(made.kicked, ["alice"]);
    let made = made.ban.unwrap();
    assert_eq!((made.author.as_str(), made.note.as_str()), ("ops", "twice"));
    let listed = bans.clone().list_bans(ask("ops", pb::ListBansRequest::default())).await;
    assert_eq!(listed.unwrap().into_inner().bans, std::slice::from_ref(&made));
    let again = bans.clone().create_ban(ask("ops", ban)).await;
    assert_eq!(why(again), (Code::AlreadyExists, "BAN_EXISTS".into()));
    let check = pb::CheckBanRequest { name: "Alice".into(), ..Default::default() };
    let found = bans.clone().check_ban(ask("ops", check.clone())).await.unwrap().into_inner();
    assert_eq!(found.ban, Some(made.clone()));
    // Those that were declared elsewhere are bans as well.
    let spec = json!({ "target": { "cidr": "192.0.2.0/24" }, "reason": "bots" });
    cluster.put("minetestbans", named("MinetestBan", "declared", spec));
    let check_address = pb::CheckBanRequest { address: "192.0.2.9".into(), ..Default::default() };
    let found = async || {
        let request = ask("ops", check_address.clone());
        bans.clone().check_ban(request).await.unwrap().into_inner().ban
    };
    let end = Instant::now() + PATIENCE;
    while found().await.is_none() {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let which = |which| pb::DeleteBanRequest { which: Some(which), ..Default::default() };
    use pb::delete_ban_request::Which;
    let by_address = which(Which::Subject(subject(Kind::Address("192.0.2.0/24".into())).unwrap()));
    bans.clone().delete_ban(ask("ops", by_address.clone())).await.unwrap();
    assert_eq!(cluster.object("minetestbans", "declared"), None);
    let none = bans.clone().delete_ban(ask("ops", by_address)).await;
    assert_eq!(why(none), (Code::NotFound, "NO_SUCH_BAN".into()));
    bans.clone().delete_ban(ask("ops", which(Which::Id(made.id)))).await.unwrap();
    let found = bans.clone().check_ban(ask("ops", check)).await.unwrap().into_inner();
    assert_eq!(found.ban, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_that_is_over_makes_room() {
    let (bed, cluster) = Bed::in_cluster().await;
    let bans = BanServiceClient::new(bed.admin.clone());
    let kind = Some(pb::ban_subject::Kind::Address("2001:db8::/32".into()));
    let create = pb::CreateBanRequest {
        subject: Some(pb::BanSubject { kind }),
        expires: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
        ..Default::default()
    };
    let made = bans
        .clone()
        .create_ban(ask("ops", create.clone()))
        .await
        .unwrap()
        .into_inner()
        .ban
        .unwrap();
    let list = async |include_expired| {
        let request = pb::ListBansRequest { include_expired, ..Default::default() };
        bans.clone().list_bans(ask("ops", request)).await.unwrap().into_inner().bans.len()
    };
    assert_eq!(list(false).await, 1);
    let name = cluster.names("minetestbans").remove(0);
    let mut object = cluster.object("minetestbans", &name).unwrap();
    object["spec"]["expiresAt"] = "2020-01-01T00:00:00Z".into();
    cluster.put("minetestbans", object);
    let end = Instant::now() + PATIENCE;
    while list(false).await == 1 {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(list(true).await, 1);
    let anew = bans.clone().create_ban(ask("ops", create)).await.unwrap().into_inner().ban.unwrap();
    assert_ne!(anew.id, made.id);
    assert_eq!((list(false).await, list(true).await), (1, 1));
}
