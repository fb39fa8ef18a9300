//! The password exchange's messages. Numbers are big-endian without leading zeros.

use bytes::Bytes;

use super::Mechanisms;
use crate::wire::{Reader, Result, Writer};
use crate::{to_client, to_server};

/// FIRST_SRP: a new account, or a new password in sudo mode.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstSrp {
    /// Salt of the verifier.
    pub salt: Vec<u8>,
    /// The verifier; whether it lies between 1 and N is for the arithmetic to say.
    pub verifier: Vec<u8>,
    /// The client says that the password is empty.
    pub empty: bool,
}

impl std::fmt::Debug for FirstSrp {
    /// Without the verifier, which is as good as a weak password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstSrp").field("empty", &self.empty).finish_non_exhaustive()
    }
}

impl FirstSrp {
    /// Lengths that can be right: salt 1 to 64 bytes, verifier 1 to 256. Engine servers do not
    /// check and store anything.
    pub fn lengths_are_sane(&self) -> bool {
        (1..=64).contains(&self.salt.len()) && (1..=256).contains(&self.verifier.len())
    }

    /// With command.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_server::FIRST_SRP);
        w.str16(&self.salt).str16(&self.verifier).bool(self.empty);
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        Ok(Self { salt: r.str16()?.into(), verifier: r.str16()?.into(), empty: r.bool()? })
    }
}

/// What the password of an SRP exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasedOn {
    /// The legacy hash of the password, as text.
    LegacyHash,
    /// The password.
    Password,
}

impl BasedOn {
    /// The mechanism that it stands for.
    pub fn mechanism(self) -> Mechanisms {
        match self {
            Self::LegacyHash => Mechanisms::LEGACY_PASSWORD,
            Self::Password => Mechanisms::SRP,
        }
    }
}

/// SRP_BYTES_A: begins an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrpBytesA {
    /// A.
    pub a: Vec<u8>,
    /// What it is based on.
    pub based_on: BasedOn,
}

impl SrpBytesA {
    /// With command.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_server::SRP_BYTES_A);
        w.str16(&self.a).bool(self.based_on == BasedOn::Password);
        w.finish()
    }

    /// From the body. As in the engine, every value but 0 is the password.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let a = r.str16()?.into();
        let based_on = if r.bool()? { BasedOn::Password } else { BasedOn::LegacyHash };
        Ok(Self { a, based_on })
    }
}

/// SRP_BYTES_S_B: the server's answer to A.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrpBytesSB {
    /// Salt of the account.
    pub salt: Vec<u8>,
    /// B.
    pub b: Vec<u8>,
}

impl SrpBytesSB {
    /// With command.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_client::SRP_BYTES_S_B);
        w.str16(&self.salt).str16(&self.b);
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        Ok(Self { salt: r.str16()?.into(), b: r.str16()?.into() })
    }
}

/// SRP_BYTES_M: the client's proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrpBytesM {
    /// M, of any length.
    pub m: Vec<u8>,
}

impl SrpBytesM {
    /// M if it is 32 bytes long, as a SHA-256 is.
    pub fn proof(&self) -> Option<[u8; 32]> {
        self.m.as_slice().try_into().ok()
    }

    /// With command.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_server::SRP_BYTES_M);
        w.str16(&self.m);
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        Ok(Self { m: Reader::new(body).str16()?.into() })
    }
}
