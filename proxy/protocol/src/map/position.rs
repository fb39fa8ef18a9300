//! Positions in block and node messages, and the client's lists of block positions.

use bytes::Bytes;

use crate::wire::{Reader, Result, Writer};

/// Block position (nodes divided by 16) of a BLOCKDATA message.
///
/// # Errors
/// The message is too short.
pub fn block_position(message: &[u8]) -> Result<[i16; 3]> {
    let mut reader = Reader::new(message);
    reader.u16()?;
    reader.v3s16()
}

/// Node position of an ADDNODE or REMOVENODE message.
///
/// # Errors
/// The message is too short.
pub fn node_position(message: &[u8]) -> Result<[i16; 3]> {
    block_position(message)
}

/// Block positions in the body of a GOTBLOCKS or DELETEDBLOCKS message.
///
/// # Errors
/// The body is shorter than its count says.
pub fn decode_positions(body: &[u8]) -> Result<Vec<[i16; 3]>> {
    let mut reader = Reader::new(body);
    let count = reader.u8()?;
    (0..count).map(|_| reader.v3s16()).collect()
}

/// GOTBLOCKS or DELETEDBLOCKS messages (`command` says which) for all positions, each with as
/// many as its one-byte count allows.
pub fn encode_positions(command: u16, positions: &[[i16; 3]]) -> Vec<Bytes> {
    positions
        .chunks(u8::MAX.into())
        .map(|chunk| {
            let mut w = Writer::command(command);
            w.u8(chunk.len() as u8);
            for position in chunk {
                w.v3s16(*position);
            }
            w.finish()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::to_server;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_survive_being_written_and_read(
            positions in prop::collection::vec(any::<[i16; 3]>(), 0..600)
        ) {
            let messages = encode_positions(to_server::GOTBLOCKS, &positions);
            prop_assert_eq!(messages.len(), positions.len().div_ceil(255));
            let mut read = Vec::new();
            for message in &messages {
                prop_assert_eq!(&message[..2], to_server::GOTBLOCKS.to_be_bytes());
                read.extend(decode_positions(&message[2..]).unwrap());
            }
            prop_assert_eq!(read, positions);
        }

        #[test]
        fn any_bytes_are_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_positions(&body);
            let _ = block_position(&body);
        }
    }
}
