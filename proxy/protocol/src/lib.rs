//! Luanti network commands of protocol 37 to 53.
pub mod wire;
