//! One object is edited without end.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mesegate_testkit::procfs;

use super::{Bed, named};
use crate::fleet::{PATIENCE, SOON, in_force, server};

/// Changes within 100 ms become one, and each of two proxies gets it.
const PER_SECOND: f64 = 2.0 * 10.0;

#[test]
#[ignore = "needs a Kubernetes API server: cargo xtask test --only kube"]
fn a_thousand_edits_are_bounded_work() {
    let bed = Bed::new();
    bed.counted("2", PATIENCE);
    let controller = bed.controllers[0].as_ref().unwrap();
    // As fast as kubectl does it, which is in far less than a minute.
    let edits = 1000;
    let mut text = String::new();
    for number in 1..=edits {
        let name = named(&format!("Burst-{number}."));
        let _ = write!(text, "{}", server("lobby", bed.lobby.addr(), &name));
    }
    let counted = |name: &str| controller.metric(name).unwrap();
    let names = ["updates_total", "compiles_total", "status_writes_total"];
    let before = names.map(counted);
    let cpu = |pid: u32| procfs::cpu_time(pid).unwrap();
    let processes =
        [controller.process(), bed.fleet.proxies[0].process(), bed.fleet.proxies[1].process()];
    let used = processes.map(cpu);
    let start = Instant::now();
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let answer = bed.cluster.kubectl_with(&apply, &text).unwrap();
    assert!(answer.success, "{}", answer.complaints);
    let took = start.elapsed();
    let last = format!("Burst-{edits}.");
    bed.fleet.all("the last edit is there", SOON, |it| in_force(it, &last));
    let [updates, compiles, writes] = [0, 1, 2].map(|index| counted(names[index]) - before[index]);
    let used: Vec<Duration> =
        processes.iter().zip(used).map(|(pid, before)| cpu(*pid).saturating_sub(before)).collect();
    println!(
        "kube: {edits} edits in {:.1} s: {updates} updates sent, {compiles} compilations, \
         {writes} statuses; CPU time of the controller {:?}, of the proxies {:?} and {:?}",
        took.as_secs_f64(),
        used[0],
        used[1],
        used[2]
    );
    let seconds = took.as_secs_f64() + 1.0;
    assert!(updates <= PER_SECOND * seconds, "{updates} updates");
    // Rounds half a second apart, of the server and of those whose status tells of it.
    assert!(writes <= 3.0 * 2.0 * seconds, "{writes} statuses");
    for used in used {
        assert!(used < took.max(SOON) / 2, "{used:?}");
    }
    bed.follows("after many edits");
    bed.unharmed("after many edits");
}
