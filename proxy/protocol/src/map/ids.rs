//! Which content id of a backend is which content id of the client.

/// Id the client draws for nodes it has no definition for (`mapnode.h`, `CONTENT_UNKNOWN`).
pub const UNKNOWN: u16 = 125;
/// Id of air (`mapnode.h`, `CONTENT_AIR`).
pub const AIR: u16 = 126;
/// Id of "not loaded" (`mapnode.h`, `CONTENT_IGNORE`).
pub const IGNORE: u16 = 127;

/// Content ids of one backend connection, mapped to the ids of the client's definitions.
///
/// The three ids the client defines itself (125 to 127) always map to themselves. An id that the
/// backend did not define maps to [`UNKNOWN`]: passed through, it could be another backend's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    /// Indexed by the backend's id; ends after the highest defined one.
    table: Vec<u16>,
    identity: bool,
}

impl IdMap {
    /// Builds the map from (backend id, client id) pairs. Pairs for the builtin ids are ignored.
    pub fn new(pairs: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let mut table = vec![UNKNOWN; usize::from(IGNORE) + 1];
        let mut identity = true;
        for (backend, client) in pairs {
            if (UNKNOWN..=IGNORE).contains(&backend) {
                continue;
            }
            let index = usize::from(backend);
            if index >= table.len() {
                table.resize(index + 1, UNKNOWN);
            }
            table[index] = client;
            identity &= backend == client;
        }
        for builtin in [UNKNOWN, AIR, IGNORE] {
            table[usize::from(builtin)] = builtin;
        }
        Self { table, identity }
    }

    /// The map of a backend whose ids are the client's: nothing is ever rewritten.
    pub fn identity() -> Self {
        Self::new([])
    }

    /// The client's id for a backend's id.
    pub fn get(&self, id: u16) -> u16 {
        self.table.get(usize::from(id)).copied().unwrap_or(UNKNOWN)
    }

    /// All ids of the backend up to the highest it defined, with the client's ids.
    pub fn pairs(&self) -> impl Iterator<Item = (u16, u16)> {
        (0u16..=u16::MAX).zip(self.table.iter().copied())
    }

    /// True if every id the backend defined is its own image. Messages are then forwarded as
    /// they are, without a look at ids the backend never defined.
    pub fn is_identity(&self) -> bool {
        self.identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_ids_stay_and_undefined_ids_become_unknown() {
        let map = IdMap::new([(0, 7), (300, 20), (126, 5), (40_000, 65_535)]);
        assert_eq!(map.get(0), 7);
        assert_eq!(map.get(300), 20);
        assert_eq!(map.get(40_000), 65_535);
        for id in [125, 126, 127] {
            assert_eq!(map.get(id), id);
        }
        for id in [1, 301, 40_001, 65_535] {
            assert_eq!(map.get(id), UNKNOWN);
        }
        assert!(!map.is_identity());
    }

    #[test]
    fn identity_is_about_defined_ids() {
        assert!(IdMap::new([(5, 5), (900, 900)]).is_identity());
        assert!(IdMap::identity().is_identity());
        assert!(!IdMap::new([(5, 5), (900, 901)]).is_identity());
    }
}
