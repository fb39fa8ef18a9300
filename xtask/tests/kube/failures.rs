//! Every documented failure and outcome of the admin interface, produced with a real controller,
//! real proxies and a real API server; and watches over both proxies, which outlast all of it.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

use mesegate_proto::admin::v1::server_service_client::ServerServiceClient;
use mesegate_proto::admin::v1::{FailureReason, WatchServersRequest};
use mesegate_testkit::{LoginRule, World};
use serde_json::{Value, json};
use tonic::transport::Endpoint;
use xtask::{paths, wait};

use crate::desk::{Desk, reason};
use crate::fleet::{PATIENCE, in_force, labelled, server, up};
use crate::support::applied;

/// Reasons that need something which no controller and proxy with real players come to: the tests
/// that produce them, on a single proxy and with proxies that are made up.
const ELSEWHERE: [(&str, &str); 2] = [
    // A client that has everything and does not say that it is ready.
    ("PLAYER_NOT_READY", "proxy/tests/admin/failures.rs"),
    // More changes than a watcher may be behind: 65536.
    ("WATCH_TOO_SLOW", "controller/tests/admin/views.rs"),
];

/// What was seen.
#[derive(Default)]
struct Seen {
    reasons: BTreeSet<String>,
    outcomes: BTreeSet<String>,
}

impl Seen {
    /// A call fails for that reason.
    fn fails(&mut self, desk: &Desk, method: &str, data: &str, expected: &str) {
        self.fails_with(desk, Some(desk.token("operator")), method, data, expected);
    }

    fn fails_with(
        &mut self,
        desk: &Desk,
        token: Option<&str>,
        method: &str,
        data: &str,
        expected: &str,
    ) {
        let output = desk.call_with(token, method, data);
        assert!(!output.status.success(), "{method} {data}: {output:?}");
        assert_eq!(reason(&output), expected, "{method} {data}: {output:?}");
        self.reasons.insert(expected.to_owned());
    }

    /// A move ends like this.
    fn ends(&mut self, moved: &Value, expected: &str) {
        assert_eq!(moved["outcome"], format!("MOVE_OUTCOME_{expected}"), "{moved}");
        self.outcomes.insert(expected.to_owned());
    }
}

const MOVE: &str = "PlayerService/MovePlayer";

