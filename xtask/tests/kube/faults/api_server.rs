//! The API server is away, and the controller's clock is wrong.

use std::time::{Duration, Instant};

use xtask::controller::ControllerSpec;
use xtask::kube::Programs;

use super::{Bed, long};
use crate::fleet::{PATIENCE, connected, in_force, listed, server};
use crate::support::applied;

/// Watches are tried again after pauses of up to three seconds, and the API server's first answer
/// may be that it has forgotten where they were.
const WATCHES: Duration = Duration::from_secs(10);

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn the_api_server_is_away_and_clocks_differ() {
    // The controller's clock is ahead of that of the proxies and of the API server.
    let library = Programs::faketime().unwrap();
    let spec = ControllerSpec::new("controller-0")
        .variable("LD_PRELOAD", library.to_str().unwrap())
        .variable("FAKETIME", "+10m")
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut bed = Bed::of(&[spec]);
    let now = bed.controllers[0].as_ref().unwrap().log();
    println!("kube: the controller's clock: {}", now.lines().next().unwrap_or_default());
    bed.follows("ten minutes apart");
    bed.counted("2", PATIENCE);
    assert_eq!(bed.holder(), "controller-0");

    let away = Duration::from_secs(if long() { 300 } else { 20 });
    bed.cluster.stop_api_server().unwrap();
    let start = Instant::now();
    while start.elapsed() < away {
        std::thread::sleep(Duration::from_secs(1));
        assert!(bed.fleet.proxies.iter().all(connected), "streams need no API server");
    }
    bed.unharmed("without an API server");
    let _late = bed.fleet.join(1, "latecomer");
    bed.cluster.restart_api_server().unwrap();
    // Something is edited, something comes and something goes before the controller watches again.
    let edited = bed.edit();
    applied(&bed.cluster, &server("fort", bed.arena.addr(), ""));
    bed.fleet
        .all("changes are seen again", WATCHES, |it| in_force(it, &edited) && listed(it, "fort"));
    let gone = bed.cluster.kubectl(&["delete", "mts/fort"]).unwrap();
    assert!(gone.success, "{gone:?}");
    bed.fleet.all("a deletion is seen", WATCHES, |it| !listed(it, "fort"));
    bed.follows("after the API server was away");
    bed.unharmed("after the API server was away");
    bed.counted("2", PATIENCE);
    let held = xtask::wait::until(WATCHES, || (bed.holder() == "controller-0").then_some(()));
    assert!(held.is_some());
}
