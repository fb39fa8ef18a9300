//! Who somebody is and what they may do, as the cluster says.

mod cache;
mod reviews;

pub use reviews::{ReviewError, Reviews, User};
