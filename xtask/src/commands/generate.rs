//! `cargo xtask generate`: files of the project that are made from its sources.

use std::path::Path;
use std::process::Command;

use xtask::{Error, Result, chart, paths, tools};

use super::usage;

/// Writes the custom resource definitions, the manuals of their fields, of flags and of metrics,
/// their copies in the chart, and the plain manifests. Programs of other crates make what needs
/// these, so that this one need not be built with everything that they bring along.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    if let Some(other) = arguments.first() {
        return Err(usage(format!("generate has no option `{other}`")));
    }
    let mut command = tools::cargo();
    command.current_dir(paths::workspace());
    command.args(["run", "--quiet", "--locked", "--package", "mesegate-resource"]);
    command.args(["--features", "crd", "--example", "definitions", "--", "deploy/crds"]);
    command.arg("doc/fields.md");
    let status = command.status().map_err(Error::io("starting cargo"))?;
    if !status.success() {
        return Ok(false);
    }
    if !manuals()? {
        return Ok(false);
    }
    copy(&paths::workspace().join("deploy/crds"), &chart::folder().join("files/crds"))?;
    let file = chart::manifests_file();
    let manifests = chart::manifests()?;
    std::fs::write(&file, manifests).map_err(Error::io(format!("writing {}", file.display())))?;
    Ok(true)
}

/// Writes what is known of the programs themselves. Built with the whole workspace, whose features
/// they then have: as they are shipped, and nothing is built twice.
fn manuals() -> Result<bool> {
    let mut command = tools::cargo();
    command.current_dir(paths::workspace());
    command.args(["build", "--quiet", "--workspace", "--locked", "--example", "manuals"]);
    let status = command.status().map_err(Error::io("starting cargo"))?;
    if !status.success() {
        return Ok(false);
    }
    let program = paths::target().join("debug/examples/manuals");
    let mut command = Command::new(&program);
    command.arg(paths::workspace().join("doc"));
    let status = command.status().map_err(Error::io(format!("starting {}", program.display())))?;
    Ok(status.success())
}

/// Makes `to` a copy of the files in `from`.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let what = || Error::io(format!("copying {} to {}", from.display(), to.display()));
    if to.exists() {
        std::fs::remove_dir_all(to).map_err(what())?;
    }
    std::fs::create_dir_all(to).map_err(what())?;
    for entry in std::fs::read_dir(from).map_err(what())? {
        let entry = entry.map_err(what())?;
        std::fs::copy(entry.path(), to.join(entry.file_name())).map_err(what())?;
    }
    Ok(())
}
