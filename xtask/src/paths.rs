//! Where things are on this machine.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The root of the workspace that this program was built from.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, or `target` in the workspace.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
}

/// Where runs leave logs and screenshots.
pub fn artifacts() -> PathBuf {
    target().join("xtask")
}

/// The folder of the lab: `MESEGATE_LAB`, or `mesegate/lab` in the user's cache.
///
/// # Errors
/// When neither `MESEGATE_LAB`, `XDG_CACHE_HOME` nor `HOME` is set.
pub fn lab() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("MESEGATE_LAB") {
        return Ok(dir.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .ok_or_else(|| Error::Unsupported("set MESEGATE_LAB: neither it nor HOME is set".into()))?;
    Ok(cache.join("mesegate").join("lab"))
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}
