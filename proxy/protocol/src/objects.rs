//! Active objects: which ids in a message name objects, and how they are mapped so that the
//! player's own object keeps one id for the whole visit. Names and content ids in the messages to
//! objects are translated on the way.
//!
//! A client creates its own object once, from the first ACTIVE_OBJECT_REMOVE_ADD it gets, and
//! holds on to it until it disconnects (`client/localplayer.h`). Removing or adding it again
//! crashes or aborts the client (`content_cao.cpp`, `clientenvironment.cpp`), and so does a first
//! such message that does not add it. Every backend gives the player's object an id of its own, so
//! the proxy swaps that id with the one the client knows, in both directions.

mod init;
mod map;
mod mapping;
mod message;
mod packet;
mod properties;

pub use init::Init;
pub use map::{ObjectMap, OwnObject, RemoveAdd};
pub use message::{
    ATTACH_TO, OwnState, SET_BONE_POSITION, SET_PHYSICS_OVERRIDE, STOP_ANIMATION, own_state,
};
pub use packet::{Addition, Message, Packet, decode_messages, encode_messages};
