//! The change of a password while playing ("sudo mode", `client/client.cpp` sendChangePassword).
//!
//! The player proves the old password once more, gets ACCEPT_SUDO_MODE and sends a new verifier.
//! A wrong proof or a wrong order is answered with DENY_SUDO_MODE and never ends the game. The
//! result of a change is told by chat.

use bytes::Bytes;

use super::{
    AcceptSudoMode, BasedOn, DenySudoMode, FirstSrp, Mechanisms, SrpBytesA, SrpBytesM, SrpBytesSB,
};
use crate::{split_command, to_server};

/// Where a player's attempt stands. Requests taken from it must be answered, or the next message
/// ends the attempt.
#[derive(Debug)]
pub struct Sudo {
    allowed: Mechanisms,
    phase: Phase,
    /// Counts requests, so that a late answer is not taken for that to a newer one.
    request: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// A request is with the caller.
    Busy,
    AwaitProof,
    Granted,
}

/// What the caller has to do.
#[derive(Debug)]
pub enum Action {
    /// Nothing.
    Ignore,
    /// Send this DENY_SUDO_MODE.
    Deny(Bytes),
    /// Compute B for this A.
    Challenge(Challenge),
    /// Verify this M.
    Verify(Verify),
    /// Store the new verifier, then tell the player by chat.
    Change(FirstSrp),
    /// Tell the player by chat that the change failed.
    Invalid,
}

impl Sudo {
    /// `allowed` is what AUTH_ACCEPT told the client.
    pub fn new(allowed: Mechanisms) -> Self {
        Self { allowed, phase: Phase::Idle, request: 0 }
    }

    /// Takes FIRST_SRP, SRP_BYTES_A and SRP_BYTES_M; anything else is ignored.
    pub fn on_message(&mut self, message: &[u8]) -> Action {
        match split_command(message) {
            Some((to_server::SRP_BYTES_A, body)) => self.on_a(body),
            Some((to_server::SRP_BYTES_M, body)) => self.on_m(body),
            Some((to_server::FIRST_SRP, body)) => self.on_first_srp(body),
            _ => Action::Ignore,
        }
    }

    fn on_a(&mut self, body: &[u8]) -> Action {
        let Ok(SrpBytesA { a, based_on }) = SrpBytesA::decode(body) else {
            return Action::Ignore;
        };
        let length_ok = (1..=256).contains(&a.len());
        match self.phase {
            // The engine takes A when the player is in the game, not in sudo mode.
            Phase::Granted => Action::Ignore,
            Phase::Idle if self.allowed.has(based_on.mechanism()) && length_ok => {
                Action::Challenge(Challenge { a, based_on, request: self.ask() })
            }
            _ => self.deny(),
        }
    }

    fn on_m(&mut self, body: &[u8]) -> Action {
        let Ok(request) = SrpBytesM::decode(body) else {
            return Action::Ignore;
        };
        match (self.phase, request.proof()) {
            (Phase::Granted, _) => Action::Ignore,
            (Phase::AwaitProof, Some(m)) => Action::Verify(Verify { m, request: self.ask() }),
            _ => self.deny(),
        }
    }

    fn on_first_srp(&mut self, body: &[u8]) -> Action {
        let Ok(request) = FirstSrp::decode(body) else {
            return Action::Ignore;
        };
        if self.phase != Phase::Granted {
            return Action::Ignore;
        }
        self.phase = Phase::Idle;
        if request.lengths_are_sane() { Action::Change(request) } else { Action::Invalid }
    }

    fn deny(&mut self) -> Action {
        self.phase = Phase::Idle;
        Action::Deny(DenySudoMode.encode())
    }

    /// After a change only SRP is accepted.
    pub fn changed(&mut self) {
        self.allowed = Mechanisms::SRP;
    }

    fn ask(&mut self) -> u32 {
        self.phase = Phase::Busy;
        self.request = self.request.wrapping_add(1);
        self.request
    }

    fn answer(&mut self, request: u32, phase: Phase, message: Bytes) -> Bytes {
        // A message that came meanwhile has ended the attempt and was answered already.
        if self.phase == Phase::Busy && self.request == request {
            self.phase = phase;
            message
        } else {
            DenySudoMode.encode()
        }
    }
}

/// The player sent A.
#[derive(Debug)]
pub struct Challenge {
    a: Vec<u8>,
    based_on: BasedOn,
    request: u32,
}

impl Challenge {
    /// A, 1 to 256 bytes.
    pub fn a(&self) -> &[u8] {
        &self.a
    }

    /// What the client computes with.
    pub fn based_on(&self) -> BasedOn {
        self.based_on
    }

    /// Gives the message to send.
    pub fn respond(self, sudo: &mut Sudo, salt: &[u8], b: &[u8]) -> Bytes {
        let message = SrpBytesSB { salt: salt.into(), b: b.into() }.encode();
        sudo.answer(self.request, Phase::AwaitProof, message)
    }

