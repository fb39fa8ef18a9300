//! The login: its messages, and its order of steps as types.
//!
//! In [`server`] the proxy is the server of a player's client, in [`client`] it is the client of a
//! backend, and [`sudo`] is the change of a password while playing. Each step is a type of its
//! own, so a step that is not allowed now does not exist; states consume themselves and cannot be
//! copied, so none can be repeated. Password arithmetic is the caller's: states hand out what came, callers hand in
//! what is to be sent.

pub mod client;
mod denied;
mod messages;
mod name;
mod ready;
pub mod server;
mod srp;
pub mod sudo;

pub use denied::{AccessDenied, DenyCode};
pub use messages::{AcceptSudoMode, AuthAccept, DenySudoMode, Hello, Init, Init2, Mechanisms};
pub use name::{NAME_MAX, check_name};
pub use ready::ClientReady;
pub use srp::{BasedOn, FirstSrp, SrpBytesA, SrpBytesM, SrpBytesSB};

/// What a state makes of a message.
#[derive(Debug)]
pub enum Step<S, N> {
    /// Nothing changed: the message was a repetition, came at a wrong time or was cut short, and
    /// engines ignore it.
    Stay(S),
    /// The message is none of the login's; the state is unchanged and the caller may want it.
    PassOn(S),
    /// The login goes on.
    Next(N),
}
