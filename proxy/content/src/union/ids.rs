//! Content ids that are not in use.

use mesegate_protocol::map::{IGNORE, UNKNOWN};

/// True for the three ids that every client defines itself.
pub(crate) fn is_builtin(id: u16) -> bool {
    (UNKNOWN..=IGNORE).contains(&id)
}

/// Hands out free ids, the lowest first.
#[derive(Debug, Default)]
pub(crate) struct FreeIds {
    /// One bit per id, as far as ids are in use.
    used: Vec<u64>,
    /// No id below this one is free.
    cursor: u32,
}

impl FreeIds {
    pub(crate) fn mark(&mut self, id: u16) {
        let word = usize::from(id / 64);
        if word >= self.used.len() {
            self.used.resize(word + 1, 0);
        }
        self.used[word] |= 1 << (id % 64);
    }

    /// True if nobody has the id.
    pub(crate) fn is_free(&self, id: u16) -> bool {
        !is_builtin(id) && !self.is_used(id)
    }

    fn is_used(&self, id: u16) -> bool {
        self.used.get(usize::from(id / 64)).is_some_and(|word| word & 1 << (id % 64) != 0)
    }

    /// The lowest free id, which is then in use. `None` if there is none.
    pub(crate) fn take_lowest(&mut self) -> Option<u16> {
        while let Ok(id) = u16::try_from(self.cursor) {
            self.cursor += 1;
            if !is_builtin(id) && !self.is_used(id) {
                self.mark(id);
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_come_first_and_builtin_ids_never() {
        let mut free = FreeIds::default();
        for id in (0..124).chain([128, 130]) {
            free.mark(id);
        }
        let taken: Vec<u16> = (0..4).filter_map(|_| free.take_lowest()).collect();
        assert_eq!(taken, [124, 129, 131, 132]);
    }

    #[test]
    fn all_but_three_ids_can_be_had() {
        let mut free = FreeIds::default();
        let mut count = 0;
        let mut last = 0;
        while let Some(id) = free.take_lowest() {
            count += 1;
            last = id;
        }
        assert_eq!((count, last), (65_533, 65_535));
        assert_eq!(free.take_lowest(), None);
    }
}
