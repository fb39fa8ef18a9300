//! The three worlds: Minetest Game, the same with mods of Debian's packages, and the project's own
//! game that takes names of the others for other things.

use std::time::Duration;

use xtask::engine::{Server, ServerSpec};
use xtask::lab::{Generation, Lab};

/// Long enough for everything that should happen at once, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A world's kind; also the server's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    Plain,
    Modded,
    Conflict,
}

impl World {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Modded, Self::Conflict];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Modded => "modded",
            Self::Conflict => "conflict",
        }
    }

    /// The colour of the floor where players arrive.
    pub(crate) const fn colour(self) -> &'static str {
        match self {
            Self::Plain => "red",
            Self::Modded => "green",
            Self::Conflict => "blue",
        }
    }

    pub(crate) fn start(self, lab: &Lab, generation: Generation) -> Server {
        // Nothing in a world moves or changes by itself: no weather, no growth, no clouds.
        let spec = ServerSpec::new(self.name(), generation)
            .probe(self.colour())
            .setting("mesegate_probe.dress", "still")
            .setting("enable_weather", false)
            // Comes up when its time comes, not when players do.
            .setting("protector_hud_interval", 0)
            .setting("active_block_range", 2)
            .setting("abm_interval", 100_000)
            .setting("nodetimer_interval", 100_000);
        let spec = match self {
            Self::Plain => spec,
            Self::Modded => spec.debian_mods(lab).unwrap(),
            Self::Conflict => spec.own_game("mesegate_conflict"),
        };
        let server = Server::start(lab, spec).unwrap();
        server.wait_log("probe: floor", SOON).unwrap();
        if self == Self::Conflict {
            server.wait_log("conflict: scene", SOON).unwrap();
        }
        server
    }
}

/// Every world starts in every generation, and no engine complains about the test game or the
/// mods that were chosen.
#[test]
#[ignore = "needs the lab: cargo xtask test --only engines"]
fn every_world_starts_in_every_generation() {
    let lab = Lab::ensure(&Generation::ALL).unwrap();
    for generation in Generation::ALL {
        for world in World::ALL {
            let server = world.start(&lab, generation);
            let log = server.log();
            // What engines call deprecated in others' content is not ours to judge.
            let ours = world == World::Conflict;
            let bad: Vec<&str> = log
                .lines()
                .filter(|line| line.contains("ERROR[") || (ours && line.contains("WARNING[")))
                .collect();
            assert!(bad.is_empty(), "{} {generation}:\n{}", world.name(), bad.join("\n"));
            println!("{} {generation}: {:.1} s", world.name(), server.started_in().as_secs_f64());
        }
    }
}
