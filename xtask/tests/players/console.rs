//! Staff at work with a real client: what is typed, what the chat answers, and how it looks.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use xtask::client::Client;
use xtask::lab::Generation::{V5_10, V5_15};

use super::bots::{join, runtime};
use crate::support::{Network, SOON, content, see_floor};

const RIGHTS: &str = "permissions:\n  \
                      groups: [ { name: staff, permissions: [ 'cmd_*', -cmd_shutdown ] } ]\n  \
                      players: [ { name: Alice, groups: [ staff ] } ]";

/// Types a line; all answers come in the chat, in this order.
fn ask(client: &mut Client, line: &str, answers: &[&str]) {
    let mut from = client.log().len();
    client.chat(line).unwrap();
    for answer in answers {
        client.wait_log_since(from, answer, SOON).unwrap();
        let log = client.log();
        from += log[from..].find(answer).unwrap();
    }
}

/// Takes a picture, and keeps it for the manual where `MESEGATE_PICTURES` names a folder.
fn picture(client: &mut Client, name: &str) {
    client.screenshot().unwrap();
    if let Some(folder) = std::env::var_os("MESEGATE_PICTURES") {
        let kept = PathBuf::from(folder).join(name);
        std::fs::copy(client.last_picture(), kept).unwrap();
    }
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn staff_works_from_a_real_client() {
    let mut network = Network::start_ruled(&[V5_15, V5_10], RIGHTS);
    let runtime = runtime();
    let address = network.proxy.address();
    let (bob, carol) =
        runtime.block_on(async { (join(address, "bob").await, join(address, "carol").await) });
    // Of 5.15, because earlier ones do not log what they show in the chat.
    let mut client = network.join(V5_15, "alice");
    see_floor(&mut client, "red");
    for (line, answers) in [
        (">whereami", &["You are on red"][..]),
        (">find BO", &["bob is on red."]),
        (">find zed", &["No player zed is in the game", "(NO_SUCH_PLAYER)"]),
        (">addr bob", &["bob is at 127.0.0.1."]),
        (">group", &["staff, default"]),
        (">kick", &["Usage: >kick NAME [REASON] (USAGE)"]),
        (">shutdown", &["You may not use >shutdown. (PERMISSION)"]),
        (">send player green bob", &["bob is on green now."]),
        (">msg bob hello there", &["[you to bob] hello there"]),
        (">servers", &["2 servers", "green up, 1 player", "red up, 2 players"]),
    ] {
        ask(&mut client, line, answers);
    }
    runtime.block_on(bob.expect_chat("[alice to you] hello there", SOON)).unwrap();
    runtime.block_on(bob.say(">r hello to you"));
    client.wait_log("[bob to you] hello to you", SOON).unwrap();

    ask(&mut client, ">help", &["What you may use (page 1 of 6"]);
    sleep(Duration::from_millis(500));
    picture(&mut client, "console-help.png");
    // Old lines leave the screen after some seconds.
    sleep(Duration::from_secs(11));
    ask(&mut client, ">players", &["3 players", "green (1): bob", "red (2): alice, carol"]);
    sleep(Duration::from_millis(500));
    picture(&mut client, "console-players.png");

    ask(&mut client, ">mute carol 5m shouting", &["carol is muted for 5 minutes."]);
    runtime.block_on(async {
        carol.say("AAAH").await;
        carol.expect_chat("You are muted for 5 minutes: shouting", SOON).await.unwrap();
    });
    assert!(!network.server("red").log().contains("probe: chat carol"));
    ask(
        &mut client,
        ">tempban carol 1h theft",
        &["carol is banned for 60 minutes. Sent away: carol."],
    );
    runtime.block_on(carol.wait_closed(SOON)).unwrap();
    ask(&mut client, ">banlist", &["1 ban", "by alice: theft"]);
    ask(&mut client, ">unban carol", &["carol is not banned any more."]);
    ask(&mut client, ">drain red", &["red lets nobody in any more"]);
    ask(&mut client, ">send all green", &["1 arrived on green, 1 were there before, 0 failed."]);
    see_floor(&mut client, "green");
    ask(&mut client, ">server red", &["You cannot enter red: nobody is let in there any more"]);
    ask(&mut client, ">kick bob bye", &["bob was sent away."]);
    runtime.block_on(bob.wait_closed(SOON)).unwrap();
    let log = network.proxy.log();
    for words in ["verb=\"KickPlayer\" subject=\"player bob\" result=\"OK\"", "verb=\"Shutdown\""] {
        assert!(log.contains(words), "{words}");
    }
    content(&client);
    client.stop().unwrap();
}
