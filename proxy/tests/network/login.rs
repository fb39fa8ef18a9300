//! Who gets in, who does not, and what they read.

use mesegate_protocol::login::DenyCode;
use mesegate_testkit::{Bot, Closed, FakeServer};

use crate::support::{Documents, Launch, NEWEST, SOON, assert_sound, lobby, refusal, within};

const FOREVER: u64 = 60;

async fn alone(proxy: &str) -> (FakeServer, crate::support::Proxy) {
    let server = FakeServer::of(lobby()).unwrap();
    let documents = Documents::new().server("lobby", server.addr()).proxy(proxy);
    let proxy = Launch::new(documents).start().await;
    (server, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_registers_once_and_returns_with_the_password() {
    within(FOREVER, async {
        let (server, proxy) = alone("").await;
        let alice = proxy.join("Alice").await;
        assert!(alice.registered());
        assert_eq!(alice.version(), NEWEST);
        assert_eq!(server.players(), ["Alice"]);
        assert_sound(&alice);
        alice.leave().await;
        assert!(server.until(|server| server.players().is_empty()).await);

        let again = proxy.join("Alice").await;
        assert!(!again.registered());
        again.leave().await;
        let checks = |method, result| {
            proxy.metric("auth_attempts_total", &[("method", method), ("result", result)])
        };
        assert_eq!((checks("first_srp", "ok"), checks("srp", "ok")), (1.0, 1.0));

        let wrong = Bot::join(proxy.bot("Alice").with_password("guess")).await;
        let (code, text, reconnect) = refusal(wrong);
        assert_eq!((code, reconnect), (DenyCode::WrongPassword, false));
        assert!(text.contains("Wrong password"), "{text}");
        assert_eq!(checks("srp", "wrong_password"), 1.0);
        assert_eq!(server.joins(), 2, "a stranger came through");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_one_player_at_a_time() {
    within(FOREVER, async {
        let (server, proxy) = alone("").await;
        let alice = proxy.join("Alice").await;
        let (code, text, _) = refusal(Bot::join(proxy.bot("Alice")).await);
        assert_eq!(code, DenyCode::AlreadyConnected);
        assert!(text.contains("in the game"), "{text}");
        assert_eq!(alice.closed(), None, "the first was thrown out");

        let (code, text, _) = refusal(Bot::join(proxy.bot("aLICE")).await);
        assert_eq!(code, DenyCode::CustomString);
        assert!(text.contains("Alice") && text.contains("case"), "{text}");
        assert_eq!(server.players(), ["Alice"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_can_send_their_old_session_away() {
    within(FOREVER, async {
        let (server, proxy) = alone("duplicateLogin: KickOld").await;
        let old = proxy.join("Alice").await;
        // A stranger does not.
        let (code, ..) = refusal(Bot::join(proxy.bot("Alice").with_password("wrong")).await);
        assert_eq!(code, DenyCode::WrongPassword);
        assert!(old.closed().is_none());
        let _new = proxy.join("Alice").await;
        let closed = old.wait_closed(SOON).await;
        let Some(Closed::Denied { text, .. }) = closed else { panic!("{closed:?}") };
        assert_eq!(text, "Somebody has joined with your name.");
        assert!(server.until(|server| server.players() == ["Alice"]).await);
        assert_eq!(proxy.metric("kicks_total", &[("source", "duplicate")]), 1.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_engines_refuse_are_refused() {
    within(FOREVER, async {
        let (server, proxy) = alone("").await;
        for name in ["b@d", "with blank", "../../etc", "aaaaaaaaaaaaaaaaaaaaa", ""] {
            let (code, text, _) = refusal(Bot::join(proxy.bot(name)).await);
            // The code of texts: what the client speaks is not known at that point.
            assert_eq!(code, DenyCode::CustomString, "{name:?}: {text}");
            assert!(text.contains("1 to 20"), "{name:?}: {text}");
        }
        let rejected =
            |reason| proxy.metric("sessions_total", &[("result", "rejected"), ("reason", reason)]);
        assert_eq!(rejected("wrong_chars_in_name") + rejected("wrong_name"), 5.0);
        assert_eq!(server.joins(), 0);
        // The longest that is allowed.
        proxy.join("aaaaaaaaaaaaaaaaaaaa").await.leave().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_passwords_follow_the_policy() {
    within(FOREVER, async {
        let (_server, open) = alone("").await;
        Bot::join(open.bot("Alice").with_password("")).await.unwrap().leave().await;
        Bot::join(open.bot("Alice").with_password("")).await.unwrap();

        let (server, strict) = alone("passwordPolicy: { allowEmpty: false }").await;
        let (code, text, _) = refusal(Bot::join(strict.bot("Alice").with_password("")).await);
        assert_eq!(code, DenyCode::EmptyPassword);
        assert!(text.contains("Empty passwords"), "{text}");
        assert_eq!(server.joins(), 0);
        // Nothing was stored: the name can still be registered.
        assert!(strict.join("Alice").await.registered());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_network_says_so_until_somebody_leaves() {
    within(FOREVER, async {
        let fields = "limits: { players: 2 }\n  messages: { full: Come back at night. }";
        let (server, proxy) = alone(fields).await;
        let alice = proxy.join("Alice").await;
        let _bob = proxy.join("Bob").await;
        let full = refusal(Bot::join(proxy.bot("Carol")).await);
        assert_eq!(full, (DenyCode::TooManyUsers, "Come back at night.".into(), true));
        alice.leave().await;
        assert!(server.until(|server| server.players() == ["Bob"]).await);
        proxy.join("Carol").await;
        let full = [("result", "rejected"), ("reason", "full")];
        assert_eq!(proxy.metric("sessions_total", &full), 1.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_clients_play_and_older_ones_read_why_not() {
    within(FOREVER, async {
        let (_server, proxy) = alone("").await;
        for version in [37, 40, 46] {
            let bot = proxy.bot(&format!("v{version}")).with_version(version).with_download();
            let bot = Bot::join(bot).await.unwrap();
            assert_eq!(bot.version().0, version);
            bot.until("all blocks", |view| view.real_blocks() == 18).await.unwrap();
            assert_sound(&bot);
        }
        let (code, text, _) = refusal(Bot::join(proxy.bot("old").with_version(36)).await);
        assert_eq!(code, DenyCode::CustomString);
        assert!(text.contains("5.0 or newer"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_knows_nothing_yet_asks_for_patience() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby()).unwrap();
        let addr = server.addr();
        server.die().await;
        let documents = Documents::new().server("lobby", addr);
        let proxy = Launch::new(documents).unready().start().await;
        let (status, why) = proxy.page("/readyz");
        assert_eq!(status, 503);
        assert!(why.contains("definitions"), "{why}");
        assert_eq!(proxy.page("/livez").0, 200);
        let (code, text, reconnect) = refusal(Bot::join(proxy.bot("Alice")).await);
        assert_eq!((code, reconnect), (DenyCode::CustomString, true));
        assert!(text.contains("starting"), "{text}");
    })
    .await;
}
