//! A real player on real servers that objects in an API server name.

use std::time::{Duration, Instant};

use xtask::client::{Client, ClientSpec};
use xtask::controller::{Controller, ControllerSpec};
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};
use xtask::wait;

use crate::fleet::{Fleet, PATIENCE, SOON, condition, default_target, listed, server, up};
use crate::screen::{content, see_floor};
use crate::support::{applied, cluster};

#[test]
#[ignore = "needs the lab and a Kubernetes API server: cargo xtask test --only kube"]
fn a_player_hops_to_a_server_that_was_applied_after_they_joined() {
    let lab = Lab::ensure(&[Generation::V5_15]).unwrap();
    // With the same content: players are given that of all servers when they join, and what comes
    // afterwards and is different can only be entered by connecting anew.
    let real = |name: &str| {
        let spec = ServerSpec::new(name, Generation::V5_15).probe("red");
        let server = Server::start(&lab, spec).unwrap();
        server.wait_log("probe: floor", PATIENCE).unwrap();
        server
    };
    let red = real("red");
    let cluster = cluster();
    applied(&cluster, &(server("red", red.address(), "") + &default_target("red")));
    let controller = Controller::start(&cluster, &ControllerSpec::new("controller-0")).unwrap();
    let mut fleet = Fleet::new();
    let urls = [controller.url()];
    fleet.start(&[&urls, &urls]);
    fleet.all("the first server answers", PATIENCE, |it| up(it, "red"));

    let spec = ClientSpec::new(Generation::V5_15, "alice", fleet.proxies[0].address());
    let mut client = Client::start(&lab, spec.password("secret")).unwrap();
    let joined = client.wait_joined(Duration::from_mins(1)).unwrap_or_else(|error| {
        panic!("{error}\nThe proxy's log:\n{}", wait::tail(&fleet.proxies[0].log(), 30))
    });
    println!("kube: a player joined after {:.1} s", joined.as_secs_f64());
    see_floor(&mut client, "red");

    let green = real("green");
    applied(&cluster, &server("green", green.address(), ""));
    fleet.all("a real server is known", SOON, |it| listed(it, "green"));
    fleet.all("a real server answers", PATIENCE, |it| up(it, "green"));
    let start = Instant::now();
    client.chat(">server green").unwrap();
    green.wait_log("probe: join alice ", PATIENCE).unwrap();
    println!("kube: the player was there after {} ms", start.elapsed().as_millis());
    assert_eq!(green.log().matches("probe: join alice ").count(), 1);
    see_floor(&mut client, "red");
    condition(&cluster, "mts/green", "Ready", "Ready");
    client.chat("hello there").unwrap();
    green.wait_log("probe: chat alice hello there", PATIENCE).unwrap();
    assert_eq!(client.log().matches("Connecting to server at").count(), 1);
    content(&client);
    client.stop().unwrap();
}
