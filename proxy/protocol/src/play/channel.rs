//! Mod channels (`modchannels.cpp`).

use bytes::Bytes;

use crate::wire::{Reader, Result, Writer};
use crate::{to_client, to_server};

/// Name of the channel in the body of a MODCHANNEL_JOIN or MODCHANNEL_LEAVE.
///
/// # Errors
/// The body is too short.
pub fn decode_channel(body: &[u8]) -> Result<&[u8]> {
    Reader::new(body).str16()
}

/// MODCHANNEL_JOIN.
pub fn encode_join(channel: &[u8]) -> Bytes {
    let mut w = Writer::command(to_server::MODCHANNEL_JOIN);
    w.str16(channel);
    w.finish()
}

/// MODCHANNEL_LEAVE.
pub fn encode_leave(channel: &[u8]) -> Bytes {
    let mut w = Writer::command(to_server::MODCHANNEL_LEAVE);
    w.str16(channel);
    w.finish()
}

/// MODCHANNEL_MSG to a server, which passes it on to the channel's other members and to its mods.
/// Both at most 65535 bytes.
pub fn encode_say(channel: &[u8], message: &[u8]) -> Bytes {
    let mut w = Writer::command(to_server::MODCHANNEL_MSG);
    w.str16(channel).str16(message);
    w.finish()
}

/// What a signal says (`modchannels.h`, `ModChannelSignal`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The client is a member.
    JoinOk,
    /// Channels are off, or the client is a member already; it takes itself for no member then.
    JoinFailed,
    /// The client is no member any more.
    LeaveOk,
    /// The client was no member.
    LeaveFailed,
    /// A message went to a channel the client is not in.
    NotRegistered,
    /// Whether members may write.
    State(u8),
}

/// MODCHANNEL_SIGNAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelSignal<'a> {
    /// What happened.
    pub signal: Signal,
    /// The channel.
    pub channel: &'a [u8],
}

impl<'a> ChannelSignal<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short or the signal is unknown.
    pub fn decode(body: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let (signal, channel) = (r.u8()?, r.str16()?);
        let signal = match signal {
            0 => Signal::JoinOk,
            1 => Signal::JoinFailed,
            2 => Signal::LeaveOk,
            3 => Signal::LeaveFailed,
            4 => Signal::NotRegistered,
            5 => Signal::State(r.u8()?),
            _ => return Err(r.invalid("channel signal")),
        };
        Ok(Self { signal, channel })
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::MODCHANNEL_SIGNAL);
        w.u8(match self.signal {
            Signal::JoinOk => 0,
            Signal::JoinFailed => 1,
            Signal::LeaveOk => 2,
            Signal::LeaveFailed => 3,
            Signal::NotRegistered => 4,
            Signal::State(_) => 5,
        });
        w.str16(self.channel);
        if let Signal::State(state) = self.signal {
            w.u8(state);
        }
        w.finish()
    }
}

/// MODCHANNEL_MSG to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelMessage<'a> {
    /// The channel.
    pub channel: &'a [u8],
    /// Player name; empty for the server.
    pub sender: &'a [u8],
    /// What was sent.
    pub message: &'a [u8],
}

impl<'a> ChannelMessage<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        Ok(Self { channel: r.str16()?, sender: r.str16()?, message: r.str16()? })
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::MODCHANNEL_MSG);
        w.str16(self.channel).str16(self.sender).str16(self.message);
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_messages_survive_being_written_and_read() {
        for (code, signal) in [
            Signal::JoinOk,
            Signal::JoinFailed,
            Signal::LeaveOk,
            Signal::LeaveFailed,
            Signal::NotRegistered,
            Signal::State(2),
        ]
        .into_iter()
        .enumerate()
        {
            let message = ChannelSignal { signal, channel: b"news" }.encode();
            assert_eq!(usize::from(message[2]), code);
            assert_eq!(ChannelSignal::decode(&message[2..]).unwrap().signal, signal);
        }
        let line = ChannelMessage { channel: b"news", sender: b"", message: b"hello" };
        assert_eq!(ChannelMessage::decode(&line.encode()[2..]), Ok(line));
        assert_eq!(encode_join(b"ab"), [0, 0x17, 0, 2, b'a', b'b'][..]);
        assert_eq!(encode_leave(b"ab")[..2], [0, 0x18]);
        assert_eq!(encode_say(b"a", b"b"), [0, 0x19, 0, 1, b'a', 0, 1, b'b'][..]);
        assert_eq!(decode_channel(&encode_join(b"ab")[2..]), Ok(&b"ab"[..]));
        assert!(ChannelSignal::decode(&[9, 0, 0]).is_err());
    }
}
