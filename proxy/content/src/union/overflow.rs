//! What to leave out when not everything fits into a client.

use std::collections::HashMap;

use super::NODES_MAX;
use super::definitions::Definitions;
use super::media::Media;
use super::users::Users;

/// Items, aliases and media files are counted in 16 bits (`itemdef.cpp`, `server.cpp`).
const COUNT_MAX: usize = 65_535;
/// Longest list of definitions before compression (`util/serialize.h`, LONG_STRING_MAX_LEN).
const LIST_MAX: usize = 64 * 1024 * 1024;
/// Sets of parts that are tried out; larger ones are put together one by one.
const TRIED: usize = 20_000;

/// The kinds of things that there can be too many of.
const KINDS: [&str; 6] = [
    "nodes",
    "bytes of node definitions",
    "items",
    "item aliases",
    "bytes of item definitions",
    "media files",
];

/// How much of each of [`KINDS`] there may be.
#[derive(Debug, Clone)]
pub(crate) struct Limits([usize; KINDS.len()]);

impl Default for Limits {
    fn default() -> Self {
        Self([NODES_MAX, LIST_MAX, COUNT_MAX, COUNT_MAX, LIST_MAX, COUNT_MAX])
    }
}

impl Limits {
    /// Sets the bytes of nodes or of items.
    pub(crate) fn set_bytes(&mut self, nodes: bool, bytes: usize) {
        self.0[if nodes { 1 } else { 4 }] = bytes;
    }

    /// Allows only so many files.
    pub(crate) fn set_files(&mut self, files: usize) {
        self.0[5] = files;
    }
}

/// Too much of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overflow {
    what: &'static str,
    there: usize,
    limit: usize,
    /// Parts that have to go, never the first; empty if that one is too large by itself.
    pub(crate) leave_out: Vec<usize>,
}

impl std::fmt::Display for Overflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, there, limit, .. } = self;
        write!(f, "{there} {what} of all servers together are more than {limit}")
    }
}

pub(super) type Amounts = [usize; KINDS.len()];

/// What is used by the same parts.
type ByUsers = Vec<(Users, Amounts)>;

fn by_users(definitions: &Definitions, media: &Media) -> ByUsers {
    let mut by_users: HashMap<&Users, Amounts> = HashMap::new();
    let mut add = |users, kind: usize, amount: usize| {
        by_users.entry(users).or_default()[kind] += amount;
    };
    for (definition, node) in definitions.nodes() {
        add(&definition.users, 0, 1);
        add(&definition.users, 1, node.shape.len() + 2 * node.connects.len() + 4);
    }
    for (definition, raw) in definitions.items() {
        add(&definition.users, 2, 1);
        add(&definition.users, 4, raw.len() + 2);
    }
    for alias in &definitions.aliases {
        add(&alias.users, 3, 1);
        add(&alias.users, 4, alias.name.len() + alias.target.len() + 4);
    }
    for file in &media.files {
        add(&file.users, 5, 1);
    }
    let mut sorted: ByUsers =
        by_users.into_iter().map(|(users, amounts)| (users.clone(), amounts)).collect();
    sorted.sort_unstable();
    sorted
}

/// How much there is of each of [`KINDS`].
pub(super) fn amounts(definitions: &Definitions, media: &Media) -> Amounts {
    rest(&by_users(definitions, media), &Users::default())
}

pub(super) fn find(
    definitions: &Definitions,
    media: &Media,
    parts: usize,
    limits: &Limits,
) -> Option<Overflow> {
    let by_users = by_users(definitions, media);
    let there = rest(&by_users, &Users::default());
    let named = limits;
    let mut limits = limits.clone();
    if definitions.ids_ran_out {
        // Some nodes had no id to be told apart by, so that fewer were counted than there are.
        limits.0[0] = limits.0[0].min(there[0].saturating_sub(1));
    }
    let kind = (0..KINDS.len()).find(|kind| there[*kind] > limits.0[*kind])?;
    let leave_out = smallest_set(&by_users, parts, &limits);
    Some(Overflow { what: KINDS[kind], there: there[kind], limit: named.0[kind], leave_out })
}

