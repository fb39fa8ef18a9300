//! The secret that a server's mod shares with the proxy, and what it proves.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::hex::hex;

/// The secret of one server's mod: 64 hexadecimal digits in its configuration file.
#[derive(Clone, PartialEq, Eq)]
pub struct ModToken(String);

impl ModToken {
    pub(crate) fn new(digits: String) -> Self {
        Self(digits)
    }

    /// What is written into the server's configuration.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Proof that who knows the token wrote `text`: HMAC-SHA1 (RFC 2104) as 40 hexadecimal digits.
    /// SHA-1 because it is the one hash that Lua mods of all engines since 5.6 are given
    /// (`script/lua_api/l_util.cpp`, `l_sha1`); as a MAC it is sound.
    pub fn proof(&self, text: &str) -> String {
        hex(&self.mac(text).finalize().into_bytes())
    }

    /// Whether `proof` is the proof of `text`; takes the same time wherever it is wrong.
    pub fn verify(&self, text: &str, proof: &str) -> bool {
        let mut bytes = [0; 20];
        if proof.len() != 40 || !proof.is_ascii() {
            return false;
        }
        for (byte, digits) in bytes.iter_mut().zip(proof.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            match u8::from_str_radix(digits, 16) {
                Ok(value) => *byte = value,
                Err(_) => return false,
            }
        }
        self.mac(text).verify_slice(&bytes).is_ok()
    }

    fn mac(&self, text: &str) -> Hmac<Sha1> {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.0.as_bytes())
            .expect("HMAC takes keys of every length");
        mac.update(text.as_bytes());
        mac
    }
}

impl fmt::Debug for ModToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_that_of_rfc_2202() {
        let token = ModToken::new("Jefe".into());
        let text = "what do ya want for nothing?";
        let proof = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        assert_eq!(token.proof(text), proof);
        assert!(token.verify(text, proof));
        assert!(!token.verify("something else", proof));
        for wrong in ["", "zz", &proof[..38], &format!("+{}", &proof[1..]), &"é".repeat(20)] {
            assert!(!token.verify(text, wrong), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "ModToken(..)");
    }
}
