//! `cargo xtask generate`: files of the project that are made from its sources.

use std::process::Command;

use xtask::{Error, Result, paths, tools};

use super::usage;

/// Writes the custom resource definitions. A program of the crate does it, so that this one need
/// not be built with everything that Kubernetes' types bring along.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    if let Some(other) = arguments.first() {
        return Err(usage(format!("generate has no option `{other}`")));
    }
    let mut command = Command::new(tools::cargo());
    command.current_dir(paths::workspace());
    command.args(["run", "--quiet", "--locked", "--package", "mesegate-resource"]);
    command.args(["--features", "crd", "--example", "definitions", "--", "deploy/crds"]);
    let status = command.status().map_err(Error::io("starting cargo"))?;
    Ok(status.success())
}
