use std::fmt;

use num_bigint::BigUint;

use super::group::{GROUP, equal_in_constant_time, number, private_exponent};
use super::{MAX_NUMBER, SrpError};

/// Longest accepted salt in bytes. The engine makes 16; it accepts any length.
pub const MAX_SALT: usize = 64;

const OWN_SALT: usize = 16;

/// What a server keeps instead of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Salt, 1 to [`MAX_SALT`] bytes.
    pub salt: Vec<u8>,
    /// `g ^ x mod N`, big-endian without leading zeros.
    pub verifier: Vec<u8>,
}

impl Verifier {
    /// Takes salt and verifier as a client sent them in FIRST_SRP and checks what the engine does
    /// not: their lengths and `1 < v < N`.
    pub fn new(salt: Vec<u8>, verifier: Vec<u8>) -> Result<Self, SrpError> {
        let verifier = Self { salt, verifier };
        verifier.number()?;
        Ok(verifier)
    }

    /// Computes the verifier of a password under a fresh random salt of 16 bytes.
    pub fn from_password(name: &str, password: &[u8]) -> Self {
        Self::with_salt(name, password, rand::random::<[u8; OWN_SALT]>().to_vec())
    }

    /// Computes the verifier of a password under a given salt.
    pub fn with_salt(name: &str, password: &[u8], salt: Vec<u8>) -> Self {
        let verifier = GROUP.power(&private_exponent(name, password, &salt)).to_bytes_be();
        Self { salt, verifier }
    }

    /// Whether this is the verifier of `password`. With an empty password it tells whether a
    /// client registered without one, which the engine believes the client about.
    pub fn matches_password(&self, name: &str, password: &[u8]) -> bool {
        let expected = GROUP.power(&private_exponent(name, password, &self.salt));
        // Through numbers, so that leading zeros make no difference.
        equal_in_constant_time(&expected.to_bytes_be(), &number(&self.verifier).to_bytes_be())
    }

    /// The verifier as a number, if salt and verifier are usable.
    pub(super) fn number(&self) -> Result<BigUint, SrpError> {
        if self.salt.is_empty() || self.salt.len() > MAX_SALT {
            return Err(SrpError::Salt);
        }
        if self.verifier.len() > MAX_NUMBER {
            return Err(SrpError::Verifier);
        }
        let v = number(&self.verifier);
        if v <= BigUint::from(1u8) || v >= GROUP.n {
            return Err(SrpError::Verifier);
        }
        Ok(v)
    }
}

impl fmt::Debug for Verifier {
    // A verifier allows guessing the password offline: it does not belong into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}
