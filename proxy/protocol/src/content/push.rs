//! MEDIA_PUSH and HAVE_MEDIA (`server.cpp` dynamicAddMedia).

use bytes::Bytes;

use crate::wire::{Reader, Result, WireError, Writer};
use crate::{ProtocolVersion, lossy, to_client, to_server};

/// A file added while playing. Clients take it in only after CLIENT_READY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPush {
    /// SHA-1 of the content, which clients check.
    pub sha1: [u8; 20],
    /// Its name.
    pub name: String,
    /// Keep it on disk. Servers 5.5 to 5.11 send the opposite.
    pub cache: bool,
    /// How it comes.
    pub content: PushContent,
}

/// What a push carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushContent {
    /// From protocol 40: a number that HAVE_MEDIA sends back; the client requests the file.
    Token(u32),
    /// Protocol 39: the file.
    Data(Bytes),
}

impl MediaPush {
    /// With command. The layout follows from the content.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::MEDIA_PUSH);
        w.str16(&self.sha1).str16(self.name.as_bytes()).bool(self.cache);
        match &self.content {
            PushContent::Token(token) => w.u32(*token),
            PushContent::Data(data) => w.str32(data),
        };
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &Bytes, version: ProtocolVersion) -> Result<Self> {
        let mut r = Reader::new(body);
        let sha1 = r
            .str16()?
            .try_into()
            .map_err(|_| WireError::Invalid { what: "media hash", offset: 0 })?;
        let (name, cache) = (lossy(r.str16()?), r.bool()?);
        let content = if version.media_push_token() {
            PushContent::Token(r.u32()?)
        } else {
            PushContent::Data(body.slice_ref(r.str32()?))
        };
        Ok(Self { sha1, name, cache, content })
    }
}

/// Pushed files that the client has taken in, or given up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HaveMedia {
    /// Tokens of the pushes, at most 255.
    pub tokens: Vec<u32>,
}

impl HaveMedia {
    /// With command; tokens past 255 are left out.
    pub fn encode(&self) -> Bytes {
        let tokens = &self.tokens[..self.tokens.len().min(u8::MAX.into())];
        let mut w = Writer::command(to_server::HAVE_MEDIA);
        w.u8(tokens.len() as u8);
        for token in tokens {
            w.u32(*token);
        }
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let mut tokens = Vec::new();
        for _ in 0..r.u8()? {
            tokens.push(r.u32()?);
        }
        Ok(Self { tokens })
    }
}
