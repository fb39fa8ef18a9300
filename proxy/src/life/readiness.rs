//! Whether players can be let in: a latch. Once they could, the proxy stays ready whatever comes,
//! its own end included: kube-proxy forgets the UDP flows of a pod that is not ready
//! (`pkg/proxy/conntrack/cleanup.go`), and with them the players who are in the game there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use mesegate_content::{Library, ServerState, ServerStatus};

use crate::control::LAST_GOOD;
use crate::metrics::Metrics;

/// Says whether players can be let in.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    ready: AtomicBool,
    started: OnceLock<(Library, Option<Kept>)>,
}

impl Latch {
    /// The first documents are in force; `kept` are those on disk, if they are a controller's.
    pub(crate) fn started(&self, library: Library, kept: Option<Kept>) {
        // Set once: only at the start.
        let _ = self.started.set((library, kept));
    }

    /// Why nobody can be let in yet, if so.
    pub(crate) fn look(&self) -> Result<(), String> {
        if self.ready.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some((library, kept)) = self.started.get() else {
            return Err("no controller has given documents yet".into());
        };
        if let Some(kept) = kept {
            kept.are_fresh(SystemTime::now())?;
        }
        content(library)?;
        self.ready.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Notes on disk that controllers stand by the documents.
    pub(crate) fn confirm(&self) {
        if let Some((_, Some(kept))) = self.started.get() {
            kept.confirm();
        }
    }
}

/// Until every server was looked at once, the version that all of them speak is not known, and a
/// player who is let in with a higher one could not enter the rest.
fn content(library: &Library) -> Result<(), String> {
    if !library.ready() {
        return Err("the default target's definitions have not been fetched yet".into());
    }
    let unknown = |status: &&ServerStatus| status.state == ServerState::Unknown;
    match library.server_status().iter().find(unknown) {
        Some(status) => Err(format!("server {} has not been looked at yet", status.name)),
        None => Ok(()),
    }
}

/// Documents on disk, which a proxy with controllers starts with.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    metrics: Metrics,
    /// When a controller stood by them last, as far as it is known.
    confirmed: Option<SystemTime>,
    limit: Duration,
}

impl Kept {
    /// Looks at what is there before controllers are asked.
    pub(crate) fn new(data: &Path, limit: Duration, metrics: Metrics) -> Self {
        let path = data.join(LAST_GOOD);
        let written = std::fs::metadata(&path).and_then(|file| file.modified());
        Self { confirmed: written.ok(), path, metrics, limit }
    }

    fn are_fresh(&self, now: SystemTime) -> Result<(), String> {
        let Some(confirmed) = self.confirmed else { return Ok(()) };
        // A clock that was set back makes nothing old.
        let age = now.duration_since(confirmed).unwrap_or_default();
        if age <= self.limit || self.metrics.control_stream_up.get() > 0 {
            return Ok(());
        }
        let hours = age.as_secs() / 3600;
        Err(format!("the documents on disk are {hours} hours old, and no controller is there"))
    }

    fn confirm(&self) {
        if self.metrics.control_stream_up.get() > 0
            && let Err(error) = File::options()
                .append(true)
                .open(&self.path)
                .and_then(|file| file.set_modified(SystemTime::now()))
        {
            tracing::debug!(%error, "the age of the documents on disk cannot be set");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn old_documents_count_only_with_a_controller_there() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::new().unwrap();
        let kept = || Kept::new(folder.path(), DAY, metrics.clone());
        let now = SystemTime::now();
        assert!(kept().are_fresh(now + DAY * 9).is_ok());
        std::fs::write(folder.path().join(LAST_GOOD), "{}").unwrap();
        assert!(kept().are_fresh(now + DAY / 2).is_ok());
        assert!(kept().are_fresh(now - DAY).is_ok());
        let why = kept().are_fresh(now + DAY * 2).unwrap_err();
        assert!(why.contains("hours old"), "{why}");
        metrics.control_stream_up.set(1);
        assert!(kept().are_fresh(now + DAY * 2).is_ok());
    }

    #[test]
    fn documents_are_as_young_as_the_last_word_of_a_controller() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LAST_GOOD);
        std::fs::write(&path, "{}").unwrap();
        let old = SystemTime::now() - DAY * 2;
        File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
        let metrics = Metrics::new().unwrap();
        let kept = Kept::new(folder.path(), DAY, metrics.clone());
        kept.confirm();
        let again = Kept::new(folder.path(), DAY, metrics.clone());
        assert!(again.are_fresh(SystemTime::now()).is_err());
        metrics.control_stream_up.set(1);
        kept.confirm();
        metrics.control_stream_up.set(0);
        let again = Kept::new(folder.path(), DAY, metrics);
        assert!(again.are_fresh(SystemTime::now()).is_ok());
    }

    #[test]
    fn nothing_is_ready_before_there_are_documents() {
        assert!(Latch::default().look().is_err());
    }
}
