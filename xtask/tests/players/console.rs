//! Every command of the console with a real client: what is typed, what the chat answers, what
//! comes of it, and how it looks.

mod desk;

use std::collections::BTreeSet;
use std::thread::{scope, sleep};
use std::time::Duration;

use mesegate_testkit::Bot;
use xtask::lab::Generation::{V5_10, V5_15};
use xtask::wait;

use super::bots::{join, runtime};
use crate::support::{Network, SOON, content};
use desk::{Desk, commands};

/// Without a rule about them, nobody may do anything.
const RIGHTS: &str = "permissions:\n  \
                      groups: [ { name: default }, { name: staff, permissions: [ 'cmd_*' ] } ]\n  \
                      players:\n  - { name: Alice, groups: [ staff ] }\n  \
                      - { name: bob, permissions: [ cmd_msg, cmd_r ] }";

const GROUP: &str = "---\napiVersion: mesegate.dev/v1alpha1\nkind: MinetestServerGroup\n\
                     metadata: { name: games }\n\
                     spec: { selector: { matchLabels: { in: games } } }\n";

/// Commands that tell something. The group is there because of the first.
const LOOKS: &[(&str, &[&str])] = &[
    (">reload", &["The documents were read again: 2 servers."]),
    (">reload now", &["Usage: >reload (USAGE)"]),
    (">find BOBB", &["bobby is on red."]),
    (">find bo", &["Which of: bob, bobby? (AMBIGUOUS)"]),
    (">find", &["Usage: >find NAME (USAGE)"]),
    (">addr bob", &["bob is at 127.0.0.1."]),
    (">addr zed", &["No player zed is in the game. (NO_SUCH_PLAYER)"]),
    (">players x", &["Usage: >players [PAGE] (USAGE)"]),
    (">servers x", &["Usage: >servers [PAGE] (USAGE)"]),
    (">whereami", &["You are on red, through the proxy "]),
    (">whereami x", &["Usage: >whereami (USAGE)"]),
    (">uptime", &["This proxy has been running for "]),
    (">uptime x", &["Usage: >uptime (USAGE)"]),
    (">group", &["Your groups: staff, default"]),
    (">group a/b", &["Name: 1 to 20 of a-z, A-Z, 0-9, - and _. (INVALID_FIELD)"]),
    (">perms bob", &["Permissions of bob: cmd_msg, cmd_r"]),
    (">perms bo", &["Which of: bob, bobby? (AMBIGUOUS)"]),
    (">gperms st", &["Permissions of staff: cmd_*"]),
    (">gperms nope", &["There is no permission group nope. (NO_SUCH_TARGET)"]),
    (">usage >msg", &[">msg NAME TEXT writes to a player", "Also: tell, w"]),
    (">usage nope", &["There is no command nope. (NO_SUCH_COMMAND)"]),
    (">help nope", &["There is no command nope. (NO_SUCH_COMMAND)"]),
    (">r hm", &["Nobody has written to you. (NO_SUCH_PLAYER)"]),
    (">send player green bob", &["bob is on green now."]),
    (">send player nowhere bob", &["There is no server nowhere. (NO_SUCH_TARGET)"]),
];

/// Commands that take players elsewhere; bob is on green.
const MOVES: &[(&str, &[&str])] = &[
    (">gsend player games bobby", &["bobby is on green now."]),
    (">gsend player red bob", &["There is no group red. (NO_SUCH_TARGET)"]),
    (">send current green", &["3 arrived on green, 0 were there before, 0 failed."]),
    (">server", &["You are on green.", "Servers: red, green", "Groups: games"]),
    (">gserver red", &["There is no group red. (NO_SUCH_TARGET)"]),
    (">gsend all games", &["0 arrived on games, 5 were there before, 0 failed."]),
    (">drain red", &["red lets nobody in any more, until the proxy ends."]),
    (">server red", &["Going to red", "You cannot enter red: nobody is let in there any more."]),
    (">drain red off", &["red lets players in again, until the proxy ends."]),
    (">drain red maybe", &["Usage: >drain SERVER [off] (USAGE)"]),
    (">server blue", &["There is no server blue. (NO_SUCH_TARGET)"]),
];

