//! Chat lines both ways (`server.cpp` SendChatMessage, `client/client.cpp` sendChatMessage).

use bytes::Bytes;
use mesegate_protocol::wire::{Reader, Writer};
use mesegate_protocol::{to_client, to_server};

/// Type of a line that the server formatted by itself.
const RAW: u8 = 0;

/// A chat line as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// 0 raw, 1 normal, 2 announcement, 3 system.
    pub kind: u8,
    /// Sender, or empty.
    pub sender: String,
    /// The text, with escape sequences.
    pub text: String,
}

impl ChatLine {
    /// A line without sender, as servers send what players say.
    pub(crate) fn raw(text: impl Into<String>) -> Self {
        Self { kind: RAW, sender: String::new(), text: text.into() }
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::CHAT_MESSAGE);
        w.u8(1).u8(self.kind).wstr(&self.sender).wstr(&self.text).u64(0);
        w.finish()
    }

    /// From the body.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut r = Reader::new(body);
        r.u8().ok()?;
        Some(Self { kind: r.u8().ok()?, sender: r.wstr().ok()?, text: r.wstr().ok()? })
    }
}

/// What a client says.
pub(crate) fn say(text: &str) -> Bytes {
    let mut w = Writer::command(to_server::CHAT_MESSAGE);
    w.wstr(text);
    w.finish()
}

/// The text in the body of what a client says.
pub(crate) fn said(body: &[u8]) -> Option<String> {
    Reader::new(body).wstr().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_both_ways() {
        let line = ChatLine { kind: 3, sender: "Ä".into(), text: "x 😀 \u{1b}(c@#fff)".into() };
        assert_eq!(ChatLine::decode(&line.encode()[2..]), Some(line));
        assert_eq!(said(&say("hallo 😀")[2..]).as_deref(), Some("hallo 😀"));
        assert_eq!(said(&[0, 5, 0]), None);
    }
}
