//! What operators do and read: documents, logs, metrics.

use std::path::Path;
use std::time::Duration;

use mesegate_testkit::{Bot, FakeServer, FakeServerOptions, World};

use crate::support::{
    ARENA, Documents, LOBBY, Launch, Pair, SOON, arena, assert_sound, eventually, go, lobby, within,
};

const FOREVER: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_server_knows_under_another_password() {
    within(FOREVER, async {
        let mut options = FakeServerOptions::new(arena());
        options.accounts = vec![("alice".into(), "from before".into())];
        let pair = Pair::of(FakeServerOptions::new(lobby()), options).await;
        let alice = pair.proxy.join("alice").await;
        alice.say(">server arena").await;
        let line = alice.expect_chat("cannot enter arena", SOON).await.unwrap().text;
        assert!(line.contains("the server knows this name under another password"), "{line}");
        let line = pair.proxy.logged("reason=\"wrong_password\"").await;
        assert!(line.contains("server=arena") && line.contains("alice"), "{line}");
        assert_eq!(pair.lobby.players(), ["alice"]);
        // Others are not concerned.
        let bob = pair.proxy.join("bob").await;
        go(&bob, "arena", ARENA).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_with_empty_passwords() {
    within(FOREVER, async {
        let mut options = FakeServerOptions::new(lobby());
        options.accounts = vec![("alice".into(), String::new())];
        let server = FakeServer::start(options).unwrap();
        let documents = Documents::new().server_with("lobby", server.addr(), "backendAuth: empty");
        let proxy = Launch::new(documents).start().await;
        proxy.join("alice").await;
        proxy.join("bob").await;
        assert!(server.accounts().contains(&"bob".to_owned()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_adds_a_server_and_a_wrong_one_is_refused() {
    within(FOREVER, async {
        let lobby = FakeServer::of(lobby()).unwrap();
        let arena = FakeServer::of(World::new("arena").with_spawn(ARENA)).unwrap();
        let before = Documents::new().server("lobby", lobby.addr());
        let after = before.clone().server("arena", arena.addr());
        let proxy = Launch::new(before).start().await;
        let alice = proxy.join("alice").await;
        alice.say(">server arena").await;
        alice.expect_chat("There is no server arena", SOON).await.unwrap();

        proxy.edit(&after.yaml());
        proxy.logged("the documents were read again").await;
        proxy.known(&["lobby".into(), "arena".into()]).await;
        // All of its content is what alice was given at login.
        go(&alice, "arena", ARENA).await;
        assert_sound(&alice);

        let yaml = after.yaml();
        let port = format!("port: {}", arena.addr().port());
        let wrong = yaml.replace(&port, "port: 70000");
        let line = 1 + yaml.lines().position(|line| line.contains(&port)).unwrap();
        proxy.edit(&wrong);
        let said = proxy.logged("the last good ones stay").await;
        let place = format!("network.yaml:{line}: MinetestServer arena: spec.endpoint.port");
        assert!(said.contains(&place) && said.contains("1 to 65535"), "{said}");
        assert_eq!(proxy.metric("config_nacks_total", &[]), 1.0);
        // What was good goes on.
        go(&alice, "lobby", LOBBY).await;
        go(&alice, "arena", ARENA).await;

        // A server can be taken out under a player; they stay until they go.
        let removed = Documents::new().server("lobby", lobby.addr());
        proxy.edit(&removed.yaml());
        proxy.known(&["lobby".into()]).await;
        alice.say("ping 1").await;
        alice.expect_chat("pong 1", SOON).await.unwrap();
        assert!(!proxy.page("/metrics").1.contains("backend_up{server=\"arena\"}"));
        go(&alice, "lobby", LOBBY).await;
        alice.say(">server arena").await;
        alice.expect_chat("There is no server arena", SOON).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_document_keeps_the_proxy_from_starting() {
    within(FOREVER, async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("network.yaml");
        std::fs::write(&file, "apiVersion: mesegate.dev/v1alpha1\nkind: Minetest\n").unwrap();
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_mesegate-proxy"))
            .args(["--listen", "127.0.0.1:0", "--http", "", "--data"])
            .arg(folder.path().join("data"))
            .arg("--resources")
            .arg(&file)
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("network.yaml:2: Minetest: kind") && said.contains("MinetestProxy"),
            "{said}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_server_is_named_with_the_setting_and_others_keep_working() {
    within(FOREVER, async {
        let mut old = FakeServerOptions::new(lobby());
        old.max_version = mesegate_protocol::ProtocolVersion(46);
        let lobby = FakeServer::start(old).unwrap();
        let mut strict = FakeServerOptions::new(arena());
        strict.strict_version = true;
        let strict = FakeServer::start(strict).unwrap();
        let easy = FakeServer::of(World::new("easy").with_spawn(ARENA)).unwrap();
        let documents = Documents::new()
            .server("lobby", lobby.addr())
            .server("strict", strict.addr())
            .server("easy", easy.addr());
        let proxy = Launch::new(documents).content_of(&["lobby", "easy"]).start().await;
        let setting = "strict_protocol_version_checking";
        let line = proxy.logged(setting).await;
        assert!(line.contains("strict\"") || line.contains("server=strict"), "{line}");

        let alice = proxy.join("alice").await;
        assert_eq!(alice.version().0, 46);
        alice.say(">server strict").await;
        let line = alice.expect_chat("cannot enter strict", SOON).await.unwrap().text;
        assert!(line.contains(setting), "{line}");
        go(&alice, "easy", ARENA).await;
        go(&alice, "lobby", LOBBY).await;
        assert_sound(&alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_those_of_the_manual_and_name_no_players() {
    within(FOREVER, async {
        let Pair { lobby, arena, proxy } = Pair::start().await;
        let alice = Bot::join(proxy.bot("alice").with_download()).await.unwrap();
        go(&alice, "arena", ARENA).await;
        arena.kick("alice", "out");
        alice.wait_closed(SOON).await;
        let bob = proxy.join("bob").await;
        lobby.die().await;
        bob.expect_chat("was lost", SOON).await.unwrap();
        bob.until("the arena", |view| view.position == ARENA).await.unwrap();
        // Counters of connections are handed over once a second.
        proxy.counts("datagrams_total", &[("side", "server"), ("direction", "in")], 20.0).await;
        eventually("the dead server's mark", Duration::from_secs(50), || {
            proxy.metric("backend_up", &[("server", "lobby")]) == 0.0
        })
        .await;

        let page = proxy.page("/metrics").1;
        let samples: Vec<&str> =
            page.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
        for line in &samples {
            let known =
                ["mesegate_proxy_", "process_", "tokio_"].iter().any(|it| line.starts_with(it));
            assert!(known, "{line}");
            for private in ["alice", "bob", "127.0.0.1"] {
                assert!(!line.contains(private), "{line}");
            }
        }
        // That the manual has all that there can be is tested where it is made.
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../doc/metrics.md");
        let manual = std::fs::read_to_string(file).unwrap();
        for name in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = name.split(' ').next().unwrap();
            assert!(manual.contains(&format!("| `{name}` |")), "{name} is not in the manual");
        }
        // One of everything that happened.
        for (name, labels, value) in [
            ("sessions_total", vec![("result", "accepted")], 2.0),
            ("auth_attempts_total", vec![("method", "first_srp"), ("result", "ok")], 2.0),
            ("auth_duration_seconds_count", vec![], 2.0),
            ("moves_total", vec![("from", "lobby"), ("to", "arena"), ("result", "ok")], 2.0),
            ("fallbacks_total", vec![("server", "lobby")], 1.0),
            ("kicks_total", vec![("source", "backend")], 1.0),
            ("session_duration_seconds_count", vec![], 1.0),
            ("sessions", vec![("server", "arena"), ("state", "active")], 1.0),
            ("backend_up", vec![("server", "arena")], 1.0),
            ("build_info", vec![], 1.0),
            ("config_nacks_total", vec![], 0.0),
        ] {
            assert_eq!(proxy.metric(name, &labels), value, "{name} {labels:?}");
        }
        assert!(proxy.metric("media_sent_bytes_total", &[]) > 60.0);
        assert!(proxy.metric("config_loaded_timestamp_seconds", &[]) > 1.7e9);
        assert_sound(&bob);
    })
    .await;
}
