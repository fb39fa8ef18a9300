//! The proxy as the client of a backend (`client/client.cpp`, `clientpackethandler.cpp`).
//!
//! [`AwaitHello`] → [`Greeted`] → [`Method`]: [`Prover`] → [`AwaitSaltAndB`] → [`Answer`], or
//! [`Registrant`]; then [`AwaitAccept`] → [`Accepted`] → [`AwaitDefinitions`] → [`Entered`].
//!
//! A refusal in any state ends the login. Messages that are none of the login's come back as
//! [`Step::PassOn`]: servers up to 5.12 send broadcasts before the login is accepted.

use bytes::Bytes;

use super::{
    AccessDenied, AuthAccept, BasedOn, FirstSrp, Hello, Init, Init2, Mechanisms, SrpBytesA,
    SrpBytesM, SrpBytesSB, Step,
};
use crate::wire::WireError;
use crate::{ProtocolVersion, split_command, to_client};

mod definitions;
#[cfg(test)]
mod tests;

pub use definitions::{AwaitDefinitions, Entered};

/// Why the login ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The server said no.
    #[error("refused with code {}: {}", .0.code.as_str(), .0.text)]
    Denied(AccessDenied),
    /// The server chose a protocol version that was not offered, or a block format that does not
    /// belong to it.
    #[error("the server chose protocol {version} with block format {serialization}")]
    Version {
        /// Chosen protocol version.
        version: u16,
        /// Chosen block format.
        serialization: u8,
    },
    /// No mechanism is known.
    #[error("no known way to log in among {0:#x}")]
    Mechanisms(u32),
    /// A message of the login cannot be read.
    #[error("message {command:#04x} cannot be read: {error}")]
    Malformed {
        /// Its command.
        command: u16,
        /// What is wrong.
        error: WireError,
    },
}

/// What a waiting state makes of a message.
pub type Outcome<S, N> = std::result::Result<Step<S, N>, Ended>;

/// Reads the body, if the message is the one waited for; ends the login if it is a refusal.
fn body_of(message: &[u8], wanted: u16) -> Result<Received<'_>, Ended> {
    match split_command(message) {
        Some((command, body)) if command == wanted => Ok(Received::Wanted(body)),
        Some((command @ to_client::ACCESS_DENIED, body)) => {
            Err(read(command, AccessDenied::decode(body)).map_or_else(|e| e, Ended::Denied))
        }
        Some((command @ to_client::ACCESS_DENIED_LEGACY, body)) => {
            Err(read(command, AccessDenied::decode_legacy(body)).map_or_else(|e| e, Ended::Denied))
        }
        // Repetitions and strays of the login; the engine client ignores or overrides them.
        Some((to_client::HELLO | to_client::SRP_BYTES_S_B | to_client::AUTH_ACCEPT, _)) | None => {
            Ok(Received::Ignored)
        }
        Some(_) => Ok(Received::Other),
    }
}

enum Received<'a> {
    Wanted(&'a [u8]),
    Ignored,
    Other,
}

fn read<T>(command: u16, result: Result<T, WireError>) -> Result<T, Ended> {
    result.map_err(|error| Ended::Malformed { command, error })
}

/// INIT is being sent, again and again until a HELLO comes.
#[derive(Debug)]
pub struct AwaitHello {
    max_version: ProtocolVersion,
}

impl AwaitHello {
    /// Sends the returned INIT, unreliably, every second or so. Unknown versions above
    /// [`ProtocolVersion::MAX`] are not offered.
    pub fn new(name: &str, max_version: ProtocolVersion) -> (Self, Bytes) {
        let max_version = max_version.min(ProtocolVersion::MAX);
        let init = Init {
            serialization: max_version.serialization_version(),
            min_version: ProtocolVersion::MIN.0,
            max_version: max_version.0,
            name: name.to_owned(),
        };
        (Self { max_version }, init.encode())
    }

    /// Waits for HELLO.
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, Greeted> {
        let body = match body_of(message, to_client::HELLO)? {
            Received::Wanted(body) => body,
            Received::Ignored => return Ok(Step::Stay(self)),
            Received::Other => return Ok(Step::PassOn(self)),
        };
        let hello = read(to_client::HELLO, Hello::decode(body))?;
        let Hello { serialization, version, mechanisms } = hello;
        let agreed = ProtocolVersion(version);
        if !agreed.is_known()
            || agreed > self.max_version
            || serialization != agreed.serialization_version()
        {
            return Err(Ended::Version { version, serialization });
        }
        Ok(Step::Next(Greeted { version: agreed, mechanisms }))
    }
}

/// The server chose a version and offers mechanisms.
#[derive(Debug)]
pub struct Greeted {
    version: ProtocolVersion,
    mechanisms: Mechanisms,
}

