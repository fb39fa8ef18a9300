//! What is served over HTTP without asking who it is for: nothing about the inside.

use mesegate_testkit::{FakeServer, FakeServerOptions};

use crate::support::{Documents, Launch, lobby, within};

#[tokio::test(flavor = "multi_thread")]
async fn there_are_three_pages_and_no_others() {
    within(60, async {
        let lobby = FakeServer::start(FakeServerOptions::new(lobby())).unwrap();
        let documents = Documents::new().server("lobby", lobby.addr());
        let proxy = Launch::new(documents).start().await;
        for page in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(proxy.page(page).0, 200, "{page}");
            assert_eq!(proxy.page(&format!("{page}/")).0, 404, "{page}/");
        }
        for page in [
            "/",
            "/debug",
            "/debug/pprof/",
            "/debug/vars",
            "/config",
            "/env",
            "/healthz",
            "/index.mth",
            "/players",
            "/sessions",
            "/status",
            "/tracez",
            "/../../etc/passwd",
            "//metrics",
        ] {
            let (status, text) = proxy.page(page);
            assert_eq!((status, text.as_str()), (404, ""), "{page}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_a_server_go_with_it() {
    within(60, async {
        let pair = crate::support::Pair::start().await;
        let alice = pair.proxy.join("alice").await;
        crate::support::go(&alice, "arena", crate::support::ARENA).await;
        crate::support::go(&alice, "lobby", crate::support::LOBBY).await;
        let arena = [("server", "arena")];
        let proxy = &pair.proxy;
        proxy.counts("backend_probe_duration_seconds_count", &arena, 1.0).await;
        proxy.counts("packet_processing_seconds_count", &[], 1.0).await;
        assert_eq!(proxy.metric("sessions", &[("server", "lobby"), ("state", "active")]), 1.0);
        assert!(proxy.metric("moves_total", &[("to", "arena")]) > 0.0);
        assert!(proxy.page("/metrics").1.contains("\"arena\""));
        let yaml = Documents::new().server("lobby", pair.lobby.addr()).yaml();
        proxy.edit(&yaml);
        let gone = || !proxy.page("/metrics").1.contains("\"arena\"");
        crate::support::eventually("no more of the arena", crate::support::SOON, gone).await;
        assert_eq!(proxy.metric("sessions", &[("server", "lobby"), ("state", "active")]), 1.0);
        let page = proxy.page("/metrics").1;
        assert!(page.contains("\nprocess_resident_memory_bytes "), "{page}");
        alice.leave().await;
    })
    .await;
}
