use std::fmt;
use std::io;
use std::net::SocketAddr;

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::login::{AccessDenied, DenyCode};
use mesegate_protocol::wire::WireError;
use mesegate_transport::CloseReason;

/// What was being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Looking up the server's name.
    Resolve,
    /// The server's choice of version and mechanism.
    Hello,
    /// The password exchange.
    Auth,
    /// Definitions of items and nodes, and the list of media.
    Definitions,
    /// Media files.
    Media,
}

impl Step {
    /// One name for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "name lookup",
            Self::Hello => "hello",
            Self::Auth => "login",
            Self::Definitions => "definitions",
            Self::Media => "media",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a server could not be entered. The text is for people; [`EnterError::reason`] is the one
/// name used in logs and metrics.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The address is not `HOST:PORT`.
    #[error(transparent)]
    Address(#[from] crate::AddressError),
    /// The server's name has no address.
    #[error("cannot look up {host}: {source}")]
    Unresolved {
        /// The name.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// Nothing answers there.
    #[error("no server answers at {address}{}", if *.refused { " (port is closed)" } else { "" })]
    Unreachable {
        /// The last address tried.
        address: SocketAddr,
        /// The host answered that nobody listens there.
        refused: bool,
    },
    /// The system refused to open a socket.
    #[error("cannot open a socket: {0}")]
    Socket(io::Error),
    /// The name is registered there with another password.
    #[error("the server knows this name under another password")]
    WrongPassword,
    /// The server refuses the protocol version.
    #[error(
        "the server refuses protocol {offered}{}; its settings strict_protocol_version_checking or \
         protocol_version_min may be set too strictly",
        Quoted(text)
    )]
    VersionRefused {
        /// The highest version that was offered.
        offered: ProtocolVersion,
        /// The server's own words.
        text: String,
    },
    /// The server speaks only older versions than are of use.
    #[error("the server speaks protocol {version}, at least {needed} is needed")]
    TooOld {
        /// What it chose.
        version: ProtocolVersion,
        /// What is needed.
        needed: ProtocolVersion,
    },
    /// A player of that name is on the server.
    #[error("a player of that name is already on the server")]
    AlreadyConnected,
    /// No free place.
    #[error("the server is full{}", Quoted(text))]
    Full {
        /// The server's own words.
        text: String,
    },
    /// The server takes no empty passwords (its setting `disallow_empty_password`).
    #[error("the server does not allow empty passwords (disallow_empty_password)")]
    EmptyPasswordRefused,
    /// Refused or kicked for any other reason: ban, name, a mod's decision, shutdown.
    #[error("the server refused: {}", Refusal(.code, .text))]
    Denied {
        /// Its code.
        code: DenyCode,
        /// Its words, often empty.
        text: String,
        /// It invites to reconnect.
        reconnect: bool,
    },
    /// The server said something that no server says.
    #[error("the server does not follow the protocol: {0}")]
    Protocol(String),
    /// The connection ended.
    #[error("connection to the server lost ({})", .0.as_str())]
    Closed(CloseReason),
    /// The server did answer, but not in time.
    #[error("the server takes too long ({step})")]
    Timeout {
        /// What was being waited for.
        step: Step,
    },
    /// The process is shutting down.
    #[error("interrupted")]
    Interrupted,
}

impl EnterError {
    /// One name of the cause, for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Address(_) => "bad_address",
            Self::Unresolved { .. } => "unresolved",
            Self::Unreachable { .. } => "unreachable",
            Self::Socket(_) => "socket",
            Self::WrongPassword => "wrong_password",
            Self::VersionRefused { .. } => "version_refused",
            Self::TooOld { .. } => "version_too_old",
            Self::AlreadyConnected => "already_connected",
            Self::Full { .. } => "full",
            Self::EmptyPasswordRefused => "empty_password_refused",
            Self::Denied { .. } => "denied",
            Self::Protocol(_) => "protocol",
            Self::Closed(_) => "closed",
            Self::Timeout { .. } => "timeout",
            Self::Interrupted => "interrupted",
        }
    }

    pub(crate) fn denied(denied: AccessDenied, offered: ProtocolVersion) -> Self {
        let AccessDenied { code, text, reconnect } = denied;
        match code {
            DenyCode::WrongPassword => Self::WrongPassword,
            DenyCode::WrongVersion => Self::VersionRefused { offered, text },
            DenyCode::TooManyUsers => Self::Full { text },
            DenyCode::EmptyPassword => Self::EmptyPasswordRefused,
            DenyCode::AlreadyConnected => Self::AlreadyConnected,
            code => Self::Denied { code, text, reconnect },
        }
    }
}

impl From<WireError> for EnterError {
    fn from(error: WireError) -> Self {
        Self::Protocol(error.to_string())
    }
}

/// A server's words, if it had any, for use inside a sentence.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}

/// A server's words, or what its code means if it had none.
struct Refusal<'a>(&'a DenyCode, &'a str);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            _ if !self.1.is_empty() => self.1,
            DenyCode::UnexpectedData => "it did not expect what it got",
            DenyCode::Singleplayer => "it is a game for one player",
            DenyCode::WrongCharsInName | DenyCode::WrongName => "it does not allow this name",
            DenyCode::ServerFail => "it cannot load the account or the player",
            DenyCode::Shutdown => "it is shutting down",
            DenyCode::Crash => "it has crashed",
            code => code.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(code: u8, text: &str) -> EnterError {
        let code = DenyCode::from_u8(code);
        let denied = AccessDenied { code, text: text.to_owned(), reconnect: false };
        EnterError::denied(denied, ProtocolVersion(46))
    }

    #[test]
    fn refusals_get_their_own_names_and_a_readable_text() {
        for (code, reason) in [
            (0, "wrong_password"),
            (3, "version_refused"),
            (6, "full"),
            (7, "empty_password_refused"),
            (8, "already_connected"),
            (5, "denied"),
            (10, "denied"),
            (99, "denied"),
        ] {
            assert_eq!(denied(code, "").reason(), reason, "code {code}");
        }
        let version = denied(3, "").to_string();
        assert!(version.contains("protocol 46"), "{version}");
        assert!(version.contains("strict_protocol_version_checking"), "{version}");
        assert_eq!(
            denied(10, "You are banned.").to_string(),
            "the server refused: You are banned."
        );
        assert_eq!(
            denied(9, "").to_string(),
            "the server refused: it cannot load the account or the player"
        );
        assert_eq!(denied(6, "").to_string(), "the server is full");
        assert_eq!(denied(99, "").to_string(), "the server refused: other");
    }
}
