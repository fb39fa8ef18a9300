//! `cargo xtask bench`: the load generator in an optimised build.

use std::process::Command;

use xtask::{Error, Result, paths, tools};

/// Builds proxy and generator and hands all arguments on.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let release = paths::target().join("release");
    let built = Command::new(tools::cargo())
        .args(["build", "--release", "--package", "mesegate-proxy", "--bin", "mesegate-proxy"])
        .args(["--package", "mesegate-testkit", "--bin", "mesegate-bench"])
        .current_dir(paths::workspace())
        .status()
        .map_err(Error::io("starting cargo"))?;
    if !built.success() {
        return Ok(false);
    }
    let status = Command::new(release.join("mesegate-bench"))
        .arg("--proxy")
        .arg(release.join("mesegate-proxy"))
        .args(arguments)
        .status()
        .map_err(Error::io("starting mesegate-bench"))?;
    Ok(status.success())
}
