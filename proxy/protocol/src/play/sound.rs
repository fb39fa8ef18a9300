//! Sounds that ended on the client.

use bytes::Bytes;

use crate::to_server;
use crate::wire::{Reader, Result, Writer};

/// Sound ids in the body of a REMOVED_SOUNDS.
///
/// # Errors
/// The body is shorter than its count says.
pub fn decode_removed_sounds(body: &[u8]) -> Result<Vec<i32>> {
    let mut r = Reader::new(body);
    (0..r.u16()?).map(|_| r.i32()).collect()
}

/// REMOVED_SOUNDS. Ids past 65 535 are left out.
pub fn encode_removed_sounds(ids: &[i32]) -> Bytes {
    let ids = &ids[..ids.len().min(u16::MAX.into())];
    let mut w = Writer::command(to_server::REMOVED_SOUNDS);
    w.u16(ids.len() as u16);
    for id in ids {
        w.i32(*id);
    }
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_being_written_and_read() {
        let message = encode_removed_sounds(&[1, -7, i32::MAX]);
        assert_eq!(message[..4], [0, 0x3a, 0, 3]);
        assert_eq!(decode_removed_sounds(&message[2..]), Ok(vec![1, -7, i32::MAX]));
        assert!(decode_removed_sounds(&message[2..message.len() - 1]).is_err());
    }
}
