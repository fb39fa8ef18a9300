//! Servers that stand for each other, and servers that let nobody in.

use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, FakeServer, FakeServerOptions};

use crate::support::{Documents, Launch, Proxy, SOON, eventually, lobby, refusal, within};

const FOREVER: u64 = 90;

/// Servers with the same world.
fn servers<const N: usize>() -> [FakeServer; N] {
    std::array::from_fn(|_| FakeServer::of(lobby()).unwrap())
}

/// Documents of servers `a`, `b`, …, each with its own fields, in the group `all`, where players
/// arrive.
fn grouped(servers: &[FakeServer], fields: &[&str], group: &str) -> Documents {
    let names = ["a", "b", "c"];
    let mut documents = Documents::new().group("all", group).arriving("group: all");
    for ((server, name), fields) in servers.iter().zip(names).zip(fields) {
        documents = documents.labelled(name, server.addr(), "in: all", fields);
    }
    documents
}

fn sizes(servers: &[FakeServer]) -> Vec<usize> {
    servers.iter().map(|server| server.players().len()).collect()
}

/// Players who join one after the other.
async fn join(proxy: &Proxy, count: usize) -> Vec<Bot> {
    let mut bots = Vec::new();
    for index in 0..count {
        bots.push(proxy.join(&format!("bot{index}")).await);
    }
    bots
}

