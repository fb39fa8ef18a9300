//! Folders that single runs of programs write to.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Error, Result, paths};

/// A folder for one run of one program: configuration, logs, pictures.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    temporary: bool,
}

impl RunFolder {
    /// A new, empty folder below [`paths::artifacts`]. It is removed again when this value is
    /// dropped, unless a test is failing or `MESEGATE_KEEP` is set: then its place is printed.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn temporary(name: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = runs().join(format!("{}-{number}-{name}", std::process::id()));
        // A process id comes round again; what an earlier one left must not be taken for ours.
        if path.exists() {
            std::fs::remove_dir_all(&path)
                .map_err(Error::io(format!("removing {}", path.display())))?;
        }
        Ok(Self { path: make(&path)?, temporary: true })
    }

    /// This folder, made if it is missing, and never removed.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn kept(path: &Path) -> Result<Self> {
        Ok(Self { path: make(path)?, temporary: false })
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.temporary {
        } else if std::thread::panicking() || std::env::var_os("MESEGATE_KEEP").is_some() {
            eprintln!("kept: {}", self.path.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn runs() -> PathBuf {
    paths::artifacts().join("runs")
}

fn make(path: &Path) -> Result<PathBuf> {
    let what = format!("making {}", path.display());
    std::fs::create_dir_all(path).map_err(Error::io(what.clone()))?;
    path.canonicalize().map_err(Error::io(what))
}

/// Removes the temporary folders of processes that have ended.
pub fn remove_old() {
    for entry in std::fs::read_dir(runs()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_string_lossy().split('-').next().unwrap_or_default().to_owned();
        if !Path::new("/proc").join(process).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
