//! Every documented reason, produced once.

use std::net::UdpSocket;
use std::time::Duration;

use mesegate_backend::{Address, Credentials, Dial};
use mesegate_proto::admin::v1 as pb;
use mesegate_testkit::{Closed, FakeServer, FakeServerOptions, LoginRule, World};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tonic::Code;

use crate::client::{Admin, Net, assert_reason, launch, target};
use crate::support::{Documents, SOON, arena, eventually, lobby, within};

const FOREVER: u64 = 90;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there() {
    within(FOREVER, async {
        let net = Net::start().await;
        let _alice = net.proxy.join("alice").await;
        let admin = &net.admin;
        let get = pb::GetPlayerRequest { name: "Alice".into() };
        assert_reason(admin.players().get_player(get).await, Code::NotFound, "NO_SUCH_PLAYER");
        assert_reason(admin.go("bob", "arena").await, Code::NotFound, "NO_SUCH_PLAYER");
        assert_reason(admin.kick("bob", "").await, Code::NotFound, "NO_SUCH_PLAYER");
        assert_reason(admin.go("alice", "nowhere").await, Code::NotFound, "NO_SUCH_TARGET");
        let group = Some(pb::Target { kind: Some(pb::target::Kind::Group("nothing".into())) });
        let request =
            pb::MovePlayerRequest { name: "alice".into(), target: group, ..Default::default() };
        assert_reason(admin.players().move_player(request).await, Code::NotFound, "NO_SUCH_TARGET");
        let get = pb::GetServerRequest { name: "x".into() };
        assert_reason(admin.servers().get_server(get).await, Code::NotFound, "NO_SUCH_TARGET");
        let get = pb::GetProxyRequest { name: "edge-2".into() };
        assert_reason(admin.proxies().get_proxy(get).await, Code::NotFound, "NO_SUCH_PROXY");
        let which = Some(pb::delete_ban_request::Which::Id("99".into()));
        let request = pb::DeleteBanRequest { which, ..Default::default() };
        assert_reason(admin.bans().delete_ban(request).await, Code::NotFound, "NO_SUCH_BAN");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request() {
    within(FOREVER, async {
        let net = Net::start().await;
        let admin = &net.admin;
        let wrong = Code::InvalidArgument;
        let long = "x".repeat(501);
        assert_reason(admin.kick("a", &long).await, wrong, "INVALID_FIELD");
        assert_reason(admin.kick("a", "two\nlines").await, wrong, "INVALID_FIELD");
        let ban = async |kind| {
            let subject = Some(pb::BanSubject { kind });
            let request = pb::CreateBanRequest { subject, ..Default::default() };
            admin.bans().create_ban(request).await
        };
        use pb::ban_subject::Kind;
        assert_reason(ban(None).await, wrong, "INVALID_FIELD");
        assert_reason(ban(Some(Kind::Name("no blanks".into()))).await, wrong, "INVALID_FIELD");
        assert_reason(
            ban(Some(Kind::Address("192.0.2.1/24".into()))).await,
            wrong,
            "INVALID_FIELD",
        );
        let request = pb::ListPlayersRequest { page_token: "?".into(), ..Default::default() };
        assert_reason(admin.players().list_players(request).await, wrong, "INVALID_FIELD");
        let request = pb::SendMessageRequest { text: "x".into(), ..Default::default() };
        assert_reason(admin.players().send_message(request).await, wrong, "INVALID_FIELD");
        let request = pb::MovePlayerRequest { name: "a".into(), ..Default::default() };
        assert_reason(admin.players().move_player(request).await, wrong, "INVALID_FIELD");
        let state = admin.state("lobby", pb::ServerState::Unspecified).await;
        assert_reason(state, wrong, "INVALID_FIELD");
        let request = pb::KickPlayerRequest { request_id: "x".repeat(65), ..Default::default() };
        assert_reason(admin.players().kick_player(request).await, wrong, "INVALID_FIELD");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_target_is_not_entered() {
    within(FOREVER, async {
        // A port where nobody listens, and one where nobody answers.
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let lobby = FakeServer::of(lobby()).unwrap();
        let mut strict = FakeServerOptions::new(arena());
        strict.accounts = vec![("alice".into(), "from before".into())];
        let known = FakeServer::start(strict).unwrap();
        let arena = FakeServer::of(arena()).unwrap();
        let documents = Documents::new()
            .server("lobby", lobby.addr())
            .server("arena", arena.addr())
            .server("known", known.addr())
            .server("closed", closed);
        let proxy = launch(documents).content_of(&["lobby", "arena", "known"]).start().await;
        let admin = Admin::of(&proxy).await;
        let alice = proxy.join("alice").await;
        arena.set_rule(LoginRule::Full);
        assert_reason(admin.go("alice", "arena").await, Code::ResourceExhausted, "TARGET_FULL");
        let refused = Code::FailedPrecondition;
        arena.set_rule(LoginRule::Deny("not today".into()));
        assert_reason(admin.go("alice", "arena").await, refused, "TARGET_REFUSED");
        assert_reason(admin.go("alice", "known").await, refused, "TARGET_REFUSED");
        assert_reason(admin.go("alice", "closed").await, Code::Unavailable, "TARGET_UNREACHABLE");
        arena.set_rule(LoginRule::Accept);
        admin.state("arena", pb::ServerState::Drain).await.unwrap();
        assert_reason(admin.go("alice", "arena").await, refused, "TARGET_DRAINING");
        admin.state("arena", pb::ServerState::Disabled).await.unwrap();
        assert_reason(admin.go("alice", "arena").await, refused, "TARGET_DISABLED");
        alice.say(">server arena").await;
        alice.expect_chat("out of service", SOON).await.unwrap();
        admin.state("arena", pb::ServerState::Active).await.unwrap();
        admin.go("alice", "arena").await.unwrap();
        assert_eq!(alice.closed(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_leaves_before_it_is_done() {
    within(FOREVER, async {
        let net = Net::start().await;
        net.arena.set_rule(LoginRule::Silent);
        let alice = net.proxy.join("alice").await;
        let admin = net.admin.clone();
        let moving = tokio::spawn(async move { admin.go("alice", "arena").await });
        alice.expect_chat("You are taken to arena", SOON).await.unwrap();
        alice.leave().await;
        assert_reason(moving.await.unwrap(), Code::Unavailable, "PLAYER_LEFT");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_is_still_loading() {
    within(FOREVER, async {
        let net = Net::start().await;
        let address = Address::new(&net.proxy.addr.ip().to_string(), net.proxy.addr.port());
        let dial = Dial::new(address, "alice", Credentials::Secret("password".into()));
        // As a client that has all definitions and has not said CLIENT_READY.
        let mut loading = mesegate_backend::enter(&dial).await.unwrap();
        assert_eq!(net.admin.list().await[0].state(), pb::PlayerState::Joining);
        let moved = net.admin.go("alice", "arena").await;
        assert_reason(moved, Code::FailedPrecondition, "PLAYER_NOT_READY");
        // A kick reaches them nevertheless.
        net.admin.kick("alice", "").await.unwrap();
        let gone = async {
            while loading.link.closed().is_none() {
                loading.link.drive().await;
                while loading.link.recv().is_some() {}
                loading.link.flush();
            }
        };
        tokio::time::timeout(SOON, gone).await.unwrap();
        assert_eq!(net.admin.list().await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_watches() {
    within(FOREVER, async {
        let net = Net::start().await;
        let mut watches = Vec::new();
        // Streams of one connection are limited too.
        let other = Admin::of(&net.proxy).await;
        for i in 0..64 {
            let admin = if i % 2 == 0 { &net.admin } else { &other };
            let request = pb::WatchServersRequest {};
            watches.push(admin.servers().watch_servers(request).await.unwrap().into_inner());
        }
        let one_more = net.admin.servers().watch_servers(pb::WatchServersRequest {}).await;
        assert_reason(one_more, Code::ResourceExhausted, "TOO_MANY_REQUESTS");
        watches.clear();
        eventually("room", SOON, || net.proxy.metric("admin_watches", &[]) == 0.0).await;
        net.admin.servers().watch_servers(pb::WatchServersRequest {}).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_database() {
    within(FOREVER, async {
        let net = Net::start().await;
        let file = net.proxy.file("data").join("auth.sqlite");
        let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(file)).await;
        let pool = pool.unwrap();
        sqlx::query("DROP TABLE mesegate_ban").execute(&pool).await.unwrap();
        pool.close().await;
        let list = net.admin.bans().list_bans(pb::ListBansRequest::default()).await;
        assert_reason(list, Code::Unavailable, "STORE");
        net.proxy.logged("the account database failed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_a_client_was_not_given() {
    within(FOREVER, async {
        let lobby = FakeServer::of(lobby()).unwrap();
        let new = World::new("new").with_nodes([("other:rock", 300)]);
        let new = FakeServer::of(new).unwrap();
        let before = Documents::new().server("lobby", lobby.addr());
        let after = before.clone().server("new", new.addr());
        let proxy = launch(before).start().await;
        let admin = Admin::of(&proxy).await;
        let alice = proxy.join("alice").await;
        proxy.edit(&after.yaml());
        proxy.known(&["lobby".into(), "new".into()]).await;
        let moved = admin.go_within("alice", "new", Duration::from_secs(20)).await;
        assert_reason(moved, Code::FailedPrecondition, "RECONNECT_REQUIRED");
        assert_eq!(alice.closed(), None);
        assert_eq!(admin.list().await[0].server, "lobby");
        // Who may be asked to come anew is, and arrives there.
        let mut request = pb::MovePlayerRequest {
            name: "alice".into(),
            target: target("new"),
            allow_reconnect: true,
            ..Default::default()
        };
        let moved = admin.players().move_player(request.clone()).await.unwrap().into_inner();
        assert_eq!(moved.outcome(), pb::MoveOutcome::Reconnecting);
        assert_eq!(moved.server, "lobby");
        let closed = alice.wait_closed(SOON).await;
        assert!(matches!(closed, Some(Closed::Denied { reconnect: true, .. })), "{closed:?}");
        let _alice = proxy.join("alice").await;
        assert_eq!(admin.list().await[0].server, "new");
        // With the content nothing more is needed.
        admin.go("alice", "lobby").await.unwrap();
        request.request_id = "again".into();
        let moved = admin.players().move_player(request).await.unwrap().into_inner();
        assert_eq!(moved.outcome(), pb::MoveOutcome::Moved);
    })
    .await;
}
