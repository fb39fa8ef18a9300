//! What would be given to clients, from the store alone.

use std::sync::Arc;

use mesegate_protocol::ProtocolVersion;

use super::ServerSpec;
use super::pairs::normalise;
use crate::catalogue::{self, ContentReport, LeftOut, Roster, Source, Workshop};
use crate::frames::FrameCache;
use crate::store::{ContentStore, Manifest, Pair};

/// What clients of a version and language get from `specs`, in their order, as far as the store
/// knows. Without a version: the highest one that every known server speaks. Blocks on the disk
/// and the processor, for about as long as a catalogue takes to make.
pub fn offline_report(
    store: &Arc<ContentStore>,
    specs: &[ServerSpec],
    version: Option<ProtocolVersion>,
    language: &str,
) -> ContentReport {
    let version = version.unwrap_or_else(|| network_version(store, specs));
    let pair = Pair::new(version.0, normalise(language));
    let find = |spec: &ServerSpec| -> Option<Arc<Manifest>> {
        let source = spec.source();
        let found = store.load_manifest(&source, &pair);
        found.or_else(|| store.load_manifest(&source, &pair.plain())).map(Arc::new)
    };
    let found: Vec<(&ServerSpec, Option<Arc<Manifest>>)> =
        specs.iter().map(|spec| (spec, find(spec))).collect();
    let known = found.iter().filter_map(|(spec, manifest)| Some((*spec, manifest.as_ref()?)));
    let sources = Source::list(known);
    let workshop = Workshop {
        store: store.clone(),
        // Nobody asks for media here.
        frames: Arc::new(FrameCache::new(store.clone(), 0)),
        roster: Arc::new(Roster::default()),
        media_url: None,
    };
    let mut report = match catalogue::build(&workshop, &pair, &sources) {
        Ok(catalogue) => catalogue.report().clone(),
        Err(left_out) => ContentReport::empty(&pair.language, pair.version, left_out),
    };
    let unknown = found.iter().filter(|(_, manifest)| manifest.is_none());
    report.left_out.extend(unknown.map(|(spec, _)| LeftOut {
        server: spec.name.clone(),
        reason: format!("nothing is stored of it for protocol version {}", pair.version),
        for_want_of_room: false,
    }));
    report
}

fn network_version(store: &ContentStore, specs: &[ServerSpec]) -> ProtocolVersion {
    let pairs = store.load_pairs();
    let newest = |spec: &ServerSpec| {
        let source = spec.source();
        let manifests = pairs.iter().filter_map(|pair| store.load_manifest(&source, pair));
        Some(manifests.max_by_key(|manifest| manifest.fetched_at)?.newest)
    };
    let lowest = specs.iter().filter_map(newest).min().map(ProtocolVersion);
    lowest.map_or(ProtocolVersion::MAX, |version| version.min(ProtocolVersion::MAX))
}