    /// A is 0 modulo N, or the account has gone. Gives the message to send.
    pub fn refuse(self, sudo: &mut Sudo) -> Bytes {
        sudo.answer(self.request, Phase::Idle, DenySudoMode.encode())
    }
}

/// The player sent its proof.
#[derive(Debug)]
pub struct Verify {
    m: [u8; 32],
    request: u32,
}

impl Verify {
    /// M.
    pub fn m(&self) -> &[u8; 32] {
        &self.m
    }

    /// M is right. Gives the message to send.
    pub fn accept(self, sudo: &mut Sudo) -> Bytes {
        sudo.answer(self.request, Phase::Granted, AcceptSudoMode.encode())
    }

    /// M is wrong. Gives the message to send.
    pub fn wrong(self, sudo: &mut Sudo) -> Bytes {
        sudo.answer(self.request, Phase::Idle, DenySudoMode.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(based_on: BasedOn) -> Bytes {
        SrpBytesA { a: vec![7; 256], based_on }.encode()
    }

    fn m() -> Bytes {
        SrpBytesM { m: vec![9; 32] }.encode()
    }

    fn first() -> Bytes {
        FirstSrp { salt: vec![1; 16], verifier: vec![2; 256], empty: false }.encode()
    }

    #[test]
    fn a_whole_change() {
        let mut sudo = Sudo::new(Mechanisms::SRP);
        let Action::Challenge(challenge) = sudo.on_message(&a(BasedOn::Password)) else { panic!() };
        let sb = challenge.respond(&mut sudo, b"salt", b"B");
        assert_eq!(split_command(&sb).unwrap().0, crate::to_client::SRP_BYTES_S_B);
        let Action::Verify(verify) = sudo.on_message(&m()) else { panic!() };
        assert_eq!(&verify.accept(&mut sudo)[..], [0, 4, 0, 0, 0, 4]);
        let Action::Change(change) = sudo.on_message(&first()) else { panic!() };
        assert_eq!(change.salt, [1; 16]);
        assert!(matches!(sudo.on_message(&first()), Action::Ignore), "only once");
    }

    #[test]
    fn a_new_password_needs_the_old_one_first() {
        let mut sudo = Sudo::new(Mechanisms::SRP);
        assert!(matches!(sudo.on_message(&first()), Action::Ignore));
        let Action::Challenge(challenge) = sudo.on_message(&a(BasedOn::Password)) else { panic!() };
        challenge.respond(&mut sudo, b"salt", b"B");
        assert!(matches!(sudo.on_message(&first()), Action::Ignore));
        let Action::Verify(verify) = sudo.on_message(&m()) else { panic!() };
        assert_eq!(&verify.wrong(&mut sudo)[..], [0, 5]);
        assert!(matches!(sudo.on_message(&first()), Action::Ignore));
        assert!(matches!(sudo.on_message(&m()), Action::Deny(_)), "no second guess");
    }

    #[test]
    fn what_was_not_offered_is_denied() {
        let mut sudo = Sudo::new(Mechanisms::SRP);
        assert!(matches!(sudo.on_message(&a(BasedOn::LegacyHash)), Action::Deny(_)));
        let mut sudo = Sudo::new(Mechanisms::LEGACY_PASSWORD);
        assert!(matches!(sudo.on_message(&a(BasedOn::Password)), Action::Deny(_)));
        sudo.changed();
        assert!(matches!(sudo.on_message(&a(BasedOn::Password)), Action::Challenge(_)));
    }

    #[test]
    fn a_second_a_ends_the_attempt_even_while_the_first_is_computed() {
        let mut sudo = Sudo::new(Mechanisms::SRP);
        let Action::Challenge(challenge) = sudo.on_message(&a(BasedOn::Password)) else { panic!() };
        assert!(matches!(sudo.on_message(&a(BasedOn::Password)), Action::Deny(_)));
        assert_eq!(&challenge.respond(&mut sudo, b"salt", b"B")[..], [0, 5]);
        assert!(matches!(sudo.on_message(&m()), Action::Deny(_)));
    }

    #[test]
    fn impossible_lengths() {
        let mut sudo = Sudo::new(Mechanisms::SRP);
        for len in [0, 257] {
            let a = SrpBytesA { a: vec![7; len], based_on: BasedOn::Password };
            assert!(matches!(sudo.on_message(&a.encode()), Action::Deny(_)));
        }
        let Action::Challenge(challenge) = sudo.on_message(&a(BasedOn::Password)) else { panic!() };
        challenge.respond(&mut sudo, b"salt", b"B");
        let short = SrpBytesM { m: vec![9; 31] };
        assert!(matches!(sudo.on_message(&short.encode()), Action::Deny(_)));
    }
}
