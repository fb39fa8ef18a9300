//! Picking up edited tokens and renewed certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::access::Access;
use crate::tls::Tls;

/// How often the files are looked at. Polling works on every mount, as in Kubernetes, where a
/// Secret is renewed by swapping a symbolic link.
const INTERVAL: Duration = Duration::from_secs(1);

/// A file that is larger than any of these ever is, is not read.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Looks at the files for ever and has them read again when they have changed.
pub(crate) async fn follow(access: &Access, tls: Option<Arc<Tls>>) {
    let tokens: Vec<PathBuf> = access.path().map(Path::to_owned).into_iter().collect();
    let certificates = tls.as_ref().map(|tls| tls.paths()).unwrap_or_default();
    if tokens.is_empty() && certificates.is_empty() {
        return std::future::pending().await;
    }
    let mut seen = (read(&tokens).await, read(&certificates).await);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = (read(&tokens).await, read(&certificates).await);
        if now.0 != seen.0 {
            access.reload();
        }
        if let Some(tls) = &tls
            && now.1 != seen.1
        {
            tls.reload();
        }
        seen = now;
    }
}

async fn read(paths: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    let mut contents = Vec::with_capacity(paths.len());
    for path in paths {
        let small = tokio::fs::metadata(path).await.is_ok_and(|file| file.len() <= LARGEST);
        contents.push(if small { tokio::fs::read(path).await.ok() } else { None });
    }
    contents
}
