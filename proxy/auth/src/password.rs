//! The password field of a stored account, as the engine writes and reads it
//! (`util/auth.cpp`, `network/serverpackethandler.cpp` handleCommand_Init).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest, Sha1};

use crate::srp::Verifier;

/// Standard alphabet, written without `=`, read with or without; stray low bits in the last
/// character are refused (`util/base64.cpp`).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How an account's password is stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// Salt and verifier: what engines write when a player registers or changes the password.
    Srp(Verifier),
    /// The hash of [`legacy_hash`], empty for the empty password. Not history: engines still write
    /// it for `/setpassword` and `/clearpassword`.
    Legacy(String),
}

/// A password field that no engine accepts either (denial code 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Split at `#` like an SRP entry, but of a kind that is not `1`.
    #[error("stored password has an unknown format")]
    UnknownFormat,
    /// Base64 that cannot be decoded.
    #[error("stored password is not valid base64")]
    Base64,
    /// The field is NULL, which old engine schemas allow.
    #[error("stored password is missing")]
    Missing,
}

impl Password {
    /// Reads the stored field.
    pub fn parse(field: &str) -> Result<Self, PasswordError> {
        let parts: Vec<&str> = field.split('#').collect();
        if let [_, kind, salt, verifier] = parts[..] {
            if kind != "1" {
                return Err(PasswordError::UnknownFormat);
            }
            return Ok(Self::Srp(Verifier { salt: decode(salt)?, verifier: decode(verifier)? }));
        }
        decode(field)?;
        Ok(Self::Legacy(field.to_owned()))
    }

    /// The field as the engine would write it.
    pub fn format(&self) -> String {
        match self {
            Self::Srp(Verifier { salt, verifier }) => {
                format!("#1#{}#{}", BASE64.encode(salt), BASE64.encode(verifier))
            }
            Self::Legacy(hash) => hash.clone(),
        }
    }

    /// What a login is checked against. For a legacy account the SRP password is the hash and the
    /// verifier is made for this one attempt; that takes milliseconds, see
    /// [`crate::srp::blocking::password_verifier`].
    pub fn verifier(&self, name: &str) -> Verifier {
        match self {
            Self::Srp(verifier) => verifier.clone(),
            Self::Legacy(hash) => Verifier::from_password(name, hash.as_bytes()),
        }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Srp(_) => "Srp(..)",
            Self::Legacy(_) => "Legacy(..)",
        })
    }
}

/// The legacy hash: empty for the empty password, else unpadded base64 of SHA-1(name | password)
/// with the name spelt as at login (`util/auth.cpp`, `translate_password`).
pub fn legacy_hash(name: &str, password: &str) -> String {
    if password.is_empty() {
        return String::new();
    }
    BASE64.encode(Sha1::new().chain_update(name).chain_update(password).finalize())
}

fn decode(text: &str) -> Result<Vec<u8>, PasswordError> {
    // Half of the padding is neither of the two accepted forms.
    if text.ends_with('=') && !text.len().is_multiple_of(4) {
        return Err(PasswordError::Base64);
    }
    BASE64.decode(text).map_err(|_| PasswordError::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Player "foo", password "bar": the example of the engine's `doc/world_format.md`.
    const FOO: &str = "#1#hPpy4O3IAn1hsNK00A6wNw#Kpu6rj7McsrPCt4euTb5RA5ltF7wdcWGoYMcRngwDi11cZhPuuR9i5Bo7o6A877TgcEwoc//HNrj9EjR/CGjdyTFmNhiermZOADvd8eu32FYK1kf7RMC0rXWxCenYuOQCG4WF9mMGiyTPxC63VAjAMuc1nCZzmy6D9zt0SIKxOmteI75pAEAIee2hx4OkSXRIiU4Zrxo1Xf7QFxkMY4x77vgaPcvfmuzom0y/fU1EdSnZeopGPvzMpFx80ODFx1P34R52nmVl0W8h4GNo0k8ZiWtRCdrJxs8xIg7z5P1h3Th/BJ0lwexpdK8sQZWng8xaO5ElthNuhO8UQx1l6FgEA";

    #[test]
    fn documented_entry_is_the_verifier_of_its_password() {
        let parsed = Password::parse(FOO).unwrap();
        assert_eq!(parsed.format(), FOO);
        let verifier = parsed.verifier("foo");
        assert_eq!(verifier.salt.len(), 16);
        assert!(verifier.matches_password("foo", b"bar"));
        assert!(!verifier.matches_password("foo", b"baz"));
    }

    #[test]
    fn legacy_hashes_are_the_engines() {
        assert_eq!(legacy_hash("foo", "bar"), "iEPX+SQWIR3p67lj/0zigSWTKHg");
        assert_eq!(legacy_hash("Alice", "secret"), "UGALdLzEoQ1gaf8Y7u4wGRNB6aA");
        assert_eq!(legacy_hash("Alice", ""), "");
    }

    #[test]
    fn legacy_account_is_checked_against_its_hash() {
        let stored = Password::parse("iEPX+SQWIR3p67lj/0zigSWTKHg").unwrap();
        let hash = legacy_hash("foo", "bar");
        assert!(stored.verifier("foo").matches_password("foo", hash.as_bytes()));
        assert_eq!(Password::parse(""), Ok(Password::Legacy(String::new())));
    }

    #[test]
    fn fields_are_sorted_as_the_engine_sorts_them() {
        use PasswordError::{Base64, UnknownFormat};
        for (field, error) in [
            ("#2#AAAA#AAAA", UnknownFormat),
            ("###", UnknownFormat),
            ("#1#AAAA", Base64),
            ("#1#A#AAAA", Base64),
            ("#1#AAAA#AAAA#", Base64),
            ("not base64", Base64),
            ("AB", Base64),
            ("AA=", Base64),
            ("A===", Base64),
        ] {
            assert_eq!(Password::parse(field), Err(error), "{field}");
        }
        for field in ["AA", "AA==", "AAAA", "AAA="] {
            assert!(Password::parse(field).is_ok(), "{field}");
        }
        // Seen from engines whose client sent empty strings: readable, but no login succeeds.
        let empty = Password::parse("#1##").unwrap().verifier("foo");
        assert!(crate::srp::ServerHandshake::start("foo", &empty, &[2]).is_err());
    }

    proptest! {
        #[test]
        fn written_entries_read_back(
            salt in prop::collection::vec(any::<u8>(), 0..64),
            verifier in prop::collection::vec(any::<u8>(), 0..256),
        ) {
            let entry = Password::Srp(Verifier { salt, verifier });
            prop_assert_eq!(Password::parse(&entry.format()), Ok(entry));
        }

        #[test]
        fn any_text_is_read_without_panic(field in "[#1A/=\\PC]{0,40}") {
            if let Ok(password) = Password::parse(&field) {
                prop_assert_eq!(Password::parse(&password.format()), Ok(password));
            }
        }
    }
}
