//! Two replicas of the controller, and the one that writes is lost.

use std::time::{Duration, Instant};

use xtask::controller::{Controller, ControllerSpec};

use super::Bed;
use crate::fleet::{PATIENCE, SOON, condition, in_force, server};
use crate::support::{applied, get};

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn of_two_replicas_the_one_that_writes_is_killed() {
    let mut bed =
        Bed::of(&[ControllerSpec::new("controller-0"), ControllerSpec::new("controller-1")]);
    bed.follows("with two replicas");
    let leader = bed.holder().trim_start_matches("controller-").parse::<usize>().unwrap();
    let address = bed.controllers[leader].as_ref().unwrap().address();
    let other = bed.controllers[1 - leader].as_ref().unwrap();
    assert!(other.metric("leader").unwrap() < 0.5);
    bed.controllers[leader] = None;
    let start = Instant::now();
    bed.unharmed("without the leader");
    let missed = bed.edit();
    let took = start.elapsed();
    bed.fleet.all("a change without the leader", SOON, |it| in_force(it, &missed));
    println!("kube: {took:?} after the leader's end");
    let next = format!("controller-{}", 1 - leader);
    let taken =
        xtask::wait::until(Duration::from_secs(30), || (bed.holder() == next).then_some(()));
    println!("kube: the lease was taken over after {:?}", start.elapsed());
    assert!(taken.is_some(), "{} holds the lease", bed.holder());
    // Statuses are written again.
    applied(&bed.cluster, &server("fort", bed.arena.addr(), ""));
    condition(&bed.cluster, "mts/fort", "Programmed", "Programmed");
    let generation = get(&bed.cluster, &["mts/lobby", "-o=jsonpath={.metadata.generation}"]);
    let observed = || get(&bed.cluster, &["mts/lobby", "-o=jsonpath={.status.observedGeneration}"]);
    let seen = xtask::wait::until(PATIENCE, || (observed() == generation).then_some(()));
    assert!(seen.is_some(), "{} of {generation}", observed());

    let name = format!("controller-{leader}");
    let spec = ControllerSpec::new(&name).listen(address);
    bed.controllers[leader] = Some(Controller::start(&bed.cluster, &spec).unwrap());
    bed.recovers("after the leader came back", PATIENCE);
    bed.follows("after the leader came back");
    assert_eq!(bed.holder(), next);
    bed.unharmed("after the leader came back");
}
