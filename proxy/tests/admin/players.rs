//! Who is in the game.

use std::time::Duration;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::watch_players_response::Event;
use mesegate_testkit::Closed;
use tonic::{Code, Streaming};

use crate::client::{Net, assert_reason};
use crate::support::{ARENA, SOON, eventually, go, within};

const FOREVER: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_player_are_told() {
    within(FOREVER, async {
        let net = Net::start().await;
        let bob = net.proxy.join("bob").await;
        let inspect = async |name: &str| {
            let request = net.admin.ask(pb::InspectPlayerRequest { name: name.into() });
            net.admin.players().inspect_player(request).await.map(tonic::Response::into_inner)
        };
        let before = inspect("bob").await.unwrap();
        let player = before.player.unwrap();
        assert_eq!((player.name.as_str(), player.server.as_str()), ("bob", "lobby"));
        let [client, server] = [before.client.unwrap(), before.server.unwrap()];
        for it in [&client, &server] {
            assert!(it.datagrams_in > 0 && it.datagrams_out > 0 && it.bytes_out > 0, "{it:?}");
            assert!(it.reliables_out > 0 && it.congestion_window > 0, "{it:?}");
            assert_eq!((it.malformed, it.over_limit), (0, 0));
            let rtt = it.rtt.unwrap();
            assert!((rtt.seconds, rtt.nanos) > (0, 0), "{rtt:?}");
        }

        // That to the client goes on, that to the server is another one.
        go(&bob, "arena", ARENA).await;
        let after = inspect("bob").await.unwrap();
        assert!(after.client.unwrap().datagrams_in > client.datagrams_in);
        assert_eq!(after.player.unwrap().server, "arena");
        assert!(after.server.is_some());
        assert_reason(inspect("carol").await, Code::NotFound, "NO_SUCH_PLAYER");
    })
    .await;
}

async fn next(events: &mut Streaming<pb::WatchPlayersResponse>) -> Event {
    let event = tokio::time::timeout(SOON, events.message()).await.expect("an event");
    event.unwrap().unwrap().event.unwrap()
}

