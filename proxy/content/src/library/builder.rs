//! Making catalogues anew when what they are made of has changed.

use std::sync::Arc;
use std::time::Duration;

use super::{Catalogues, Shared};
use crate::catalogue::{self, Catalogue};
use crate::store::{Manifest, Pair};

/// Changes often come together, for instance when all servers start.
const GATHER: Duration = Duration::from_millis(20);

/// Runs until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.rebuild.notified().await;
        tokio::time::sleep(GATHER).await;
        for (pair, manifests) in plan(&shared) {
            let known = shared.catalogues.load().get(&pair).cloned();
            let key = catalogue::key(&pair, &manifests);
            if known.is_some_and(|known| *known.key() == key) {
                continue;
            }
            let (store, frames) = (shared.store.clone(), shared.frames.clone());
            let of = pair.clone();
            let media_url = shared.config.media_url.clone();
            let task = tokio::task::spawn_blocking(move || {
                catalogue::build(&store, &frames, &of, &manifests, media_url.as_deref())
            });
            match task.await {
                Ok(Some(built)) => publish(&shared, pair, built),
                // Nothing to serve such clients with: what they would have got stays.
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "catalogue could not be built"),
            }
        }
        forget(&shared);
    }
}

/// What each pair in use is made of, the network's own pair first. Empty until what the disk has
/// of every server was read: that takes moments, and clients would get half a network.
fn plan(shared: &Shared) -> Vec<(Pair, Vec<Arc<Manifest>>)> {
    let state = shared.lock();
    if !state.servers.iter().all(|server| server.loaded) {
        return Vec::new();
    }
    let network = state.network_version().0;
    let mut pairs = state.pairs.by_use();
    pairs.sort_by_key(|pair| (pair.version != network, !pair.language.is_empty()));
    let parts = |pair: &Pair| -> Vec<Arc<Manifest>> {
        state.servers.iter().filter_map(|server| server.content_for(pair)).cloned().collect()
    };
    pairs.iter().map(|pair| (pair.clone(), parts(pair))).collect()
}

fn publish(shared: &Shared, pair: Pair, built: Catalogue) {
    let (nodes, items, media) = built.counts();
    tracing::info!(
        version = pair.version,
        language = pair.language,
        servers = built.servers().join(","),
        nodes,
        items,
        media,
        media_bytes = built.media_bytes(),
        "catalogue published"
    );
    for out in built.left_out() {
        tracing::warn!(server = out.server, version = pair.version, "left out: {}", out.reason);
    }
    let mut catalogues: Catalogues = shared.catalogues.load().as_ref().clone();
    catalogues.insert(pair, Arc::new(built));
    shared.catalogues.store(Arc::new(catalogues));
    shared.revision.send_modify(|revision| *revision += 1);
}

/// Drops catalogues and contents of pairs that are in use no more.
fn forget(shared: &Shared) {
    let mut state = shared.lock();
    let pairs = state.pairs.by_use();
    let mut gone = Vec::new();
    for server in &mut state.servers {
        server.refused.retain(|version, _| pairs.iter().any(|pair| pair.version == *version));
        server.content.retain(|pair, _| {
            let stays = pairs.contains(pair);
            if !stays {
                gone.push((server.spec.name.clone(), pair.clone()));
            }
            stays
        });
    }
    drop(state);
    for (server, pair) in gone {
        shared.store.remove_manifest(&server, &pair);
    }
    let mut catalogues: Catalogues = shared.catalogues.load().as_ref().clone();
    let before = catalogues.len();
    catalogues.retain(|pair, _| pairs.contains(pair));
    if catalogues.len() != before {
        shared.catalogues.store(Arc::new(catalogues));
        shared.revision.send_modify(|revision| *revision += 1);
    }
}
