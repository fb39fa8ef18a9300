//! Chat lines in both directions.

use bytes::Bytes;

use crate::wire::{Reader, Result, Writer};
use crate::{to_client, to_server};

/// The only layout version of CHAT_MESSAGE there is.
const VERSION: u8 = 1;

/// What a line is (`chatmessage.h`, `ChatMessageType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    /// The client shows the text alone.
    Raw,
    /// The client shows `<sender> text`.
    Normal,
    /// An announcement.
    Announce,
    /// A line of the server itself.
    System,
    /// A kind that is not known here.
    Other(u8),
}

impl From<u8> for ChatKind {
    fn from(kind: u8) -> Self {
        match kind {
            0 => Self::Raw,
            1 => Self::Normal,
            2 => Self::Announce,
            3 => Self::System,
            other => Self::Other(other),
        }
    }
}

impl From<ChatKind> for u8 {
    fn from(kind: ChatKind) -> Self {
        match kind {
            ChatKind::Raw => 0,
            ChatKind::Normal => 1,
            ChatKind::Announce => 2,
            ChatKind::System => 3,
            ChatKind::Other(other) => other,
        }
    }
}

/// CHAT_MESSAGE to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// What the line is.
    pub kind: ChatKind,
    /// Who says it; empty for the server.
    pub sender: String,
    /// The text; may hold the engine's escape sequences (see [`super::text`]).
    pub text: String,
    /// Unix time in seconds.
    pub time: u64,
}

impl ChatMessage {
    /// A line of the server. Engine servers send system lines for everything that is not said by
    /// a player.
    pub fn system(text: impl Into<String>, time: u64) -> Self {
        Self { kind: ChatKind::System, sender: String::new(), text: text.into(), time }
    }

    /// The whole message. Sender and text are cut after 65 535 UTF-16 units.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::CHAT_MESSAGE);
        w.u8(VERSION).u8(self.kind.into()).wstr(&self.sender).wstr(&self.text).u64(self.time);
        w.finish()
    }

    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short or has another version, which clients drop.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        if r.u8()? != VERSION {
            return Err(r.invalid("chat message version"));
        }
        let (kind, sender, text, time) = (r.u8()?.into(), r.wstr()?, r.wstr()?, r.u64()?);
        Ok(Self { kind, sender, text, time })
    }
}

/// Text of a CHAT_MESSAGE to a server.
///
/// # Errors
/// The body is too short.
pub fn decode_chat(body: &[u8]) -> Result<String> {
    Reader::new(body).wstr()
}

/// CHAT_MESSAGE to a server.
pub fn encode_chat(text: &str) -> Bytes {
    let mut w = Writer::command(to_server::CHAT_MESSAGE);
    w.wstr(text);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn system_line_has_the_engines_layout() {
        let line = ChatMessage::system("hé", 0x0102);
        let expected =
            [&[0x00, 0x2f, 1, 3, 0, 0, 0, 2, 0, b'h', 0, 0xe9][..], &[0, 0, 0, 0, 0, 0, 1, 2]];
        assert_eq!(line.encode(), expected.concat());
        assert_eq!(encode_chat("a"), [0x00, 0x32, 0, 1, 0, b'a'][..]);
    }

    proptest! {
        #[test]
        fn lines_survive_being_written_and_read(
            kind: u8, sender in ".{0,40}", text in ".{0,200}", time: u64
        ) {
            let line = ChatMessage { kind: kind.into(), sender, text, time };
            prop_assert_eq!(ChatMessage::decode(&line.encode()[2..]).unwrap(), line.clone());
            prop_assert_eq!(decode_chat(&encode_chat(&line.text)[2..]).unwrap(), line.text);
        }
    }
}
