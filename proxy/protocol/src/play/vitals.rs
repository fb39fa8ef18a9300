//! Health.

use bytes::Bytes;

use crate::to_client;
use crate::wire::{Reader, Result, Writer};

/// HP to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hp {
    /// Health points. At 0 the player is dead, and the client sends no PLAYERPOS until they rise.
    pub hp: u16,
    /// Whether a loss is shown; servers before 5.6 do not say and clients then show it.
    pub damage_effect: bool,
}

impl Hp {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let hp = r.u16()?;
        let damage_effect = r.is_empty() || r.bool()?;
        Ok(Self { hp, damage_effect })
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::HP);
        w.u16(self.hp).bool(self.damage_effect);
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_leave_the_effect_out() {
        assert_eq!(Hp::decode(&[0, 20]), Ok(Hp { hp: 20, damage_effect: true }));
        let hp = Hp { hp: 300, damage_effect: false };
        assert_eq!(Hp::decode(&hp.encode()[2..]), Ok(hp));
        assert!(Hp::decode(&[0]).is_err());
    }
}
