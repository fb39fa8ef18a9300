//! Whoever is not let in, or sent away, reads why.

use std::thread::sleep;
use std::time::Duration;

use mesegate_protocol::login::DenyCode;
use mesegate_testkit::{Bot, BotOptions, JoinError};
use xtask::client::{Button, Client, ClientSpec};
use xtask::image::Image;
use xtask::lab::Generation::{self, V5_10};
use xtask::wait;

use crate::bots::{self, runtime};
use crate::support::{Network, SOON};

/// A client that cannot enter logs this reason, which is what it shows.
fn reads(network: &Network, generation: Generation, who: (&str, &str), reason: &str) {
    let (player, password) = who;
    let spec = ClientSpec::new(generation, player, network.proxy.address()).password(password);
    let client = Client::start(&network.lab, spec).unwrap();
    let line = client.wait_log("Access denied. Reason: ", SOON).unwrap();
    eprintln!("{generation}: {line}");
    assert!(line.contains(reason), "{generation} read: {line}");
}

fn all_read(network: &Network, who: (&str, &str), reason: &str) {
    for generation in Generation::ALL {
        reads(network, generation, who, reason);
    }
}

/// What a bot is told that cannot enter.
async fn refused(options: BotOptions) -> (DenyCode, String, bool) {
    match Bot::join(options).await {
        Err(JoinError::Denied { code, text, reconnect }) => (code, text, reconnect),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn clients_of_all_generations_read_why_they_cannot_enter() {
    let network = Network::start(&[V5_10]);
    let runtime = runtime();
    let bob = runtime.block_on(bots::join(network.proxy.address(), "bob"));
    all_read(&network, ("bob", "secret"), "A player of this name is in the game");
    runtime.block_on(bob.leave());
    network.servers[0].wait_log("probe: leave bob", SOON).unwrap();
    all_read(&network, ("bob", "guess"), "Wrong password");
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn clients_of_all_generations_read_that_the_network_is_full() {
    let mut network = Network::start(&[V5_10]);
    let to = network.proxy.address();
    let runtime = runtime();
    let bob = runtime.block_on(bots::join(to, "bob"));
    let mut documents = std::fs::read_to_string(network.proxy.resources()).unwrap();
    documents += "  limits: { players: 1 }\n  messages: { full: Come back after midnight. }\n";
    std::fs::write(network.proxy.resources(), documents).unwrap();
    network.proxy.wait_log("the documents were read again", SOON).unwrap();
    all_read(&network, ("carol", "secret"), "Come back after midnight");
    runtime.block_on(bob.leave());
    network.servers[0].wait_log("probe: leave bob", SOON).unwrap();

    network.server("red").stop().unwrap();
    reads(&network, V5_10, ("carol", "secret"), "No server of the network can be entered");
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn illegal_names_and_old_clients_are_told_so() {
    let network = Network::start(&[V5_10]);
    let to = network.proxy.address();
    runtime().block_on(async {
        let name = refused(BotOptions::new(to, "bad name")).await;
        assert!(name.1.contains("name is not allowed"), "{name:?}");
        let old = refused(BotOptions::new(to, "oldie").with_version(36)).await;
        eprintln!("{name:?} {old:?}");
        assert!(old.1.contains("needs Luanti or Minetest 5.0 or newer"), "{old:?}");
    });
    let log = network.servers[0].log();
    assert!(!log.contains("oldie") && !log.contains("bad name"), "{log}");
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn players_read_a_kick_of_their_server() {
    let network = Network::start(&[V5_10]);
    let mut clients: Vec<Client> =
        Generation::ALL.map(|it| network.join(it, &format!("p{}", it.suite()))).into();
    for client in &mut clients {
        client.chat("/probe kick because of tests").unwrap();
        let line = client.wait_log("Access denied. Reason: ", SOON).unwrap();
        assert!(line.contains("because of tests"), "{line}");
    }
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn players_read_that_the_proxy_stops_and_may_reconnect() {
    let mut network = Network::start(&[V5_10]);
    let clients: Vec<Client> =
        Generation::ALL.map(|it| network.join(it, &format!("p{}", it.suite()))).into();
    let runtime = runtime();
    let bob = runtime.block_on(bots::join(network.proxy.address(), "bob"));
    network.proxy.stop(Duration::from_secs(15)).unwrap();
    for client in &clients {
        let line = client.wait_log("Access denied. Reason: ", SOON).unwrap();
        assert!(line.contains("The network restarts"), "{line}");
    }
    match runtime.block_on(bob.wait_closed(SOON)) {
        Some(mesegate_testkit::Closed::Denied { code, text, reconnect }) => {
            assert_eq!(code, DenyCode::Shutdown);
            assert!(text.contains("The network restarts"), "{text}");
            assert!(reconnect, "no reconnect is offered");
        }
        other => panic!("{other:?}"),
    }
    let left = wait::until(SOON, || {
        let log = network.servers[0].log();
        clients
            .iter()
            .all(|it| log.contains(&format!("probe: leave {}", it.player())))
            .then_some(())
    });
    assert!(left.is_some(), "{}", network.servers[0].log());
}

/// A picture that stays as it is for a second, and is not one of `others`.
fn steady(client: &mut Client, others: &[&Image]) -> Image {
    let mut last = client.screenshot().unwrap();
    let found = wait::until(SOON, || {
        sleep(Duration::from_secs(1));
        let before = std::mem::replace(&mut last, client.screenshot().unwrap());
        let new = others.iter().all(|other| last.difference(other) > 2.0);
        (new && last.distinct_colours() > 50 && last.difference(&before) < 0.1).then_some(())
    });
    assert!(found.is_some(), "{}", client.last_picture().display());
    last
}

/// Not only the log of a client has the reason: it comes back to its menu and shows it.
#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn the_reason_is_on_the_screen() {
    let mut network = Network::start(&[V5_10]);
    let runtime = runtime();
    let bob = runtime.block_on(bots::join(network.proxy.address(), "bob"));
    let spec = ClientSpec::new(V5_10, "bob", network.proxy.address()).menu();
    let mut client = Client::start(&network.lab, spec).unwrap();
    client.focus().unwrap();
    let menu = steady(&mut client, &[]);
    // The button that says Login.
    client.point(687, 430).unwrap();
    client.press(Button::Left, Duration::from_millis(100)).unwrap();
    client.wait_log("Access denied. Reason: A player of this name is in the game", SOON).unwrap();
    let refused = steady(&mut client, &[&menu]);
    eprintln!("{}", client.last_picture().display());
    assert!(client.alive().unwrap());
    drop(client);
    runtime.block_on(async {
        bob.leave().await;
        // Login is for names that have an account.
        let carol = BotOptions::new(network.proxy.address(), "carol").with_password("");
        Bot::join(carol).await.unwrap().leave().await;
    });
    network.servers[0].wait_log("probe: leave carol", SOON).unwrap();

    let spec = ClientSpec::new(V5_10, "carol", network.proxy.address()).menu();
    let mut client = Client::start(&network.lab, spec).unwrap();
    client.focus().unwrap();
    steady(&mut client, &[]);
    client.point(687, 430).unwrap();
    client.press(Button::Left, Duration::from_millis(100)).unwrap();
    client.wait_joined(SOON).unwrap();
    network.proxy.stop(Duration::from_secs(15)).unwrap();
    client.wait_log("Access denied. Reason: The network restarts", SOON).unwrap();
    // Has a button more: the one that reconnects.
    steady(&mut client, &[&menu, &refused]);
    eprintln!("{}", client.last_picture().display());
    assert!(client.alive().unwrap());
}
