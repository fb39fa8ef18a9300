//! Which server's content is the base of what clients are given: it keeps its own node ids, so
//! what it sends needs no rewriting. That should be the server where most players are; but every
//! change makes all catalogues anew, and players who log in then are given other ids than those
//! before them, whose rewritten blocks they could have shared. So the base changes seldom.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A base stays at least this long.
const STAYS: Duration = Duration::from_mins(10);

/// The present base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// `None`: the default target.
    server: Option<String>,
    since: Instant,
}

impl Base {
    /// The default target, from now on.
    pub(crate) fn new(now: Instant) -> Self {
        Self { server: None, since: now }
    }

    /// The server, if it is not just the default target.
    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// Chooses anew among `servers`, the default target first, each with the number of its
    /// players. The one with most of them becomes the base if they are at least one and a half
    /// times as many as those of the present one, which goes at once only if it is no more. True
    /// if the base has changed.
    pub(crate) fn choose(&mut self, servers: &[(&str, u32)], now: Instant) -> bool {
        let Some(default) = servers.first() else { return false };
        let present = match &self.server {
            None => Some(default),
            Some(name) => servers.iter().find(|(server, _)| server == name),
        };
        let next = match present {
            None => default,
            Some(_) if now.duration_since(self.since) < STAYS => return false,
            Some(present) => {
                // Of equals the first: the order of the documents decides, not chance.
                let most = servers.iter().rev().max_by_key(|(_, players)| *players);
                match most {
                    Some(most) if most.0 != present.0 && 2 * most.1 >= 3 * present.1.max(1) => most,
                    _ => return false,
                }
            }
        };
        self.server = (next.0 != default.0).then(|| next.0.to_owned());
        self.since = now;
        true
    }
}

/// Servers of one pool have the same content, so their players count together, for the first of
/// them. Takes name, pool and players of each server.
pub(crate) fn sizes<'a>(
    servers: impl Iterator<Item = (&'a str, Option<&'a str>, u32)>,
) -> Vec<(&'a str, u32)> {
    let mut sizes = Vec::new();
    let mut pools: HashMap<&str, usize> = HashMap::new();
    for (name, pool, players) in servers {
        let known = pool.and_then(|pool| pools.get(pool));
        if let Some((_, size)) = known.and_then(|at| sizes.get_mut(*at)) {
            *size += players;
            continue;
        }
        if let Some(pool) = pool {
            pools.insert(pool, sizes.len());
        }
        sizes.push((name, players));
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_of_a_pool_count_together() {
        let servers = [("lobby", None, 3), ("a1", Some("a"), 2), ("b", None, 1)];
        let more = [("a2", Some("a"), 4), ("a", None, 1)];
        let sizes = sizes(servers.into_iter().chain(more));
        assert_eq!(sizes, [("lobby", 3), ("a1", 6), ("b", 1), ("a", 1)]);
    }

    #[test]
    fn the_base_is_where_most_players_are_but_changes_seldom() {
        let start = Instant::now();
        let mut base = Base::new(start);
        assert!(!base.choose(&[("lobby", 1), ("arena", 9)], start + STAYS / 2));
        assert!(!base.choose(&[("lobby", 10), ("arena", 14)], start + STAYS));
        assert!(base.choose(&[("lobby", 10), ("arena", 15)], start + STAYS));
        assert_eq!(base.server(), Some("arena"));
        assert!(!base.choose(&[("lobby", 99), ("arena", 0)], start + STAYS * 3 / 2));
        assert!(!base.choose(&[("lobby", 0), ("arena", 0)], start + STAYS * 3));
        assert!(base.choose(&[("lobby", 2), ("arena", 0)], start + STAYS * 3));
        assert_eq!(base.server(), None);
    }

    #[test]
    fn a_base_that_is_no_more_is_replaced_at_once() {
        let start = Instant::now();
        let mut base = Base::new(start);
        assert!(base.choose(&[("lobby", 0), ("arena", 2)], start + STAYS));
        assert!(base.choose(&[("lobby", 0), ("mines", 9)], start + STAYS));
        assert_eq!(base.server(), None);
        assert!(!base.choose(&[], start + STAYS * 9));
    }

    #[test]
    fn of_equals_the_first_is_taken() {
        let start = Instant::now();
        let mut base = Base::new(start);
        assert!(base.choose(&[("lobby", 0), ("arena", 2), ("mines", 2)], start + STAYS));
        assert_eq!(base.server(), Some("arena"));
    }
}
