//! Operators who reach all proxies through the controller: with `mesegatectl`, and with `grpcurl`,
//! which is not ours.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, Closed, FakeServer, JoinError};
use serde_json::Value;
use xtask::controller::{Controller, ControllerSpec};
use xtask::kube::{Cluster, Programs};
use xtask::{paths, ports, wait};

use crate::credentials::Signer;
use crate::fleet::{Fleet, PATIENCE, SOON, default_target, labelled, server, up};
use crate::support::{account, applied, cluster, controller_rights};

const GROUPS: &str = "\
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: lobbies }
spec: { selector: { matchLabels: { in: all } } }
---
apiVersion: mesegate.dev/v1alpha1
kind: MinetestServerGroup
metadata: { name: games }
spec: { selector: { matchLabels: { kind: game } } }
";

/// Rights by service account: resources of `mesegate.dev` and verbs.
const ACCOUNTS: [(&str, &str); 3] = [
    (
        "operator",
        "- { apiGroups: [mesegate.dev], resources: [players, servers, proxies, bans], verbs: \
         [get, list, watch, create, delete] }\n\
         - { apiGroups: [mesegate.dev], resources: [players/move, players/kick, players/message, \
         servers/drain, proxies/drain], verbs: [create] }\n\
         - { apiGroups: [mesegate.dev], resources: [players/addresses], verbs: [get] }\n",
    ),
    ("viewer", "- { apiGroups: [mesegate.dev], resources: [players], verbs: [list] }\n"),
    ("bouncer", "- { apiGroups: [mesegate.dev], resources: [players/kick], verbs: [create] }\n"),
];

/// Two proxies, a controller with the interface, and who may use it.
struct Desk {
    fleet: Fleet,
    controller: Controller,
    lobby: FakeServer,
    arena: FakeServer,
    cluster: Cluster,
    address: String,
    grpcurl: PathBuf,
    tokens: Vec<(&'static str, String)>,
}

impl Desk {
    fn new() -> Self {
        let mut fleet = Fleet::new();
        let (lobby, arena) = (fleet.server("lobby"), fleet.server("arena"));
        let cluster = cluster();
        let text = server("lobby", lobby.addr(), "")
            + &labelled("arena", arena.addr(), "kind: game", "")
            + &default_target("lobby")
            + GROUPS;
        applied(&cluster, &text);
        let tokens = ACCOUNTS
            .iter()
            .map(|(name, rules)| {
                let role = format!(
                    "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n\
                     metadata: {{ name: {name} }}\nrules:\n{rules}"
                );
                applied(&cluster, &role);
                let token = account(&cluster, name, &[&format!("--role={name}")], "mesegate");
                (*name, token)
            })
            .collect();
        let address = format!("127.0.0.1:{}", ports::free().unwrap());
        let spec = ControllerSpec::new("controller-0")
            .kubeconfig(controller_rights(&cluster))
            .flag("--admin", &address)
            .switch("--admin-accounts");
        let controller = Controller::start(&cluster, &spec).unwrap();
        let urls = [controller.url()];
        fleet.start(&[&urls, &urls]);
        fleet.all("the servers answer", PATIENCE, |it| up(it, "lobby") && up(it, "arena"));
        let grpcurl = Programs::grpcurl().unwrap();
        Self { fleet, controller, lobby, arena, cluster, address, grpcurl, tokens }
    }

    fn token(&self, account: &str) -> &str {
        &self.tokens.iter().find(|(name, _)| *name == account).unwrap().1
    }

    /// A call with a token; `method` goes without the package.
    fn call_with(&self, token: Option<&str>, method: &str, data: &str) -> Output {
        let mut command = Command::new(&self.grpcurl);
        command.args(["-plaintext", "-format-error", "-max-time", "20", "-d", data]);
        if let Some(token) = token {
            command.args(["-H", &format!("authorization: Bearer {token}")]);
        }
        command.args([&self.address, &format!("mesegate.admin.v1.{method}")]);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// A call of the operator that succeeds.
    fn call(&self, method: &str, data: &str) -> Value {
        let output = self.call_with(Some(self.token("operator")), method, data);
        assert!(output.status.success(), "{method} {data}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A call that fails, and has these words in what it says.
    fn fails(&self, token: Option<&str>, method: &str, data: &str, words: &[&str]) {
        let output = self.call_with(token, method, data);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{method} {data}: {output:?}");
        for word in words {
            assert!(said.contains(word), "{method} {data}: no {word} in {said}");
        }
    }

    fn ctl(&self, account: &str, words: &[&str]) -> Output {
        let mut command = Command::new(paths::target().join("debug/mesegatectl"));
        command.args(["--server", &format!("http://{}", self.address)]).args(words);
        command.env("MESEGATE_TOKEN", self.token(account)).stdin(Stdio::null()).output().unwrap()
    }

    /// How long after `start` the players were sent away with a text.
    fn gone(&self, bots: &[&Bot], text: &str, start: Instant) -> Duration {
        for bot in bots {
            match self.fleet.runtime.block_on(bot.wait_closed(PATIENCE)) {
                Some(Closed::Denied { text: said, .. }) => assert!(said.contains(text), "{said}"),
                other => panic!("{}: {other:?}", bot.name()),
            }
        }
        start.elapsed()
    }

    /// Nobody of that name gets in by way of any proxy.
    fn kept_out(&self, name: &str, text: &str) {
        for proxy in &self.fleet.proxies {
            let options = mesegate_testkit::BotOptions::new(proxy.address(), name);
            match self.fleet.runtime.block_on(Bot::join(options)) {
                Err(JoinError::Denied { text: said, .. }) => assert!(said.contains(text), "{said}"),
                other => panic!("{name}: {:?}", other.map(|it| it.name().to_owned())),
            }
        }
    }
}

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
    let state = crate::support::get(&desk.cluster, &["mts/arena", "-o=jsonpath={.spec.state}"]);
    assert_eq!(state, "Drain");
    let data = r#"{"name": "erin", "target": {"server": "arena"}}"#;
    // Before that she would get in, and then be there already.
    std::thread::sleep(SOON);
    desk.fails(operator, "PlayerService/MovePlayer", data, &["TARGET_DRAINING"]);
    assert!(!desk.controller.log().contains("forbidden"), "{}", desk.controller.log());
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

impl Desk {
    /// A token for the API server itself.
    fn cluster_token(&self, account: &str) -> String {
        let answer = self.cluster.kubectl(&["create", "token", account]).unwrap();
        assert!(answer.success, "{answer:?}");
        answer.output.trim().to_owned()
    }
}
