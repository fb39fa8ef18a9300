//! Which map blocks the client holds, and which it holds as "ignore".

use std::collections::HashMap;

/// Most blocks that are remembered as held. Clients unload above 7500 blocks unless they are set
/// up otherwise, and at the latest after ten minutes without use.
pub const HELD_LIMIT: usize = 200_000;

/// A set of block positions, as one bit each in cubes of 4³ blocks: clients hold dense regions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct BlockSet {
    cubes: HashMap<[i16; 3], u64>,
    len: usize,
}

fn split([x, y, z]: [i16; 3]) -> ([i16; 3], u64) {
    let bit = (z & 3) << 4 | (y & 3) << 2 | (x & 3);
    ([x >> 2, y >> 2, z >> 2], 1 << bit)
}

fn positions(cube: [i16; 3], mask: u64) -> impl Iterator<Item = [i16; 3]> {
    let [x, y, z] = cube.map(|axis| axis << 2);
    (0..64i16)
        .filter(move |bit| mask >> bit & 1 != 0)
        .map(move |bit| [x | bit & 3, y | bit >> 2 & 3, z | bit >> 4])
}

impl BlockSet {
    /// False if it was in already.
    fn insert(&mut self, position: [i16; 3]) -> bool {
        let (cube, bit) = split(position);
        let mask = self.cubes.entry(cube).or_default();
        let new = *mask & bit == 0;
        *mask |= bit;
        self.len += usize::from(new);
        new
    }

    /// False if it was not in.
    fn remove(&mut self, position: [i16; 3]) -> bool {
        let (cube, bit) = split(position);
        let Some(mask) = self.cubes.get_mut(&cube).filter(|mask| **mask & bit != 0) else {
            return false;
        };
        *mask &= !bit;
        if *mask == 0 {
            self.cubes.remove(&cube);
        }
        self.len -= 1;
        true
    }

    fn contains(&self, position: [i16; 3]) -> bool {
        let (cube, bit) = split(position);
        self.cubes.get(&cube).is_some_and(|mask| mask & bit != 0)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn iter(&self) -> impl Iterator<Item = [i16; 3]> + '_ {
        self.cubes.iter().flat_map(|(cube, mask)| positions(*cube, *mask))
    }

    /// Takes out the cubes farthest from `center`, a 64th of all but at least one.
    fn take_farthest(&mut self, center: [i16; 3]) -> Vec<[i16; 3]> {
        let (center, _) = split(center);
        let distance = |cube: &[i16; 3]| {
            (0..3).map(|i| i32::from(cube[i]).abs_diff(i32::from(center[i]))).max()
        };
        let mut cubes: Vec<_> = self.cubes.keys().copied().collect();
        let count = cubes.len().div_ceil(64);
        if count == 0 {
            return Vec::new();
        }
        cubes.select_nth_unstable_by_key(count - 1, |cube| std::cmp::Reverse(distance(cube)));
        let mut taken = Vec::new();
        for cube in &cubes[..count] {
            if let Some(mask) = self.cubes.remove(cube) {
                taken.extend(positions(*cube, mask));
            }
        }
        self.len -= taken.len();
        taken
    }
}

/// The blocks of one client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HeldBlocks {
    held: BlockSet,
    /// Held ones that were sent again, or overwritten in vain: throwing away what is queued does
    /// not prove that the client has nothing.
    repeated: BlockSet,
    /// Overwritten with "ignore" and not confirmed yet.
    overwritten: BlockSet,
    evicted: Vec<[i16; 3]>,
    incomplete: bool,
}

impl HeldBlocks {
    pub(super) fn len(&self) -> usize {
        self.held.len
    }

    pub(super) fn is_complete(&self) -> bool {
        !self.incomplete
    }

