//! Real clients load media over HTTP if they can, and over UDP if they cannot.

use std::time::Duration;

use xtask::client::{Client, ClientSpec};
use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};
use xtask::proxy::{Proxy, ProxySpec};
use xtask::wait;

use crate::support::see_floor;

/// What a proxy has given away so far.
#[derive(Debug)]
struct Sent {
    requests: f64,
    http: f64,
    udp: f64,
}

fn sent(proxy: &Proxy) -> Sent {
    let read = |name| proxy.metric(name).unwrap();
    Sent {
        requests: read("media_http_requests_total"),
        http: read("media_http_bytes_total"),
        udp: read("media_sent_bytes_total"),
    }
}

/// A client with an empty cache joins and sees the world.
fn join(lab: &Lab, generation: Generation, player: &str, proxy: &Proxy) {
    let spec = ClientSpec::new(generation, player, proxy.address()).password("secret");
    let mut client = Client::start(lab, spec).unwrap();
    let joined = client.wait_joined(Duration::from_mins(1)).unwrap_or_else(|error| {
        panic!("{error}\nThe proxy's log:\n{}", wait::tail(&proxy.log(), 30))
    });
    see_floor(&mut client, "red");
    println!("{player} with {generation} joined after {:.1} s", joined.as_secs_f64());
    client.stop().unwrap();
}

/// A server and a proxy in front of it. Each proxy has a key of its own for its accounts on
/// servers, so two cannot share one.
fn start(lab: &Lab, flags: &[(&str, &str)]) -> (Server, Proxy) {
    let spec = ServerSpec::new("red", Generation::V5_10).probe("red");
    let server = Server::start(lab, spec).unwrap();
    let spec = ProxySpec::new(&[(server.name(), server.address())]);
    let spec = flags.iter().fold(spec, |spec, (flag, value)| spec.flag(flag, value));
    (server, Proxy::start(&spec).unwrap())
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn clients_of_all_generations_load_media_over_http_or_else_over_udp() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    let (_server, http) = start(&lab, &[("--media-http", "127.0.0.1:0")]);
    // Nothing listens on port 9 here.
    let flags = [("--media-http", "127.0.0.1:0"), ("--media-url", "http://127.0.0.1:9/")];
    let (_other, wrong) = start(&lab, &flags);
    for generation in Generation::ALL {
        let before = sent(&http);
        join(&lab, generation, "alice", &http);
        let after = sent(&http);
        println!("{generation} over HTTP: {before:?} to {after:?}");
        assert!(after.requests - before.requests > 100.0, "the standard game's files");
        assert!(after.http - before.http > 1_000_000.0);
        assert_eq!(after.udp, 0.0, "everything came over HTTP");

        let before = sent(&wrong);
        join(&lab, generation, "alice", &wrong);
        let after = sent(&wrong);
        println!("{generation} with a URL that leads nowhere: {before:?} to {after:?}");
        assert!(after.udp - before.udp > 1_000_000.0);
        assert_eq!(after.requests, 0.0);
    }
}
