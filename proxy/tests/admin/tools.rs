//! The same through programs: `mesegatectl`, and `grpcurl`, which is not ours.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use mesegate_testkit::{Bot, Closed};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::client::{Net, address};
use crate::support::{SOON, refusal, within};

/// The building of the program included.
const FOREVER: u64 = 900;

/// `mesegatectl` of the same build. The tests of the whole workspace have made it already, for
/// its own tests; making it alone is another set of features and takes minutes.
async fn mesegatectl() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_mesegate-proxy")).parent().unwrap();
    let program = folder.join("mesegatectl");
    if program.exists() {
        return program;
    }
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "-p", "mesegatectl"]);
    build.env("CARGO_TARGET_DIR", folder.parent().unwrap());
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().await.unwrap().success());
    program
}

async fn run(program: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(SOON * 3, command.output()).await.expect("an end").unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_at_a_shell() {
    let program = mesegatectl().await;
    within(FOREVER, async {
        let net = Net::start().await;
        let url = format!("http://{}", address(&net.proxy).await);
        let ctl = async |line: &[&str]| run(&program, &[&["--server", &url], line].concat()).await;
        let fails = async |line: &[&str], code: i32, word: &str| {
            let output = ctl(line).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{line:?}: {said}");
            assert!(said.contains(word), "{line:?}: {said}");
        };
        let alice = net.proxy.join("alice").await;
        let bob = net.proxy.join("bob").await;

        let mut watch = Command::new(&program);
        watch.args(["--server", &url, "-o", "json", "watch", "players"]);
        let mut watch = watch.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut events = BufReader::new(watch.stdout.take().unwrap()).lines();
        let mut next = async || {
            let line = tokio::time::timeout(SOON, events.next_line()).await.expect("an event");
            serde_json::from_str::<Value>(&line.unwrap().unwrap()).unwrap()
        };
        assert_eq!(next().await["present"]["name"], "alice");
        assert_eq!(next().await["present"]["name"], "bob");
        assert_eq!(next().await["synced"], true);

        let table = out(&ctl(&["players"]).await);
        let rows: Vec<&str> = table.lines().collect();
        assert!(rows[0].starts_with("NAME") && rows[1].starts_with("alice"), "{table}");
        let moved = json(&ctl(&["move", "alice", "--to", "arena", "-o", "json"]).await);
        assert_eq!((&moved["outcome"], &moved["server"]), (&"MOVED".into(), &"arena".into()));
        assert_eq!(next().await["present"]["server"], "arena");
        let players = json(&ctl(&["players", "--on", "arena", "-o", "json"]).await);
        assert_eq!(players[0]["name"], "alice");
        let yaml = out(&ctl(&["servers", "-o", "yaml"]).await);
        let servers: Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!((&servers[0]["name"], &servers[0]["players"]), (&"arena".into(), &1.into()));

        let dry = out(&ctl(&["move", "--all", "--to", "lobby", "--dry-run"]).await);
        assert!(dry.contains("alice   WOULD_MOVE") && dry.contains("bob   ALREADY_THERE"), "{dry}");
        let many = out(&ctl(&["move", "--on", "arena", "--to", "lobby"]).await);
        assert!(many.contains("alice   MOVED   lobby"), "{many}");

        assert!(ctl(&["message", "--all", "good evening"]).await.status.success());
        bob.expect_chat("good evening", SOON).await.unwrap();
        assert!(ctl(&["kick", "bob", "--reason", "good night"]).await.status.success());
        match bob.wait_closed(SOON).await {
            Some(Closed::Denied { text, .. }) => assert!(text.contains("good night"), "{text}"),
            other => panic!("{other:?}"),
        }
        let ban = ["ban", "127.0.0.0/8", "--reason", "closed", "--for", "2h", "-o", "json"];
        let banned = json(&ctl(&ban).await);
        assert_eq!(banned["kicked"][0], "alice");
        let (_, text, _) = refusal(Bot::join(net.proxy.bot("carol")).await);
        assert!(text.contains("closed") && text.contains("2 hours"), "{text}");
        let table = out(&ctl(&["bans"]).await);
        assert!(table.contains("127.0.0.0/8") && table.contains("closed"), "{table}");
        assert!(out(&ctl(&["bans", "--check", "127.0.0.1"]).await).contains("127.0.0.0/8"));
        assert!(ctl(&["unban", "127.0.0.0/8"]).await.status.success());
        assert_eq!(out(&ctl(&["bans", "--check", "127.0.0.1"]).await).trim(), "not banned");

        let drained = out(&ctl(&["drain", "server", "arena"]).await);
        assert!(drained.contains("DRAIN"), "{drained}");
        let _alice = net.proxy.join("alice").await;
        fails(&["move", "alice", "--to", "arena"], 1, "TARGET_DRAINING").await;
        fails(&["move", "--all", "--to", "arena"], 1, "1 of 1 players were not moved").await;
        let drained = out(&ctl(&["drain", "proxy", "edge-1"]).await);
        assert!(drained.contains("DRAINING"), "{drained}");
        let proxies = json(&ctl(&["proxies", "-o", "json"]).await);
        assert_eq!(proxies[0]["state"], "DRAINING");

        fails(&["kick", "nobody"], 1, "NO_SUCH_PLAYER").await;
        fails(&["ban", "192.0.2.1/24"], 2, "192.0.2.0/24").await;
        fails(&["frobnicate"], 2, "frobnicate").await;
        let nowhere = run(&program, &["--server", "http://127.0.0.1:1", "players"]).await;
        assert_eq!(nowhere.status.code(), Some(3));
        let completion = out(&ctl(&["completion", "bash"]).await);
        assert!(completion.contains("mesegatectl") && completion.contains("unban"));
        drop(alice);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs grpcurl, named by MESEGATE_GRPCURL: cargo xtask test --only kube"]
async fn a_client_that_is_not_ours() {
    let program = PathBuf::from(std::env::var_os("MESEGATE_GRPCURL").expect("MESEGATE_GRPCURL"));
    within(FOREVER, async {
        let net = Net::start().await;
        let address = address(&net.proxy).await;
        let call = async |method: &str, data: &str| {
            let words = ["-plaintext", "-format-error", "-d", data, &address, method];
            run(&program, &words).await
        };
        let listed = out(&run(&program, &["-plaintext", &address, "list"]).await);
        for service in ["PlayerService", "BanService", "ServerService", "ProxyService"] {
            assert!(listed.contains(&format!("mesegate.admin.v1.{service}")), "{listed}");
        }
        let name = "mesegate.admin.v1.PlayerService";
        let described = out(&run(&program, &["-plaintext", &address, "describe", name]).await);
        assert!(described.contains("rpc MovePlayers"), "{described}");

        let _alice = net.proxy.join("alice").await;
        let bob = net.proxy.join("bob").await;
        let players = "mesegate.admin.v1.PlayerService";
        let list = json(&call(&format!("{players}/ListPlayers"), "{}").await);
        assert_eq!((&list["total"], &list["players"][1]["name"]), (&2.into(), &"bob".into()));
        let data = r#"{"name": "alice", "target": {"server": "arena"}}"#;
        let moved = json(&call(&format!("{players}/MovePlayer"), data).await);
        assert_eq!(moved["outcome"], "MOVE_OUTCOME_MOVED");
        let data = r#"{"name": "alice", "target": {"server": "nowhere"}}"#;
        let failed = call(&format!("{players}/MovePlayer"), data).await;
        assert!(!failed.status.success());
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(said.contains("NO_SUCH_TARGET") && said.contains("ErrorInfo"), "{said}");

        let data = r#"{"subject": {"name": "bob"}, "reason": "enough"}"#;
        let banned = json(&call("mesegate.admin.v1.BanService/CreateBan", data).await);
        assert_eq!(banned["kicked"][0], "bob");
        assert!(bob.wait_closed(Duration::from_secs(1)).await.is_some());
        let health = json(&call("grpc.health.v1.Health/Check", "{}").await);
        assert_eq!(health["status"], "SERVING");
    })
    .await;
}
