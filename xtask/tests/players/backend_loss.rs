//! A server that is lost does not take its players with it.

use std::time::{Duration, Instant};

use mesegate_testkit::Bot;
use xtask::client::Client;
use xtask::engine::Server;
use xtask::lab::Generation::{V5_10, V5_15};
use xtask::wait;

use crate::bots::{self, runtime};
use crate::support::{Network, SOON, content, plays, see_floor};

const BOTS: usize = 20;

/// Seconds of the day at the start of a line of the proxy's log.
fn clock(line: &str) -> f64 {
    let time = line.split(['T', 'Z']).nth(1).unwrap();
    time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

/// Waits until everybody is on `server`, and gives the seconds from the proxy's first word about
/// a loss, after `heard` bytes of its log, to the last player's entry.
fn all_arrive(network: &Network, heard: usize, server: &Server, logged: usize) -> f64 {
    let arrived = || server.log().get(logged..).unwrap_or_default().matches("probe: join ").count();
    let all = wait::until(SOON, || (arrived() > BOTS).then_some(()));
    let log = network.proxy.log();
    let log = &log[heard..];
    assert!(all.is_some(), "{} arrived\n{log}", arrived());
    let lost = log.lines().find(|line| line.contains("the backend was lost")).unwrap();
    let entered = log.lines().rfind(|line| line.contains("a player entered a server")).unwrap();
    clock(entered) - clock(lost)
}

fn everybody_is_well(client: &mut Client, bots: &[Bot]) {
    assert!(client.alive().unwrap());
    for bot in bots {
        assert_eq!(bot.closed(), None, "{}", bot.name());
        assert_eq!(bot.look(|view| view.violations.clone()), Vec::<String>::new());
    }
}

/// Seconds from the first notice to the last player in.
const LIMIT: f64 = 2.0;

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn everybody_is_on_the_fallback_soon_after_a_loss_is_noticed() {
    let mut network =
        Network::start_with(&[V5_10, V5_15], |_, spec| spec.setting("max_users", 2 * BOTS));
    let mut client = network.join(V5_10, "alice");
    let runtime = runtime();
    let to = network.proxy.address();
    let bots: Vec<Bot> = runtime.block_on(async {
        let mut bots = Vec::new();
        for number in 0..BOTS {
            bots.push(bots::join(to, &format!("bot{number}")).await);
        }
        bots
    });

    // With a form open, which has to go too.
    client.chat("/probe up inventory").unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let (heard, logged) = (network.proxy.log().len(), network.servers[1].log().len());
    let killed = Instant::now();
    network.server("red").kill9().unwrap();
    let took = all_arrive(&network, heard, &network.servers[1], logged);
    eprintln!(
        "killed: {} players on the fallback {took:.2} s after the loss was noticed, {:.2} s after it",
        BOTS + 1,
        killed.elapsed().as_secs_f64()
    );
    assert!(took < LIMIT, "{took}");
    see_floor(&mut client, "green");
    let logged = network.servers[1].log().len();
    client.chat("hello green").unwrap();
    network.servers[1].wait_log_since(logged, "probe: chat alice hello green", SOON).unwrap();
    everybody_is_well(&mut client, &bots);

    network.server("red").restart().unwrap();
    network.wait_up("red", true);
    let (heard, logged) = (network.proxy.log().len(), network.servers[0].log().len());
    network.server("green").stop().unwrap();
    let took = all_arrive(&network, heard, &network.servers[0], logged);
    eprintln!("shut down: {took:.2} s after its first goodbye");
    assert!(took < LIMIT, "{took}");
    see_floor(&mut client, "red");
    everybody_is_well(&mut client, &bots);
    runtime.block_on(async {
        for bot in bots {
            bot.leave().await;
        }
    });
    // Not before: who stands in front of a node keeps it from being dug.
    plays(&mut client, &network.servers[0]);
    content(&client);
}

#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn players_can_return_to_a_server_that_was_lost_or_hung() {
    let mut network = Network::start(&[V5_10, V5_15]);
    let mut client = network.join(V5_15, "alice");
    network.hop(&mut client, "green");
    let logged = network.server("red").log().len();
    network.server("green").kill9().unwrap();
    network.arrived(&mut client, "red", logged, SOON);

    network.server("green").restart().unwrap();
    network.hop(&mut client, "green");
    let logged = network.server("red").log().len();
    network.server("green").freeze().unwrap();
    network.arrived(&mut client, "red", logged, Duration::from_secs(30));
    network.server("green").thaw().unwrap();
    plays(&mut client, network.server("red"));
    content(&client);
}
