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
            // Slow commands would say how long they took.
            .setting("chat_command_msg_time_threshold", 1000)
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
        self.has_no_complaint(&server);
        server
    }

    /// What engines call deprecated in others' content is not ours to judge.
    fn has_no_complaint(self, server: &Server) {
        let ours = self == Self::Conflict;
        let bad = |line: &&str| line.contains("ERROR[") || (ours && line.contains("WARNING["));
        let log = server.log();
        let bad: Vec<&str> = log.lines().filter(bad).collect();
        assert!(bad.is_empty(), "{}:\n{}", self.name(), bad.join("\n"));
    }
}
