//! Servers and the proxy itself.

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::watch_servers_response::Event;
use mesegate_protocol::login::DenyCode;
use mesegate_testkit::{Bot, Closed, FakeServer};
use tonic::{Code, Streaming};

use crate::client::{Admin, Net, assert_reason, launch};
use crate::support::{ARENA, Documents, SOON, go, lobby, refusal, within};

const FOREVER: u64 = 90;

async fn until(
    events: &mut Streaming<pb::WatchServersResponse>,
    wanted: impl Fn(&Event) -> bool,
) -> Event {
    let next = async {
        loop {
            let event = events.message().await.unwrap().unwrap().event.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(SOON * 3, next).await.expect("an event")
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_shown_with_players_and_watched() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let page = net.admin.servers().list_servers(pb::ListServersRequest::default()).await;
        let servers = page.unwrap().into_inner().servers;
        let shown: Vec<_> = servers.iter().map(|s| (s.name.as_str(), s.players)).collect();
        assert_eq!(shown, [("arena", 0), ("lobby", 1)]);
        for server in &servers {
            assert_eq!(server.state(), pb::ServerState::Active);
            assert_eq!(server.reachability(), pb::Reachability::Up);
            assert!(server.protocol > 40 && server.checked.is_some());
        }
        assert_eq!(servers[0].endpoint, net.arena.addr().to_string());

        let request = pb::WatchServersRequest {};
        let mut events = net.admin.servers().watch_servers(request).await.unwrap().into_inner();
        let synced = |event: &Event| matches!(event, Event::Synced(_));
        until(&mut events, synced).await;
        go(&alice, "arena", ARENA).await;
        let filled = |event: &Event| matches!(event, Event::Present(s) if s.players == 1);
        match until(&mut events, filled).await {
            Event::Present(server) => assert_eq!(server.name, "arena"),
            other => panic!("{other:?}"),
        }
        net.admin.state("arena", pb::ServerState::Drain).await.unwrap();
        let drains =
            |event: &Event| matches!(event, Event::Present(s) if s.state() == pb::ServerState::Drain);
        until(&mut events, drains).await;
        // Who is there stays; who is not does not get in.
        assert_eq!(net.arena.players(), ["alice"]);
        let bob = net.proxy.join("bob").await;
        bob.say(">server arena").await;
        bob.expect_chat("nobody is let in", SOON).await.unwrap();

        let only_lobby = crate::support::Documents::new().server("lobby", net.lobby.addr());
        net.proxy.edit(&only_lobby.yaml());
        let gone = |event: &Event| matches!(event, Event::Gone(name) if name == "arena");
        until(&mut events, gone).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_is_shown_as_down() {
    within(FOREVER, async {
        let net = Net::start().await;
        let Net { lobby, arena, proxy, admin } = net;
        let alice = proxy.join("alice").await;
        go(&alice, "arena", ARENA).await;
        let request = pb::WatchServersRequest {};
        let mut events = admin.servers().watch_servers(request).await.unwrap().into_inner();
        arena.die().await;
        let down = |event: &Event| {
            matches!(event, Event::Present(s)
                if s.name == "arena" && s.reachability() == pb::Reachability::Down)
        };
        match until(&mut events, down).await {
            Event::Present(server) => assert!(!server.problem.is_empty()),
            other => panic!("{other:?}"),
        }
        assert_eq!(lobby.players(), ["alice"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_proxy_keeps_its_players_and_lets_nobody_in() {
    within(FOREVER, async {
        let net = Net::start().await;
        let alice = net.proxy.join("alice").await;
        let drain = async |cancel| {
            let request =
                pb::DrainProxyRequest { name: "edge-1".into(), cancel, ..Default::default() };
            net.admin.proxies().drain_proxy(request).await.unwrap().into_inner().proxy.unwrap()
        };
        let proxy = drain(false).await;
        assert_eq!((proxy.state(), proxy.players), (pb::ProxyState::Draining, 1));
        assert_eq!(proxy.version, env!("CARGO_PKG_VERSION"));
        let (_, _, reconnect) = refusal(Bot::join(net.proxy.bot("bob")).await);
        assert!(reconnect);
        // What is ready stays ready: see doc/operations.md.
        assert_eq!(net.proxy.page("/readyz").0, 200);
        go(&alice, "arena", ARENA).await;
        assert_eq!(drain(true).await.state(), pb::ProxyState::Serving);
        net.proxy.join("bob").await;
        let list = net.admin.proxies().list_proxies(pb::ListProxiesRequest::default()).await;
        let list = list.unwrap().into_inner().proxies;
        assert_eq!((list.len(), list[0].name.as_str(), list[0].max_players), (1, "edge-1", 1000));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_drained_until_a_deadline_and_goes_on_afterwards() {
    within(FOREVER, async {
        let lobby = FakeServer::of(lobby()).unwrap();
        let documents = Documents::new().server("lobby", lobby.addr());
        let mut proxy = launch(documents).arg("--drain-timeout", "2").start().await;
        let admin = Admin::of(&proxy).await;
        let drain = async |cancel| {
            let name = "edge-1".into();
            let request = pb::DrainProxyRequest { name, cancel, ..Default::default() };
            admin.proxies().drain_proxy(request).await.map(|it| it.into_inner().proxy.unwrap())
        };
        let [alice, bob] = [proxy.join("alice").await, proxy.join("bob").await];
        drain(false).await.unwrap();
        for bot in [&alice, &bob] {
            bot.expect_chat("Maintenance in 2 s", SOON).await.unwrap();
            let closed = bot.wait_closed(SOON).await;
            assert!(matches!(closed, Some(Closed::Denied { reconnect: true, .. })), "{closed:?}");
        }
        // They are to go to another proxy, and this one does not end.
        let (code, _, reconnect) = refusal(Bot::join(proxy.bot("alice")).await);
        assert_eq!((code, reconnect), (DenyCode::Shutdown, true));
        assert!(proxy.is_running());
        assert_eq!(proxy.page("/readyz").0, 200);
        assert_eq!(drain(true).await.unwrap().state(), pb::ProxyState::Serving);
        let alice = proxy.join("alice").await;
        // What a signal has begun is not taken back.
        proxy.terminate();
        alice.expect_chat("Maintenance in 2 s", SOON).await.unwrap();
        assert_reason(drain(true).await.map(|_| ()), Code::Unavailable, "STOPPING");
        assert!(proxy.ended().await.0.success());
    })
    .await;
}
