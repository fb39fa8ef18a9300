//! The client's list of connected players (`clientpackethandler.cpp`,
//! handleCommand_UpdatePlayerList).

use bytes::Bytes;

use crate::to_client;
use crate::wire::{Reader, Result, Writer};

/// What happens to the names (`networkprotocol.h`, `PlayerListModifer`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayerListChange {
    /// The list after joining. The client only adds it to what it has.
    Init,
    /// Names that came.
    Add,
    /// Names that left.
    Remove,
}

/// UPDATE_PLAYER_LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerList<'a> {
    /// What happens to the names.
    pub change: PlayerListChange,
    /// The names.
    pub names: Vec<&'a [u8]>,
}

impl<'a> PlayerList<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short or the change is unknown.
    pub fn decode(body: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let change = match r.u8()? {
            0 => PlayerListChange::Init,
            1 => PlayerListChange::Add,
            2 => PlayerListChange::Remove,
            _ => return Err(r.invalid("player list change")),
        };
        let names = (0..r.u16()?).map(|_| r.str16()).collect::<Result<_>>()?;
        Ok(Self { change, names })
    }

    /// The whole message. Names past 65 535 are left out.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::UPDATE_PLAYER_LIST);
        w.u8(match self.change {
            PlayerListChange::Init => 0,
            PlayerListChange::Add => 1,
            PlayerListChange::Remove => 2,
        });
        let names = &self.names[..self.names.len().min(u16::MAX.into())];
        w.u16(names.len() as u16);
        for name in names {
            w.str16(name);
        }
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_survive_being_written_and_read() {
        use PlayerListChange::{Add, Init, Remove};
        for change in [Init, Add, Remove] {
            let list = PlayerList { change, names: vec![b"Alice", b"", b"bob_1"] };
            assert_eq!(PlayerList::decode(&list.encode()[2..]), Ok(list.clone()));
        }
        let remove = PlayerList { change: Remove, names: vec![b"Al"] };
        assert_eq!(remove.encode(), [0, 0x56, 2, 0, 1, 0, 2, b'A', b'l'][..]);
        assert!(PlayerList::decode(&[3, 0, 0]).is_err());
    }
}