/// Commands that keep players out. Bobby and carol are in the game before.
const BANS: &[(&str, &[&str])] = &[
    (">ban bobby theft", &["bobby is banned. Sent away: bobby."]),
    (">ban bobby", &["(BAN_EXISTS)"]),
    (">tempban carol 1h theft", &["carol is banned for 60 minutes. Sent away: carol."]),
    (">tempban carol soon", &["(INVALID_FIELD)"]),
    (
        ">banlist",
        &["2 bans", "bobby for good, by alice: theft", "carol for 60 minutes, by alice: theft"],
    ),
    (">banlist x", &["Usage: >banlist [PAGE] (USAGE)"]),
    (">unban bobby", &["bobby is not banned any more."]),
    (">unban bobby", &["(NO_SUCH_BAN)"]),
];

fn all(desk: &mut Desk, lines: &[(&str, &[&str])]) {
    for (line, answers) in lines {
        desk.ask(line, answers);
    }
}

/// Commands to write to others, and to keep them from writing.
async fn talks(desk: &mut Desk, bob: &Bot, carol: &Bot) {
    desk.ask(">msg bob hello there", &["[you to bob] hello there"]);
    bob.expect_chat("[alice to you] hello there", SOON).await.unwrap();
    let heard = desk.client.log().len();
    bob.say(">r hello to you").await;
    desk.client.wait_log_since(heard, "[bob to you] hello to you", SOON).unwrap();
    desk.ask(">r and good night", &["[you to bob] and good night"]);
    bob.expect_chat("[alice to you] and good night", SOON).await.unwrap();
    desk.ask(">msg bob", &["Usage: >msg NAME TEXT (USAGE)"]);
    desk.ask(">alert Tea is ready", &["[ALERT] Tea is ready", "5 players were told."]);
    carol.expect_chat("[ALERT] Tea is ready", SOON).await.unwrap();
    desk.ask(">alert", &["Usage: >alert TEXT (USAGE)"]);
    desk.ask(">mute carol 5m shouting", &["carol is muted for 5 minutes."]);
    carol.say("AAAH").await;
    carol.expect_chat("You are muted for 5 minutes: shouting", SOON).await.unwrap();
    desk.ask(">mute", &["Usage: >mute NAME [TIME] [REASON] (USAGE)"]);
    desk.ask(">unmute carol", &["carol may write again."]);
    carol.say("quiet now").await;
    carol.expect_chat("quiet now", SOON).await.unwrap();
    desk.ask(">unmute carol", &["Nothing keeps carol from writing. (NOT_MUTED)"]);
}

/// The pictures of the manual. What is shown in each fills the lines that a client shows, so that
/// no others are on the screen.
fn pictures(desk: &mut Desk) {
    // Away from the others, who stand at the same place.
    desk.client.hold("w", Duration::from_millis(700)).unwrap();
    desk.ask(">help", &["What you may use (page 1 of 6; >help 2)", ">ban NAME", ">drain SERVER"]);
    sleep(Duration::from_millis(500));
    desk.picture("console-help.png");
    desk.ask(">servers", &["2 servers; groups: games", "green up, 1 player", "red up, 4 players"]);
    let there = ["5 players", "green (1): bob", "red (4): alice, bobby, carol, mallory"];
    desk.ask(">players", &there);
    sleep(Duration::from_millis(500));
    desk.picture("console-players.png");
}

