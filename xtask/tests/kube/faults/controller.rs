//! The controller is away.

use std::time::{Duration, Instant};

use mesegate_testkit::Closed;
use xtask::controller::{Controller, ControllerSpec};

use super::Bed;
use crate::fleet::{PATIENCE, connected, in_force, up};

const WAIT: Duration = Duration::from_secs(10);

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn the_controller_is_killed_and_a_proxy_restarts_without_it() {
    let mut bed = Bed::new();
    let address = bed.controllers[0].as_ref().unwrap().address();
    bed.follows("before");
    bed.controllers.clear();
    let missed = bed.edit();
    bed.fleet.all("the loss is seen", WAIT, |it| !connected(it));
    bed.unharmed("without a controller");
    assert!(bed.fleet.proxies.iter().all(|it| up(it, "arena") && !in_force(it, &missed)));
    let _late = bed.fleet.join(0, "latecomer");

    let spec = ControllerSpec::new("controller-1").listen(address);
    bed.controllers = vec![Some(Controller::start(&bed.cluster, &spec).unwrap())];
    bed.recovers("after a restart", PATIENCE);
    bed.fleet.all("what was missed is there", WAIT, |it| in_force(it, &missed));
    bed.follows("after a restart");
    bed.unharmed("after a restart");

    // The lease of the one that was killed runs out; the one that ends properly gives it back.
    let start = Instant::now();
    let taken = xtask::wait::until(Duration::from_secs(30), || {
        (bed.holder() == "controller-1").then_some(())
    });
    assert!(taken.is_some(), "{} holds the lease", bed.holder());
    println!("kube: the lease was taken over after {:?} more", start.elapsed());
    bed.counted("2", WAIT);
    bed.controllers[0].as_mut().unwrap().stop(WAIT).unwrap();
    assert_eq!(bed.holder(), "");

    // A proxy that restarts now sends its players away, who can come back at once.
    let at = bed.fleet.proxies[1].address();
    let urls: Vec<String> = bed.ways[1].iter().map(|it| format!("http://{}", it.addr())).collect();
    bed.fleet.proxies[1].stop(WAIT).unwrap();
    let start = Instant::now();
    bed.fleet.proxies[1] = bed.fleet.proxy("proxy-b", &urls, Some(at), &[]);
    println!("kube: a proxy was ready without a controller after {:?}", start.elapsed());
    assert!(!connected(&bed.fleet.proxies[1]));
    let mut players = std::mem::take(&mut bed.players);
    let (here, gone): (Vec<_>, Vec<_>) = players.drain(..).partition(|it| it.closed().is_none());
    assert_eq!((here.len(), gone.len()), (super::PLAYERS / 2, super::PLAYERS / 2));
    for bot in &gone {
        let closed = bot.closed();
        assert!(matches!(closed, Some(Closed::Denied { reconnect: true, .. })), "{closed:?}");
    }
    bed.players = here;
    for bot in gone {
        bed.players.push(bed.fleet.join(1, bot.name()));
    }
    bed.unharmed("after a proxy's restart without a controller");
}
