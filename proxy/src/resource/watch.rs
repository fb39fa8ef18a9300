//! Picking up edits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::load::{load, read_files};
use super::place::ResourceError;
use crate::network::Network;

/// How often the files are looked at. Polling works on every file system and mount, where change
/// notifications do not (a Kubernetes ConfigMap swaps a symbolic link).
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks at the files for ever and calls `changed` for every new state of them: the checked
/// network, or what is wrong with it. A state is reported once.
pub async fn watch(path: PathBuf, mut changed: impl FnMut(Result<Network, ResourceError>)) {
    let mut seen = snapshot(path.clone()).await;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = snapshot(path.clone()).await;
        if now == seen {
            continue;
        }
        // An editor may be in the middle of writing: look again before believing it.
        tokio::time::sleep(INTERVAL / 4).await;
        let settled = snapshot(path.clone()).await;
        if settled != now {
            continue;
        }
        seen = settled;
        let path = path.clone();
        if let Ok(result) = tokio::task::spawn_blocking(move || load(&path)).await {
            changed(result);
        }
    }
}

type Snapshot = Result<Vec<(PathBuf, String)>, ResourceError>;

async fn snapshot(path: PathBuf) -> Option<Snapshot> {
    tokio::task::spawn_blocking(move || read_files(Path::new(&path))).await.ok()
}
