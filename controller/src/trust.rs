//! Who somebody is and what they may do, as the cluster says.

mod cache;
mod gate;
mod reviews;

pub use gate::{AUDIENCE, Gate, Guard};
pub use reviews::{ReviewError, Reviews, User};
