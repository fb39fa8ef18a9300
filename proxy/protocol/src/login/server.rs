//! The proxy as the server of a player's client (`network/serverpackethandler.cpp`).
//!
//! [`AwaitInit`] → [`Offer`] → [`AwaitFirstSrp`] → [`Registration`], or [`AwaitA`] → [`Challenge`]
//! → [`AwaitProof`] → [`Proof`]; then [`AwaitInit2`] → [`AwaitReady`] → [`Playing`]. The caller
//! feeds messages to the `Await…` states and answers the requests in between.
//!
//! Where an engine ignores a message the state stays as it is; where it refuses, the error says
//! with which code. Messages that are cut short are ignored.

use bytes::Bytes;

use super::{
    AccessDenied, AuthAccept, BasedOn, ClientReady, DenyCode, FirstSrp, Hello, Init, Init2,
    Mechanisms, Step, check_name,
};
use crate::version::SERIALIZATION_MIN;
use crate::{ProtocolVersion, split_command, to_server};

mod joining;
mod proving;
#[cfg(test)]
mod tests;

pub use joining::{AwaitInit2, AwaitReady, Playing};
pub use proving::{AwaitA, AwaitProof, Challenge, Proof};

/// The client did what ends a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Violation {
    /// Code to refuse it with.
    pub code: DenyCode,
    /// What it did, for the log.
    pub what: &'static str,
}

impl Violation {
    fn unexpected(what: &'static str) -> Self {
        Self { code: DenyCode::UnexpectedData, what }
    }

    /// The refusal to send.
    pub fn denial(self) -> AccessDenied {
        AccessDenied::new(self.code)
    }
}

/// What a waiting state makes of a message.
pub type Outcome<S, N> = std::result::Result<Step<S, N>, Violation>;

/// What is known of the client since its INIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Checked player name.
    pub name: String,
    /// Protocol version of the whole visit.
    pub version: ProtocolVersion,
    /// Newest protocol version the client speaks.
    pub client_max: u16,
}

/// Nothing has come yet.
#[derive(Debug)]
pub struct AwaitInit {
    ceiling: ProtocolVersion,
}

impl AwaitInit {
    /// `ceiling`: the highest version to agree to.
    pub fn new(ceiling: ProtocolVersion) -> Self {
        Self { ceiling }
    }

    /// Waits for INIT and checks versions and name in the engine's order.
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, Offer> {
        let Some((to_server::INIT, body)) = split_command(message) else {
            return Ok(Step::Stay(self));
        };
        let Ok(init) = Init::decode(body) else {
            return Ok(Step::Stay(self));
        };
        Offer::new(init, self.ceiling).map(Step::Next)
    }
}

/// INIT was good: the caller looks the account up and offers one way to prove oneself. To refuse,
/// it sends an [`AccessDenied`] and lets go of the state.
#[derive(Debug)]
pub struct Offer {
    init: Init,
    visitor: Visitor,
}

impl Offer {
    fn new(init: Init, ceiling: ProtocolVersion) -> Result<Self, Violation> {
        let old = |what| Violation { code: DenyCode::WrongVersion, what };
        if init.serialization < SERIALIZATION_MIN {
            return Err(old("the client's block format is too old"));
        }
        let version = Self::agree(&init, ceiling)?;
        check_name(&init.name)
            .map_err(|code| Violation { code, what: "the player name is not allowed" })?;
        let visitor = Visitor { name: init.name.clone(), version, client_max: init.max_version };
        Ok(Self { init, visitor })
    }

    fn agree(init: &Init, ceiling: ProtocolVersion) -> Result<ProtocolVersion, Violation> {
        let old = |what| Violation { code: DenyCode::WrongVersion, what };
        let version = ProtocolVersion::negotiate(init.max_version, ceiling)
            .ok_or(old("no common protocol version"))?;
        // Blocks are rewritten in the version's own format; no engine client reads less.
        if init.serialization < version.serialization_version() {
            return Err(old("the client does not read its version's block format"));
        }
        Ok(version)
    }

    /// The player and the version agreed upon.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Lowers the version, now that it is known who it is and where the player may go.
    pub fn limit(mut self, ceiling: ProtocolVersion) -> Result<Self, Violation> {
        self.visitor.version = Self::agree(&self.init, ceiling.min(self.visitor.version))?;
        Ok(self)
    }

    /// No account has this name: the client is to make one. Sends the returned HELLO.
    pub fn first_srp(self) -> (AwaitFirstSrp, Bytes) {
        let hello = self.hello(Mechanisms::FIRST_SRP);
        (AwaitFirstSrp { visitor: self.visitor }, hello)
    }

    /// The account has a verifier. Sends the returned HELLO.
    pub fn srp(self) -> (AwaitA, Bytes) {
        let hello = self.hello(Mechanisms::SRP);
        (AwaitA::new(self.visitor, BasedOn::Password), hello)
    }

    /// The account has a legacy hash. Sends the returned HELLO.
    pub fn legacy(self) -> (AwaitA, Bytes) {
        let hello = self.hello(Mechanisms::LEGACY_PASSWORD);
        (AwaitA::new(self.visitor, BasedOn::LegacyHash), hello)
    }

    fn hello(&self, mechanisms: Mechanisms) -> Bytes {
        let version = self.visitor.version;
        let serialization = version.serialization_version();
        Hello { serialization, version: version.0, mechanisms }.encode()
    }
}

/// FIRST_SRP was offered.
#[derive(Debug)]
pub struct AwaitFirstSrp {
    visitor: Visitor,
}

impl AwaitFirstSrp {
    /// Waits for FIRST_SRP.
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, Registration> {
        match split_command(message) {
            Some((to_server::FIRST_SRP, body)) => {
                let Ok(request) = FirstSrp::decode(body) else {
                    return Ok(Step::Stay(self));
                };
                if !request.lengths_are_sane() {
                    return Err(Violation::unexpected("salt or verifier has an impossible length"));
                }
                Ok(Step::Next(Registration { visitor: self.visitor, request }))
            }
            Some((to_server::SRP_BYTES_A | to_server::SRP_BYTES_M, _)) => {
                Err(Violation::unexpected("the client proves a password it was not asked for"))
            }
            _ => Ok(Step::Stay(self)),
        }
    }
}

/// The client sent a verifier for a new account, which the caller stores or refuses.
#[derive(Debug)]
pub struct Registration {
    visitor: Visitor,
    request: FirstSrp,
}

impl Registration {
    /// The player.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// What to store.
    pub fn request(&self) -> &FirstSrp {
        &self.request
    }

    /// The account is stored. Sends the returned AUTH_ACCEPT.
    pub fn accept(self, accept: &AuthAccept) -> (AwaitInit2, Bytes) {
        (AwaitInit2::new(self.visitor), accept.encode())
    }
}
