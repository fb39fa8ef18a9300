//! Operators who reach all proxies through the controller: with `mesegatectl`, and with `grpcurl`,
//! which is not ours.

use std::time::Instant;

use mesegate_testkit::Bot;
use serde_json::Value;
use xtask::wait;

use crate::credentials::Signer;
use crate::desk::Desk;
use crate::fleet::{PATIENCE, SOON};
use crate::support::get;

fn names(list: &Value) -> Vec<&str> {
    list["players"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn players_of_all_proxies_are_listed_moved_kicked_and_banned() {
    let desk = Desk::new();
    let [alice, bob, carol] =
        [(0, "alice"), (1, "bob"), (1, "carol")].map(|(proxy, name)| desk.fleet.join(proxy, name));
    let list = || desk.call("PlayerService/ListPlayers", "{}");
    let all = wait::until(PATIENCE, || (names(&list()).len() == 3).then(list)).unwrap();
    assert_eq!(names(&all), ["alice", "bob", "carol"]);
    let proxies: Vec<_> =
        all["players"].as_array().unwrap().iter().map(|it| it["proxy"].as_str().unwrap()).collect();
    assert_eq!(proxies, ["proxy-a", "proxy-b", "proxy-b"]);
    let both = desk.call("ProxyService/ListProxies", "{}");
    assert_eq!(both["proxies"].as_array().unwrap().len(), 2);

    // Across groups, on whichever proxy they are.
    for (bot, server, target) in [
        (&alice, &desk.arena, r#"{"group": "games"}"#),
        (&bob, &desk.arena, r#"{"server": "arena"}"#),
        (&bob, &desk.lobby, r#"{"group": "lobbies"}"#),
    ] {
        let data = format!(r#"{{"name": "{}", "target": {target}}}"#, bot.name());
        let start = Instant::now();
        let moved = desk.call("PlayerService/MovePlayer", &data);
        println!("kube: {} was moved after {} ms", bot.name(), start.elapsed().as_millis());
        assert_eq!(moved["outcome"], "MOVE_OUTCOME_MOVED", "{moved}");
        desk.fleet.arrives(bot.name(), server);
    }
    let operator = Some(desk.token("operator"));
    for (data, reason) in [
        (r#"{"name": "alice", "target": {"server": "nowhere"}}"#, "NO_SUCH_TARGET"),
        (r#"{"name": "nobody", "target": {"server": "arena"}}"#, "NO_SUCH_PLAYER"),
    ] {
        desk.fails(operator, "PlayerService/MovePlayer", data, &[reason, "ErrorInfo"]);
    }

    // The same with our own program.
    let table = desk.ctl("operator", &["players"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    println!("{table}");
    assert!(table.contains("proxy-a") && table.contains("proxy-b"), "{table}");
    let connections = desk.ctl("operator", &["inspect", "bob"]);
    let connections = String::from_utf8_lossy(&connections.stdout).into_owned();
    println!("{connections}");
    assert!(connections.contains("\nclient ") && connections.contains("\nserver lobby "));
    let moved = desk.ctl("operator", &["move", "--all", "--to", "arena"]);
    assert!(moved.status.success(), "{moved:?}");
    for bot in [&alice, &bob, &carol] {
        desk.fleet.arrives(bot.name(), &desk.arena);
    }
    let start = Instant::now();
    let kicked = desk.ctl("operator", &["kick", "carol", "--reason", "good night"]);
    assert!(kicked.status.success(), "{kicked:?}");
    println!("kube: a player was kicked after {:?}", desk.gone(&[&carol], "good night", start));

    // Bans bite at once, wherever the player is and wherever they come back.
    let data = r#"{"subject": {"name": "Bob"}, "reason": "enough"}"#;
    let start = Instant::now();
    let banned = desk.call("BanService/CreateBan", data);
    let took = desk.gone(&[&bob], "enough", start);
    println!("kube: a banned name was gone after {took:?}: {banned}");
    assert!(took < SOON, "{took:?}");
    desk.kept_out("bob", "enough");
    let dave = desk.fleet.join(1, "dave");
    let data = r#"{"subject": {"address": "127.0.0.0/8"}, "reason": "closed"}"#;
    let start = Instant::now();
    desk.call("BanService/CreateBan", data);
    let took = desk.gone(&[&alice, &dave], "closed", start);
    println!("kube: a banned network was gone from both proxies after {took:?}");
    assert!(took < SOON, "{took:?}");
    desk.kept_out("erin", "closed");
    let bans = desk.cluster.kubectl(&["get", "mtb"]).unwrap().output;
    println!("{bans}");
    assert!(bans.contains("127.0.0.0/8") && bans.to_lowercase().contains("bob"), "{bans}");
    let lifted = desk.ctl("operator", &["unban", "127.0.0.0/8"]);
    assert!(lifted.status.success(), "{lifted:?}");
    let free = wait::until(PATIENCE, || {
        let options = mesegate_testkit::BotOptions::new(desk.fleet.proxies[0].address(), "erin");
        desk.fleet.runtime.block_on(Bot::join(options)).ok()
    });
    assert!(free.is_some());

    // What was asked for a server is in its object.
    let drained = desk.ctl("operator", &["drain", "server", "arena"]);
    assert!(drained.status.success(), "{drained:?}");
    let state = get(&desk.cluster, &["mts/arena", "-o=jsonpath={.spec.state}"]);
    assert_eq!(state, "Drain");
    let data = r#"{"name": "erin", "target": {"server": "arena"}}"#;
    // Before that she would get in, and then be there already.
    std::thread::sleep(SOON);
    desk.fails(operator, "PlayerService/MovePlayer", data, &["TARGET_DRAINING"]);
    told(&desk);
    assert!(!desk.controller.log().contains("forbidden"), "{}", desk.controller.log());
}

/// What was done is told where `kubectl describe` shows it, without addresses.
fn told(desk: &Desk) {
    let events = || -> Vec<[String; 3]> {
        let events = get(&desk.cluster, &["events.events.k8s.io", "-o", "json"]);
        let events: Value = serde_json::from_str(&events).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let events = events["items"].as_array().unwrap().iter();
        let event = |it: &Value| {
            let kind = text(&it["regarding"]["kind"]);
            [
                text(&it["reason"]),
                format!("{kind}/{}", text(&it["regarding"]["name"])),
                text(&it["note"]),
            ]
        };
        events.map(event).collect()
    };
    let has = |reason: &str, object: &str, note: &str| {
        let found = wait::until(PATIENCE, || {
            let fits =
                |[r, o, n]: &[String; 3]| r == reason && o.starts_with(object) && n.contains(note);
            events().iter().any(fits).then_some(())
        });
        assert!(found.is_some(), "{reason} {object} {note}: {:?}", events());
    };
    has("Kicked", "MinetestProxy/default", "player carol away from proxy-b");
    has("Banned", "MinetestBan/player-bob-", "has banned player Bob; sent away: bob");
    has("Banned", "MinetestBan/network-", "has banned a network; sent away: alice, dave");
    has("BanLifted", "MinetestBan/network-", "lifted");
    has("StateSet", "MinetestServer/arena", "operator has set it to Drain");
    let addressed = |it: &[String; 3]| it[2].contains("127.0.0");
    assert!(!events().iter().any(addressed), "{:?}", events());
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn credentials_and_rights_are_those_of_the_cluster() {
    let desk = Desk::new();
    let _players = [desk.fleet.join(0, "alice"), desk.fleet.join(1, "bob")];
    let list = "PlayerService/ListPlayers";
    let signer = Signer::new(&desk.cluster, "viewer");
    let unknown = &["UNAUTHENTICATED"][..];
    desk.fails(None, list, "{}", unknown);
    desk.fails(Some("nonsense"), list, "{}", unknown);
    desk.fails(Some(&desk.cluster_token("viewer")), list, "{}", unknown);
    // Of the same account and with the same key: only time tells them apart.
    desk.fails(Some(&signer.token(-60)), list, "{}", unknown);
    let output = desk.call_with(Some(&signer.token(600)), list, "{}");
    assert!(output.status.success(), "{output:?}");

    let denied = &["PERMISSION"][..];
    let kick = r#"{"name": "alice", "reason": "rules"}"#;
    let ban = r#"{"subject": {"name": "bob"}, "reason": "enough"}"#;
    let viewer = Some(desk.token("viewer"));
    assert!(desk.call_with(viewer, list, "{}").status.success());
    let (move_one, to) =
        ("PlayerService/MovePlayer", r#"{"name": "alice", "target": {"server": "arena"}}"#);
    for (method, data) in [
        ("PlayerService/GetPlayer", r#"{"name": "alice"}"#),
        ("PlayerService/InspectPlayer", r#"{"name": "alice"}"#),
        ("PlayerService/KickPlayer", kick),
        (move_one, to),
        ("BanService/CreateBan", ban),
        ("BanService/ListBans", "{}"),
        ("ServerService/ListServers", "{}"),
        ("ProxyService/ListProxies", "{}"),
    ] {
        desk.fails(viewer, method, data, denied);
    }
    let bouncer = Some(desk.token("bouncer"));
    desk.fails(bouncer, list, "{}", denied);
    desk.fails(bouncer, move_one, to, denied);
    let kicked = desk.call_with(bouncer, "PlayerService/KickPlayer", kick);
    assert!(kicked.status.success(), "{kicked:?}");
    let refused = desk.ctl("viewer", &["kick", "bob"]);
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    let audit = desk.controller.log();
    let audit: Vec<&str> = audit.lines().filter(|it| it.contains("audit")).collect();
    println!("{}", audit.join("\n"));
    assert!(audit.iter().any(|it| it.contains("system:serviceaccount:default:bouncer")));
}
