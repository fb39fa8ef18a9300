use std::fmt;

use num_bigint::BigUint;

use super::group::{GROUP, number, private_exponent, scramble};
use super::{PROOF_LEN, SrpError};

/// The side that knows the password.
pub struct ClientHandshake {
    name: String,
    password: Vec<u8>,
    secret: BigUint,
    public: BigUint,
}

impl ClientHandshake {
    /// Draws a key pair and returns the public key `A` for SRP_BYTES_A. `name` must be spelt as in
    /// INIT. For a legacy account the password is the legacy hash.
    pub fn start(name: &str, password: &[u8]) -> (Self, Vec<u8>) {
        Self::with_secret(name, password, &rand::random())
    }

    pub(super) fn with_secret(name: &str, password: &[u8], secret: &[u8; 32]) -> (Self, Vec<u8>) {
        let secret = number(secret);
        let public = GROUP.power(&secret);
        let a = public.to_bytes_be();
        (Self { name: name.to_owned(), password: password.to_vec(), secret, public }, a)
    }

    /// Computes the proof `M` for SRP_BYTES_M from the server's salt and public key `B`.
    ///
    /// # Errors
    /// [`SrpError::PublicKey`] when `B` would make the proof independent of the password, and
    /// [`SrpError::Salt`] for a salt longer than any server's (an empty one is tolerated: the
    /// engine stores what it was once given).
    pub fn respond(self, salt: &[u8], b_pub: &[u8]) -> Result<[u8; PROOF_LEN], SrpError> {
        if salt.len() > super::MAX_NUMBER {
            return Err(SrpError::Salt);
        }
        let group = &*GROUP;
        let b = group.public_key(b_pub).ok_or(SrpError::PublicKey)?;
        let u = scramble(&self.public, &b);
        if u == BigUint::ZERO {
            return Err(SrpError::PublicKey);
        }
        let x = private_exponent(&self.name, &self.password, salt);
        let masked = &group.k * group.power(&x) % &group.n;
        // B - k * g^x, kept positive.
        let base = (&b % &group.n + &group.n - masked) % &group.n;
        let shared = base.modpow(&(&self.secret + u * x), &group.n);
        Ok(group.proof(&self.name, salt, &self.public, &b, &shared))
    }
}

impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandshake").field("name", &self.name).finish_non_exhaustive()
    }
}
