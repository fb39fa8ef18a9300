//! What becomes of players whose server goes away.

use std::time::{Duration, Instant};

use mesegate_protocol::login::{AccessDenied, DenyCode};
use mesegate_testkit::{Bot, Closed, FakeServer, FakeServerOptions, LoginRule, View};

use crate::support::{
    ARENA, Documents, LOBBY, Launch, Pair, SOON, arena, assert_sound, eventually, go, lobby,
    refusal, within,
};

const FOREVER: u64 = 90;

fn in_arena(view: &View) -> bool {
    view.position == ARENA
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_players_of_a_killed_server_go_on_elsewhere() {
    within(FOREVER, async {
        let Pair { lobby, arena, proxy } = Pair::start().await;
        let mut bots = Vec::new();
        for index in 0..20 {
            bots.push(proxy.join(&format!("bot{index}")).await);
        }
        assert_eq!(lobby.players().len(), 20);
        let died = Instant::now();
        lobby.die().await;
        let watch = |bot: Bot| async move {
            bot.expect_chat("lobby was lost", Duration::from_secs(25)).await.unwrap();
            let noticed = Instant::now();
            bot.until("a place in the arena", in_arena).await.unwrap();
            (bot, noticed, noticed.elapsed())
        };
        let watchers: Vec<_> = bots.into_iter().map(|bot| tokio::spawn(watch(bot))).collect();
        let (mut first_notice, mut last_notice) = (Duration::MAX, Duration::ZERO);
        let mut slowest = Duration::ZERO;
        let mut bots = Vec::new();
        for watcher in watchers {
            let (bot, noticed, taken) = watcher.await.unwrap();
            first_notice = first_notice.min(noticed.duration_since(died));
            last_notice = last_notice.max(noticed.duration_since(died));
            slowest = slowest.max(taken);
            bots.push(bot);
        }
        let spread = last_notice.saturating_sub(first_notice);
        println!("noticed {first_notice:?} to {last_notice:?} after the end, moved in {slowest:?}");
        assert!(last_notice < Duration::from_secs(5), "{last_notice:?}");
        // The first to notice tells the others.
        assert!(spread < Duration::from_millis(900), "{spread:?}");
        assert!(slowest < Duration::from_secs(3), "{slowest:?}");
        assert!(arena.until(|arena| arena.players().len() == 20).await);
        for bot in &bots {
            bot.say(&format!("ping {}", bot.name())).await;
            bot.expect_chat(&format!("pong {}", bot.name()), SOON).await.unwrap();
            assert_eq!(bot.closed(), None);
            assert_sound(bot);
        }
        assert_eq!(proxy.metric("fallbacks_total", &[("server", "lobby")]), 20.0);
        let active = [("server", "arena"), ("state", "active")];
        assert_eq!(proxy.metric("sessions", &active), 20.0);
        assert_eq!(proxy.metric("sessions", &[("server", "lobby")]), 0.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_lost_after_a_while() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let alice = pair.proxy.join("alice").await;
        pair.lobby.set_frozen(true);
        let froze = Instant::now();
        alice.until_within("the arena", Duration::from_secs(30), in_arena).await.unwrap();
        println!("a hanging server is left after {:?}", froze.elapsed());
        assert!(froze.elapsed() > Duration::from_secs(8), "too soon for a hiccup");
        assert!(froze.elapsed() < Duration::from_secs(20), "{:?}", froze.elapsed());
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_sends_its_players_on() {
    within(FOREVER, async {
        let Pair { lobby, arena, proxy } = Pair::start().await;
        let addr = lobby.addr();
        let alice = proxy.join("alice").await;
        lobby.shutdown("maintenance", true).await;
        alice.until("the arena", in_arena).await.unwrap();
        assert_eq!(arena.players(), ["alice"]);
        assert_eq!(alice.closed(), None);
        let lost = [("server", "lobby"), ("reason", "backend_shutdown")];
        assert_eq!(proxy.metric("fallbacks_total", &lost), 1.0);

        // It comes back, and so can the player.
        let mut options = FakeServerOptions::new(crate::support::lobby());
        options.addr = addr;
        // The secret is the same, but this server has forgotten its accounts.
        let lobby = FakeServer::start(options).unwrap();
        go(&alice, "lobby", LOBBY).await;
        assert_eq!(lobby.players(), ["alice"]);
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_or_hangs_up_sends_its_players_on() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let alice = pair.proxy.join("alice").await;
        let crash =
            AccessDenied { code: DenyCode::Crash, text: "Segfault".into(), reconnect: true };
        pair.lobby.deny("alice", crash);
        alice.until("the arena", in_arena).await.unwrap();
        assert_eq!(alice.closed(), None);

        // It lets players in and hangs up as soon as they are ready.
        let there = |arena: &FakeServer| arena.position("alice").is_some();
        assert!(pair.arena.until(there).await);
        pair.lobby.set_rule(LoginRule::LeaveAtReady);
        alice.say(">server lobby").await;
        alice.expect_chat("lobby was lost", SOON).await.unwrap();
        assert!(pair.arena.until(|arena| arena.joins() == 2).await);
        alice.until("the arena", in_arena).await.unwrap();
        alice.say("ping 1").await;
        alice.expect_chat("pong 1", SOON).await.unwrap();
        assert_eq!(alice.closed(), None);
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kick_ends_the_visit_and_its_text_is_read() {
    within(FOREVER, async {
        let pair = Pair::start().await;
        let alice = pair.proxy.join("alice").await;
        let bob = pair.proxy.join("bob").await;
        pair.lobby.kick("alice", "Kicked by a moderator: griefing");
        let closed = alice.wait_closed(SOON).await;
        let Some(Closed::Denied { code, text, reconnect }) = closed else { panic!("{closed:?}") };
        assert_eq!((code, reconnect), (DenyCode::CustomString, false));
        assert!(text.contains("Kicked by a moderator: griefing"), "{text}");
        assert_eq!(bob.closed(), None);
        assert_eq!(pair.arena.joins(), 0, "a kicked player was sent to the fallback");
        assert_eq!(pair.proxy.metric("kicks_total", &[("source", "backend")]), 1.0);
        // The name is free at once.
        let left = || pair.proxy.metric("sessions", &[("server", "lobby")]) < 1.5;
        eventually("alice's end", SOON, left).await;
        pair.proxy.join("alice").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_server_left_players_are_told_to_come_back() {
    within(FOREVER, async {
        let lobby = FakeServer::of(lobby()).unwrap();
        let arena = FakeServer::of(arena()).unwrap();
        let documents = Documents::new()
            .server_with("lobby", lobby.addr(), "fallbacks: [ { server: arena } ]")
            .server("arena", arena.addr())
            .proxy("messages: { unavailable: All is dark. }");
        let proxy = Launch::new(documents).start().await;
        let alice = proxy.join("alice").await;
        arena.die().await;
        lobby.die().await;
        let died = Instant::now();
        let closed = alice.wait_closed(Duration::from_secs(40)).await;
        println!("all servers dead: told after {:?}", died.elapsed());
        let Some(Closed::Denied { text, reconnect, .. }) = closed else { panic!("{closed:?}") };
        assert!(text.starts_with("All is dark."), "{text}");
        assert!(reconnect);

        // And so are those who come anew.
        let (_, text, reconnect) = refusal(Bot::join(proxy.bot("bob")).await);
        assert!(text.starts_with("All is dark."), "{text}");
        assert!(reconnect);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_target_being_down_at_login_leads_to_its_fallback() {
    within(FOREVER, async {
        let Pair { lobby, arena, proxy } = Pair::start().await;
        lobby.die().await;
        let alice = proxy.join("alice").await;
        assert_eq!(alice.look(|view| view.position), ARENA);
        assert_eq!(arena.players(), ["alice"]);
        assert_sound(&alice);
    })
    .await;
}
