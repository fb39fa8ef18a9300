//! Orders reach the proxy that holds the player, and its answers the caller.

use std::time::{Duration, Instant};

use mesegate_controller::fleet::Fleet;
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::{CommandResult, Done, DrainCommand, command_result};
use tonic::Code;

use crate::bed::{Bed, PATIENCE, reason, target, until};

/// How long nothing has to come.
const QUIET: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn moves_and_kicks_are_done_where_the_player_is() {
    let (bed, mut one, mut two) = Bed::with_two().await;
    let limit = Duration::from_secs(8);
    let call = tokio::spawn(bed.go("bob", "arena", limit));
    let command = two.command().await;
    let Some(Op::Move(order)) = command.op else { panic!() };
    assert_eq!((order.name.as_str(), order.target), ("bob", target("arena")));
    assert!(!order.allow_reconnect && !order.dry_run);
    let left = Duration::from_millis(command.timeout_ms.into());
    assert!(left < limit && left > limit / 2, "{left:?}");
    two.fail(command.id, pb::FailureReason::TargetFull).await;
    let full = call.await.unwrap().unwrap_err();
    assert_eq!((full.code(), reason(&full)), (Code::ResourceExhausted, "TARGET_FULL".into()));

    let call = tokio::spawn(bed.go("alice", "arena", limit));
    one.answer(1).await;
    let moved = call.await.unwrap().unwrap();
    assert_eq!((moved.outcome(), moved.server.as_str()), (pb::MoveOutcome::Moved, "arena"));

    let kick = pb::KickPlayerRequest { name: "alice".into(), ..Default::default() };
    let mut players = bed.players();
    let call = tokio::spawn(async move { players.kick_player(kick).await });
    let command = one.command().await;
    let Some(Op::Kick(kick)) = command.op else { panic!() };
    assert!(kick.name == "alice" && !kick.ban && !kick.text.is_empty());
    one.done(command.id).await;
    call.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_told_by_the_proxy_that_has_them() {
    let (bed, _one, mut two) = Bed::with_two().await;
    let mut players = bed.players();
    let request = pb::InspectPlayerRequest { name: "bob".into() };
    let call = tokio::spawn(async move { players.inspect_player(request).await });
    let command = two.command().await;
    assert!(matches!(&command.op, Some(Op::Inspect(it)) if it.name == "bob"), "{command:?}");
    let client = Some(pb::Connection { retransmits: 7, ..Default::default() });
    let told = pb::InspectPlayerResponse { client, ..Default::default() };
    let result = Some(command_result::Result::Inspected(told.clone()));
    two.say(Out::Result(CommandResult { id: command.id, result })).await;
    assert_eq!(call.await.unwrap().unwrap().into_inner(), told);

    // One of an older release.
    let mut players = bed.players();
    let request = pb::InspectPlayerRequest { name: "bob".into() };
    let call = tokio::spawn(async move { players.inspect_player(request).await });
    let command = two.command().await;
    two.fail(command.id, pb::FailureReason::InvalidField).await;
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELD");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_has_its_reason() {
    let (bed, mut one, two) = Bed::with_two().await;
    let short = Duration::from_secs(2);
    let failed = async |player: &str, server: &str| {
        let status = bed.go(player, server, short).await.unwrap_err();
        (status.code(), reason(&status))
    };
    assert_eq!(failed("carol", "arena").await, (Code::NotFound, "NO_SUCH_PLAYER".into()));
    assert_eq!(failed("alice", "nowhere").await, (Code::NotFound, "NO_SUCH_TARGET".into()));
    // The proxy does not answer at all.
    assert_eq!(failed("alice", "arena").await, (Code::DeadlineExceeded, "TIMEOUT".into()));
    let late = one.command().await;
    one.fail(late.id, pb::FailureReason::PlayerLeft).await;
    // Its stream ends before it has answered.
    let call = tokio::spawn(bed.go("alice", "arena", PATIENCE));
    one.command().await;
    drop(one);
    let gone = call.await.unwrap().unwrap_err();
    assert_eq!((gone.code(), reason(&gone)), (Code::Unavailable, "PROXY_GONE".into()));
    // Its players are shown for a while.
    until(|| bed.fleet.proxies().len() == 1).await;
    assert!(bed.fleet.player("alice").is_some());
    assert_eq!(failed("alice", "arena").await, (Code::Unavailable, "PROXY_GONE".into()));
    drop(two);
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_costs_a_bounded_number_of_commands() {
    let fleet = Fleet::default();
    let key = ("default".to_owned(), "silent".to_owned());
    let mut seat = fleet.enter(key.clone(), "1".into());
    let deadline = Instant::now() + PATIENCE;
    let send = async || {
        let drain = Op::Drain(DrainCommand { cancel: false });
        let command = fleet.command(&key, drain, deadline);
        // What was taken is under way; what was not is refused at once.
        tokio::time::timeout(Duration::ZERO, command).await.map(|it| it.unwrap_err().reason)
    };
    let busy = Ok(FailureReason::TooManyRequests);
    for _ in 0..256 {
        assert!(send().await.is_err());
    }
    assert_eq!(send().await, busy);
    // Those that nobody waits for any more are not sent.
    assert!(tokio::time::timeout(QUIET, seat.next_command()).await.is_err());
    let wait = || {
        let (fleet, key) = (fleet.clone(), key.clone());
        let drain = Op::Drain(DrainCommand { cancel: false });
        tokio::spawn(async move { fleet.command(&key, drain, deadline).await })
    };
    let waiting: Vec<_> = (0..256).map(|_| wait()).collect();
    for _ in &waiting {
        seat.next_command().await;
    }
    let more: Vec<_> = (0..256).map(|_| wait()).collect();
    tokio::time::sleep(QUIET).await;
    assert_eq!(send().await, busy);
    assert!(tokio::time::timeout(QUIET, seat.next_command()).await.is_err());
    let result = Some(command_result::Result::Done(Done {}));
    seat.answered(CommandResult { id: 1, result });
    seat.next_command().await;
    drop(seat);
    let (mut done, mut gone) = (0, 0);
    for call in waiting.into_iter().chain(more) {
        match call.await.unwrap() {
            Ok(_) => done += 1,
            Err(failure) => {
                assert_eq!(failure.reason, FailureReason::ProxyGone);
                gone += 1;
            }
        }
    }
    assert_eq!((done, gone), (1, 511));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_moved_wherever_they_are() {
    let (bed, mut one, mut two) = Bed::with_two().await;
    let request = pb::MovePlayersRequest {
        all: true,
        target: target("arena"),
        rate: 100,
        allow_reconnect: true,
        ..Default::default()
    };
    let mut lines = bed.players().move_players(request).await.unwrap().into_inner();
    let command = one.command().await;
    let Some(Op::Move(order)) = command.op else { panic!() };
    assert!(order.allow_reconnect);
    one.fail(command.id, pb::FailureReason::TargetDraining).await;
    two.answer(1).await;
    let mut told = Vec::new();
    while let Some(line) = lines.message().await.unwrap() {
        told.push((line.name.clone(), line.outcome(), line.server.clone(), line.reason()));
    }
    told.sort_by(|a, b| a.0.cmp(&b.0));
    use pb::MoveOutcome;
    let failed = FailureReason::TargetDraining;
    assert_eq!(
        told,
        [
            ("alice".to_owned(), MoveOutcome::Failed, "lobby".to_owned(), failed),
            ("bob".to_owned(), MoveOutcome::Moved, "arena".to_owned(), FailureReason::Unspecified),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_go_to_all_proxies_and_drains_to_the_one_that_is_meant() {
    let (bed, mut one, mut two) = Bed::with_two().await;
    let request = pb::SendMessageRequest { all: true, text: "hello".into(), ..Default::default() };
    let mut players = bed.players();
    let call = tokio::spawn(async move { players.send_message(request).await });
    one.answer(1).await;
    two.answer(1).await;
    assert_eq!(call.await.unwrap().unwrap().into_inner().players, 2);

    let request = pb::DrainProxyRequest { name: "two".into(), ..Default::default() };
    let mut proxies = bed.proxies();
    let call = tokio::spawn(async move { proxies.drain_proxy(request).await });
    let command = two.command().await;
    assert!(matches!(command.op, Some(Op::Drain(_))));
    let state = pb::ProxyState::Draining.into();
    let report = pb::Proxy { state, max_players: 7, ..Default::default() };
    two.say(mesegate_proto::control::v1::connect_request::Message::Proxy(report)).await;
    two.done(command.id).await;
    let proxy = call.await.unwrap().unwrap().into_inner().proxy.unwrap();
    assert_eq!((proxy.name.as_str(), proxy.state()), ("two", pb::ProxyState::Draining));
    assert_eq!((proxy.players, proxy.max_players), (1, 7));
    let request = pb::DrainProxyRequest { name: "three".into(), ..Default::default() };
    let status = bed.proxies().drain_proxy(request).await.unwrap_err();
    assert_eq!(reason(&status), "NO_SUCH_PROXY");
    drop(one);
}