/// What is left without the parts of a set.
fn rest(by_users: &ByUsers, without: &Users) -> Amounts {
    let mut sum = Amounts::default();
    for (_, amounts) in by_users.iter().filter(|(users, _)| !users.are_within(without)) {
        for (sum, amount) in sum.iter_mut().zip(amounts) {
            *sum += amount;
        }
    }
    sum
}

fn excess(by_users: &ByUsers, without: &Users, limits: &Limits) -> f64 {
    let rest = rest(by_users, without);
    rest.iter()
        .zip(&limits.0)
        .map(|(have, limit)| (*have as f64 / *limit as f64 - 1.0).max(0.0))
        .sum()
}

/// The smallest set of parts but the first without which the rest fits; of several, that with the
/// latest parts. If there are too many parts to try all sets, those that help most one by one.
fn smallest_set(by_users: &ByUsers, parts: usize, limits: &Limits) -> Vec<usize> {
    let fits = |set: &[usize]| {
        let mut users = Users::default();
        for part in set {
            users.insert(*part);
        }
        excess(by_users, &users, limits) == 0.0
    };
    let mut tried = 0;
    for size in 1..parts {
        let mut set: Vec<usize> = (parts - size..parts).collect();
        loop {
            tried += 1;
            if tried > TRIED {
                return one_by_one(by_users, parts, limits);
            }
            if fits(&set) {
                return set;
            }
            if !earlier(&mut set) {
                break;
            }
        }
    }
    Vec::new()
}

/// The next set of the same size, starting from the last parts. False if there is none without the
/// first part.
fn earlier(set: &mut [usize]) -> bool {
    // The members are ascending; the first that can move down does, and those before it follow.
    for at in 0..set.len() {
        let lowest = at + 1;
        if set[at] > lowest {
            let mut next = set[at] - 1;
            for member in set[..=at].iter_mut().rev() {
                *member = next;
                next = next.saturating_sub(1);
            }
            return true;
        }
    }
    false
}

fn one_by_one(by_users: &ByUsers, parts: usize, limits: &Limits) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::new();
    let mut users = Users::default();
    while excess(by_users, &users, limits) > 0.0 {
        let left = (1..parts).rev().filter(|part| !users.contains(*part)).map(|part| {
            let mut with = users.clone();
            with.insert(part);
            (part, excess(by_users, &with, limits))
        });
        let Some((best, _)) = left.min_by(|a, b| a.1.total_cmp(&b.1)) else { return Vec::new() };
        users.insert(best);
        out.push(best);
    }
    out.sort_unstable();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(counts: &[(&[usize], usize)]) -> ByUsers {
        let entry = |(parts, count): &(&[usize], usize)| {
            let mut users = Users::default();
            for part in *parts {
                users.insert(*part);
            }
            (users, [*count, 0, 0, 0, 0, 0])
        };
        counts.iter().map(entry).collect()
    }

    #[test]
    fn as_few_parts_as_possible_go_and_never_the_first() {
        let all = nodes(&[(&[0], 60_000), (&[1], 3_000), (&[2], 9_000), (&[3], 4_000)]);
        assert_eq!(smallest_set(&all, 4, &Limits::default()), [2, 3]);
        let all = nodes(&[(&[0], 60_000), (&[1], 3_000), (&[2], 4_000), (&[3], 2_000)]);
        assert_eq!(smallest_set(&all, 4, &Limits::default()), [2]);
        // What two share only goes with both.
        let all = nodes(&[(&[0], 60_000), (&[1, 2], 9_000), (&[1], 9), (&[3], 2_000)]);
        assert_eq!(smallest_set(&all, 4, &Limits::default()), [1, 2]);
        assert_eq!(one_by_one(&all, 4, &Limits::default()), [1, 2, 3]);
        let all = nodes(&[(&[0], 70_000), (&[1], 9)]);
        assert!(smallest_set(&all, 2, &Limits::default()).is_empty());
    }

    #[test]
    fn all_sets_of_a_size_are_tried() {
        let mut set = vec![3, 4, 5];
        let mut seen = vec![set.clone()];
        while earlier(&mut set) {
            assert!(set.windows(2).all(|pair| pair[0] < pair[1]) && set[0] > 0);
            seen.push(set.clone());
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 10);
    }
}
