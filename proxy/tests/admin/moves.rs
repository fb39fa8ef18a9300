//! Sending players elsewhere.

use std::time::{Duration, Instant};

use mesegate_proto::admin::v1 as pb;
use mesegate_testkit::{FakeServer, FakeServerOptions, LoginRule};

use crate::client::{Net, assert_reason, reason, target};
use crate::support::{ARENA, LOBBY, SOON, arena, assert_sound, go, lobby, within};

const FOREVER: u64 = 90;

#[tokio::test(flavor = "multi_thread")]
async fn a_move_ends_with_the_player_there() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let moved = net.admin.go("alice", "arena").await.unwrap();
        assert_eq!((moved.outcome(), moved.server.as_str()), (pb::MoveOutcome::Moved, "arena"));
        assert_eq!(net.admin.list().await[0].server, "arena");
        assert_eq!(net.arena.players(), ["alice"]);
        alice.until("the arena", |view| view.position == ARENA).await.unwrap();
        alice.expect_chat("You are taken to arena", SOON).await.unwrap();
        let again = net.admin.go("alice", "arena").await.unwrap();
        assert_eq!(again.outcome(), pb::MoveOutcome::AlreadyThere);
        go(&alice, "lobby", LOBBY).await;
        assert_sound(&alice);
        let labels = [("from", "lobby"), ("to", "arena"), ("result", "ok")];
        assert_eq!(net.proxy.metric("moves_total", &labels), 1.0);
        let calls = [("service", "PlayerService"), ("method", "MovePlayer"), ("code", "Ok")];
        assert_eq!(net.proxy.metric("admin_requests_total", &calls), 2.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_moves_once() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let request = pb::MovePlayerRequest {
            name: "alice".into(),
            target: target("arena"),
            request_id: "7".into(),
            ..Default::default()
        };
        let ask = async || {
            net.admin.players().move_player(request.clone()).await.unwrap().into_inner().outcome()
        };
        // Both while the first is under way, and after it.
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!((first, second), (pb::MoveOutcome::Moved, pb::MoveOutcome::Moved));
        go(&alice, "lobby", LOBBY).await;
        assert_eq!(ask().await, pb::MoveOutcome::Moved);
        assert_eq!(net.admin.list().await[0].server, "lobby");
        assert_eq!(net.arena.joins(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_of_one_player_are_done_one_after_the_other() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let outcomes = tokio::join!(
            net.admin.go("alice", "arena"),
            net.admin.go("alice", "lobby"),
            net.admin.go("alice", "arena"),
        );
        for moved in [outcomes.0, outcomes.1, outcomes.2] {
            let outcome = moved.unwrap().outcome();
            // Which of them comes first is open.
            assert!(
                matches!(outcome, pb::MoveOutcome::Moved | pb::MoveOutcome::AlreadyThere),
                "{outcome:?}"
            );
        }
        // The answer may be here before the server has read that she is ready.
        let begun = Instant::now();
        while net.lobby.players().len() + net.arena.players().len() != 1 {
            assert!(begun.elapsed() < SOON, "{:?}, {:?}", net.lobby.players(), net.arena.players());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_given_up_at_the_callers_deadline() {
    within(FOREVER, async {
        let mut silent = FakeServerOptions::new(arena());
        silent.rule = LoginRule::Accept;
        let net = Net::with(FakeServer::of(lobby()).unwrap(), silent).await;
        net.arena.set_rule(LoginRule::Silent);
        let alice = net.proxy.join("alice").await;
        let begun = Instant::now();
        let late = net.admin.go_within("alice", "arena", Duration::from_secs(2)).await;
        assert_eq!(reason(&late.unwrap_err()), "TIMEOUT");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        alice.expect_chat("takes too long", SOON).await.unwrap();
        assert_eq!(net.admin.list().await[0].server, "lobby");
        // The player is free to go again.
        net.arena.set_rule(LoginRule::Accept);
        net.admin.go("alice", "arena").await.unwrap();
        assert_sound(&alice);
    })
    .await;
}

async fn many(
    net: &Net,
    request: pb::MovePlayersRequest,
) -> (Vec<pb::MovePlayersResponse>, Option<tonic::Status>) {
    let mut lines = net.admin.players().move_players(request).await.unwrap().into_inner();
    let mut all = Vec::new();
    loop {
        match lines.message().await {
            Ok(Some(line)) => all.push(line),
            Ok(None) => break,
            Err(status) => return (all, Some(status)),
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    (all, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_moved_at_a_rate_and_each_is_reported() {
    within(FOREVER, async {
        let net = Net::start().await;
        let mut bots = Vec::new();
        for i in 0..6 {
            bots.push(net.proxy.join(&format!("p{i}")).await);
        }
        go(&bots[5], "arena", ARENA).await;
        let to_arena = pb::MovePlayersRequest {
            all: true,
            target: target("arena"),
            rate: 4,
            dry_run: true,
            ..Default::default()
        };
        let outcomes = |lines: &[pb::MovePlayersResponse]| -> Vec<_> {
            lines.iter().map(|line| line.outcome()).collect()
        };
        use pb::MoveOutcome::{AlreadyThere, Moved, WouldMove};
        let (lines, end) = many(&net, to_arena.clone()).await;
        assert!(end.is_none());
        let would = [WouldMove, WouldMove, WouldMove, WouldMove, WouldMove, AlreadyThere];
        assert_eq!(outcomes(&lines), would);
        assert_eq!(net.arena.players(), ["p5"]);

        let begun = Instant::now();
        let (lines, end) = many(&net, pb::MovePlayersRequest { dry_run: false, ..to_arena }).await;
        assert!(end.is_none());
        assert_eq!(outcomes(&lines), [Moved, Moved, Moved, Moved, Moved, AlreadyThere]);
        // Six at four a second: the last sets out after five quarters.
        assert!(begun.elapsed() > Duration::from_millis(1200), "{:?}", begun.elapsed());
        assert_eq!(net.arena.players().len(), 6);
        let line = net.proxy.logged("5 moved, 0 failed, 1 there before").await;
        assert!(line.contains("audit") && line.contains("MovePlayers"), "{line}");
        for bot in &bots {
            assert_sound(bot);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_moves_say_why_each_failed_and_end_at_the_deadline() {
    within(FOREVER, async {
        let net = Net::start().await;
        let _alice = net.proxy.join("alice").await;
        let _bob = net.proxy.join("bob").await;
        net.arena.set_rule(LoginRule::Full);
        let request =
            pb::MovePlayersRequest { all: true, target: target("arena"), ..Default::default() };
        let (lines, end) = many(&net, request.clone()).await;
        assert!(end.is_none());
        for line in &lines {
            assert_eq!(line.outcome(), pb::MoveOutcome::Failed);
            assert_eq!(line.reason(), pb::FailureReason::TargetFull);
            assert_eq!(line.server, "lobby");
            assert!(line.text.contains("full"), "{}", line.text);
        }
        assert_eq!(lines.len(), 2);

        // One in ten seconds cannot be done in two.
        let everybody = pb::MovePlayersRequest { rate: 0, all: false, ..request.clone() };
        assert_reason(
            net.admin.players().move_players(everybody).await,
            tonic::Code::InvalidArgument,
            "INVALID_FIELD",
        );
        net.arena.set_rule(LoginRule::Silent);
        let mut request = net.admin.ask(request);
        request.set_timeout(Duration::from_secs(2));
        let mut lines = net.admin.players().move_players(request).await.unwrap().into_inner();
        let end = loop {
            match lines.message().await {
                Ok(Some(line)) => assert_eq!(line.reason(), pb::FailureReason::Timeout),
                Ok(None) => panic!("ended without a status"),
                Err(status) => break status,
            }
        };
        assert_eq!(end.code(), tonic::Code::DeadlineExceeded);
    })
    .await;
}