/// That an edit of the documents gives rights, and takes them, with `reload`.
fn rights_change(network: &Network, alice: &mut Desk, mallory: &mut Desk) {
    let file = network.proxy.resources();
    let edit = |from: &str, to: &str| {
        let old = std::fs::read_to_string(&file).unwrap();
        assert!(old.contains(from), "{old}");
        std::fs::write(&file, old.replace(from, to)).unwrap();
    };
    let staff = "- { name: Alice, groups: [ staff ] }";
    edit(staff, &format!("{staff}\n    {}", staff.replace("Alice", "mallory")));
    alice.ask(">reload", &["The documents were read again: 2 servers."]);
    mallory.ask(">uptime", &["This proxy has been running for "]);
    edit(&format!("    {staff}\n"), "");
    mallory.ask(">reload", &["The documents were read again: 2 servers."]);
    alice.ask(">uptime", &["You may not use >uptime. (PERMISSION)"]);
    edit("[ staff ]", "[ stuff ]");
    mallory.ask(">reload", &["there is no permission group stuff. (BAD_DOCUMENTS)"]);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn every_command_is_answered_to_a_real_client_and_refused_to_another() {
    let mut network = Network::start_ruled(&[V5_15, V5_10], RIGHTS);
    let mut documents = std::fs::read_to_string(network.proxy.resources()).unwrap();
    let green = "metadata: { name: green }";
    assert!(documents.contains(green));
    documents = documents.replace(green, "metadata: { name: green, labels: { in: games } }");
    std::fs::write(network.proxy.resources(), documents + GROUP).unwrap();
    let runtime = runtime();
    let address = network.proxy.address();
    let (bob, bobby, carol) = runtime.block_on(async {
        (join(address, "bob").await, join(address, "bobby").await, join(address, "carol").await)
    });
    // Of 5.15, because earlier ones do not log what they show in the chat.
    let mut alice = Desk::new(network.join(V5_15, "alice"));
    let mut mallory = Desk::new(network.join(V5_15, "mallory"));
    let commands = commands();
    scope(|both| {
        both.spawn(|| {
            for name in &commands {
                let refusal = format!("You may not use >{name}. (PERMISSION)");
                mallory.ask(&format!(">{name} carol green"), &[&refusal]);
            }
        });
        all(&mut alice, LOOKS);
        pictures(&mut alice);
        runtime.block_on(talks(&mut alice, &bob, &carol));
    });
    assert!(!network.server("red").log().contains("probe: chat carol AAAH"));

    let logged = network.server("red").log().len();
    all(&mut alice, MOVES);
    alice.ask(">server red", &["Going to red"]);
    network.server("red").wait_log_since(logged, "probe: join alice", SOON).unwrap();
    let logged = network.server("green").log().len();
    alice.ask(">gserver games", &["Going to games"]);
    network.server("green").wait_log_since(logged, "probe: join alice", SOON).unwrap();

    all(&mut alice, BANS);
    runtime.block_on(async {
        for bot in [&bobby, &carol] {
            bot.wait_closed(SOON).await.unwrap();
        }
        drop(join(address, "bobby").await);
    });
    alice.ask(">kick bob bye", &["bob was sent away."]);
    runtime.block_on(bob.wait_closed(SOON)).unwrap();
    alice.ask(">kick bob", &["No player bob is in the game. (NO_SUCH_PLAYER)"]);
    alice.ask(">shutdown now", &["Usage: >shutdown (USAGE)"]);

    rights_change(&network, &mut alice, &mut mallory);
    for desk in [&alice, &mallory] {
        content(&desk.client);
    }
    mallory.ask(">shutdown", &["The proxy stops."]);
    for desk in [&alice, &mallory] {
        let line = desk.client.wait_log("Access denied. Reason: ", SOON).unwrap();
        assert!(line.contains("The network restarts"), "{line}");
    }
    assert!(wait::until(SOON, || (!network.proxy.alive()).then_some(())).is_some());

    // Shutdown is done by who has got the right, all else by who had it from the beginning.
    alice.done.insert("shutdown".into());
    assert!(mallory.done.contains("shutdown"));
    let missing =
        |seen: &BTreeSet<String>| commands.difference(seen).cloned().collect::<Vec<String>>();
    assert!(missing(&alice.done).is_empty(), "not done: {:?}", missing(&alice.done));
    assert!(missing(&alice.refused).is_empty(), "not typed wrongly: {:?}", missing(&alice.refused));
    assert!(missing(&mallory.refused).is_empty(), "allowed: {:?}", missing(&mallory.refused));
    let log = network.proxy.log();
    for words in [
        "actor=\"player:alice\" verb=\"KickPlayer\" subject=\"player bob\" result=\"OK\"",
        "actor=\"player:mallory\" verb=\"KickPlayer\" subject=\"\" result=\"PERMISSION\"",
        "actor=\"player:mallory\" verb=\"Shutdown\" subject=\"\" result=\"PERMISSION\"",
    ] {
        assert!(log.contains(words), "{words}");
    }
}
