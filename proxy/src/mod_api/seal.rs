//! Lines that prove who wrote them.
//!
//! `1 PROXY-NONCE NUMBER PROOF JSON`. The proof covers the direction, the channel, both sides'
//! nonces, the number and the JSON, so no line can be replayed: not in the other direction, not in
//! another visit, not twice.

use mesegate_auth::ModToken;

/// The version of the lines.
const VERSION: &str = "1";

/// Why a line is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has another form, or is of another visit.
    Foreign,
    /// The proof is wrong: another token, or somebody else wrote it.
    Proof,
    /// It was taken already.
    Replayed,
}

impl Refused {
    /// One name of the cause.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Proof => "wrong_proof",
            Self::Replayed => "replayed",
        }
    }
}

/// Who writes.
#[derive(Clone, Copy)]
enum From {
    Proxy,
    Mod,
}

/// One visit of a player to a server, as far as its lines are concerned.
#[derive(Debug)]
pub(super) struct Seal {
    token: ModToken,
    channel: String,
    ours: String,
    /// The mod's, once it is known.
    theirs: String,
    sent: u64,
    received: u64,
}

impl Seal {
    /// For a visit that begins. `nonce` must never have been used before.
    pub(super) fn new(token: ModToken, channel: &str, nonce: u128) -> Self {
        let (channel, ours) = (channel.to_owned(), format!("{nonce:032x}"));
        Self { token, channel, ours, theirs: String::new(), sent: 0, received: 0 }
    }

    /// From now on both nonces count, and numbers begin anew.
    pub(super) fn open(&mut self, theirs: &str) {
        theirs.clone_into(&mut self.theirs);
        (self.sent, self.received) = (0, 0);
    }

    /// The line for the mod.
    pub(super) fn write(&mut self, json: &str) -> String {
        self.sent += 1;
        let proof = self.token.proof(&self.proven(From::Proxy, self.sent, json));
        format!("{VERSION} {} {} {proof} {json}", self.ours, self.sent)
    }

    /// What the mod wrote.
    pub(super) fn read<'a>(&mut self, line: &'a str) -> Result<&'a str, Refused> {
        let mut parts = line.splitn(5, ' ');
        let mut part = || parts.next().ok_or(Refused::Foreign);
        let (version, nonce, number, proof, json) = (part()?, part()?, part()?, part()?, part()?);
        let number: u64 = number.parse().map_err(|_| Refused::Foreign)?;
        if version != VERSION || nonce != self.ours {
            return Err(Refused::Foreign);
        }
        if !self.token.verify(&self.proven(From::Mod, number, json), proof) {
            return Err(Refused::Proof);
        }
        if number <= self.received {
            return Err(Refused::Replayed);
        }
        self.received = number;
        Ok(json)
    }

    fn proven(&self, from: From, number: u64, json: &str) -> String {
        let from = match from {
            From::Proxy => "proxy",
            From::Mod => "mod",
        };
        let Self { channel, ours, theirs, .. } = self;
        format!("{from}\n{channel}\n{ours}\n{theirs}\n{number}\n{json}")
    }
}

#[cfg(test)]
impl Seal {
    /// A line as the mod would write it.
    pub(super) fn as_mod(&self, number: u64, json: &str) -> String {
        let proof = self.token.proof(&self.proven(From::Mod, number, json));
        format!("{VERSION} {} {number} {proof} {json}", self.ours)
    }
}

#[cfg(test)]
mod tests {
    use mesegate_auth::BackendKey;

    use super::*;

    fn seal(key: u8, channel: &str, nonce: u128) -> Seal {
        let token = BackendKey::from_bytes([key; 32]).mod_token("lobby");
        Seal::new(token, channel, nonce)
    }

    #[test]
    fn only_the_mods_own_lines_of_this_visit_are_taken_and_once() {
        let mut here = seal(1, "mesegate:alice", 7);
        here.open("abc");
        let first = here.as_mod(1, r#"{"a":" b"}"#);
        assert_eq!(here.read(&first), Ok(r#"{"a":" b"}"#));
        assert_eq!(here.read(&first), Err(Refused::Replayed));
        let third = here.as_mod(3, "{}");
        assert_eq!(here.read(&third), Ok("{}"));
        let late = here.as_mod(2, "{}");
        assert_eq!(here.read(&late), Err(Refused::Replayed));
        for (other, why) in [
            (seal(2, "mesegate:alice", 7), Refused::Proof),
            (seal(1, "mesegate:bob", 7), Refused::Proof),
            (seal(1, "mesegate:alice", 8), Refused::Foreign),
        ] {
            let mut other = other;
            other.open("abc");
            assert_eq!(here.read(&other.as_mod(9, "{}")), Err(why));
        }
        let own = here.write("{}");
        assert_eq!(here.read(&own), Err(Refused::Proof), "what the proxy wrote comes back");
        let changed = here.as_mod(9, "{}").replace("{}", "[]");
        assert_eq!(here.read(&changed), Err(Refused::Proof));
        for nonsense in ["", "1", "1 2 3 4", "2 0 1 0 {}", &"x ".repeat(9)] {
            assert_eq!(here.read(nonsense), Err(Refused::Foreign), "{nonsense}");
        }
    }
}
