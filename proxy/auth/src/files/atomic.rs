//! Files and folders that change in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};

use crate::AccountError;

/// How long a writer waits for those of other processes.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_LOOK: Duration = Duration::from_millis(10);

/// What a function for `map_err` says about a path.
pub(super) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> AccountError + use<> {
    let path = path.to_owned();
    move |source| AccountError::File { action, path, source }
}

/// The folder of a store.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

/// Held while something is written.
pub(super) struct Lock {
    _file: File,
}

impl Folder {
    /// Makes what is missing, and finds out whether folders can change places here.
    pub(super) fn create(root: PathBuf) -> Result<Self, AccountError> {
        let folder = Self { root };
        for path in [folder.accounts(), folder.bans(), folder.own()] {
            make_dir(&path)?;
        }
        let _lock = folder.lock()?;
        folder.tidy()?;
        let (one, other) = (folder.draft("probe-a"), folder.draft("probe-b"));
        make_dir(&one)?;
        make_dir(&other)?;
        let swapped = exchange(&one, &other);
        let _ = (fs::remove_dir(&one), fs::remove_dir(&other));
        swapped?;
        Ok(folder)
    }

    /// Takes a folder that is there for reading.
    pub(super) fn look(root: PathBuf) -> Result<Self, AccountError> {
        let folder = Self { root };
        let path = folder.accounts();
        fs::read_dir(&path).map_err(failed("read", &path))?;
        Ok(folder)
    }

    pub(super) fn accounts(&self) -> PathBuf {
        self.root.join("auth")
    }

    pub(super) fn bans(&self) -> PathBuf {
        self.root.join("ban")
    }

    /// The folder for what the layout has no place for.
    pub(super) fn own(&self) -> PathBuf {
        self.root.join("mesegate")
    }

    /// A path for something that is not complete, on the same file system.
    pub(super) fn draft(&self, what: &str) -> PathBuf {
        self.own().join(format!("draft-{what}-{:016x}", rand::random::<u64>()))
    }

    /// Waits until nobody else writes.
    pub(super) fn lock(&self) -> Result<Lock, AccountError> {
        let path = self.own().join("lock");
        let open =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(failed("open", &path))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(fs::TryLockError::WouldBlock) if since.elapsed() < LOCK_PATIENCE => {
                    std::thread::sleep(LOCK_LOOK);
                }
                Err(fs::TryLockError::WouldBlock) => return Err(AccountError::Busy),
                Err(fs::TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
            }
        }
    }

    /// Removes what a writer left that was killed. Nobody else writes.
    fn tidy(&self) -> Result<(), AccountError> {
        for path in list(&self.own())? {
            let draft =
                path.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(b"draft-"));
            if draft {
                let _ =
                    if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            }
        }
        Ok(())
    }

    /// Writes a file so that it appears whole or not at all, also after a power cut.
    pub(super) fn replace(&self, path: &Path, content: &[u8]) -> Result<(), AccountError> {
        let draft = self.draft("file");
        write_new(&draft, content, true)?;
        fs::rename(&draft, path).map_err(failed("write", path))?;
        sync_parent(path)
    }

    /// Makes everything durable that was written on the file system.
    pub(super) fn sync_all(&self) -> Result<(), AccountError> {
        let path = self.own();
        let folder = File::open(&path).map_err(failed("open", &path))?;
        syncfs(&folder).map_err(|error| failed("sync", &path)(error.into()))
    }
}

/// Writes a file that is not there yet.
pub(super) fn write_new(path: &Path, content: &[u8], sync: bool) -> Result<(), AccountError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        if sync { file.sync_all() } else { Ok(()) }
    };
    write().map_err(failed("write", path))
}

/// Makes a folder with mode 0700 unless it is there.
pub(super) fn make_dir(path: &Path) -> Result<(), AccountError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(failed("create", path))
}

/// Lets two folders change places in one step.
pub(super) fn exchange(one: &Path, other: &Path) -> Result<(), AccountError> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
        .map_err(|error| failed("swap folders at", other)(error.into()))?;
    Ok(())
}

/// Moves a folder to a name that must be free; whether it was.
pub(super) fn place(draft: &Path, path: &Path) -> Result<bool, AccountError> {
    match renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(error) => Err(failed("write", path)(error.into())),
    }
}

pub(super) fn sync_parent(path: &Path) -> Result<(), AccountError> {
    let parent = path.parent().unwrap_or(path);
    let sync = || File::open(parent)?.sync_all();
    sync().map_err(failed("sync", parent))
}

/// Tells one content of a path from another: modification time and number of the file; zeros if it
/// is not there.
pub(super) fn state(path: &Path) -> Result<(i64, i64, u64), AccountError> {
    match fs::metadata(path) {
        Ok(it) => Ok((it.mtime(), it.mtime_nsec(), it.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((0, 0, 0)),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// The content of a file, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, AccountError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Removes a file; whether it was there.
pub(super) fn remove(path: &Path) -> Result<bool, AccountError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

/// What is in a folder; nothing if it is not there.
pub(super) fn list(path: &Path) -> Result<Vec<PathBuf>, AccountError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let all: io::Result<Vec<PathBuf>> = entries.map(|it| it.map(|it| it.path())).collect();
    all.map_err(failed("read", path))
}
