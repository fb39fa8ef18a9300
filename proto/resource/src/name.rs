//! Names of servers, groups and pools, and of other objects.

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};

/// A name: a DNS label (RFC 1123), because it appears in chat commands, metrics and Kubernetes.
/// 1 to 63 of `a-z`, `0-9` and `-`, starting and ending with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);

impl Name {
    /// What a name is made of, in words.
    pub(crate) const RULE: &str =
        "1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends";

    /// The name that `text` is; `None` if it is none.
    pub fn new(text: &str) -> Option<Self> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let bytes = text.as_bytes();
        let valid = (1..=63).contains(&bytes.len())
            && bytes.iter().all(|c| inner(*c))
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-');
        valid.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &Self::RULE))
    }
}

/// Name of another object of the cluster: a DNS subdomain (RFC 1123), 1 to 253 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectName(String);

impl ObjectName {
    /// What such a name is made of, in words.
    pub(crate) const RULE: &str =
        "1 to 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends";

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ObjectName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let end = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = text.as_bytes();
        let valid = (1..=253).contains(&bytes.len())
            && bytes.iter().all(|c| end(*c) || b"-.".contains(c))
            && [bytes.first(), bytes.last()].into_iter().flatten().all(|c| end(*c));
        if valid {
            return Ok(Self(text));
        }
        Err(D::Error::invalid_value(Unexpected::Str(&text), &Self::RULE))
    }
}
