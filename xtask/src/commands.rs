//! What `cargo xtask` can do, one module each.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod e2e;
pub(crate) mod generate;
pub(crate) mod image;
pub(crate) mod test;

use xtask::lab::Generation;
use xtask::{Error, Result};

/// An error about the command line.
pub(crate) fn usage(what: String) -> Error {
    Error::Unsupported(format!("{what}; `cargo xtask help` tells what there is"))
}

/// A generation by its name, such as `5.10`.
pub(crate) fn generation(name: &str) -> Result<Generation> {
    Generation::ALL
        .into_iter()
        .find(|generation| generation.to_string() == name)
        .ok_or_else(|| usage(format!("there is no engine generation `{name}`")))
}
