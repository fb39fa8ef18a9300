//! Which servers belong to a pool, as it is now.

use std::collections::HashMap;

use arc_swap::ArcSwap;

/// Servers of pools can come and go while clients keep the catalogue they got: its content is that
/// of the pool, whoever is in it.
#[derive(Debug, Default)]
pub(crate) struct Roster(ArcSwap<HashMap<String, String>>);

impl Roster {
    /// Sets which pool each server is in.
    pub(crate) fn set(&self, pools: HashMap<String, String>) {
        self.0.store(pools.into());
    }

    /// The pool a server is in.
    pub(crate) fn pool_of(&self, server: &str) -> Option<String> {
        self.0.load().get(server).cloned()
    }
}
