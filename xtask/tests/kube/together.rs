//! What staff, players and mods see and order reaches all proxies of a controller.

use std::time::{Duration, Instant};

use mesegate_testkit::{Bot, View};
use xtask::controller::{Controller, ControllerSpec};
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};
use xtask::proxy::Proxy;
use xtask::{paths, wait};

use crate::desk::Desk;
use crate::fleet::{Fleet, PATIENCE, default_target, in_force, server, up};
use crate::support::{applied, cluster, get};

/// The fleet's document: staff, who comes and leaves, and everybody in everybody's list.
const TOGETHER: &str = "\
apiVersion: mesegate.dev/v1alpha1
kind: MinetestProxy
metadata: { name: default }
spec:
  defaultTarget: { server: lobby }
  playerList: Network
  messages: { joined: \"+ {player} is here\", left: \"- {player} is gone\" }
  permissions:
    groups: [ { name: staff, permissions: [ 'cmd_*' ] } ]
    players: [ { name: Staff, groups: [ staff ] } ]
";

/// What a client shows of a line: without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}(c@");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(')').map_or("", |(_, rest)| rest));
    std::iter::once(first).chain(rest.map(str::to_owned)).collect()
}

/// Waits for a line that shows this; gives the lines until then.
fn hears(fleet: &Fleet, bot: &Bot, expected: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(line) = fleet.runtime.block_on(bot.chat(PATIENCE)) {
        seen.push(plain(&line.text));
        if seen.last().is_some_and(|line| line.contains(expected)) {
            return seen;
        }
    }
    panic!("{}: no {expected:?} in {seen:?}", bot.name());
}

/// Types a line and waits for an answer.
fn asks(fleet: &Fleet, bot: &Bot, line: &str, expected: &str) -> Vec<String> {
    fleet.runtime.block_on(bot.say(line));
    hears(fleet, bot, expected)
}

