use std::fmt;

use super::group::{GROUP, equal_in_constant_time, number, scramble};
use super::{PROOF_LEN, SrpError, Verifier};

/// The side that keeps the verifier. All arithmetic is done in `start`; `verify` only compares.
pub struct ServerHandshake {
    expected: [u8; PROOF_LEN],
}

impl ServerHandshake {
    /// Answers a client's `A` with `B` for SRP_BYTES_S_B. `name` must be spelt as in INIT.
    ///
    /// # Errors
    /// [`SrpError::PublicKey`] for an `A` that is longer than 256 bytes or 0 modulo N;
    /// [`SrpError::Salt`] or [`SrpError::Verifier`] when the stored account is unusable.
    pub fn start(
        name: &str,
        verifier: &Verifier,
        a_pub: &[u8],
    ) -> Result<(Self, Vec<u8>), SrpError> {
        Self::with_secret(name, verifier, a_pub, &rand::random())
    }

    pub(super) fn with_secret(
        name: &str,
        verifier: &Verifier,
        a_pub: &[u8],
        secret: &[u8; 32],
    ) -> Result<(Self, Vec<u8>), SrpError> {
        let group = &*GROUP;
        let v = verifier.number()?;
        let a = group.public_key(a_pub).ok_or(SrpError::PublicKey)?;
        let secret = number(secret);
        let b = (&group.k * &v + group.power(&secret)) % &group.n;
        let u = scramble(&a, &b);
        let shared = (&a * v.modpow(&u, &group.n) % &group.n).modpow(&secret, &group.n);
        let expected = group.proof(name, &verifier.salt, &a, &b, &shared);
        Ok((Self { expected }, b.to_bytes_be()))
    }

    /// Whether the client's proof shows that it knows the password. Takes the same time for every
    /// wrong proof of the right length.
    pub fn verify(self, m: &[u8]) -> bool {
        equal_in_constant_time(&self.expected, m)
    }
}

impl fmt::Debug for ServerHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerHandshake(..)")
    }
}
