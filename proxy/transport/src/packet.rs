//! The layout of datagrams and packets (`network/mtp/internal.h`, `network/mtp/threads.cpp`).

/// `PROTOCOL_ID` of the engine, the first four bytes of every datagram.
pub(crate) const PROTOCOL_ID: [u8; 4] = [0x4f, 0x45, 0x74, 0x03];
/// Bytes before the packet: protocol id, sender's peer id, channel.
pub(crate) const HEADER: usize = 7;
/// Bytes a RELIABLE adds in front of its content.
pub(crate) const RELIABLE_HEADER: usize = 3;
const ORIGINAL_HEADER: usize = 1;
const SPLIT_HEADER: usize = 7;
/// Largest datagram the engine sends (`network/connection.cpp`).
pub(crate) const MAX_DATAGRAM: usize = 512;
/// Bytes the engine reads of a datagram; what follows is cut (`network/mtp/threads.cpp`).
pub(crate) const MAX_RECEIVE: usize = 1500;

/// Longest message of one unreliable ORIGINAL.
pub(crate) const UNRELIABLE_SINGLE: usize = MAX_DATAGRAM - HEADER - ORIGINAL_HEADER;
/// Longest message of one reliable ORIGINAL.
pub(crate) const RELIABLE_SINGLE: usize = UNRELIABLE_SINGLE - RELIABLE_HEADER;
/// Message bytes in a full unreliable SPLIT.
pub(crate) const UNRELIABLE_CHUNK: usize = MAX_DATAGRAM - HEADER - SPLIT_HEADER;
/// Message bytes in a full reliable SPLIT.
pub(crate) const RELIABLE_CHUNK: usize = UNRELIABLE_CHUNK - RELIABLE_HEADER;

/// The peer id every server sends.
pub(crate) const SERVER_ID: u16 = 1;
/// The peer id of who has none yet.
pub(crate) const NO_ID: u16 = 0;

const CONTROL: u8 = 0;
pub(crate) const ORIGINAL: u8 = 1;
const SPLIT: u8 = 2;
const RELIABLE: u8 = 3;

const ACK: u8 = 0;
const SET_PEER_ID: u8 = 1;
const PING: u8 = 2;
const DISCO: u8 = 3;

/// What precedes the packet in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sender: u16,
    pub(crate) channel: u8,
}

/// Splits a datagram into header and packet; `None` if the engine would drop it unseen.
pub(crate) fn split_header(datagram: &[u8]) -> Option<(Header, &[u8])> {
    let (head, packet) = datagram.split_first_chunk::<HEADER>()?;
    let (id, rest) = head.split_first_chunk::<4>()?;
    let &[high, low, channel] = rest else {
        return None;
    };
    if *id != PROTOCOL_ID || usize::from(channel) >= crate::CHANNELS {
        return None;
    }
    let sender = u16::from_be_bytes([high, low]);
    Some((Header { sender, channel }, packet))
}

/// The sender's peer id, if the datagram is long enough and of this protocol.
pub(crate) fn sender(datagram: &[u8]) -> Option<u16> {
    split_header(datagram).map(|(header, _)| header.sender)
}

/// A packet as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// `content` is not looked at yet: it is acknowledged and its number consumed even when it
    /// turns out to be malformed.
    Reliable {
        seqnum: u16,
        content: &'a [u8],
    },
    Plain(Content<'a>),
}

/// What a packet carries once the RELIABLE around it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Ack(u16),
    SetPeerId(u16),
    Ping,
    Disco,
    Original(&'a [u8]),
    Split(Chunk<'a>),
}

/// One piece of a split message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub(crate) seqnum: u16,
    pub(crate) count: u16,
    pub(crate) index: u16,
    pub(crate) data: &'a [u8],
}

impl<'a> Packet<'a> {
    pub(crate) fn parse(packet: &'a [u8]) -> Option<Self> {
        if let [RELIABLE, high, low, ref content @ ..] = *packet {
            let seqnum = u16::from_be_bytes([high, low]);
            return Some(Self::Reliable { seqnum, content });
        }
        Content::parse(packet).map(Self::Plain)
    }
}

impl<'a> Content<'a> {
    /// Parses everything but RELIABLE, which may not be nested.
    pub(crate) fn parse(content: &'a [u8]) -> Option<Self> {
        match *content {
            [CONTROL, ACK, high, low, ..] => Some(Self::Ack(u16::from_be_bytes([high, low]))),
            [CONTROL, SET_PEER_ID, high, low, ..] => {
                Some(Self::SetPeerId(u16::from_be_bytes([high, low])))
            }
            [CONTROL, PING, ..] => Some(Self::Ping),
            [CONTROL, DISCO, ..] => Some(Self::Disco),
            [ORIGINAL, ref data @ ..] if !data.is_empty() => Some(Self::Original(data)),
            [SPLIT, s0, s1, c0, c1, i0, i1, ref data @ ..] => Some(Self::Split(Chunk {
                seqnum: u16::from_be_bytes([s0, s1]),
                count: u16::from_be_bytes([c0, c1]),
                index: u16::from_be_bytes([i0, i1]),
                data,
            })),
            _ => None,
        }
    }
}

pub(crate) fn write_header(buf: &mut Vec<u8>, sender: u16, channel: u8) {
    buf.extend_from_slice(&PROTOCOL_ID);
    buf.extend_from_slice(&sender.to_be_bytes());
    buf.push(channel);
}

pub(crate) fn write_reliable(buf: &mut Vec<u8>, seqnum: u16) {
    buf.push(RELIABLE);
    buf.extend_from_slice(&seqnum.to_be_bytes());
}

