//! The password exchange of an account that exists.

use bytes::Bytes;

use super::{AuthAccept, AwaitInit2, BasedOn, DenyCode, Outcome, Violation, Visitor};
use crate::login::{SrpBytesA, SrpBytesM, SrpBytesSB, Step};
use crate::{split_command, to_server};

/// SRP was offered, on the password or on the legacy hash.
#[derive(Debug)]
pub struct AwaitA {
    visitor: Visitor,
    based_on: BasedOn,
}

impl AwaitA {
    pub(super) fn new(visitor: Visitor, based_on: BasedOn) -> Self {
        Self { visitor, based_on }
    }

    /// Waits for SRP_BYTES_A.
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, Challenge> {
        match split_command(message) {
            Some((to_server::SRP_BYTES_A, body)) => {
                let Ok(request) = SrpBytesA::decode(body) else {
                    return Ok(Step::Stay(self));
                };
                if request.based_on != self.based_on {
                    return Err(Violation::unexpected("the mechanism was not offered"));
                }
                if !(1..=256).contains(&request.a.len()) {
                    return Err(Violation::unexpected("A has an impossible length"));
                }
                let Self { visitor, based_on } = self;
                Ok(Step::Next(Challenge { visitor, based_on, a: request.a }))
            }
            Some((to_server::FIRST_SRP, _)) => {
                Err(Violation::unexpected("the client registers a name that has an account"))
            }
            Some((to_server::SRP_BYTES_M, _)) => {
                Err(Violation::unexpected("the client proves before it asked"))
            }
            _ => Ok(Step::Stay(self)),
        }
    }
}

/// The client sent A; the caller computes B, or refuses if A is 0 modulo N.
#[derive(Debug)]
pub struct Challenge {
    visitor: Visitor,
    based_on: BasedOn,
    a: Vec<u8>,
}

impl Challenge {
    /// The player.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// What the client computes with; it is what was offered.
    pub fn based_on(&self) -> BasedOn {
        self.based_on
    }

    /// A, 1 to 256 bytes.
    pub fn a(&self) -> &[u8] {
        &self.a
    }

    /// Sends the returned SRP_BYTES_S_B.
    pub fn respond(self, salt: &[u8], b: &[u8]) -> (AwaitProof, Bytes) {
        let message = SrpBytesSB { salt: salt.into(), b: b.into() }.encode();
        (AwaitProof { visitor: self.visitor }, message)
    }
}

/// The client has salt and B.
#[derive(Debug)]
pub struct AwaitProof {
    visitor: Visitor,
}

impl AwaitProof {
    /// Waits for SRP_BYTES_M.
    pub fn on_message(self, message: &[u8]) -> Outcome<Self, Proof> {
        match split_command(message) {
            Some((to_server::SRP_BYTES_M, body)) => {
                let Ok(request) = SrpBytesM::decode(body) else {
                    return Ok(Step::Stay(self));
                };
                let m = request.proof().ok_or(Violation::unexpected("M is not 32 bytes long"))?;
                Ok(Step::Next(Proof { visitor: self.visitor, m }))
            }
            Some((to_server::SRP_BYTES_A, _)) => {
                Err(Violation::unexpected("the client began a second attempt"))
            }
            Some((to_server::FIRST_SRP, _)) => {
                Err(Violation::unexpected("the client registers a name that has an account"))
            }
            _ => Ok(Step::Stay(self)),
        }
    }
}

/// The client sent its proof, which the caller verifies.
#[derive(Debug)]
pub struct Proof {
    visitor: Visitor,
    m: [u8; 32],
}

impl Proof {
    /// The player.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// M.
    pub fn m(&self) -> &[u8; 32] {
        &self.m
    }

    /// M is right. Sends the returned AUTH_ACCEPT.
    pub fn accept(self, accept: &AuthAccept) -> (AwaitInit2, Bytes) {
        (AwaitInit2::new(self.visitor), accept.encode())
    }

    /// M is wrong.
    pub fn wrong(self) -> Violation {
        Violation { code: DenyCode::WrongPassword, what: "the password is wrong" }
    }
}
