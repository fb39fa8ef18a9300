//! Catalogues for those who go to a server that the common catalogue has no room for.

use std::sync::{Arc, Mutex, PoisonError};

use super::Shared;
use crate::catalogue::{self, Catalogue};
use crate::store::Pair;

/// How many there are at most; the one that was not asked for longest goes first.
const KEPT: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Targets {
    /// Least recently used first.
    kept: Mutex<Vec<Arc<Catalogue>>>,
    /// Held while one is made, so that players who come together do not each make their own.
    making: tokio::sync::Mutex<()>,
}

impl Targets {
    pub(super) fn all(&self) -> Vec<Arc<Catalogue>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, key: &crate::Hash) -> Option<Arc<Catalogue>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|catalogue| catalogue.key() == key)?;
        let found = kept.remove(at);
        kept.push(found.clone());
        Some(found)
    }

    fn add(&self, catalogue: Arc<Catalogue>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(catalogue);
    }
}

impl Shared {
    /// A catalogue that begins with the content of `target`. `None` if there is none.
    pub(super) async fn catalogue_to(&self, pair: &Pair, target: &str) -> Option<Arc<Catalogue>> {
        let _making = self.targets.making.lock().await;
        let mut sources = self.lock().sources(pair);
        let at = sources.iter().position(|source| source.is_of(target))?;
        sources[..=at].rotate_right(1);
        let key = catalogue::key(pair, &sources);
        if let Some(found) = self.targets.find(&key) {
            return Some(found);
        }
        let (workshop, of) = (self.workshop.clone(), pair.clone());
        let task = tokio::task::spawn_blocking(move || catalogue::build(&workshop, &of, &sources));
        let built = Arc::new(task.await.ok()?.ok()?);
        tracing::info!(target, version = pair.version, "catalogue made for one server");
        self.targets.add(built.clone());
        self.revision.send_modify(|revision| *revision += 1);
        Some(built)
    }
}