fn to(name: &str, server: &str) -> String {
    json!({ "name": name, "target": { "server": server } }).to_string()
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn every_documented_failure_is_produced_and_watches_tell_all_of_it() {
    let mut desk = Desk::new();
    let mut seen = Seen::default();
    let watch = desk.begin("PlayerService/WatchPlayers", "{}", 300);
    let servers = desk.begin("ServerService/WatchServers", "{}", 300);
    let start = watch.until(0, "an empty snapshot", |it| it.get("synced").is_some());
    let at = servers.until(0, "the snapshot of servers", |it| it.get("synced").is_some());
    let names: Vec<_> =
        servers.answers().iter().take(at).map(|it| it["present"]["name"].clone()).collect();
    assert_eq!(names, [json!("arena"), json!("lobby"), Value::Null]);

    // Everybody on both proxies, as they come, move and go.
    let alice = desk.fleet.join(0, "alice");
    let bob = desk.fleet.join(1, "bob");
    let on = |name: &'static str, server: &'static str, proxy: &'static str| {
        move |it: &Value| {
            let it = &it["present"];
            it["name"] == name && it["server"] == server && it["proxy"] == proxy
        }
    };
    watch.until(start, "alice", on("alice", "lobby", "proxy-a"));
    watch.until(start, "bob", on("bob", "lobby", "proxy-b"));
    let second =
        desk.begin("PlayerService/WatchPlayers", r#"{"selector": {"names": ["bob"]}}"#, 300);
    let own = second.until(0, "the snapshot", |it| it.get("synced").is_some());
    assert_eq!(own, 2, "{:?}", second.answers());
    seen.ends(&desk.call(MOVE, &to("bob", "arena")), "MOVED");
    watch.until(start, "bob has moved", on("bob", "arena", "proxy-b"));
    second.until(own, "bob has moved", on("bob", "arena", "proxy-b"));
    seen.ends(&desk.call(MOVE, &to("bob", "arena")), "ALREADY_THERE");

    what_is_not_there(&desk, &mut seen);
    who_may_not(&desk, &mut seen);
    why_a_target_is_not_entered(&desk, &mut seen);
    too_much(&desk, &mut seen);
    content(&desk, &mut seen);

    // Somebody who leaves while they are taken elsewhere.
    desk.arena.set_rule(LoginRule::Silent);
    let leaver = desk.fleet.join(1, "leaver");
    wait::until(PATIENCE, || {
        desk.call_with(
            Some(desk.token("operator")),
            "PlayerService/GetPlayer",
            r#"{"name": "leaver"}"#,
        )
        .status
        .success()
        .then_some(())
    })
    .unwrap();
    let moving = desk.begin(MOVE, &to("leaver", "arena"), 20);
    desk.fleet.runtime.block_on(leaver.expect_chat("You are taken to arena", PATIENCE)).unwrap();
    desk.fleet.runtime.block_on(leaver.leave());
    let output = moving.end();
    assert_eq!(reason(&output), "PLAYER_LEFT", "{output:?}");
    seen.reasons.insert("PLAYER_LEFT".to_owned());
    watch.until(start, "somebody has left", |it| it["gone"] == "leaver");
    // And somebody who is not there in time.
    let output = desk.begin(MOVE, &to("alice", "arena"), 3).end();
    assert_eq!(reason(&output), "TIMEOUT", "{output:?}");
    seen.reasons.insert("TIMEOUT".to_owned());
    desk.arena.set_rule(LoginRule::Accept);

    // A server comes and goes.
    applied(&desk.cluster, &server("fort", desk.arena.addr(), ""));
    servers.until(at, "a new server", |it| it["present"]["name"] == "fort");
    assert!(desk.cluster.kubectl(&["delete", "mts/fort"]).unwrap().success);
    servers.until(at, "a deleted server", |it| it["gone"] == "fort");

    // The proxy of a player is lost. The player is shown for a while longer.
    desk.fleet.proxies.truncate(1);
    let gone = || {
        let data = r#"{"name": "bob", "reason": "rules"}"#;
        let output = desk.call_with(Some(desk.token("operator")), "PlayerService/KickPlayer", data);
        (reason(&output) == "PROXY_GONE").then_some(())
    };
    assert!(wait::until(PATIENCE, gone).is_some());
    seen.reasons.insert("PROXY_GONE".to_owned());
    watch.until(start, "who was there is not any more", |it| it["gone"] == "bob");

    // The API server is away.
    let ban = r#"{"subject": {"name": "erin"}}"#;
    desk.call("BanService/CreateBan", ban);
    desk.cluster.stop_api_server().unwrap();
    let other = r#"{"subject": {"name": "frank"}}"#;
    seen.fails(&desk, "BanService/CreateBan", other, "STORE");

    // The controller ends, and says so to those who watch.
    desk.controller.stop(PATIENCE).unwrap();
    for watch in [watch, servers] {
        let output = watch.end();
        assert_eq!(reason(&output), "STOPPING", "{output:?}");
    }
    seen.reasons.insert("STOPPING".to_owned());
    assert!(alice.closed().is_none());
    drop(bob);
    complete(&seen);
}

fn what_is_not_there(desk: &Desk, seen: &mut Seen) {
    seen.fails(desk, MOVE, &to("nobody", "arena"), "NO_SUCH_PLAYER");
    seen.fails(desk, MOVE, &to("alice", "nowhere"), "NO_SUCH_TARGET");
    seen.fails(desk, "ProxyService/GetProxy", r#"{"name": "x"}"#, "NO_SUCH_PROXY");
    seen.fails(desk, "BanService/DeleteBan", r#"{"id": "x"}"#, "NO_SUCH_BAN");
    let ban = r#"{"subject": {"name": "mallory"}, "requestId": "1"}"#;
    let made = desk.call("BanService/CreateBan", ban);
    assert_eq!(desk.call("BanService/CreateBan", ban)["ban"]["id"], made["ban"]["id"]);
    let other = r#"{"subject": {"name": "Mallory"}}"#;
    seen.fails(desk, "BanService/CreateBan", other, "BAN_EXISTS");
    let reused = r#"{"subject": {"name": "oscar"}, "requestId": "1"}"#;
    seen.fails(desk, "BanService/CreateBan", reused, "REQUEST_ID_REUSED");
    let long = json!({ "name": "alice", "reason": "x".repeat(501) }).to_string();
    seen.fails(desk, "PlayerService/KickPlayer", &long, "INVALID_FIELD");
}

fn who_may_not(desk: &Desk, seen: &mut Seen) {
    let kick = r#"{"name": "alice"}"#;
    seen.fails_with(desk, None, "PlayerService/KickPlayer", kick, "UNAUTHENTICATED");
    let viewer = Some(desk.token("viewer"));
    seen.fails_with(desk, viewer, "PlayerService/KickPlayer", kick, "PERMISSION");
}

fn why_a_target_is_not_entered(desk: &Desk, seen: &mut Seen) {
    desk.arena.set_rule(LoginRule::Full);
    seen.fails(desk, MOVE, &to("alice", "arena"), "TARGET_FULL");
    desk.arena.set_rule(LoginRule::Deny("not today".into()));
    seen.fails(desk, MOVE, &to("alice", "arena"), "TARGET_REFUSED");
    // One of many has the reason in its line.
    let many = |dry_run: bool| {
        let data = json!({
            "selector": { "names": ["alice"] }, "target": { "server": "arena" }, "dryRun": dry_run,
        });
        desk.call("PlayerService/MovePlayers", &data.to_string())
    };
    let failed = many(false);
    seen.ends(&failed, "FAILED");
    assert_eq!(failed["reason"], "FAILURE_REASON_TARGET_REFUSED", "{failed}");
    desk.arena.set_rule(LoginRule::Accept);
    seen.ends(&many(true), "WOULD_MOVE");

    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    applied(&desk.cluster, &server("closed", closed, ""));
    let known = |it: &_| in_force(it, "\"name\":\"closed\"");
    desk.fleet.all("a server that is not there is known", PATIENCE, known);
    seen.fails(desk, MOVE, &to("alice", "closed"), "TARGET_UNREACHABLE");
    for (state, word, expected) in [
        ("SERVER_STATE_DRAIN", "Drain", "TARGET_DRAINING"),
        ("SERVER_STATE_DISABLED", "Disabled", "TARGET_DISABLED"),
    ] {
        let data = json!({ "name": "arena", "state": state }).to_string();
        desk.call("ServerService/SetServerState", &data);
        desk.fleet.all("a state is in force", PATIENCE, |it| in_force(it, word));
        seen.fails(desk, MOVE, &to("alice", "arena"), expected);
    }
    let data = json!({ "name": "arena", "state": "SERVER_STATE_ACTIVE" }).to_string();
    desk.call("ServerService/SetServerState", &data);
    desk.fleet.all("the server is back", PATIENCE, |it| up(it, "arena"));
}

/// As many watches as there may be, over two connections, and one more.
fn too_much(desk: &Desk, seen: &mut Seen) {
    let (clients, watches) = desk.fleet.runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{}", desk.address)).unwrap();
        let (mut clients, mut watches) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let mut client = ServerServiceClient::new(endpoint.connect().await.unwrap());
            for _ in 0..32 {
                let mut request = tonic::Request::new(WatchServersRequest {});
                let token = format!("Bearer {}", desk.token("operator"));
                request.metadata_mut().insert("authorization", token.parse().unwrap());
                // The other watches of this test count, too.
                watches
                    .extend(client.watch_servers(request).await.map(tonic::Response::into_inner));
            }
            clients.push(client);
        }
        (clients, watches)
    });
    assert!((50..64).contains(&watches.len()), "{}", watches.len());
    seen.fails(desk, "ServerService/WatchServers", "{}", "TOO_MANY_REQUESTS");
    drop((clients, watches));
}

