//! Who may make an account, how often somebody may try, and how many may come from one address.

use mesegate_protocol::login::DenyCode;
use mesegate_testkit::{Bot, FakeServer};

use crate::support::{Documents, Launch, Proxy, lobby, refusal, within};

const FOREVER: u64 = 60;

async fn alone(admission: &str) -> (FakeServer, Proxy) {
    let server = FakeServer::of(lobby()).unwrap();
    let fields = format!("limits: {{ players: 3 }}\n  admission: {{ {admission} }}");
    let documents = Documents::new().server("lobby", server.addr()).proxy(&fields);
    let proxy = Launch::new(documents).start().await;
    (server, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_made_by_those_who_may() {
    within(FOREVER, async {
        let (_server, proxy) = alone("registration: AllowList, allowList: [ alice ]").await;
        assert!(proxy.join("Alice").await.registered());
        let (_, text, _) = refusal(Bot::join(proxy.bot("bob")).await);
        assert!(text.contains("none can be made"), "{text}");
        let refused = [("result", "rejected"), ("reason", "registration_closed")];
        assert_eq!(proxy.metric("sessions_total", &refused), 1.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_waits_and_the_right_password_has_to_wait_as_well() {
    within(FOREVER, async {
        let (_server, proxy) = alone("freeFailures: 2, longestWaitSeconds: 2").await;
        proxy.join("Alice").await.leave().await;
        for _ in 0..2 {
            let (code, ..) = refusal(Bot::join(proxy.bot("Alice").with_password("guess")).await);
            assert_eq!(code, DenyCode::WrongPassword);
        }
        let (_, text, reconnect) = refusal(Bot::join(proxy.bot("alice")).await);
        assert!(text.contains("Too many wrong passwords") && reconnect, "{text}");
        // Another name is not concerned.
        proxy.join("Bob").await.leave().await;
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        proxy.join("Alice").await.leave().await;
        // Which ends the matter.
        let (code, ..) = refusal(Bot::join(proxy.bot("Alice").with_password("guess")).await);
        assert_eq!(code, DenyCode::WrongPassword);
        proxy.join("Alice").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_places() {
    within(FOREVER, async {
        let (server, proxy) = alone("playersPerPrefix: 1").await;
        let alice = proxy.join("Alice").await;
        let (_, text, _) = refusal(Bot::join(proxy.bot("Bob")).await);
        assert!(text.contains("from your address"), "{text}");
        alice.leave().await;
        assert!(server.until(|server| server.players().is_empty()).await);
        proxy.join("Bob").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_places_are_for_some_accounts() {
    within(FOREVER, async {
        let (_server, proxy) = alone("reservedPlaces: 2").await;
        let _alice = proxy.join("Alice").await;
        let (code, ..) = refusal(Bot::join(proxy.bot("Bob")).await);
        assert_eq!(code, DenyCode::TooManyUsers);
        // A privilege that every account has.
        let (_server, proxy) = alone("reservedPlaces: 2, reservedPermission: interact").await;
        for name in ["Alice", "Bob", "Carol"] {
            proxy.join(name).await.leave().await;
        }
    })
    .await;
}
