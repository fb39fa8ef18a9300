//! Players who are kept out by the documents.

use mesegate_testkit::{Bot, FakeServer};

use crate::support::{Documents, Launch, SOON, eventually, lobby, refusal, within};

const FOREVER: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn bans_bite_at_login_and_end_visits() {
    within(FOREVER, async {
        let server = FakeServer::of(lobby()).unwrap();
        let documents = Documents::new().server("lobby", server.addr());
        let ban = |target: &str, more: &str| format!("{{ target: {{ {target} }}, {more} }}");
        let mallory = documents.clone().more(
            "MinetestBan",
            "mallory",
            &ban("name: Mallory", "reason: theft, expiresAt: \"2099-01-01T00:00:00Z\""),
        );
        let proxy = Launch::new(documents).start().await;
        let bad = proxy.join("mallory").await;
        let alice = proxy.join("alice").await;
        proxy.edit(&mallory.yaml());
        eventually("the end of the visit", SOON, || bad.closed().is_some()).await;
        assert_eq!(server.players(), ["alice"]);
        assert_eq!(proxy.metric("kicks_total", &[("source", "ban")]), 1.0);
        let (_, text, reconnect) = refusal(Bot::join(proxy.bot("mallory")).await);
        assert_eq!(text, "You are banned from this network until 2099-01-01T00:00:00Z: theft");
        assert!(!reconnect);

        // A ban of addresses takes everybody who comes from there; one that is over takes nobody.
        let over = ban("cidr: 127.0.0.0/8", "expiresAt: \"2001-01-01T00:00:00Z\"");
        let read = proxy.log().matches("were read again").count();
        proxy.edit(&mallory.clone().more("MinetestBan", "net", &over).yaml());
        let again = || proxy.log().matches("were read again").count() > read;
        eventually("the edited documents", SOON, again).await;
        assert_eq!(alice.closed(), None);
        let net = ban("cidr: 127.0.0.0/8", "");
        proxy.edit(&mallory.more("MinetestBan", "net", &net).yaml());
        eventually("the end of the visit", SOON, || alice.closed().is_some()).await;
        let (_, text, _) = refusal(Bot::join(proxy.bot("bob")).await);
        assert_eq!(text, "You are banned from this network.");
        assert_eq!(proxy.metric("sessions_total", &[("reason", "banned")]), 2.0);
    })
    .await;
}