pub(crate) fn write_ack(buf: &mut Vec<u8>, seqnum: u16) {
    buf.extend_from_slice(&[CONTROL, ACK]);
    buf.extend_from_slice(&seqnum.to_be_bytes());
}

pub(crate) fn write_set_peer_id(buf: &mut Vec<u8>, id: u16) {
    buf.extend_from_slice(&[CONTROL, SET_PEER_ID]);
    buf.extend_from_slice(&id.to_be_bytes());
}

pub(crate) fn write_ping(buf: &mut Vec<u8>) {
    buf.extend_from_slice(&[CONTROL, PING]);
}

pub(crate) fn write_disco(buf: &mut Vec<u8>) {
    buf.extend_from_slice(&[CONTROL, DISCO]);
}

pub(crate) fn write_original(buf: &mut Vec<u8>, data: &[u8]) {
    buf.push(ORIGINAL);
    buf.extend_from_slice(data);
}

pub(crate) fn write_split(buf: &mut Vec<u8>, chunk: Chunk<'_>) {
    buf.push(SPLIT);
    for number in [chunk.seqnum, chunk.count, chunk.index] {
        buf.extend_from_slice(&number.to_be_bytes());
    }
    buf.extend_from_slice(chunk.data);
}

/// Datagram size of an ACK.
pub(crate) const ACK_SIZE: usize = HEADER + 4;
/// Datagram size of a reliable PING.
pub(crate) const PING_SIZE: usize = HEADER + RELIABLE_HEADER + 2;
/// Datagram size of a reliable SET_PEER_ID.
pub(crate) const SET_PEER_ID_SIZE: usize = HEADER + RELIABLE_HEADER + 4;

/// Datagram size of an ORIGINAL.
pub(crate) fn original_size(data: usize, reliable: bool) -> usize {
    HEADER + if reliable { RELIABLE_HEADER } else { 0 } + ORIGINAL_HEADER + data
}

/// Datagram size of a SPLIT.
pub(crate) fn split_size(data: usize, reliable: bool) -> usize {
    HEADER + if reliable { RELIABLE_HEADER } else { 0 } + SPLIT_HEADER + data
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(
            sender: u16,
            channel in 0u8..3,
            seqnum: u16,
            numbers: [u16; 3],
            data in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..600),
        ) {
            let [split, count, index] = numbers;
            let chunk = Chunk { seqnum: split, count, index, data: &data };
            for content in [
                Content::Ack(split),
                Content::SetPeerId(split),
                Content::Ping,
                Content::Disco,
                Content::Original(&data),
                Content::Split(chunk),
            ] {
                let mut buf = Vec::new();
                write_header(&mut buf, sender, channel);
                write_reliable(&mut buf, seqnum);
                match content {
                    Content::Ack(number) => write_ack(&mut buf, number),
                    Content::SetPeerId(id) => write_set_peer_id(&mut buf, id),
                    Content::Ping => write_ping(&mut buf),
                    Content::Disco => write_disco(&mut buf),
                    Content::Original(data) => write_original(&mut buf, data),
                    Content::Split(chunk) => write_split(&mut buf, chunk),
                }
                let (header, packet) = split_header(&buf).unwrap();
                assert_eq!(header, Header { sender, channel });
                let Some(Packet::Reliable { seqnum: read, content: inner }) = Packet::parse(packet)
                else {
                    panic!("a reliable was written");
                };
                assert_eq!(read, seqnum);
                assert_eq!(Content::parse(inner), Some(content));
            }
        }

        #[test]
        fn any_bytes_can_be_looked_at(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64),
        ) {
            let _ = split_header(&bytes);
            let _ = Packet::parse(&bytes);
        }
    }

    #[test]
    fn limits_are_those_of_the_engine() {
        assert_eq!((UNRELIABLE_SINGLE, RELIABLE_SINGLE), (504, 501));
        assert_eq!((UNRELIABLE_CHUNK, RELIABLE_CHUNK), (498, 495));
        assert_eq!((ACK_SIZE, PING_SIZE, SET_PEER_ID_SIZE), (11, 12, 14));
    }

    #[test]
    fn malformed_packets_are_refused() {
        for bad in [
            &[][..],
            &[0],
            &[0, 0],
            &[0, 0, 1],
            &[0, 1, 1],
            &[0, 4],
            &[1],
            &[2, 0, 0, 0, 1, 0],
            &[3],
            &[3, 0],
            &[4, 0, 0],
        ] {
            assert_eq!(Packet::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Content::parse(&[3, 0, 0, 1, 1]), None, "nested reliable");
    }

    #[test]
    fn trailing_bytes_after_control_data_are_ignored() {
        assert_eq!(Content::parse(&[0, 0, 1, 2, 9, 9]), Some(Content::Ack(258)));
        assert_eq!(Content::parse(&[0, 2, 9]), Some(Content::Ping));
    }

    #[test]
    fn a_reliable_may_have_no_content() {
        let expected = Packet::Reliable { seqnum: 5, content: &[] };
        assert_eq!(Packet::parse(&[3, 0, 5]), Some(expected));
    }

    #[test]
    fn foreign_datagrams_have_no_header() {
        assert_eq!(split_header(b"OEt\x03\x00\x00"), None);
        assert_eq!(split_header(b"OEt\x04\x00\x00\x00\x01"), None);
        assert_eq!(split_header(b"OEt\x03\x00\x00\x03\x01"), None);
        let (header, packet) = split_header(b"OEt\x03\x12\x34\x02").unwrap();
        assert_eq!(header, Header { sender: 0x1234, channel: 2 });
        assert!(packet.is_empty());
    }
}
