//! What players ask the proxy for, and how it says no.

use std::time::Duration;

use mesegate_testkit::{FakeServer, LoginRule};

use crate::support::{ARENA, Documents, Launch, Pair, SOON, assert_sound, lobby, within};

const FOREVER: u64 = 90;

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_answered_and_stay_in_the_proxy() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let alice = pair.proxy.join("alice").await;
        for (line, answer) in [
            (">server nowhere", "There is no server nowhere"),
            (">server lobby", "You are on lobby already"),
            (">SERVER", "You are on lobby"),
            (">servers", "2 servers"),
            (">help", "What you may use"),
            (">", "What you may use"),
            (">frobnicate now", "There is no command >frobnicate"),
        ] {
            alice.say(line).await;
            alice.expect_chat(answer, SOON).await.unwrap();
        }
        alice.say(">server a").await;
        alice.until("the arena", |view| view.position == ARENA).await.unwrap();
        alice.say("a > b").await;
        alice.expect_chat("<alice> a > b", SOON).await.unwrap();
        assert_eq!(pair.lobby.said_by("alice"), Vec::<String>::new());
        assert_eq!(pair.arena.said_by("alice"), ["a > b"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_can_be_another() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby()).unwrap();
        let documents =
            Documents::new().server("lobby", server.addr()).proxy("commandPrefix: \"!!\"");
        let proxy = Launch::new(documents).start().await;
        let alice = proxy.join("alice").await;
        alice.say("!!servers").await;
        alice.expect_chat("1 server", SOON).await.unwrap();
        alice.say(">servers").await;
        alice.expect_chat("<alice> >servers", SOON).await.unwrap();
        assert_eq!(server.said_by("alice"), [">servers"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_hop_leaves_the_player_where_they_are() {
    within(FOREVER, async {
        let Pair { lobby, arena, proxy } = Pair::start().await;
        let alice = proxy.join("alice").await;
        let try_arena = async |why: &str| {
            alice.say(">server arena").await;
            let limit = Duration::from_secs(20);
            let line = alice.expect_chat("cannot enter arena", limit).await.unwrap().text;
            assert!(line.contains(why), "{line}");
            alice.say("ping 1").await;
            alice.expect_chat("pong 1", SOON).await.unwrap();
        };
        arena.set_rule(LoginRule::Full);
        try_arena("the server is full").await;
        arena.set_rule(LoginRule::Deny("members only".into()));
        try_arena("members only").await;
        arena.set_rule(LoginRule::Silent);
        let asked = tokio::time::Instant::now();
        try_arena("").await;
        assert!(asked.elapsed() < Duration::from_secs(13), "{:?}", asked.elapsed());
        arena.set_rule(LoginRule::Accept);
        arena.die().await;
        try_arena("no server answers").await;
        assert_eq!(lobby.players(), ["alice"]);
        assert_eq!(alice.closed(), None);
        assert_sound(&alice);
        let reasons = ["full", "denied", "unreachable"];
        for reason in reasons {
            let labels = [("from", "lobby"), ("to", "arena"), ("result", reason)];
            assert!(proxy.metric("moves_total", &labels) >= 1.0, "{reason}");
        }
    })
    .await;
}
