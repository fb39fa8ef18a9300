//! A request that is made again at another replica of the controller does no harm.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use xtask::controller::{Controller, ControllerSpec};
use xtask::kube::Programs;
use xtask::{ports, wait};

use crate::desk::reason;
use crate::fleet::{Fleet, PATIENCE, two_servers, up};

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn a_request_is_carried_out_once_whichever_replicas_are_called() {
    let mut fleet = Fleet::new();
    let (_lobby, arena, cluster) = two_servers(&fleet, "");
    let replicas: Vec<(Controller, String)> = (0..2)
        .map(|number| {
            let address = format!("127.0.0.1:{}", ports::free().unwrap());
            let spec = ControllerSpec::new(&format!("controller-{number}"));
            let controller = Controller::start(&cluster, &spec.flag("--admin", &address)).unwrap();
            (controller, address)
        })
        .collect();
    let urls: Vec<String> = replicas.iter().map(|(it, _)| it.url()).collect();
    fleet.start(&[&urls, &urls]);
    fleet.all("the servers answer", PATIENCE, |it| up(it, "lobby") && up(it, "arena"));
    let grpcurl = Programs::grpcurl().unwrap();
    let call = |replica: usize, method: &str, data: &Value| -> Output {
        let mut command = Command::new(&grpcurl);
        command.args(["-plaintext", "-format-error", "-max-time", "20", "-d", &data.to_string()]);
        command.args([&replicas[replica].1, &format!("mesegate.admin.v1.{method}")]);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let done = |replica: usize, method: &str, data: Value| -> Value {
        let output = call(replica, method, &data);
        assert!(output.status.success(), "{replica} {method} {data}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let on = |name: &str, server: &str| {
        let there = |replica: usize| {
            let output = call(replica, "PlayerService/GetPlayer", &json!({ "name": name }));
            let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            found["player"]["server"] == server
        };
        let known = wait::until(PATIENCE, || (there(0) && there(1)).then_some(()));
        assert!(known.is_some(), "{name} is not on {server}");
    };

    let alice = fleet.join(0, "alice");
    on("alice", "lobby");
    let go = |server: &str, id: &str| json!({ "name": "alice", "target": { "server": server }, "requestId": id });
    assert_eq!(
        done(0, "PlayerService/MovePlayer", go("arena", "m"))["outcome"],
        "MOVE_OUTCOME_MOVED"
    );
    on("alice", "arena");
    done(0, "PlayerService/MovePlayer", go("lobby", ""));
    on("alice", "lobby");
    let joins = arena.joins();
    let again = done(1, "PlayerService/MovePlayer", go("arena", "m"));
    assert_eq!(again, json!({ "outcome": "MOVE_OUTCOME_MOVED", "server": "arena" }));
    on("alice", "lobby");
    assert_eq!(arena.joins(), joins);
    // Another id is another request.
    done(1, "PlayerService/MovePlayer", go("arena", "n"));
    on("alice", "arena");

    let kick = json!({ "name": "bob", "reason": "rules", "requestId": "k" });
    let bob = fleet.join(1, "bob");
    on("bob", "lobby");
    done(0, "PlayerService/KickPlayer", kick.clone());
    assert!(fleet.runtime.block_on(bob.wait_closed(PATIENCE)).is_some());
    let bob = fleet.join(1, "bob");
    on("bob", "lobby");
    done(1, "PlayerService/KickPlayer", kick);
    assert!(bob.closed().is_none());

    let ban = |id: &str| json!({ "subject": { "name": "mallory" }, "requestId": id });
    let first = done(0, "BanService/CreateBan", ban("b"));
    let second = done(1, "BanService/CreateBan", ban("b"));
    assert_eq!(first["ban"], second["ban"]);
    assert_eq!(reason(&call(1, "BanService/CreateBan", &ban("c"))), "BAN_EXISTS");
    assert!(alice.closed().is_none());
}
