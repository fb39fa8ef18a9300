//! The lab itself, without the proxy: what the other tests rely on works with a direct connection.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::{SOON, content, plays, see_floor};
use xtask::client::{Client, ClientSpec};
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};

/// A client of every generation plays on the generation's own server, and the picture tells.
fn plays_directly(generation: Generation) {
    let lab = Lab::ensure(&[generation]).unwrap();
    let spec = ServerSpec::new("green", generation).probe("green");
    let mut server = Server::start(&lab, spec).unwrap();
    server.wait_log("probe: floor green", SOON).unwrap();
    let spec = ClientSpec::new(generation, "alice", server.address()).password("secret");
    let mut client = Client::start(&lab, spec.clone()).unwrap();
    let joined = client.wait_joined(Duration::from_mins(1)).unwrap();
    println!(
        "{generation}: engine {}, listening after {:.1} s, joined after {:.1} s",
        lab.version(generation).unwrap(),
        server.started_in().as_secs_f64(),
        joined.as_secs_f64()
    );
    server.wait_log("probe: join alice protocol", SOON).unwrap();
    see_floor(&mut client, "green");
    plays(&mut client, &server);
    let before = see_floor(&mut client, "green");

    client.chat("/probe up").unwrap();
    server.wait_log("probe: up alice", SOON).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(client.screenshot().unwrap().difference(&before) > 20.0);
    client.chat("/probe up inventory").unwrap();
    std::thread::sleep(Duration::from_secs(1));
    client.key("Escape").unwrap();
    server.wait_log("probe: fields alice mesegate_probe:form", SOON).unwrap();
    content(&client);

    let wrong = Client::start(&lab, spec.password("guess")).unwrap();
    wrong.wait_log("Access denied", SOON).unwrap();
    drop(wrong);
    client.chat("/probe kick because of tests").unwrap();
    client.wait_log("because of tests", SOON).unwrap();
    drop(client);

    server.kill9().unwrap();
    server.restart().unwrap();
    let spec = ClientSpec::new(generation, "alice", server.address()).password("secret");
    let mut client = Client::start(&lab, spec).unwrap();
    client.wait_joined(Duration::from_mins(1)).unwrap();
    let logged = server.log().len();
    client.stop().unwrap();
    server.wait_log_since(logged, "probe: leave alice quit", SOON).unwrap();
    server.stop().unwrap();
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_5_6_client_plays_on_a_5_6_server() {
    plays_directly(Generation::V5_6);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_5_10_client_plays_on_a_5_10_server() {
    plays_directly(Generation::V5_10);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn a_5_15_client_plays_on_a_5_15_server() {
    plays_directly(Generation::V5_15);
}
