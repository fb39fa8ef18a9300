//! The documents that were good last, on disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesegate_proto::control::v1::{Address, Resource};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::documents::{Documents, MAX_BYTES, Refused};

/// The file in the data folder.
pub(crate) const NAME: &str = "last-good.json";

/// Why the file is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum LastGoodError {
    /// The file system.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The text.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The documents, or their checksum.
    #[error("{0}")]
    Refused(#[from] Refused),
}

/// The file.
#[derive(Debug, Clone)]
pub(super) struct LastGood {
    path: PathBuf,
}

// What another release writes besides is passed over; the checksum is of what is read.
#[derive(Serialize, Deserialize)]
struct Contents {
    /// Hash of the documents in hexadecimal digits, as on the control stream.
    hash: String,
    resources: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    kind: String,
    name: String,
    labels: BTreeMap<String, String>,
    generation: i64,
    spec: String,
    address: Option<(String, u32)>,
}

impl LastGood {
    pub(super) fn new(data: &Path) -> Self {
        Self { path: data.join(NAME) }
    }

    /// Reads the file; `None` if there is none.
    pub(super) fn load(&self) -> Result<Option<Documents>, LastGoodError> {
        let size = match fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Names, labels and quotes come on top of the documents.
        if size > 3 * MAX_BYTES as u64 {
            return Err(Refused::TooMuch.into());
        }
        let contents: Contents = serde_json::from_slice(&fs::read(&self.path)?)?;
        let resources = contents.resources.into_iter().map(|it| Resource {
            kind: it.kind,
            name: it.name,
            labels: it.labels,
            generation: it.generation,
            spec: it.spec,
            address: it.address.map(|(host, port)| Address { host, port }),
        });
        let documents = Documents::new(resources.collect())?;
        if hex(&documents.hash()) != contents.hash {
            return Err(Refused::Hash.into());
        }
        Ok(Some(documents))
    }

    /// Writes the file: whole, or not at all.
    pub(super) fn store(&self, documents: &Documents) -> Result<(), LastGoodError> {
        let entries = documents.iter().map(|it| Entry {
            kind: it.kind.clone(),
            name: it.name.clone(),
            labels: it.labels.clone(),
            generation: it.generation,
            spec: it.spec.clone(),
            address: it.address.as_ref().map(|it| (it.host.clone(), it.port)),
        });
        let contents = Contents { hash: hex(&documents.hash()), resources: entries.collect() };
        let beside = self.path.with_extension("json.new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(&contents)?)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        Ok(())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Keeps documents on disk. Nobody waits for the disk: of those that come while it writes, the
/// last ones are next.
#[derive(Debug)]
pub(super) struct Keeper(watch::Sender<Option<Arc<Documents>>>);

impl Keeper {
    /// Writes until it is dropped.
    pub(super) fn new(file: LastGood) -> Self {
        let (sender, mut receiver) = watch::channel(None::<Arc<Documents>>);
        tokio::spawn(async move {
            while receiver.changed().await.is_ok() {
                let Some(documents) = receiver.borrow_and_update().clone() else { continue };
                let file = file.clone();
                let stored = tokio::task::spawn_blocking(move || file.store(&documents)).await;
                if let Ok(Err(error)) = stored {
                    tracing::error!("the last good documents cannot be written: {error}");
                }
            }
        });
        Self(sender)
    }

    /// These are to be on disk soon.
    pub(super) fn keep(&self, documents: Arc<Documents>) {
        self.0.send_replace(Some(documents));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_is_loaded_and_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = LastGood::new(dir.path());
        assert!(file.load().unwrap().is_none());
        let resource = |name: &str| Resource {
            kind: "MinetestServer".into(),
            name: name.into(),
            labels: [("a".into(), "b".into())].into(),
            generation: 7,
            spec: "{\"x\": \"ü\"}".into(),
            address: Some(Address { host: "h".into(), port: 1 }),
        };
        let documents = Documents::new(vec![resource("a"), resource("b")]).unwrap();
        file.store(&documents).unwrap();
        file.store(&documents).unwrap();
        assert_eq!(file.load().unwrap().unwrap(), documents);
        let text = fs::read_to_string(&file.path).unwrap();
        fs::write(&file.path, text.replace("\"generation\":7", "\"generation\":8")).unwrap();
        assert!(matches!(file.load(), Err(LastGoodError::Refused(Refused::Hash))));
        fs::write(&file.path, &text[..text.len() / 2]).unwrap();
        assert!(matches!(file.load(), Err(LastGoodError::Json(_))));
    }
}
