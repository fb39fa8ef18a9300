//! What proxies ask for is done wherever the players are, and they are told of each other's players.

use std::time::Duration;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::connect_request::Message as Out;
use mesegate_proto::control::v1::connect_response::Message as In;
use mesegate_proto::control::v1::{
    Ask, Command, CommandResult, DataCommand, DrainCommand, FindCommand, Follow, KickCommand,
    MoveCommand, Parcel, PlayerReport, SetStateCommand, TellCommand,
};

use crate::bed::{Bed, Proxy, target};

async fn ask(proxy: &Proxy, id: u64, op: Op) {
    let command = Command { id, timeout_ms: 8000, op: Some(op), ..Command::default() };
    proxy.say(Out::Ask(Ask { command: Some(command), actor: "player:alice".into() })).await;
}

async fn answered(proxy: &mut Proxy, id: u64) -> Outcome {
    let wanted = |message: &In| matches!(message, In::Answer(_));
    let In::Answer(CommandResult { id: of, result }) = proxy.next(wanted).await else { panic!() };
    assert_eq!(of, id);
    result.unwrap()
}

async fn reason(proxy: &mut Proxy, id: u64) -> Reason {
    match answered(proxy, id).await {
        Outcome::Failed(failed) => failed.reason(),
        other => panic!("{other:?}"),
    }
}

fn go(name: &str) -> Op {
    let target = target("arena");
    Op::Move(MoveCommand { name: name.into(), target, ..MoveCommand::default() })
}

fn data(proxy: &str) -> DataCommand {
    let parcel = |topic: &str| Parcel { topic: topic.into(), ..Parcel::default() };
    let parcels = vec![parcel("1"), parcel("2")];
    DataCommand { server: "lobby".into(), parcels, proxy: proxy.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_has_things_done_at_another_one() {
    let (_bed, mut one, mut two) = Bed::with_two().await;
    ask(&one, 1, go("bob")).await;
    let command = two.command().await;
    assert!(matches!(&command.op, Some(Op::Move(order)) if order.name == "bob"), "{command:?}");
    two.fail(command.id, Reason::TargetFull).await;
    assert_eq!(reason(&mut one, 1).await, Reason::TargetFull);
    ask(&one, 2, go("nobody")).await;
    assert_eq!(reason(&mut one, 2).await, Reason::NoSuchPlayer);

    // A line for one player, whom it is from included.
    let names = vec!["bob".to_owned()];
    let selector = Some(pb::PlayerSelector { names, ..Default::default() });
    let text = "\u{1b}(c@#fff)hi".to_owned();
    ask(&one, 3, Op::Tell(TellCommand { selector, text, from: "alice".into() })).await;
    let at_two = tokio::spawn(async move {
        let command = two.command().await;
        let Some(Op::Tell(tell)) = &command.op else { panic!("{command:?}") };
        assert_eq!(tell.from, "alice");
        let result = Some(Outcome::Told(1));
        two.say(Out::Result(CommandResult { id: command.id, result })).await;
        two
    });
    let command = one.command().await;
    one.say(Out::Result(CommandResult { id: command.id, result: Some(Outcome::Told(0)) })).await;
    assert_eq!(answered(&mut one, 3).await, Outcome::Told(1));
    let mut two = at_two.await.unwrap();

    ask(&one, 4, Op::Find(FindCommand { name: "bob".into() })).await;
    let Outcome::Player(bob) = answered(&mut one, 4).await else { panic!() };
    assert_eq!((bob.proxy.as_str(), bob.address.as_str()), ("two", "192.0.2.1"));

    // Data goes to another proxy with players there, and not back.
    ask(&one, 5, Op::Data(data("one"))).await;
    let command = two.command().await;
    assert!(matches!(&command.op, Some(Op::Data(data)) if data.parcels.len() == 2));
    let result = Some(Outcome::Taken(1));
    two.say(Out::Result(CommandResult { id: command.id, result })).await;
    assert_eq!(answered(&mut one, 5).await, Outcome::Taken(1));
    drop(two);
    // Nobody else could carry it.
    ask(&one, 6, Op::Data(DataCommand { server: "arena".into(), ..data("one") })).await;
    assert_eq!(answered(&mut one, 6).await, Outcome::Taken(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proxies_may_not_ask_for_has_its_reason() {
    let (_bed, mut one, _two) = Bed::with_two().await;
    let kick = KickCommand { name: "bob".into(), text: "x".repeat(9999), ..Default::default() };
    let state = pb::ServerState::Drain.into();
    let state = SetStateCommand { server: "lobby".into(), state };
    for (id, op, expected) in [
        (1, Op::Drain(DrainCommand::default()), Reason::InvalidField),
        (2, Op::Kick(kick), Reason::InvalidField),
        // This controller is one without rights to objects.
        (3, Op::State(state), Reason::Permission),
    ] {
        ask(&one, id, op).await;
        assert_eq!(reason(&mut one, id).await, expected, "{id}");
    }
    // More at a time than are carried out.
    for id in 10..=266 {
        ask(&one, id, go("bob")).await;
    }
    assert_eq!(reason(&mut one, 266).await, Reason::TooManyRequests);
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_that_want_to_know_are_told_of_others_players() {
    let (_bed, mut one, mut two) = Bed::with_two().await;
    let news = |message: &In| matches!(message, In::Elsewhere(_));
    one.say(Out::Follow(Follow { on: true })).await;
    let In::Elsewhere(first) = one.next(news).await else { panic!() };
    let [bob] = &first.present[..] else { panic!("{first:?}") };
    assert!(first.full && !first.more && bob.address.is_empty());
    assert_eq!(
        (bob.name.as_str(), bob.server.as_str(), bob.proxy.as_str()),
        ("bob", "lobby", "two")
    );
    // A report of what has changed, and one of somebody who will be back.
    two.report(&[("bob", "arena"), ("carol", "lobby")]).await;
    let In::Elsewhere(next) = one.next(news).await else { panic!() };
    assert!(!next.full && next.present.len() == 2 && next.left.is_empty(), "{next:?}");
    let names = vec!["carol".to_owned()];
    let (left, returning) = (names.clone(), names.clone());
    two.say(Out::Players(PlayerReport { left, returning, ..PlayerReport::default() })).await;
    let In::Elsewhere(next) = one.next(news).await else { panic!() };
    assert!(next.present.is_empty() && next.left == names && next.returning == names, "{next:?}");
    one.say(Out::Follow(Follow { on: false })).await;
    // Whoever does not ask is told nothing.
    two.report(&[]).await;
    for proxy in [&mut one, &mut two] {
        let more = tokio::time::timeout(Duration::from_millis(900), proxy.next(news)).await;
        assert!(more.is_err(), "{more:?}");
    }
}
