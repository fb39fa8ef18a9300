//! The group and the hashes that both sides share.

use std::sync::LazyLock;

use num_bigint::BigUint;
use sha2::{Digest, Sha256};

use super::{MAX_NUMBER, PROOF_LEN};

/// RFC 5054, appendix A, 2048-bit group (`util/srp.cpp`, `global_Ng_constants`).
const N_HEX: &[u8] = b"\
AC6BDB41324A9A9BF166DE5E1389582FAF72B6651987EE07FC3192943DB56050A37329CBB4A099ED\
8193E0757767A13DD52312AB4B03310DCD7F48A9DA04FD50E8083969EDB767B0CF6095179A163AB3\
661A05FBD5FAAAE82918A9962F0B93B855F97993EC975EEAA80D740ADBF4FF747359D041D5C33EA7\
1D281E446B14773BCA97B43A23FB801676BD207A436C6481F1D2B9078717461A5B9D32E688F87748\
544523B524B0D57D5EA77A2775D2ECFA032CFBDBF52FB3786160279004E57AE6AF874E7303CE5329\
9CCC041C7BC308D82A5698F3A8D0C38271AE35F8E9DBFBB694B5C803D89F7AE435DE236D525F5475\
9B65E372FCD68EF20FA7111F9E4AFF73";

/// The group's constants, derived once.
pub(super) struct Group {
    pub(super) n: BigUint,
    pub(super) g: BigUint,
    /// Multiplier `k = H(pad(N) | pad(g))`.
    pub(super) k: BigUint,
    /// `H(min(N)) xor H(min(g))`, the start of `M`.
    pub(super) h_n_xor_h_g: [u8; 32],
}

pub(super) static GROUP: LazyLock<Group> = LazyLock::new(|| {
    let n = BigUint::parse_bytes(N_HEX, 16).expect("the constant consists of hexadecimal digits");
    let g = BigUint::from(2u8);
    let k = number(&sha256(&[&pad(&n), &pad(&g)]));
    let mut h_n_xor_h_g = sha256(&[&n.to_bytes_be()]);
    for (byte, other) in h_n_xor_h_g.iter_mut().zip(sha256(&[&g.to_bytes_be()])) {
        *byte ^= other;
    }
    Group { n, g, k, h_n_xor_h_g }
});

impl Group {
    /// `g ^ exponent mod N`.
    pub(super) fn power(&self, exponent: &BigUint) -> BigUint {
        self.g.modpow(exponent, &self.n)
    }

    /// Reads a public key, refusing what makes the outcome independent of the password.
    pub(super) fn public_key(&self, bytes: &[u8]) -> Option<BigUint> {
        if bytes.len() > MAX_NUMBER {
            return None;
        }
        let key = number(bytes);
        (&key % &self.n != BigUint::ZERO).then_some(key)
    }

    /// `M` as both sides compute it. `name` keeps its case here.
    pub(super) fn proof(
        &self,
        name: &str,
        salt: &[u8],
        a: &BigUint,
        b: &BigUint,
        shared: &BigUint,
    ) -> [u8; PROOF_LEN] {
        let session_key = sha256(&[&shared.to_bytes_be()]);
        sha256(&[
            &self.h_n_xor_h_g,
            &sha256(&[name.as_bytes()]),
            salt,
            &a.to_bytes_be(),
            &b.to_bytes_be(),
            &session_key,
        ])
    }
}

/// Private exponent of the password: `H(salt | H(lowercase name | ":" | password))`.
pub(super) fn private_exponent(name: &str, password: &[u8], salt: &[u8]) -> BigUint {
    let name = name.to_ascii_lowercase();
    let inner = sha256(&[name.as_bytes(), b":", password]);
    number(&sha256(&[salt, &inner]))
}

/// Scrambling parameter `u = H(pad(A) | pad(B))`.
pub(super) fn scramble(a: &BigUint, b: &BigUint) -> BigUint {
    number(&sha256(&[&pad(a), &pad(b)]))
}

pub(super) fn number(bytes: &[u8]) -> BigUint {
    BigUint::from_bytes_be(bytes)
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Big-endian in exactly 256 bytes. Every caller's number has at most that many: public keys are
/// checked on reading, all others are reduced by `N`.
fn pad(n: &BigUint) -> [u8; MAX_NUMBER] {
    let bytes = n.to_bytes_be();
    let mut padded = [0; MAX_NUMBER];
    let start = MAX_NUMBER.saturating_sub(bytes.len());
    padded[start..].copy_from_slice(&bytes[..MAX_NUMBER - start]);
    padded
}

/// Compares without telling by its duration where the first difference is.
pub(super) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |acc, (x, y)| std::hint::black_box(acc | (x ^ y)));
    a.len() == b.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_needs_same_length_and_bytes() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abd"));
        assert!(!equal_in_constant_time(b"abc", b"ab"));
        assert!(!equal_in_constant_time(b"", b"a"));
    }

    #[test]
    fn multiplier_is_the_engines() {
        assert_eq!(
            GROUP.k.to_str_radix(16),
            "5b9e8ef059c6b32ea59fc1d322d37f04aa30bae5aa9003b8321e21ddb04e300"
        );
    }
}
