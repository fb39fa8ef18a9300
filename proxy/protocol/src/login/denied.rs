//! ACCESS_DENIED (`server.cpp` SendAccessDenied, `clientpackethandler.cpp`
//! handleCommand_AccessDenied).

use bytes::Bytes;

use crate::to_client;
use crate::wire::{Reader, Result, Writer};
use crate::{ProtocolVersion, lossy};

/// Why a client is refused (`network/networkprotocol.h`, `AccessDeniedCode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenyCode {
    /// The proof was wrong.
    WrongPassword,
    /// Wrong order, a mechanism that was not offered, or a value that cannot be.
    UnexpectedData,
    /// Second client of a single-player server.
    Singleplayer,
    /// Protocol version or block format.
    WrongVersion,
    /// Forbidden characters in the name.
    WrongCharsInName,
    /// Empty, too long or reserved name.
    WrongName,
    /// Full. Clients offer to reconnect.
    TooManyUsers,
    /// Empty passwords are not allowed.
    EmptyPassword,
    /// The name is in use.
    AlreadyConnected,
    /// The account or the player could not be loaded.
    ServerFail,
    /// Only the text tells: kicks, bans.
    CustomString,
    /// The server stops.
    Shutdown,
    /// The server failed.
    Crash,
    /// A code of a newer engine.
    Other(u8),
}

impl DenyCode {
    /// From the wire.
    pub fn from_u8(code: u8) -> Self {
        match code {
            0 => Self::WrongPassword,
            1 => Self::UnexpectedData,
            2 => Self::Singleplayer,
            3 => Self::WrongVersion,
            4 => Self::WrongCharsInName,
            5 => Self::WrongName,
            6 => Self::TooManyUsers,
            7 => Self::EmptyPassword,
            8 => Self::AlreadyConnected,
            9 => Self::ServerFail,
            10 => Self::CustomString,
            11 => Self::Shutdown,
            12 => Self::Crash,
            other => Self::Other(other),
        }
    }

    /// To the wire.
    pub fn to_u8(self) -> u8 {
        match self {
            Self::WrongPassword => 0,
            Self::UnexpectedData => 1,
            Self::Singleplayer => 2,
            Self::WrongVersion => 3,
            Self::WrongCharsInName => 4,
            Self::WrongName => 5,
            Self::TooManyUsers => 6,
            Self::EmptyPassword => 7,
            Self::AlreadyConnected => 8,
            Self::ServerFail => 9,
            Self::CustomString => 10,
            Self::Shutdown => 11,
            Self::Crash => 12,
            Self::Other(other) => other,
        }
    }

    /// One name for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::UnexpectedData => "unexpected_data",
            Self::Singleplayer => "singleplayer",
            Self::WrongVersion => "wrong_version",
            Self::WrongCharsInName => "wrong_chars_in_name",
            Self::WrongName => "wrong_name",
            Self::TooManyUsers => "too_many_users",
            Self::EmptyPassword => "empty_password",
            Self::AlreadyConnected => "already_connected",
            Self::ServerFail => "server_fail",
            Self::CustomString => "custom_string",
            Self::Shutdown => "shutdown",
            Self::Crash => "crash",
            Self::Other(_) => "other",
        }
    }
}

/// A refusal or kick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDenied {
    /// Why.
    pub code: DenyCode,
    /// Text for the player; empty = the client shows its own text for the code.
    pub text: String,
    /// The client offers to reconnect.
    pub reconnect: bool,
}

impl AccessDenied {
    /// A refusal with the client's own text.
    pub fn new(code: DenyCode) -> Self {
        Self { code, text: String::new(), reconnect: false }
    }

    /// A refusal whose text a player of any version gets to read. Clients up to 5.9 show the text
    /// only with codes 10 to 12, and take `reconnect` only from 11 and 12.
    pub fn for_version(
        reason: DenyCode,
        text: &str,
        reconnect: bool,
        version: ProtocolVersion,
    ) -> Self {
        let code = match reason {
            _ if text.is_empty() || version.denial_text_always_shown() => reason,
            DenyCode::Shutdown | DenyCode::Crash => reason,
            _ if reconnect => DenyCode::Shutdown,
            _ => DenyCode::CustomString,
        };
        Self { code, text: text.to_owned(), reconnect }
    }

    /// Always the long form: every client reads it.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::ACCESS_DENIED);
        w.u8(self.code.to_u8()).str16(self.text.as_bytes()).bool(self.reconnect);
        w.finish()
    }

    /// Accepts the shorter forms of servers up to 5.9.1 too.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let mut denied = Self::new(DenyCode::from_u8(r.u8()?));
        if !r.is_empty() {
            denied.text = lossy(r.str16()?);
        }
        if !r.is_empty() {
            denied.reconnect = r.u8()? & 1 != 0;
        }
        Ok(denied)
    }

    /// Reads ACCESS_DENIED_LEGACY of servers up to 5.5.
    pub fn decode_legacy(body: &[u8]) -> Result<Self> {
        let text = Reader::new(body).wstr()?;
        Ok(Self { code: DenyCode::CustomString, text, reconnect: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_and_the_long_one() {
        assert_eq!(AccessDenied::decode(&[0]).unwrap(), AccessDenied::new(DenyCode::WrongPassword));
        let kick = AccessDenied::decode(b"\x0a\0\x03bye").unwrap();
        assert_eq!((kick.code, kick.text.as_str()), (DenyCode::CustomString, "bye"));
        let kick = AccessDenied::decode(b"\x0a\0\x03bye\x01").unwrap();
        assert!(kick.reconnect);
        assert_eq!(&kick.encode()[..], b"\0\x0a\x0a\0\x03bye\x01");
        assert!(AccessDenied::decode(b"").is_err());
        assert!(AccessDenied::decode(b"\x0a\0\x09bye").is_err());
        assert_eq!(&AccessDenied::new(DenyCode::WrongPassword).encode()[..], [0, 10, 0, 0, 0, 0]);
    }

    #[test]
    fn old_clients_get_a_code_that_shows_the_text() {
        let code = |reason, text: &str, reconnect, version| {
            AccessDenied::for_version(reason, text, reconnect, ProtocolVersion(version)).code
        };
        assert_eq!(code(DenyCode::TooManyUsers, "full", false, 45), DenyCode::CustomString);
        assert_eq!(code(DenyCode::TooManyUsers, "full", true, 45), DenyCode::Shutdown);
        assert_eq!(code(DenyCode::CustomString, "moved", true, 41), DenyCode::Shutdown);
        assert_eq!(code(DenyCode::Crash, "oops", false, 37), DenyCode::Crash);
        assert_eq!(code(DenyCode::TooManyUsers, "full", true, 46), DenyCode::TooManyUsers);
        assert_eq!(code(DenyCode::WrongPassword, "", false, 41), DenyCode::WrongPassword);
    }

    #[test]
    fn codes_round_trip() {
        for code in 0..=u8::MAX {
            assert_eq!(DenyCode::from_u8(code).to_u8(), code);
        }
    }
}