/// The next event that is not about where somebody is between two servers.
async fn present(events: &mut Streaming<pb::WatchPlayersResponse>) -> pb::Player {
    match next(events).await {
        Event::Present(player) => player,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn players_are_listed_by_page_and_filter() {
    within(FOREVER, async {
        let net = Net::start().await;
        let mut bots = Vec::new();
        for name in ["dave", "alice", "bob", "carol", "Al"] {
            bots.push(net.proxy.join(name).await);
        }
        go(&bots[2], "arena", ARENA).await;
        let admin = &net.admin;
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListPlayersRequest { page_size: 2, page_token, ..Default::default() };
            let page = admin.players().list_players(request).await.unwrap().into_inner();
            assert_eq!(page.total, 5);
            assert!(page.players.len() <= 2);
            seen.extend(page.players.into_iter().map(|player| player.name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, ["Al", "alice", "bob", "carol", "dave"]);

        let filtered = async |selector: pb::PlayerSelector| {
            let selector = Some(selector);
            let request = pb::ListPlayersRequest { selector, ..Default::default() };
            let page = admin.players().list_players(request).await.unwrap().into_inner();
            page.players.into_iter().map(|player| player.name).collect::<Vec<_>>()
        };
        let on = |server: &str| pb::PlayerSelector {
            servers: vec![server.into()],
            ..Default::default()
        };
        assert_eq!(filtered(on("arena")).await, ["bob"]);
        let prefix = pb::PlayerSelector { name_prefix: "AL".into(), ..on("lobby") };
        assert_eq!(filtered(prefix).await, ["Al", "alice"]);

        let request = pb::GetPlayerRequest { name: "bob".into() };
        let bob = admin.players().get_player(request).await.unwrap().into_inner().player.unwrap();
        assert_eq!((bob.server.as_str(), bob.proxy.as_str()), ("arena", "edge-1"));
        assert_eq!(bob.state(), pb::PlayerState::Playing);
        assert_eq!(bob.protocol, u32::from(bots[2].version().0));
        assert_eq!(bob.address, "127.0.0.1");
        assert!(bob.since.unwrap().seconds >= bob.joined.unwrap().seconds);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_what_is_there_and_then_every_change() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let _zoe = net.proxy.join("zoe").await;
        let watch = async |selector| {
            let request = pb::WatchPlayersRequest { selector };
            net.admin.players().watch_players(request).await.unwrap().into_inner()
        };
        let mut all = watch(None).await;
        let on_lobby = pb::PlayerSelector { servers: vec!["lobby".into()], ..Default::default() };
        let mut lobby = watch(Some(on_lobby)).await;
        for events in [&mut all, &mut lobby] {
            assert_eq!(present(events).await.name, "alice");
            assert_eq!(present(events).await.name, "zoe");
            assert_eq!(next(events).await, Event::Synced(pb::Synced {}));
        }
        go(&alice, "arena", ARENA).await;
        let moved = present(&mut all).await;
        assert_eq!((moved.name.as_str(), moved.server.as_str()), ("alice", "arena"));
        // She is not among those who are meant any more.
        assert_eq!(next(&mut lobby).await, Event::Gone("alice".into()));

        let bob = net.proxy.join("bob").await;
        let joining = present(&mut all).await;
        assert_eq!((joining.name.as_str(), joining.state()), ("bob", pb::PlayerState::Joining));
        assert_eq!(present(&mut all).await.server, "lobby");
        assert_eq!(present(&mut lobby).await.name, "bob");
        bob.leave().await;
        assert_eq!(next(&mut all).await, Event::Gone("bob".into()));
        assert_eq!(next(&mut lobby).await, Event::Gone("bob".into()));
        assert_eq!(net.proxy.metric("admin_watches", &[]), 2.0);
        drop((all, lobby));
        eventually("the watches' end", SOON, || net.proxy.metric("admin_watches", &[]) == 0.0)
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_is_told_when_the_proxy_stops() {
    within(FOREVER, async {
        let net = Net::start().await;
        let request = pb::WatchPlayersRequest::default();
        let mut events = net.admin.players().watch_players(request).await.unwrap().into_inner();
        assert_eq!(next(&mut events).await, Event::Synced(pb::Synced {}));
        net.proxy.terminate();
        let end = events.message().await.unwrap_err();
        assert_eq!(crate::client::reason(&end), "STOPPING");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kick_ends_the_visit_with_its_reason() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let bob = net.proxy.join("bob").await;
        let request = pb::KickPlayerRequest {
            name: "alice".into(),
            reason: "mind the rules".into(),
            reconnect: true,
            request_id: "one".into(),
        };
        for _ in 0..2 {
            // The second does nothing: alice would not be there to be kicked.
            net.admin.players().kick_player(request.clone()).await.unwrap();
        }
        match alice.wait_closed(SOON).await {
            Some(Closed::Denied { text, reconnect, .. }) => {
                assert!(text.contains("mind the rules"), "{text}");
                assert!(reconnect);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(net.proxy.metric("kicks_total", &[("source", "operator")]), 1.0);
        let again = pb::KickPlayerRequest { name: "bob".into(), ..request };
        let reused = net.admin.players().kick_player(again).await.unwrap_err();
        assert_eq!(crate::client::reason(&reused), "REQUEST_ID_REUSED");
        assert_eq!(bob.closed(), None);
        let line = net.proxy.logged("verb=\"KickPlayer\"").await;
        for part in ["audit", "actor=\"local\"", "subject=\"player alice\"", "result=\"OK\""] {
            assert!(line.contains(part), "{line}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_reach_those_who_are_meant() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let bob = net.proxy.join("bob").await;
        go(&bob, "arena", ARENA).await;
        let send = async |selector, all, text: &str| {
            let request =
                pb::SendMessageRequest { selector, all, text: text.into(), ..Default::default() };
            net.admin.players().send_message(request).await.unwrap().into_inner().players
        };
        let on = pb::PlayerSelector { servers: vec!["arena".into()], ..Default::default() };
        assert_eq!(send(Some(on), false, "only the arena").await, 1);
        assert_eq!(send(None, true, "restart at noon").await, 2);
        bob.expect_chat("only the arena", SOON).await.unwrap();
        bob.expect_chat("restart at noon", SOON).await.unwrap();
        alice.expect_chat("restart at noon", SOON).await.unwrap();
        let told = alice.expect_chat("only the arena", Duration::from_millis(100)).await;
        assert!(told.is_err());
    })
    .await;
}
