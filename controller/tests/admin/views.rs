//! What is shown is what all proxies report.

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::watch_players_response::Event;
use tonic::Code;

use crate::bed::{Bed, PATIENCE, reason, until};

async fn event(watch: &mut tonic::Streaming<pb::WatchPlayersResponse>) -> Event {
    let next = tokio::time::timeout(PATIENCE, watch.message()).await.unwrap();
    next.unwrap().unwrap().event.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn players_of_all_proxies_are_listed() {
    let (bed, one, _two) = Bed::with_two().await;
    let mut request = pb::ListPlayersRequest { page_size: 1, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = bed.players().list_players(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.total, 2);
        seen.extend(page.players);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let shown: Vec<_> =
        seen.iter().map(|it| (it.name.as_str(), it.proxy.as_str(), it.server.as_str())).collect();
    assert_eq!(shown, [("alice", "one", "lobby"), ("bob", "two", "lobby")]);
    assert_eq!((seen[0].protocol, seen[0].address.as_str()), (52, "192.0.2.1"));
    let request = pb::GetPlayerRequest { name: "bob".into() };
    let bob = bed.players().get_player(request).await.unwrap().into_inner().player.unwrap();
    assert_eq!((bob.proxy.as_str(), bob.state()), ("two", pb::PlayerState::Playing));
    let proxies = bed.proxies().list_proxies(pb::ListProxiesRequest::default()).await.unwrap();
    let proxies = proxies.into_inner().proxies;
    let shown: Vec<_> = proxies.iter().map(|it| (it.name.as_str(), it.players)).collect();
    assert_eq!(shown, [("one", 1), ("two", 1)]);
    drop(one);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_is_everybody_and_then_every_change() {
    let (bed, one, two) = Bed::with_two().await;
    let request = pb::WatchPlayersRequest::default();
    let mut watch = bed.players().watch_players(request).await.unwrap().into_inner();
    let Event::Present(alice) = event(&mut watch).await else { panic!() };
    let Event::Present(bob) = event(&mut watch).await else { panic!() };
    assert_eq!((alice.name.as_str(), bob.name.as_str()), ("alice", "bob"));
    assert!(matches!(event(&mut watch).await, Event::Synced(_)));
    // What is told again is no change.
    two.report(&[("bob", "lobby")]).await;
    one.report(&[("alice", "arena"), ("carol", "lobby")]).await;
    let Event::Present(alice) = event(&mut watch).await else { panic!() };
    assert_eq!((alice.name.as_str(), alice.server.as_str()), ("alice", "arena"));
    let Event::Present(carol) = event(&mut watch).await else { panic!() };
    assert_eq!(carol.proxy, "one");
    one.report(&[("carol", "lobby")]).await;
    assert_eq!(event(&mut watch).await, Event::Gone("alice".into()));
    bed.stop.send_replace(true);
    let end = tokio::time::timeout(PATIENCE, watch.message()).await.unwrap().unwrap_err();
    assert_eq!((end.code(), reason(&end)), (Code::Unavailable, "STOPPING".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_who_does_not_keep_up_is_told_so() {
    let (bed, one, _two) = Bed::with_two().await;
    let request = pb::WatchPlayersRequest::default();
    let mut watch = bed.players().watch_players(request).await.unwrap().into_inner();
    while !matches!(event(&mut watch).await, Event::Synced(_)) {}
    // More changes than wait for anybody, while the watcher reads nothing.
    let names: Vec<String> = (0..20_000).map(|number| format!("player-{number}")).collect();
    // A connection holds some ten thousand of them, too.
    for server in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        let players: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), server)).collect();
        one.report(&players).await;
    }
    until(|| bed.fleet.by_server().get("j") == Some(&20_000)).await;
    let end = loop {
        match tokio::time::timeout(PATIENCE, watch.message()).await.unwrap() {
            Ok(next) => assert!(next.is_some()),
            Err(end) => break end,
        }
    };
    assert_eq!((end.code(), reason(&end)), (Code::Aborted, "WATCH_TOO_SLOW".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn players_outlast_a_lost_stream_for_a_while_only() {
    let (bed, one, _two) = Bed::with_two().await;
    let request = pb::WatchPlayersRequest::default();
    let mut watch = bed.players().watch_players(request).await.unwrap().into_inner();
    while !matches!(event(&mut watch).await, Event::Synced(_)) {}
    drop(one);
    until(|| bed.fleet.proxies().len() == 1).await;
    bed.fleet.sweep();
    assert!(bed.fleet.player("alice").is_some());
    until(|| {
        bed.fleet.sweep();
        bed.fleet.player("alice").is_none()
    })
    .await;
    assert_eq!(event(&mut watch).await, Event::Gone("alice".into()));
}