fn lists(fleet: &Fleet, bot: &Bot, names: &[&str]) {
    let same = |view: &View| view.players.iter().map(String::as_str).eq(names.iter().copied());
    fleet.runtime.block_on(bot.until(&format!("a list of {names:?}"), same)).unwrap();
}

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn staff_and_players_of_two_proxies_are_one_network() {
    let mut desk = Desk::new();
    applied(&desk.cluster, TOGETHER);
    desk.fleet.all("the fleet's edit is there", PATIENCE, |it| in_force(it, "is gone"));
    let fleet = &desk.fleet;
    let [staff, bob, carol] =
        [(0, "staff"), (1, "bob"), (1, "carol")].map(|(proxy, name)| fleet.join(proxy, name));
    let everybody = [&staff, &bob, &carol];

    // Comings, the list of players, and what tells who is where.
    // In whichever order.
    let seen = hears(fleet, &staff, " is here");
    let other = if seen.concat().contains("+ bob") { "+ carol is here" } else { "+ bob is here" };
    hears(fleet, &staff, other);
    for bot in everybody {
        lists(fleet, bot, &["bob", "carol", "staff"]);
    }
    let seen = asks(fleet, &staff, ">players", "lobby (3): bob, carol, staff");
    assert!(seen.iter().all(|line| !line.contains("this proxy")), "{seen:?}");
    asks(fleet, &staff, ">find CAR", "carol is on lobby (proxy proxy-b).");
    asks(fleet, &staff, ">addr bob", "bob is at 127.0.0.1.");
    asks(fleet, &staff, ">servers", "lobby up, 3 players");
    asks(fleet, &staff, ">whereami", "You are on lobby, through the proxy proxy-a.");
    asks(fleet, &staff, ">find eve", "(NO_SUCH_PLAYER)");

    // Lines from player to player and from staff to everybody.
    asks(fleet, &staff, ">msg bo hi there", "[you to bob] hi there");
    hears(fleet, &bob, "[staff to you] hi there");
    asks(fleet, &bob, ">r and back", "[you to staff] and back");
    hears(fleet, &staff, "[bob to you] and back");
    asks(fleet, &staff, ">alert tea is ready", "3 players were told.");
    for bot in [&bob, &carol] {
        hears(fleet, bot, "[ALERT] tea is ready");
    }

    // Moves.
    let start = Instant::now();
    asks(fleet, &staff, ">send player arena carol", "carol is on arena now.");
    println!("kube: a player of another proxy was sent in {} ms", start.elapsed().as_millis());
    fleet.arrives("carol", &desk.arena);
    // Other proxies may be taken to have carol on the lobby for another moment.
    asks(fleet, &staff, ">send current arena", "2 arrived on arena");
    asks(fleet, &staff, ">gsend all lobbies", "3 arrived on lobbies");
    for bot in everybody {
        fleet.arrives(bot.name(), &desk.lobby);
    }

    // A server's state is that of its object, for all proxies.
    let seen = asks(fleet, &staff, ">drain arena", "arena lets nobody in");
    assert!(seen.iter().all(|line| !line.contains("this proxy")), "{seen:?}");
    let state = || get(&desk.cluster, &["mts/arena", "-o=jsonpath={.spec.state}"]);
    assert_eq!(state(), "Drain");
    fleet.all("the state is there", PATIENCE, |it| in_force(it, "Drain"));
    asks(fleet, &bob, ">server arena", "cannot enter arena");
    asks(fleet, &staff, ">drain arena off", "arena lets players in again.");
    assert_eq!(state(), "Active");

    // Who changes proxies as they were told neither leaves nor comes.
    desk.call("PlayerService/KickPlayer", r#"{"name": "bob", "reconnect": true}"#);
    assert!(fleet.runtime.block_on(bob.wait_closed(PATIENCE)).is_some());
    let bob = fleet.join(0, "bob");
    lists(fleet, &bob, &["bob", "carol", "staff"]);
    lists(fleet, &carol, &["bob", "carol", "staff"]);
    // Which takes a moment to get around.
    let found = wait::until(PATIENCE, || {
        fleet.runtime.block_on(carol.say(">find bob"));
        let line = fleet.runtime.block_on(carol.chat(PATIENCE))?;
        plain(&line.text).contains("bob is on lobby (proxy proxy-a).").then_some(())
    });
    assert!(found.is_some());

    // Kicks, and leaves.
    asks(fleet, &staff, ">kick carol good night", "carol was sent away.");
    desk.gone(&[&carol], "good night", Instant::now());
    let seen = hears(fleet, &staff, "- carol is gone");
    assert!(!seen.iter().any(|line| line.contains("bob is")), "{seen:?}");
    lists(fleet, &staff, &["bob", "staff"]);

    let log = desk.controller.log();
    for (verb, subject) in [
        ("MovePlayer", "player carol"),
        ("KickPlayer", "player carol"),
        ("SendMessage", "players"),
        ("SetServerState", "server arena to SERVER_STATE_DRAIN"),
    ] {
        let words = ["player:staff at proxy proxy-a", verb, subject, "OK"];
        let is_it = |line: &&str| words.iter().all(|word| line.contains(word));
        assert!(log.lines().find(is_it).is_some(), "{words:?}: {log}");
    }
    // What players write to each other is nobody's business.
    let private = |line: &str| line.contains("SendMessage") && line.contains("player bob");
    assert!(!log.contains("hi there") && !log.lines().any(private), "{log}");

    // Without a controller a proxy is alone, and says so.
    let dan = fleet.join(1, "dan");
    hears(fleet, &staff, "+ dan is here");
    desk.controller.stop(PATIENCE).unwrap();
    let alone = |it: &Proxy| it.metric("control_stream_up").is_ok_and(|up| up < 0.5);
    desk.fleet.all("the streams are lost", PATIENCE, alone);
    let fleet = &desk.fleet;
    asks(fleet, &staff, ">players", "2 players on this proxy");
    asks(fleet, &staff, ">find dan", "No player dan is in the game on this proxy");
    asks(fleet, &staff, ">drain arena", "arena lets nobody in on this proxy any more");
    assert!(dan.closed().is_none() && staff.closed().is_none());
}

/// A server with the mod, and one that has it do things.
fn talking(lab: &Lab, fleet: &Fleet, name: &str) -> Server {
    let spec = ServerSpec::new(name, Generation::V5_15)
        .probe("red")
        .own_mod("mesegate_talk")
        .mod_folder(paths::workspace().join("deploy/luanti-mod/mesegate"))
        .setting("enable_mod_channels", true)
        .setting("chat_message_limit_per_10sec", 0)
        .setting("mesegate.token", fleet.mod_token(name));
    Server::start(lab, spec).unwrap()
}

#[test]
#[ignore = "needs the lab and a Kubernetes API server: cargo xtask test --only kube"]
fn mods_reach_servers_whose_players_are_at_another_proxy() {
    let lab = Lab::ensure(&[Generation::V5_15]).unwrap();
    let mut fleet = Fleet::new();
    let (red, green) = (talking(&lab, &fleet, "red"), talking(&lab, &fleet, "green"));
    let cluster = cluster();
    let rights = ", modApi: { allow: [ Players, Message, MoveAny, Data ], rate: 10000 }";
    let text = server("red", red.address(), rights)
        + &server("green", green.address(), rights)
        + &default_target("red");
    applied(&cluster, &text);
    let controller = Controller::start(&cluster, &ControllerSpec::new("controller-0")).unwrap();
    let urls = [controller.url()];
    fleet.start(&[&urls, &urls]);
    fleet.all("the servers answer", PATIENCE, |it| up(it, "red") && up(it, "green"));
    let [alice, bob] = [(0, "alice"), (1, "bob")].map(|(proxy, name)| fleet.join(proxy, name));
    for name in ["alice", "bob"] {
        red.wait_log(&format!("talk: ready {name} red "), PATIENCE).unwrap();
    }
    let says = |bot: &Bot, server: &Server, line: &str, expected: &str| {
        let logged = server.log().len();
        fleet.runtime.block_on(bot.say(line));
        let found = server.wait_log_since(logged, expected, PATIENCE);
        found.unwrap_or_else(|error| panic!("{line}: {error}"))
    };

    // Nobody is on green yet, at any proxy; the first who is there gets what has waited.
    let line = says(&alice, &red, "/talk note green early", "talk: note");
    assert!(line.contains(r#""waiting":1"#), "{line}");
    fleet.runtime.block_on(bob.say(">server green"));
    green.wait_log("talk: ready bob green", PATIENCE).unwrap();
    green.wait_log("talk: note from red early", PATIENCE).unwrap();
    // Until red's engine has seen bob go, its mod may choose his session to speak through.
    red.wait_log("probe: leave bob", PATIENCE).unwrap();
    let there = || says(&alice, &red, "/talk where bob", "talk: where").contains("\"green\"");
    assert!(wait::until(PATIENCE, || there().then_some(())).is_some());
    let line = says(&alice, &red, "/talk note green late", "talk: note {");
    assert!(line.contains(r#""waiting":0"#), "{line}");
    green.wait_log("talk: note from red late", PATIENCE).unwrap();
    let line = says(&alice, &red, "/talk players", "talk: players");
    assert!(line.contains("\"alice\"") && line.contains("\"bob\""), "{line}");
    let line = says(&alice, &red, "/talk message bob psst", "talk: message");
    assert!(!line.contains("failed"), "{line}");
    fleet.runtime.block_on(bob.expect_chat("psst", PATIENCE)).unwrap();

    // Many each way, at the same time, in order and once.
    let began = Instant::now();
    fleet.runtime.block_on(alice.say("/talk count green 500"));
    fleet.runtime.block_on(bob.say("/talk count red 500"));
    for (server, other) in [(&red, "green"), (&green, "red")] {
        let all = format!("talk: received 500 from {other}");
        server.wait_log(&all, Duration::from_secs(30)).unwrap();
        let log = server.log();
        assert!(!log.contains("out of order") && !log.contains("count failed"), "{log}");
    }
    println!("kube: 500 messages each way took {:.1} s", began.elapsed().as_secs_f64());

    // And an order.
    let line = says(&alice, &red, "/talk move bob red", "talk: move");
    assert!(line.contains("\"moved\""), "{line}");
    red.wait_log("probe: join bob", PATIENCE).unwrap();
    let log = controller.log();
    assert!(log.contains("mod:red at proxy proxy-a"), "{log}");
}
