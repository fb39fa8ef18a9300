//! The way between a proxy and its controller breaks.

use std::time::{Duration, Instant};

use super::Bed;
use crate::fleet::{PATIENCE, SOON, connected, in_force};

/// Both sides give up after 30 s of silence, and look every 10 s.
const NOTICED: Duration = Duration::from_secs(45);

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn a_stream_stalls_and_another_is_cut_in_the_middle_of_a_change() {
    let bed = Bed::new();
    bed.counted("2", PATIENCE);
    bed.ways[0][0].set_stalled(true);
    let start = Instant::now();
    let missed = bed.edit();
    let [a, b] = [&bed.fleet.proxies[0], &bed.fleet.proxies[1]];
    let there = xtask::wait::until(SOON, || in_force(b, &missed).then_some(()));
    assert!(there.is_some(), "the other proxy waits for the one that is stalled");
    let seen = xtask::wait::until(NOTICED, || (!connected(a)).then_some(()));
    println!("kube: the silence was noticed after {:?}", start.elapsed());
    assert!(seen.is_some() && connected(b), "{}", xtask::wait::tail(&a.log(), 20));
    // The proxy's connection is gone for the controller, too.
    bed.counted("1", NOTICED);
    println!("kube: the controller noticed it within {:?}", start.elapsed());
    bed.unharmed("while a stream is stalled");
    assert!(!in_force(a, &missed));
    bed.ways[0][0].set_stalled(false);
    bed.recovers("after the silence", PATIENCE);
    bed.fleet.all("what was missed is there", PATIENCE, |it| in_force(it, &missed));
    bed.counted("2", PATIENCE);
    bed.follows("after the silence");

    // A change that arrives in part only: a message is whole or not there.
    bed.ways[0][0].cut_after(60);
    let cut = bed.edit();
    let broken = xtask::wait::until(PATIENCE, || (!connected(a)).then_some(()));
    assert!(broken.is_some());
    assert!(!in_force(a, &cut) && in_force(b, &cut));
    bed.unharmed("after a cut");
    bed.ways[0][0].set_stalled(false);
    bed.recovers("after a cut", PATIENCE);
    bed.fleet.all("what was cut is there", PATIENCE, |it| in_force(it, &cut));
    bed.same("after a cut");
    bed.follows("after a cut");
    bed.unharmed("after a cut");
}
