//! Where a bot is, and what it tells the server of it (`client/client.cpp` writePlayerPos).

use bytes::Bytes;
use mesegate_protocol::wire::Writer;
use mesegate_protocol::{ProtocolVersion, to_server};

/// Nodes around its place that a bot walks.
const RADIUS: f32 = 2.0;

/// Radians per step.
const STEP: f32 = 0.1;

/// Position on a circle around the place where the server put the player.
#[derive(Debug)]
pub(super) struct Walk {
    centre: [f32; 3],
    angle: f32,
    walking: bool,
}

impl Walk {
    pub(super) fn new(walking: bool) -> Self {
        Self { centre: [0.0; 3], angle: 0.0, walking }
    }

    /// MOVE_PLAYER: start again at this place, in nodes.
    pub(super) fn move_to(&mut self, place: [f32; 3]) {
        self.centre = place;
        self.angle = 0.0;
    }

    /// The next PLAYERPOS.
    pub(super) fn step(&mut self, version: ProtocolVersion) -> Bytes {
        let (sin, cos) = self.angle.sin_cos();
        let [x, y, z] = self.centre;
        let place = [x + RADIUS * sin, y, z + RADIUS * (1.0 - cos)];
        let message = player_pos(place, self.angle.to_degrees(), version);
        if self.walking {
            self.angle = (self.angle + STEP) % std::f32::consts::TAU;
        }
        message
    }
}

/// PLAYERPOS at a place in nodes, as a release of this version writes it.
pub(crate) fn player_pos(place: [f32; 3], yaw: f32, version: ProtocolVersion) -> Bytes {
    let mut w = Writer::command(to_server::PLAYERPOS);
    w.v3s32(place.map(|nodes| (nodes * 1000.0) as i32)).v3s32([0; 3]);
    w.i32(0).i32((yaw * 100.0) as i32).u32(1).u8(100).u8(4);
    if version.0 >= 43 {
        w.u8(0);
    }
    if version.0 >= 46 {
        w.f32(1.0).f32(0.0);
    }
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_the_release() {
        for (version, length) in [(37, 38), (42, 38), (43, 39), (45, 39), (46, 47), (53, 47)] {
            let message = Walk::new(true).step(ProtocolVersion(version));
            assert_eq!(message.len(), 2 + length, "at {version}");
        }
    }

    #[test]
    fn starts_where_the_server_says_and_stays_near() {
        let mut walk = Walk::new(true);
        walk.move_to([10.0, -2.5, 3.0]);
        let x =
            |message: &Bytes| i32::from_be_bytes([message[2], message[3], message[4], message[5]]);
        assert_eq!(x(&walk.step(ProtocolVersion::MAX)), 10_000);
        for _ in 0..200 {
            assert!((x(&walk.step(ProtocolVersion::MAX)) - 10_000).abs() <= 2_001);
        }
    }
}
