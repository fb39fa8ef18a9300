//! SHA-1, the name by which engines and this crate know a file's content.

use sha1::{Digest, Sha1};

/// SHA-1 of a content: what announcements carry and what the store files it under.
pub type Hash = [u8; 20];

/// Hashes `data`.
pub fn sha1(data: &[u8]) -> Hash {
    Sha1::digest(data).into()
}

/// Hashes several byte strings so that moving bytes between them changes the result.
pub(crate) fn sha1_of_parts(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha1::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Forty lower-case hexadecimal digits.
pub fn to_hex(hash: &Hash) -> String {
    hex_digits(hash)
}

/// Two lower-case hexadecimal digits per byte.
pub(crate) fn hex_digits(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The reverse of [`to_hex`]; `None` for anything but forty lower-case hexadecimal digits.
pub fn from_hex(text: &str) -> Option<Hash> {
    fn digit(c: u8) -> Option<u8> {
        match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        }
    }
    let text: &[u8; 40] = text.as_bytes().try_into().ok()?;
    let mut hash = [0; 20];
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// Hashes as hexadecimal text in JSON: `#[serde(with = "hash::as_hex")]`.
pub(crate) mod as_hex {
    use super::{Hash, from_hex, to_hex};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(hash: &Hash, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&to_hex(hash))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(input)?;
        from_hex(&text).ok_or_else(|| D::Error::custom("expected 40 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hash_in_hex_and_back() {
        let hash = sha1(b"abc");
        assert_eq!(to_hex(&hash), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(from_hex(&to_hex(&hash)), Some(hash));
    }

    #[test]
    fn only_forty_lower_case_digits_are_a_hash() {
        assert_eq!(from_hex("A9993e364706816aba3e25717850c26c9cd0d89d"), None);
        assert_eq!(from_hex("a9993e364706816aba3e25717850c26c9cd0d8"), None);
        assert_eq!(from_hex("../../../../../../../../../../etc/passwd"), None);
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(sha1_of_parts(&[b"ab", b"c"]), sha1_of_parts(&[b"a", b"bc"]));
    }
}
