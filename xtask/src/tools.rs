//! Cargo programs of the project's own choice of version, kept in the lab's folder.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::{Error, Result, lab, paths};

/// The program `name` at exactly this version; built with `cargo install` when it is missing.
///
/// # Errors
/// When it cannot be built.
pub fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let dir = paths::lab()?.join("tools");
    let root = dir.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&dir).map_err(Error::io(format!("making {}", dir.display())))?;
    let _lock = lab::lock(&dir)?;
    if !program.exists() {
        let start = Instant::now();
        println!("tools: building {name} {version} into {} (a few minutes, once)", root.display());
        let mut install = cargo();
        install.args(["install", "--locked", name, "--version", version, "--root"]).arg(&root);
        // Its objects are of no use to anybody else.
        install.env("CARGO_TARGET_DIR", root.join("target"));
        lab::watched(&mut install, &dir.join(format!("{name}.log")), &format!("tools: {name}"))?;
        let _ = std::fs::remove_dir_all(root.join("target"));
        println!("tools: {name} {version} took {} s", start.elapsed().as_secs());
    }
    Ok(program)
}

/// Cargo: the one that started this program, if one did. What that one has told this program about
/// its own package is not passed on: some build scripts look at it, and everything that depends on
/// them would be built anew whenever cargo was called in another way in between.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if own {
            command.env_remove(name);
        }
    }
    command
}
