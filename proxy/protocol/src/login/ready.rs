//! CLIENT_READY (`client/client.cpp` sendReady).

use bytes::Bytes;

use crate::wire::{Reader, Result, Writer};
use crate::{lossy, to_server};

/// The client has loaded everything. The message is kept as it came, to be replayed to every
/// backend, because mods decide by its contents what the client can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientReady {
    major: u8,
    minor: u8,
    patch: u8,
    version: String,
    formspec_version: u16,
    message: Bytes,
}

impl ClientReady {
    /// A client of our own.
    pub fn new(release: (u8, u8, u8), version: &str, formspec_version: u16) -> Self {
        let (major, minor, patch) = release;
        let mut w = Writer::command(to_server::CLIENT_READY);
        w.u8(major).u8(minor).u8(patch).u8(0).str16(version.as_bytes()).u16(formspec_version);
        let version = version.to_owned();
        Self { major, minor, patch, version, formspec_version, message: w.finish() }
    }

    /// From the body. Up to 5.0 the formspec version is missing and means 1.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let (major, minor, patch) = (r.u8()?, r.u8()?, r.u8()?);
        r.u8()?;
        let version = lossy(r.str16()?);
        let formspec_version = if r.is_empty() { 1 } else { r.u16()? };
        let mut w = Writer::command(to_server::CLIENT_READY);
        w.raw(body);
        Ok(Self { major, minor, patch, version, formspec_version, message: w.finish() })
    }

    /// The message with command, byte for byte as the client sent it.
    pub fn encode(&self) -> Bytes {
        self.message.clone()
    }

    /// Engine release as major, minor, patch.
    pub fn release(&self) -> (u8, u8, u8) {
        (self.major, self.minor, self.patch)
    }

    /// The client's full version string, of any length and content.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Newest formspec version the client shows.
    pub fn formspec_version(&self) -> u16 {
        self.formspec_version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_5_17_client_sends_it() {
        let bytes = b"\0\x43\x05\x11\0\0\0\x065.17.0\0\x0b";
        let ready = ClientReady::new((5, 17, 0), "5.17.0", 11);
        assert_eq!(&ready.encode()[..], bytes);
        assert_eq!(ClientReady::decode(&bytes[2..]).unwrap(), ready);
    }

    #[test]
    fn replayed_as_it_came() {
        let old = ClientReady::decode(b"\x05\0\x01\0\0\x055.0.1").unwrap();
        assert_eq!(old.formspec_version(), 1);
        assert_eq!(old.release(), (5, 0, 1));
        assert_eq!(&old.encode()[..], b"\0\x43\x05\0\x01\0\0\x055.0.1");
        let future = b"\x06\0\0\x09\0\x016\0\x20tail";
        assert_eq!(&ClientReady::decode(future).unwrap().encode()[2..], future);
        assert!(ClientReady::decode(b"\x05\0\x01\0\0\x055.0.1\0").is_err());
    }
}
