//! What a player gets of a world through the proxy is what the world's server sends, message by
//! message, but for names and numbers.

use std::time::Instant;

use mesegate_testkit::state::{Names, Recording, State, differences};
use tokio::runtime::Runtime;
use xtask::lab::{Generation, Lab};

use crate::servers::World;
use crate::visit::Visit;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The lines in which the second visit differs from the first, which went straight to the server.
fn compare(direct: &Recording, through: &Recording) -> Vec<String> {
    assert_eq!(direct.version, through.version);
    let own = Names::direct(&direct.content, direct.version).unwrap();
    let theirs = match Names::through(&direct.content, &through.content, direct.version) {
        Ok(names) => names,
        Err(lines) => return lines,
    };
    differences(&State::of(direct, &own), &State::of(through, &theirs))
}

/// Two visits to the same server are equal by this measure; otherwise it would say nothing about a
/// proxy. And they are not empty: what the measure looks at is there.
#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn two_direct_visits_are_equal() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    let mut wrong = Vec::new();
    for generation in Generation::ALL {
        for world in World::ALL {
            let server = world.start(&lab, generation);
            let visit = Visit { world, version: 53, download: false };
            let begun = Instant::now();
            let [first, second] = ["first", "second"]
                .map(|it| runtime().block_on(visit.record(server.address(), it)));
            let lines = compare(&first, &second);
            println!(
                "{} {generation} at {}: {} messages, {:.1} s",
                world.name(),
                first.version,
                first.events.len(),
                begun.elapsed().as_secs_f64()
            );
            wrong.extend(lines.iter().map(|it| format!("{} {generation}: {it}", world.name())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
