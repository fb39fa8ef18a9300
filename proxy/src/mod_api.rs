//! What mods on backends ask the proxy for, and tell each other through it.
//!
//! A mod reaches the proxy over a mod channel of its own for every player, `mesegate:NAME`, which
//! the proxy joins in the player's session and keeps from the player's client. Lines are
//! [`seal`]ed with the server's token, so neither a client nor another mod can say anything, and
//! the mod knows that it is the proxy that answers. The [`hub`] carries data from server to
//! server; any player's session will do for it. See `doc/mod-api.md`.

mod forward;
mod hub;
mod link;
mod request;
mod seal;
mod work;

pub(crate) use forward::forward;
pub(crate) use hub::{Data, Hub};
pub(crate) use link::{ModLink, Parcel, is_reserved};
