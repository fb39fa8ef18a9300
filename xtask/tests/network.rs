//! Real clients play on real servers through the proxy.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::{Network, SOON, content, plays, see_floor};
use xtask::client::{Client, ClientSpec};
use xtask::lab::Generation::{self, V5_6, V5_10, V5_15};
use xtask::wait;

/// Through servers of all generations and back, playing on each.
fn plays_everywhere(generation: Generation) {
    let mut network = Network::start(&[V5_6, V5_10, V5_15]);
    let mut client = network.join(generation, "alice");
    see_floor(&mut client, "red");
    plays(&mut client, &network.servers[0]);
    for target in ["green", "blue", "red", "blue", "green"] {
        let logged: Vec<usize> = network.servers.iter().map(|it| it.log().len()).collect();
        network.hop(&mut client, target);
        plays(&mut client, network.server(target));
        let left =
            network.servers.iter().zip(logged).filter(|(server, logged)| {
                server.log()[*logged..].contains("probe: leave alice quit")
            });
        assert_eq!(left.count(), 1);
    }
    content(&client);
    client.stop().unwrap();
    network.server("green").wait_log("probe: leave alice", SOON).unwrap();
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_5_6_client_plays_on_servers_of_all_generations() {
    plays_everywhere(V5_6);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_5_10_client_plays_on_servers_of_all_generations() {
    plays_everywhere(V5_10);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_5_15_client_plays_on_servers_of_all_generations() {
    plays_everywhere(V5_15);
}

/// What one server put on the screen is gone on the next.
fn a_hop_leaves_nothing_behind(generation: Generation) {
    let mut network = Network::start(&[generation, generation]);
    let mut client = network.join(generation, "alice");
    see_floor(&mut client, "red");
    network.hop(&mut client, "green");
    network.hop(&mut client, "red");
    std::thread::sleep(Duration::from_secs(2));
    let before = client.screenshot().unwrap();

    network.hop(&mut client, "green");
    client.chat("/probe up").unwrap();
    network.server("green").wait_log("probe: up alice", SOON).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let dressed = client.screenshot().unwrap();
    // Below the lines of chat and debug text.
    let part = |image: &xtask::image::Image| image.crop(0, 220, 800, 380);
    assert!(part(&dressed).difference(&part(&before)) > 20.0);

    network.hop(&mut client, "red");
    std::thread::sleep(Duration::from_secs(2));
    let after = client.screenshot().unwrap();
    let difference = part(&after).difference(&part(&before));
    assert!(difference < 1.0, "{difference}: {}", client.last_picture().display());
    plays(&mut client, network.server("red"));
    content(&client);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_hop_leaves_nothing_behind_in_a_5_6_client() {
    a_hop_leaves_nothing_behind(V5_6);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_hop_leaves_nothing_behind_in_a_5_10_client() {
    a_hop_leaves_nothing_behind(V5_10);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_hop_leaves_nothing_behind_in_a_5_15_client() {
    a_hop_leaves_nothing_behind(V5_15);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn players_of_a_lost_server_fall_back_and_can_return() {
    let mut network = Network::start(&[V5_10, V5_15]);
    let mut client = network.join(V5_15, "alice");
    network.hop(&mut client, "green");

    let logged = network.server("red").log().len();
    network.server("green").kill9().unwrap();
    network.arrived(&mut client, "red", logged, SOON);
    plays(&mut client, network.server("red"));

    network.server("green").restart().unwrap();
    network.hop(&mut client, "green");
    let logged = network.server("red").log().len();
    network.server("green").stop().unwrap();
    network.arrived(&mut client, "red", logged, SOON);

    network.server("green").restart().unwrap();
    network.hop(&mut client, "green");
    let logged = network.server("red").log().len();
    network.server("green").freeze().unwrap();
    network.arrived(&mut client, "red", logged, Duration::from_secs(30));
    network.server("green").thaw().unwrap();
    content(&client);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_server_that_cannot_be_entered_leaves_the_player_where_they_are() {
    let mut network = Network::start(&[V5_10, V5_10]);
    let mut client = network.join(V5_10, "alice");
    see_floor(&mut client, "red");
    network.server("green").stop().unwrap();
    client.chat(">server green").unwrap();
    client.wait_log("You cannot enter green", SOON).unwrap();
    client.chat(">server nowhere").unwrap();
    plays(&mut client, network.server("red"));
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn clients_of_all_generations_read_why_they_are_sent_away() {
    let network = Network::start(&[V5_10]);
    for generation in Generation::ALL {
        let name = format!("p{}", generation.to_string().replace('.', "x"));
        let mut client = network.join(generation, &name);

        let spec = ClientSpec::new(generation, &name, network.proxy.address());
        let twin = Client::start(&network.lab, spec.clone().password("secret")).unwrap();
        twin.wait_log("Access denied", SOON).unwrap();
        drop(twin);

        client.chat("/probe kick because of tests").unwrap();
        client.wait_log("because of tests", SOON).unwrap();
        drop(client);

        let wrong = Client::start(&network.lab, spec.password("guess")).unwrap();
        wrong.wait_log("Access denied", SOON).unwrap();
    }
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn players_read_that_the_proxy_stops() {
    let mut network = Network::start(&[V5_10]);
    let clients: Vec<Client> =
        Generation::ALL.map(|it| network.join(it, &format!("p{}", it.suite()))).into();
    network.proxy.stop(Duration::from_secs(15)).unwrap();
    for client in &clients {
        client.wait_log("The network restarts", SOON).unwrap();
    }
    assert!(
        wait::until(SOON, || {
            let log = network.servers[0].log();
            clients
                .iter()
                .all(|it| log.contains(&format!("probe: leave {}", it.player())))
                .then_some(())
        })
        .is_some()
    );
}
