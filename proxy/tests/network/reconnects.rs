//! Hops that need a new login: the client was not given what the target's world is made of, or
//! holds more than can be taken back.

use mesegate_protocol::to_client;
use mesegate_protocol::wire::Writer;
use mesegate_testkit::{Bot, Closed, FakeServer, FakeServerOptions, World};

use crate::support::{
    ARENA, Documents, LOBBY, Launch, Pair, Proxy, SOON, arena, assert_sound, go, lobby, settled,
    within,
};

const FOREVER: u64 = 60;

/// Waits for the offer to connect anew, and gives what the player reads.
async fn offer(bot: &Bot) -> String {
    let closed = bot.wait_closed(SOON).await;
    let Some(Closed::Denied { text, reconnect: true, .. }) = closed else { panic!("{closed:?}") };
    assert_sound(bot);
    text
}

fn throne_room() -> World {
    World::new("arena")
        .with_nodes([("testkit:stone", 300), ("arena:throne", 301)])
        .with_media("throne.png", vec![1; 3000])
        .with_spawn(ARENA)
}

/// A lobby, a place for the arena's documents, and a proxy that has never seen an arena.
async fn without_arena() -> (FakeServer, std::net::SocketAddr, Proxy) {
    let lobby = FakeServer::of(lobby()).unwrap();
    let arena = FakeServer::of(World::new("arena")).unwrap();
    let addr = arena.addr();
    arena.die().await;
    let documents = Documents::new().server("lobby", lobby.addr()).server("arena", addr);
    let proxy = Launch::new(documents).content_of(&["lobby"]).start().await;
    (lobby, addr, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_unknown_content_is_reached_by_the_next_login() {
    within(FOREVER, async {
        let (lobby, addr, proxy) = without_arena().await;
        let alice = proxy.join("alice").await;
        let mut options = FakeServerOptions::new(throne_room());
        options.addr = addr;
        let arena = FakeServer::start(options).unwrap();
        alice.say(">server arena").await;
        let text = offer(&alice).await;
        assert!(text.contains("arena") && text.contains("reconnect"), "{text}");
        let refused = [("to", "arena"), ("result", "content_unknown")];
        assert_eq!(proxy.metric("moves_total", &refused), 1.0);
        let log = proxy.logged("a player could not enter the server").await;
        assert!(log.contains("was not given the content of this server"), "{log}");

        // At once: the login waits for what the attempt told the proxy of.
        let alice = Bot::join(proxy.bot("alice").with_download()).await.unwrap();
        assert_eq!(alice.look(|view| view.position), ARENA);
        assert!(alice.announced().iter().any(|(name, _)| name == "throne.png"));
        settled(&alice, &arena).await;
        assert_sound(&alice);
        go(&alice, "lobby", LOBBY).await;
        settled(&alice, &lobby).await;
        go(&alice, "arena", ARENA).await;
        assert_sound(&alice);
        alice.leave().await;

        // Once only.
        let alice = proxy.join("alice").await;
        assert_eq!(alice.look(|view| view.position), LOBBY);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_enter_after_the_new_login_either_is_told_why() {
    within(FOREVER, async {
        let (_lobby, addr, proxy) = without_arena().await;
        let alice = proxy.join("alice").await;
        let mut options = FakeServerOptions::new(throne_room());
        options.addr = addr;
        // Players can enter, but the proxy cannot learn what is there.
        options.accounts = vec![("mesegate-proxy".into(), "taken".into())];
        let arena = FakeServer::start(options).unwrap();
        alice.say(">server arena").await;
        offer(&alice).await;

        let alice = proxy.join("alice").await;
        assert_eq!(alice.look(|view| view.position), LOBBY);
        let line = alice.expect_chat("You cannot enter arena", SOON).await.unwrap().text;
        assert!(line.contains("was not given the content of this server"), "{line}");
        assert!(line.contains("You are on lobby"), "{line}");
        assert_eq!(arena.joins(), 0);
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_holds_too_much_moves_on_by_a_new_login() {
    within(FOREVER, async {
        let pair = Pair::of(FakeServerOptions::new(lobby()), FakeServerOptions::new(arena())).await;
        let alice = pair.proxy.join("alice").await;
        for index in 0..20u8 {
            let mut w = Writer::command(to_client::DETACHED_INVENTORY);
            w.str16(&vec![b'a' + index; 60_000]).bool(true).u16(0);
            pair.lobby.send("alice", 0, true, w.finish());
        }
        pair.lobby.say("that was all");
        alice.expect_chat("that was all", SOON).await.unwrap();
        alice.say(">server arena").await;
        offer(&alice).await;
        assert!(pair.proxy.logged("asked to reconnect").await.contains("client_state_overflow"));
        let alice = pair.proxy.join("alice").await;
        assert_eq!(alice.look(|view| view.position), ARENA);
        assert_eq!(pair.arena.players(), ["alice"]);
        assert_sound(&alice);
    })
    .await;
}
#[tokio::test(flavor = "multi_thread")]
async fn new_content_where_players_arrive_costs_one_login() {
    within(FOREVER, async {
        let Pair { lobby, arena, proxy } = Pair::start().await;
        let addr = lobby.addr();
        lobby.die().await;
        let mut options = FakeServerOptions::new(throne_room().with_spawn([77.0, 1.5, 77.0]));
        options.addr = addr;
        let lobby = FakeServer::start(options).unwrap();
        // Joining takes as long as getting there, so the offer may come first.
        match Bot::join(proxy.bot("alice")).await {
            Ok(alice) => drop(offer(&alice).await),
            Err(mesegate_testkit::JoinError::Denied { reconnect: true, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(arena.joins(), 0, "the fallback is for servers that are away");
        let log = proxy.logged("a player could not enter the server").await;
        for part in ["the client does not have", "arena:throne", "throne.png"] {
            assert!(log.contains(part), "{log}");
        }
        let alice = proxy.join("alice").await;
        assert_eq!(alice.look(|view| view.position), [77.0, 1.5, 77.0]);
        assert_eq!(lobby.players(), ["alice"]);
        assert_sound(&alice);
    })
    .await;
}
