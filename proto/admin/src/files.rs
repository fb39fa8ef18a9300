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
    let certificate = async {
        if let Some(tls) = tls {
            follow_certificate(tls).await;
        }
    };
    tokio::join!(changes(&tokens, || access.reload()), certificate);
    // With files there is no end.
    std::future::pending::<()>().await;
}

/// Looks at the files of a certificate for ever and has them read again when they have changed.
pub async fn follow_certificate(tls: Arc<Tls>) {
    changes(&tls.paths(), || tls.reload()).await;
}

/// Ends at once if there are no files.
async fn changes(paths: &[PathBuf], changed: impl Fn()) {
    let mut seen = read(paths).await;
    while !paths.is_empty() {
        tokio::time::sleep(INTERVAL).await;
        let now = read(paths).await;
        if now != seen {
            changed();
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