/// Content that players' clients were not given.
fn content(desk: &Desk, seen: &mut Seen) {
    let other = World::new("new").with_nodes([("other:rock", 300)]);
    let new = {
        let _inside = desk.fleet.runtime.enter();
        mesegate_testkit::FakeServer::of(other).unwrap()
    };
    // Who joins before is given nothing of it.
    let carol = desk.fleet.join(0, "carol");
    applied(&desk.cluster, &labelled("new", new.addr(), "kind: new", ""));
    // Until the proxy knows it, it cannot tell.
    let needed = wait::until(PATIENCE, || {
        let output = desk.call_with(Some(desk.token("operator")), MOVE, &to("carol", "new"));
        (reason(&output) == "RECONNECT_REQUIRED").then_some(())
    });
    assert!(needed.is_some());
    seen.reasons.insert("RECONNECT_REQUIRED".to_owned());
    let data = json!({ "name": "carol", "target": { "server": "new" }, "allowReconnect": true });
    seen.ends(&desk.call(MOVE, &data.to_string()), "RECONNECTING");
    let closed = desk.fleet.runtime.block_on(carol.wait_closed(PATIENCE));
    assert!(closed.is_some());
    let carol = desk.fleet.join(0, "carol");
    desk.fleet.arrives("carol", &new);
    desk.fleet.runtime.block_on(carol.leave());
    assert!(desk.cluster.kubectl(&["delete", "mts/new", "mts/closed"]).unwrap().success);
    std::thread::sleep(Duration::from_millis(500));
}

/// Nothing that is documented was left out, and everything that exists is documented.
fn complete(seen: &Seen) {
    let manual = paths::workspace().join("proto/mesegate/admin/v1/common.proto");
    let manual = std::fs::read_to_string(manual).unwrap();
    let (table, _) = manual.split_once("// Repeating.").unwrap();
    let words: BTreeSet<&str> =
        table.split(|c: char| !c.is_ascii_uppercase() && c != '_').collect();
    let mut produced = seen.reasons.clone();
    for (name, file) in ELSEWHERE {
        let text = std::fs::read_to_string(paths::workspace().join(file)).unwrap();
        assert!(text.contains(&format!("\"{name}\"")), "{file} does not produce {name}");
        assert!(produced.insert(name.to_owned()), "{name} is produced here");
    }
    let all: BTreeSet<String> = (1..)
        .map_while(|number| FailureReason::try_from(number).ok())
        .map(|it| it.as_str_name().trim_start_matches("FAILURE_REASON_").to_owned())
        .collect();
    assert!(all.len() >= 23, "{all:?}");
    assert_eq!(produced, all);
    let undocumented: Vec<_> = all.iter().filter(|it| !words.contains(it.as_str())).collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
    let outcomes = ["ALREADY_THERE", "FAILED", "MOVED", "RECONNECTING", "WOULD_MOVE"];
    assert!(seen.outcomes.iter().eq(outcomes.iter()), "{:?}", seen.outcomes);
    println!("kube: {} reasons and {} outcomes were produced", all.len(), outcomes.len());
}