/// How to log in.
#[derive(Debug)]
pub enum Method {
    /// By proof; [`Prover::based_on`] says of what.
    Prove(Prover),
    /// The name has no account: make one.
    Register(Registrant),
}

impl Greeted {
    /// The version the server chose.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Picks a mechanism as the engine client does: SRP, else a new account, else the legacy hash
    /// (`client/client.cpp` choseAuthMech).
    pub fn choose(self) -> Result<Method, Ended> {
        let Self { version, mechanisms } = self;
        if mechanisms.has(Mechanisms::SRP) {
            Ok(Method::Prove(Prover { version, based_on: BasedOn::Password }))
        } else if mechanisms.has(Mechanisms::FIRST_SRP) {
            Ok(Method::Register(Registrant { version }))
        } else if mechanisms.has(Mechanisms::LEGACY_PASSWORD) {
            Ok(Method::Prove(Prover { version, based_on: BasedOn::LegacyHash }))
        } else {
            Err(Ended::Mechanisms(mechanisms.0))
        }
    }
}

/// The password is to be proved.
#[derive(Debug)]
pub struct Prover {
    version: ProtocolVersion,
    based_on: BasedOn,
}

impl Prover {
    /// Whether the arithmetic takes the password or its legacy hash.
    pub fn based_on(&self) -> BasedOn {
        self.based_on
    }

    /// Sends the returned SRP_BYTES_A.
    pub fn start(self, a: &[u8]) -> (AwaitSaltAndB, Bytes) {
        let message = SrpBytesA { a: a.into(), based_on: self.based_on }.encode();
        (AwaitSaltAndB { version: self.version }, message)
    }
}

/// An account is to be made.
#[derive(Debug)]
pub struct Registrant {
    version: ProtocolVersion,
}

impl Registrant {
    /// Sends the returned FIRST_SRP.
    pub fn register(self, request: &FirstSrp) -> (AwaitAccept, Bytes) {
        (AwaitAccept { version: self.version, registered: true }, request.encode())
    }
}

/// A was sent.
#[derive(Debug)]
pub struct AwaitSaltAndB {
    version: ProtocolVersion,
}

impl AwaitSaltAndB {
    /// Waits for SRP_BYTES_S_B.
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, Answer> {
        match body_of(message, to_client::SRP_BYTES_S_B)? {
            Received::Wanted(body) => {
                let SrpBytesSB { salt, b } =
                    read(to_client::SRP_BYTES_S_B, SrpBytesSB::decode(body))?;
                Ok(Step::Next(Answer { version: self.version, salt, b }))
            }
            Received::Ignored => Ok(Step::Stay(self)),
            Received::Other => Ok(Step::PassOn(self)),
        }
    }
}

/// The server answered A.
#[derive(Debug)]
pub struct Answer {
    version: ProtocolVersion,
    salt: Vec<u8>,
    b: Vec<u8>,
}

impl Answer {
    /// Salt of the account.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// B.
    pub fn b(&self) -> &[u8] {
        &self.b
    }

    /// Sends the returned SRP_BYTES_M.
    pub fn prove(self, m: &[u8; 32]) -> (AwaitAccept, Bytes) {
        let message = SrpBytesM { m: m.to_vec() }.encode();
        (AwaitAccept { version: self.version, registered: false }, message)
    }
}

/// Proof or registration was sent.
#[derive(Debug)]
pub struct AwaitAccept {
    version: ProtocolVersion,
    registered: bool,
}

impl AwaitAccept {
    /// Waits for AUTH_ACCEPT.
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, Accepted> {
        match body_of(message, to_client::AUTH_ACCEPT)? {
            Received::Wanted(body) => {
                let accept = read(to_client::AUTH_ACCEPT, AuthAccept::decode(body))?;
                let Self { version, registered } = self;
                Ok(Step::Next(Accepted { version, registered, accept }))
            }
            Received::Ignored => Ok(Step::Stay(self)),
            Received::Other => Ok(Step::PassOn(self)),
        }
    }
}

/// The server accepted. Servers stop their login clock at INIT2.
#[derive(Debug)]
pub struct Accepted {
    version: ProtocolVersion,
    registered: bool,
    accept: AuthAccept,
}

impl Accepted {
    /// What the server said.
    pub fn accept(&self) -> &AuthAccept {
        &self.accept
    }

    /// Sends the returned INIT2, which asks for the definitions. `language` decides which
    /// translation files are announced.
    pub fn enter(self, language: &str) -> (AwaitDefinitions, Bytes) {
        let message = Init2 { language: language.to_owned() }.encode();
        (AwaitDefinitions::new(self.version, self.registered, self.accept), message)
    }
}
