//! The key from which the proxy derives its password on every backend.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::hex::hex;
use crate::mod_token::ModToken;

const FILE_NAME: &str = "backend.key";
const LEN: usize = 32;
/// Bound into every secret, so that another scheme can be told from this one.
const CONTEXT: &[u8] = b"mesegate backend v1\0";
const MOD_CONTEXT: &[u8] = b"mesegate mod v1\0";

/// 32 random bytes, kept in `backend.key`. Whoever has them can enter every backend as everybody.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendKey([u8; LEN]);

/// Why the key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackendKeyError {
    /// A key file of another length: replacing it silently would lock every player out of every
    /// backend, so somebody has to look.
    #[error(
        "{} must hold exactly {LEN} bytes but holds {found}; restore it, or remove it to make a new \
         key (backends then know players under another password)",
        path.display()
    )]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl BackendKey {
    /// Uses these bytes.
    pub fn from_bytes(bytes: [u8; LEN]) -> Self {
        Self(bytes)
    }

    /// Reads `backend.key` in `dir`, or makes one if there is none. The file appears complete or
    /// not at all, with mode 0600, and two processes that start at once end up with the same key.
    /// Does file I/O: call it at start, not from a running session.
    pub fn load_or_create(dir: &Path) -> Result<Self, BackendKeyError> {
        let path = dir.join(FILE_NAME);
        if let Some(key) = Self::load(&path)? {
            return Ok(key);
        }
        let draft = dir.join(format!(".{FILE_NAME}.{:016x}", rand::random::<u64>()));
        let made = write_private(&draft, &rand::random::<[u8; LEN]>())
            .map_err(io_error("write", &draft))
            .and_then(|()| publish(&draft, &path).map_err(io_error("create", &path)));
        // The link stays; of a draft that was not linked nothing may be left lying around.
        let _ = fs::remove_file(&draft);
        made?;
        // The directory entry has to survive a power cut as well.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("sync", dir))?;
        match Self::load(&path)? {
            Some(key) => Ok(key),
            None => Err(io_error("read", &path)(ErrorKind::NotFound.into())),
        }
    }

    fn load(path: &Path) -> Result<Option<Self>, BackendKeyError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", path)(error)),
        };
        let metadata = file.metadata().map_err(io_error("read", path))?;
        let wrong = |found| BackendKeyError::WrongLength { path: path.to_owned(), found };
        if metadata.len() != LEN as u64 {
            return Err(wrong(metadata.len()));
        }
        if metadata.mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), mode = format!("{:o}", metadata.mode() & 0o777),
                "the backend key is readable by other users");
        }
        let mut key = [0; LEN];
        file.read_exact(&mut key).map_err(io_error("read", path))?;
        Ok(Some(Self(key)))
    }

    /// The password of `player` on the server called `backend`: 64 hexadecimal digits,
    /// HMAC-SHA256 of both names. Renaming a backend changes the passwords on it.
    pub fn secret(&self, player: &str, backend: &str) -> String {
        // Player names cannot contain the zero byte: no two pairs of names run together.
        self.derive(&[CONTEXT, player.as_bytes(), b"\0", backend.as_bytes()])
    }

    /// The secret that the mod on the server called `backend` shares with the proxy. Renaming a
    /// backend changes it.
    pub fn mod_token(&self, backend: &str) -> ModToken {
        ModToken::new(self.derive(&[MOD_CONTEXT, backend.as_bytes()]))
    }

    fn derive(&self, parts: &[&[u8]]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of every length");
        for part in parts {
            mac.update(part);
        }
        hex(&mac.finalize().into_bytes())
    }
}

impl fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackendKey(..)")
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives the finished draft its name unless somebody else was faster, whose file then counts.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // Some network and FUSE file systems have no hard links.
        Err(_) if !path.exists() => fs::rename(draft, path),
        Err(error) => Err(error),
    }
}

fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> BackendKeyError + 'a {
    move |source| BackendKeyError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn secret_is_the_documented_hmac() {
        let key = BackendKey::from_bytes(std::array::from_fn(|i| i as u8));
        // printf 'mesegate backend v1\0alice\0lobby' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001..1f
        assert_eq!(
            key.secret("alice", "lobby"),
            "f44667d6959f9d6b9bd23ece9dc6c5fb57e7e336a700ccbff1c98d75042810ea"
        );
    }

    #[test]
    fn secrets_differ_by_player_backend_and_key() {
        let key = BackendKey::from_bytes([1; LEN]);
        let other = BackendKey::from_bytes([2; LEN]);
        let secret = key.secret("alice", "lobby");
        for different in [
            key.mod_token("lobby").reveal().to_owned(),
            key.secret("Alice", "lobby"),
            key.secret("alice", "arena"),
            other.secret("alice", "lobby"),
            key.secret("alicel", "obby"),
        ] {
            assert_ne!(secret, different);
        }
    }

    #[test]
    fn key_is_made_once_private_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let key = BackendKey::load_or_create(dir.path()).unwrap();
        assert_eq!(BackendKey::load_or_create(dir.path()).unwrap(), key);
        let metadata = fs::metadata(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(metadata.len(), 32);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a draft was left behind");
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(BackendKey::load_or_create(elsewhere.path()).unwrap(), key);
    }

    #[test]
    fn processes_that_start_together_share_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<BackendKey> = std::thread::scope(|scope| {
            let load = || BackendKey::load_or_create(dir.path()).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn key_of_another_length_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for content in [&b""[..], b"short", &[0; 33]] {
            fs::write(dir.path().join(FILE_NAME), content).unwrap();
            let error = BackendKey::load_or_create(dir.path()).unwrap_err();
            assert!(matches!(error, BackendKeyError::WrongLength { found, .. }
                if found == content.len() as u64));
            assert!(error.to_string().contains("backend.key must hold exactly 32 bytes"));
            assert_eq!(fs::read(dir.path().join(FILE_NAME)).unwrap(), content);
        }
    }

    #[test]
    fn missing_directory_is_named_in_the_error() {
        let error = BackendKey::load_or_create(Path::new("/nonexistent/mesegate")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/mesegate"), "{error}");
    }
}
