//! The login's messages outside the password exchange.

use bytes::Bytes;

use crate::wire::{Reader, Result, Writer};
use crate::{lossy, to_client, to_server};

/// A set of ways to prove who one is (`network/networkprotocol.h`, `AuthMechanism`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mechanisms(pub u32);

impl Mechanisms {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// SRP on the legacy hash of the password.
    pub const LEGACY_PASSWORD: Self = Self(1);
    /// SRP on the password.
    pub const SRP: Self = Self(2);
    /// A new account.
    pub const FIRST_SRP: Self = Self(4);

    /// True if any of `other` is in the set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// INIT, the client's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Highest block format the client reads.
    pub serialization: u8,
    /// Lowest protocol version; servers ignore it.
    pub min_version: u16,
    /// Highest protocol version.
    pub max_version: u16,
    /// The player's name as typed; bytes that are not UTF-8 become U+FFFD, which no name may hold.
    pub name: String,
}

impl Init {
    /// With command.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_server::INIT);
        w.u8(self.serialization).u16(0).u16(self.min_version).u16(self.max_version);
        w.str16(self.name.as_bytes());
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let serialization = r.u8()?;
        r.u16()?;
        Ok(Self {
            serialization,
            min_version: r.u16()?,
            max_version: r.u16()?,
            name: lossy(r.str16()?),
        })
    }
}

/// HELLO, the server's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Block format from now on.
    pub serialization: u8,
    /// Protocol version from now on.
    pub version: u16,
    /// How the client may prove itself.
    pub mechanisms: Mechanisms,
}

impl Hello {
    /// With command. The last field, once the player's name, is empty as since 5.10.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::HELLO);
        w.u8(self.serialization).u16(0).u16(self.version).u32(self.mechanisms.0).str16(b"");
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let serialization = r.u8()?;
        r.u16()?;
        Ok(Self { serialization, version: r.u16()?, mechanisms: Mechanisms(r.u32()?) })
    }
}

/// AUTH_ACCEPT, the end of the password exchange.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AuthAccept {
    /// Where clients up to 5.11 put their player until the first MOVE_PLAYER.
    pub position: [f32; 3],
    /// Informational.
    pub map_seed: u64,
    /// Seconds between two PLAYERPOS.
    pub send_interval: f32,
    /// How the client may prove itself again for changing its password.
    pub sudo: Mechanisms,
}

impl AuthAccept {
    /// The engine's default send interval (`dedicated_server_step`).
    pub const SEND_INTERVAL: f32 = 0.09;

    /// What an engine server with default settings sends to a player with an SRP account.
    pub fn standard() -> Self {
        Self {
            position: [0.0; 3],
            map_seed: 0,
            send_interval: Self::SEND_INTERVAL,
            sudo: Mechanisms::SRP,
        }
    }

    /// With command.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::AUTH_ACCEPT);
        w.v3f(self.position).u64(self.map_seed).f32(self.send_interval).u32(self.sudo.0);
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        Ok(Self {
            position: r.v3f()?,
            map_seed: r.u64()?,
            send_interval: r.f32()?,
            sudo: Mechanisms(r.u32()?),
        })
    }
}

/// INIT2, which asks for the definitions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Init2 {
    /// Language code such as `de` or `pt_BR`, or empty.
    pub language: String,
}

impl Init2 {
    /// With command.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_server::INIT2);
        w.str16(self.language.as_bytes());
        w.finish()
    }

    /// From the body, which may be missing. Of the language at most 12 printable ASCII characters
    /// are kept (`clientiface.cpp` setLangCode).
    pub fn decode(body: &[u8]) -> Result<Self> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let raw = Reader::new(body).str16()?;
        let printable = raw.iter().filter(|b| (b' '..=b'~').contains(*b)).take(12);
        Ok(Self { language: printable.map(|b| char::from(*b)).collect() })
    }
}

/// ACCEPT_SUDO_MODE: the client may now send its new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptSudoMode;

impl AcceptSudoMode {
    /// With command. The mechanism is always FIRST_SRP; clients ignore it.
    pub fn encode(self) -> Bytes {
        let mut w = Writer::command(to_client::ACCEPT_SUDO_MODE);
        w.u32(Mechanisms::FIRST_SRP.0);
        w.finish()
    }
}

/// DENY_SUDO_MODE: the old password was wrong, or the attempt was out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenySudoMode;

impl DenySudoMode {
    /// With command.
    pub fn encode(self) -> Bytes {
        Writer::command(to_client::DENY_SUDO_MODE).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_as_a_5_17_client_sends_it() {
        let init =
            Init { serialization: 29, min_version: 37, max_version: 53, name: "Alice".into() };
        let bytes = b"\x00\x02\x1d\0\0\0\x25\0\x35\0\x05Alice";
        assert_eq!(&init.encode()[..], bytes);
        assert_eq!(Init::decode(&bytes[2..]).unwrap(), init);
        assert!(Init::decode(&bytes[2..14]).is_err());
    }

    #[test]
    fn hello_of_old_servers_ends_with_the_name() {
        let hello = Hello { serialization: 29, version: 53, mechanisms: Mechanisms::SRP };
        assert_eq!(&hello.encode()[..], b"\0\x02\x1d\0\0\0\x35\0\0\0\x02\0\0");
        let old = b"\x1d\0\0\0\x29\0\0\0\x04\0\x05Alice";
        assert_eq!(Hello::decode(old).unwrap().version, 41);
    }

    #[test]
    fn auth_accept_as_captured_from_an_engine_server() {
        let mut bytes = vec![0, 3];
        bytes.extend([0; 12]);
        bytes.extend(0x7e6f_4b07_5666_d1cf_u64.to_be_bytes());
        bytes.extend([0x3d, 0xb8, 0x51, 0xec, 0, 0, 0, 2]);
        let accept = AuthAccept { map_seed: 0x7e6f_4b07_5666_d1cf, ..AuthAccept::standard() };
        assert_eq!(&accept.encode()[..], &bytes[..]);
        assert_eq!(AuthAccept::decode(&bytes[2..]).unwrap(), accept);
    }

    #[test]
    fn init2_without_body_and_with_rubbish() {
        assert_eq!(Init2::decode(b"").unwrap().language, "");
        assert_eq!(Init2::decode(b"\0\x05pt_BR").unwrap().language, "pt_BR");
        assert_eq!(
            Init2::decode(b"\0\x10a\x1b\xff\0bcdefghijklmn").unwrap().language,
            "abcdefghijkl"
        );
        assert!(Init2::decode(b"\0").is_err());
    }
}
