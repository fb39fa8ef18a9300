//! Making catalogues anew when what they are made of has changed.

use std::sync::Arc;
use std::time::Duration;

use super::{Catalogues, Shared};
use crate::catalogue::{self, Catalogue, LeftOut, Source};
use crate::store::Pair;

/// Changes often come together, for instance when all servers start.
const GATHER: Duration = Duration::from_millis(20);
/// Renamed things that are logged for each new catalogue; of the rest only the number.
const LOGGED: usize = 20;

/// Runs until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.rebuild.notified().await;
        tokio::time::sleep(GATHER).await;
        for (pair, sources) in plan(&shared) {
            let known = shared.catalogues.load().get(&pair).cloned();
            let key = catalogue::key(&pair, &sources);
            if known.is_some_and(|known| *known.key() == key) {
                continue;
            }
            let (workshop, of) = (shared.workshop.clone(), pair.clone());
            let task =
                tokio::task::spawn_blocking(move || catalogue::build(&workshop, &of, &sources));
            match task.await {
                Ok(Ok(built)) => publish(&shared, pair, built),
                // Nothing to serve such clients with: what they would have got stays.
                Ok(Err(left_out)) => report_left_out(&left_out, pair.version),
                Err(error) => tracing::error!(%error, "catalogue could not be built"),
            }
        }
        forget(&shared);
    }
}

/// What each pair in use is made of, the network's own pair first. Empty until what the disk has
/// of every server was read: that takes moments, and clients would get half a network.
fn plan(shared: &Shared) -> Vec<(Pair, Vec<Source>)> {
    let state = shared.lock();
    if !state.servers.iter().all(|server| server.loaded) {
        return Vec::new();
    }
    let network = state.network_version().0;
    let mut pairs = state.pairs.by_use();
    pairs.sort_by_key(|pair| (pair.version != network, !pair.language.is_empty()));
    pairs.iter().map(|pair| (pair.clone(), state.sources(pair))).collect()
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
    report_left_out(built.left_out(), pair.version);
    report_renamed(&built);
    let mut state = shared.lock();
    if pair == Pair::new(state.network_version().0, "") {
        for server in &mut state.servers {
            let left_out = built.why_left_out(&server.spec.name);
            server.left_out = left_out.map(|out| out.reason.clone());
        }
        shared.republish(&mut state);
    }
    drop(state);
    let mut catalogues: Catalogues = shared.catalogues.load().as_ref().clone();
    catalogues.insert(pair, Arc::new(built));
    shared.catalogues.store(Arc::new(catalogues));
    shared.revision.send_modify(|revision| *revision += 1);
}

fn report_left_out(left_out: &[LeftOut], version: u16) {
    for out in left_out {
        tracing::warn!(server = out.server, version, "left out: {}", out.reason);
    }
}

/// Tells the operator what clients know under other names, and why.
fn report_renamed(built: &Catalogue) {
    let report = built.report();
    let (version, language) = (report.version, report.language.as_str());
    let mut total = 0;
    let mut logged = 0;
    for part in &report.parts {
        total += part.renamed_total;
        for renamed in part.renamed.iter().take(LOGGED - logged) {
            logged += 1;
            tracing::info!(server = part.name, version, language, "{renamed}");
        }
    }
    if total > logged {
        let more = total - logged;
        tracing::info!(version, language, more, "more names are others for clients");
    }
}

/// Drops catalogues and contents of pairs that are in use no more.
fn forget(shared: &Shared) {
    let mut state = shared.lock();
    let pairs = state.pairs.by_use();
    let mut gone = Vec::new();
    for server in &mut state.servers {
        server.refused.retain(|version, _| pairs.iter().any(|pair| pair.version == *version));
        server.reported.retain(|pair, _| pairs.contains(pair));
        server.verified.retain(|pair, _| pairs.contains(pair));
        server.content.retain(|pair, _| {
            let stays = pairs.contains(pair);
            if !stays {
                gone.push((server.spec.source(), pair.clone()));
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
