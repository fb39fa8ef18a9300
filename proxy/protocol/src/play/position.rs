//! Where the player is: MOVE_PLAYER of the server, PLAYERPOS of the client.

use bytes::Bytes;

use crate::wire::{Reader, Result, Writer};
use crate::{to_client, to_server};

/// MOVE_PLAYER: sets position and look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MovePlayer {
    /// Position in BS units (10 per node).
    pub position: [f32; 3],
    /// Degrees.
    pub pitch: f32,
    /// Degrees.
    pub yaw: f32,
}

impl MovePlayer {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        Ok(Self { position: r.v3f()?, pitch: r.f32()?, yaw: r.f32()? })
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::MOVE_PLAYER);
        w.v3f(self.position).f32(self.pitch).f32(self.yaw);
        w.finish()
    }
}

/// Command, position and speed: what [`PlayerPos::with_position`] replaces.
const HEAD: usize = 2 + 12 + 12;

/// PLAYERPOS (`client/client.cpp` writePlayerPos).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlayerPos {
    /// BS units times 100.
    pub position: [i32; 3],
    /// BS units per second times 100.
    pub speed: [i32; 3],
    /// Degrees times 100.
    pub pitch: i32,
    /// Degrees times 100.
    pub yaw: i32,
    /// Pressed keys, one bit each.
    pub keys: u32,
    /// Radians times 80.
    pub fov: u8,
    /// View range in blocks.
    pub wanted_range: u8,
}

impl PlayerPos {
    /// Reads the body. Fields of newer clients (camera, movement direction) are left unread.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        Ok(Self {
            position: r.v3s32()?,
            speed: r.v3s32()?,
            pitch: r.i32()?,
            yaw: r.i32()?,
            keys: r.u32()?,
            fov: r.u8()?,
            wanted_range: r.u8()?,
        })
    }

    /// The whole message, as a client up to 5.7 writes it.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_server::PLAYERPOS);
        w.v3s32(self.position).v3s32(self.speed).i32(self.pitch).i32(self.yaw);
        w.u32(self.keys).u8(self.fov).u8(self.wanted_range);
        w.finish()
    }

    /// The PLAYERPOS `message` with the position (in BS units, as in [`MovePlayer`]) and without
    /// speed. Everything after them stays: look, keys, range, and what newer clients add.
    ///
    /// # Errors
    /// The message is not a whole PLAYERPOS.
    pub fn with_position(message: &[u8], position: [f32; 3]) -> Result<Bytes> {
        let mut r = Reader::new(message);
        if r.u16()? != to_server::PLAYERPOS {
            return Err(r.invalid("command"));
        }
        Self::decode(r.remaining())?;
        let mut w = Writer::command(to_server::PLAYERPOS);
        // A float to integer cast saturates, and NaN becomes 0.
        w.v3s32(position.map(|axis| (axis * 100.0).round() as i32)).v3s32([0; 3]);
        w.raw(&message[HEAD..]);
        Ok(w.finish())
    }

    /// How far, in BS units, the reported position is from `position` on its farthest axis.
    pub fn distance(&self, position: [f32; 3]) -> f32 {
        let axis = |i: usize| (self.position[i] as f32 / 100.0 - position[i]).abs();
        axis(0).max(axis(1)).max(axis(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> PlayerPos {
        PlayerPos {
            position: [1, -2, 3],
            speed: [4, 5, -6],
            pitch: 7,
            yaw: 35999,
            keys: 0x101,
            fov: 100,
            wanted_range: 12,
        }
    }

    #[test]
    fn a_new_position_keeps_look_range_and_tail() {
        let tail = [1, 0x3f, 0x80, 0, 0, 0, 0, 0, 0];
        let message = [&sample().encode()[..], &tail].concat();
        let moved = PlayerPos::with_position(&message, [10.0, -0.5, 3e30]).unwrap();
        assert_eq!(moved.len(), message.len());
        assert_eq!(&moved[moved.len() - 9..], tail);
        let read = PlayerPos::decode(&moved[2..]).unwrap();
        let expected = PlayerPos { position: [1000, -50, i32::MAX], speed: [0; 3], ..sample() };
        assert_eq!(read, expected);
        assert!(PlayerPos { position: [1000, -50, 0], ..read }.distance([10.0, -0.5, 2.0]) == 2.0);
    }

    #[test]
    fn other_messages_are_refused() {
        assert!(PlayerPos::with_position(&[0, 0x24, 0], [0.0; 3]).is_err());
        assert!(PlayerPos::with_position(&sample().encode()[..20], [0.0; 3]).is_err());
    }

    proptest! {
        #[test]
        fn positions_survive_being_written_and_read(
            position: [i32; 3], speed: [i32; 3], pitch: i32, yaw: i32, keys: u32, fov: u8,
            wanted_range: u8, floats in prop::array::uniform5(-1e6f32..1e6),
        ) {
            let pos = PlayerPos { position, speed, pitch, yaw, keys, fov, wanted_range };
            prop_assert_eq!(PlayerPos::decode(&pos.encode()[2..]).unwrap(), pos);
            let [x, y, z, pitch, yaw] = floats;
            let moved = MovePlayer { position: [x, y, z], pitch, yaw };
            prop_assert_eq!(MovePlayer::decode(&moved.encode()[2..]).unwrap(), moved);
        }
    }
}