#[tokio::test(flavor = "multi_thread")]
async fn every_strategy_spreads_players_as_it_says() {
    within(FOREVER, async {
        let servers = servers::<3>();
        let documents = grouped(&servers, &["", "", ""], "strategy: LeastPlayers");
        let proxy = Launch::new(documents).start().await;
        let bots = join(&proxy, 9).await;
        assert_eq!(sizes(&servers), [3, 3, 3]);
        drop(bots);
        let empty = || sizes(&servers) == [0, 0, 0];
        eventually("empty servers", SOON, empty).await;

        let edit = async |fields: [&str; 3], group: &str| {
            let before = proxy.metric("config_loaded_timestamp_seconds", &[]);
            let log = proxy.log().matches("were read again").count();
            proxy.edit(&grouped(&servers, &fields, group).yaml());
            let again = || proxy.log().matches("were read again").count() > log;
            eventually("the edited documents", SOON, again).await;
            assert!(proxy.metric("config_loaded_timestamp_seconds", &[]) >= before);
        };
        edit(["", "", ""], "strategy: RoundRobin").await;
        let mut order = Vec::new();
        let mut bots = Vec::new();
        for index in 0..6 {
            let bot = proxy.join(&format!("bot{index}")).await;
            let on = |server: &FakeServer| server.players().contains(&bot.name().to_owned());
            order.push(servers.iter().position(on).unwrap());
            bots.push(bot);
        }
        assert_eq!(order[..3], order[3..]);
        assert_eq!(sizes(&servers), [2, 2, 2]);
        drop(bots);
        eventually("empty servers", SOON, empty).await;

        edit(["weight: 0", "weight: 7", "weight: 0"], "strategy: Weighted").await;
        let bots = join(&proxy, 5).await;
        assert_eq!(sizes(&servers), [0, 5, 0]);
        drop(bots);
        eventually("empty servers", SOON, empty).await;

        edit(["", "", "state: Disabled"], "strategy: Random").await;
        let bots = join(&proxy, 16).await;
        let [a, b, c] = sizes(&servers)[..] else { panic!() };
        // All of sixteen on one of two happens once in 32768 runs.
        assert!(a > 0 && b > 0 && a + b == 16 && c == 0, "{a} {b} {c}");
        drop(bots);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_asked_for_by_its_name() {
    within(FOREVER, async {
        let servers = servers::<2>();
        let documents = Documents::new()
            .server("lobby", servers[0].addr())
            .labelled("game-1", servers[1].addr(), "in: games", "displayName: Game One")
            .group("games", "displayName: The Games");
        let proxy = Launch::new(documents).start().await;
        let alice = proxy.join("alice").await;
        alice.say(">servers").await;
        alice.expect_chat("2 servers; groups: games", SOON).await.unwrap();
        alice.say(">server games").await;
        alice.expect_chat("Going to The Games", SOON).await.unwrap();
        eventually("the move", SOON, || servers[1].players() == ["alice"]).await;
        alice.say(">server games").await;
        alice.expect_chat("You are on Game One already", SOON).await.unwrap();
        let moved = [("from", "lobby"), ("to", "game-1"), ("result", "ok")];
        assert_eq!(proxy.metric("moves_total", &moved), 1.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drains_keeps_its_players_and_gets_no_others() {
    within(FOREVER, async {
        let servers = servers::<2>();
        let with = |state: &str| grouped(&servers, &[state, ""], "strategy: RoundRobin");
        let proxy = Launch::new(with("")).start().await;
        let (alice, bob) = (proxy.join("alice").await, proxy.join("bob").await);
        assert_eq!(sizes(&servers), [1, 1]);
        proxy.edit(&with("state: Drain").yaml());
        proxy.logged("were read again").await;
        let others = join(&proxy, 3).await;
        assert_eq!(sizes(&servers), [1, 4]);
        let outside = if servers[0].players() == ["alice"] { &bob } else { &alice };
        outside.say(">server a").await;
        outside.expect_chat("nobody is let in there any more", SOON).await.unwrap();
        let refused = [("from", "b"), ("to", "a"), ("result", "draining")];
        assert_eq!(proxy.metric("moves_total", &refused), 1.0);
        alice.say("ping 1").await;
        alice.expect_chat("pong 1", SOON).await.unwrap();
        drop(others);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_servers_are_passed_over_and_never_overrun() {
    within(FOREVER, async {
        let servers = servers::<3>();
        let documents = Documents::new()
            .labelled("a", servers[0].addr(), "in: all", "maxPlayers: 2")
            .labelled("b", servers[1].addr(), "in: all", "maxPlayers: 3")
            .server_with(
                "spare",
                servers[2].addr(),
                "maxPlayers: 1, access: { permission: interact }".replace(", ", "\n  ").as_str(),
            )
            .group("all", "fallbacks: [ { server: spare } ]")
            .arriving("group: all");
        let proxy = Launch::new(documents).start().await;
        // All at once: seats are taken when a player sets out, not when they have arrived.
        let joins: Vec<_> =
            (0..6).map(|i| tokio::spawn(Bot::join(proxy.bot(&format!("bot{i}"))))).collect();
        let mut bots = Vec::new();
        for join in joins {
            bots.push(join.await.unwrap().unwrap());
        }
        assert_eq!(sizes(&servers), [2, 3, 1]);
        let (_, text, reconnect) = refusal(Bot::join(proxy.bot("late")).await);
        assert!(text.contains("the server is full") && reconnect, "{text}");

        let away = bots.iter().position(|bot| servers[2].players() != [bot.name()]).unwrap();
        bots[away].say(">server spare").await;
        bots[away].expect_chat("You cannot enter spare: the server is full", SOON).await.unwrap();
        // A seat is free again as soon as its player has left.
        let there = bots.iter().position(|bot| servers[2].players() == [bot.name()]).unwrap();
        drop(bots.remove(there));
        eventually("a free seat", SOON, || sizes(&servers) == [2, 3, 0]).await;
        let _late = proxy.join("late").await;
        assert_eq!(sizes(&servers), [2, 3, 1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_of_a_lost_server_go_to_a_group_and_on_to_its_fallbacks() {
    within(FOREVER, async {
        let [arena, a, b, spare] = servers::<4>();
        let documents = Documents::new()
            .server_with("arena", arena.addr(), "fallbacks: [ { group: all } ]")
            .labelled("a", a.addr(), "in: all", "fallbacks: [ { group: all } ]")
            .labelled("b", b.addr(), "in: all", "fallbacks: [ { group: all } ]")
            .server("spare", spare.addr())
            .group("all", "fallbacks: [ { server: spare } ]");
        let proxy = Launch::new(documents).start().await;
        let bots = join(&proxy, 6).await;
        arena.die().await;
        eventually("players in the group", Duration::from_secs(20), || {
            (a.players().len(), b.players().len()) == (3, 3)
        })
        .await;
        // Its own group does not send the players of a dead member back to it.
        a.die().await;
        eventually("players on the other member", Duration::from_secs(20), || {
            b.players().len() == 6
        })
        .await;
        b.die().await;
        eventually("players on the group's fallback", Duration::from_secs(30), || {
            spare.players().len() == 6
        })
        .await;
        for bot in &bots {
            assert_eq!(bot.closed(), None, "{}", bot.name());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_rate_spreads_a_crowd_over_time() {
    within(FOREVER, async {
        let servers = servers::<2>();
        let documents = grouped(&servers, &["", ""], "joinRate: 4");
        let proxy = Launch::new(documents).start().await;
        let began = Instant::now();
        let joins: Vec<_> =
            (0..13).map(|i| tokio::spawn(Bot::join(proxy.bot(&format!("bot{i}"))))).collect();
        let mut bots = Vec::new();
        for join in joins {
            bots.push(join.await.unwrap().unwrap());
        }
        let taken = began.elapsed();
        println!("13 players at 4 a second joined in {taken:?}");
        // The first at once, the twelve others a quarter of a second apart.
        assert!(taken >= Duration::from_millis(2900), "{taken:?}");
        assert_eq!(sizes(&servers).iter().sum::<usize>(), 13);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_wait_for_a_group_that_will_have_room_or_are_told_at_once() {
    within(FOREVER, async {
        let servers = servers::<1>();
        let with = |fields: &str, policy: &str| {
            grouped(&servers, &[fields], &format!("emptyPolicy: {policy}"))
        };
        let proxy = Launch::new(with("state: Drain", "Reject")).start().await;
        let began = Instant::now();
        let (_, text, reconnect) = refusal(Bot::join(proxy.bot("alice")).await);
        assert!(text.contains("none of its servers") && reconnect, "{text}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

        proxy.edit(&with("state: Drain", "Wait").yaml());
        proxy.logged("were read again").await;
        let waiting = tokio::spawn(Bot::join(proxy.bot("alice")));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(sizes(&servers), [0]);
        proxy.edit(&with("state: Active", "Wait").yaml());
        let alice = waiting.await.unwrap().unwrap();
        assert_eq!(servers[0].players(), [alice.name()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_can_be_for_some_players_only() {
    within(FOREVER, async {
        let servers = servers::<3>();
        let documents = Documents::new()
            .server("lobby", servers[0].addr())
            .server_with("vip", servers[1].addr(), "access: { permission: vip }")
            .server_with("all", servers[2].addr(), "access: { permission: interact }");
        let proxy = Launch::new(documents).start().await;
        let alice = proxy.join("alice").await;
        alice.say(">server vip").await;
        alice.expect_chat("You cannot enter vip: you may not go there", SOON).await.unwrap();
        alice.say(">server all").await;
        eventually("the move", SOON, || servers[2].players() == ["alice"]).await;
        assert_eq!(servers[1].joins(), 0);
        let refused = [("to", "vip"), ("result", "forbidden")];
        assert_eq!(proxy.metric("moves_total", &refused), 1.0);
    })
    .await;
}

/// A server that is disabled is not looked at: that it is gone keeps nobody waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_server_is_left_alone() {
    within(FOREVER, async {
        let mut options = FakeServerOptions::new(lobby());
        let gone = FakeServer::of(lobby()).unwrap();
        options.addr = gone.addr();
        gone.die().await;
        let servers = servers::<1>();
        let with = |state: &str| {
            Documents::new().server("lobby", servers[0].addr()).server_with(
                "old",
                options.addr,
                state,
            )
        };
        let launch = Launch::new(with("state: Disabled")).content_of(&["lobby"]);
        let proxy = launch.start().await;
        let alice = proxy.join("alice").await;
        alice.say(">server old").await;
        alice.expect_chat("You cannot enter old: it is out of service", SOON).await.unwrap();
        assert!(!proxy.page("/metrics").1.contains("backend_up{server=\"old\"}"));
        alice.say(">server").await;
        let line = alice.expect_chat("Servers:", SOON).await.unwrap().text;
        assert!(!line.contains("old"), "{line}");
    })
    .await;
}