    pub(super) fn sent(&mut self, position: [i16; 3]) {
        // From now on a confirmation may be for this block. One too many only counts as excess on
        // the backend, while one too few would stop it sending (`clientiface.cpp`, GotBlock).
        self.overwritten.remove(position);
        if !self.held.insert(position) {
            self.repeated.insert(position);
        }
        if self.held.len > HELD_LIMIT {
            let evicted = self.held.take_farthest(position);
            for position in &evicted {
                self.repeated.remove(*position);
                self.overwrite(*position);
            }
            self.evicted.extend(evicted);
            if self.evicted.len() > HELD_LIMIT {
                self.incomplete = true;
                self.evicted.clear();
            }
        }
    }

    pub(super) fn take_evicted(&mut self) -> Vec<[i16; 3]> {
        std::mem::take(&mut self.evicted)
    }

    fn overwrite(&mut self, position: [i16; 3]) {
        if self.overwritten.len >= HELD_LIMIT {
            self.overwritten.clear();
        }
        self.overwritten.insert(position);
    }

    pub(super) fn deleted(&mut self, position: [i16; 3]) {
        self.held.remove(position);
        self.repeated.remove(position);
        self.overwritten.remove(position);
    }

    pub(super) fn discarded(&mut self, position: [i16; 3], overwriting: bool) {
        if overwriting {
            self.overwritten.remove(position);
            self.held.insert(position);
            self.repeated.insert(position);
        } else if !self.repeated.contains(position) {
            self.held.remove(position);
        }
    }

    /// True if a confirmation of `position` is for an overwriting, so not the backend's business.
    pub(super) fn swallow(&mut self, position: [i16; 3]) -> bool {
        self.overwritten.remove(position)
    }

    /// Everything held, which counts as overwritten from now on.
    pub(super) fn reset(&mut self) -> Vec<[i16; 3]> {
        let mut all = std::mem::take(&mut self.evicted);
        all.extend(self.held.iter());
        self.held.clear();
        self.repeated.clear();
        for position in &all {
            self.overwrite(*position);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn block_set_is_a_set(
            steps in prop::collection::vec((any::<bool>(), prop::array::uniform3(-6i16..6)), 0..300),
            far in any::<[i16; 3]>(),
        ) {
            let mut set = BlockSet::default();
            let mut model = HashSet::new();
            for (insert, position) in steps.into_iter().chain([(true, far)]) {
                if insert {
                    prop_assert_eq!(set.insert(position), model.insert(position));
                } else {
                    prop_assert_eq!(set.remove(position), model.remove(&position));
                }
                prop_assert_eq!(set.contains(position), model.contains(&position));
                prop_assert_eq!(set.len, model.len());
            }
            prop_assert_eq!(set.iter().collect::<HashSet<_>>(), model);
        }
    }

    #[test]
    fn over_the_limit_the_farthest_are_given_up_and_reported() {
        let mut blocks = HeldBlocks::default();
        let mut sent = 0;
        'all: for x in 0..4000i16 {
            for y in 0..8i16 {
                for z in 0..8i16 {
                    blocks.sent([x, y, z]);
                    sent += 1;
                    if sent > HELD_LIMIT {
                        break 'all;
                    }
                }
            }
        }
        let evicted = blocks.take_evicted();
        assert!(!evicted.is_empty() && evicted.iter().all(|position| position[0] < 64));
        assert_eq!(blocks.len() + evicted.len(), sent);
        assert!(blocks.take_evicted().is_empty() && blocks.is_complete());
    }

    #[test]
    fn discarding_keeps_what_the_client_can_have() {
        let mut blocks = HeldBlocks::default();
        blocks.sent([1, 1, 1]);
        blocks.discarded([1, 1, 1], false);
        assert_eq!(blocks.len(), 0);
        blocks.sent([1, 1, 1]);
        blocks.sent([1, 1, 1]);
        blocks.discarded([1, 1, 1], false);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks.reset(), [[1, 1, 1]]);
        assert_eq!(blocks.len(), 0);
        // The overwriting and a new block at the place are both thrown away: the old one stays.
        blocks.sent([1, 1, 1]);
        blocks.discarded([1, 1, 1], true);
        blocks.discarded([1, 1, 1], false);
        assert_eq!(blocks.len(), 1);
    }
}
