//! SRP-6a over the 2048-bit group with SHA-256, byte for byte as the engine's `util/srp.cpp`.
//!
//! Three details differ from textbook SRP and are easy to get wrong: numbers are padded to 256
//! bytes in `k` and `u` but minimal everywhere else; the player's name is lowercased in `x` but
//! not in `M`; and the server proves nothing back (the engine never sends `HAMK`).

pub mod blocking;
mod client;
mod group;
mod server;
mod verifier;

pub use client::ClientHandshake;
pub use server::ServerHandshake;
pub use verifier::{MAX_SALT, Verifier};

/// Longest public key or verifier in bytes: the size of the group's modulus.
pub const MAX_NUMBER: usize = 256;

/// Length of the client's proof `M` in bytes.
pub const PROOF_LEN: usize = 32;

/// Why a handshake cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrpError {
    /// `A` or `B` is longer than the modulus or a multiple of it: the result would not depend on
    /// the password.
    #[error("public key of the other side is not valid")]
    PublicKey,
    /// A salt that is empty or longer than [`MAX_SALT`].
    #[error("salt is not between 1 and {MAX_SALT} bytes long")]
    Salt,
    /// A verifier outside `1 < v < N`.
    #[error("password verifier is out of range")]
    Verifier,
    /// The runtime shut down while the arithmetic was waiting for its turn.
    #[error("password arithmetic was interrupted")]
    Interrupted,
}

#[cfg(test)]
mod tests;
