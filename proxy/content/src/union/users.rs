//! Which parts use something.

/// A set of parts, by their number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Users(Vec<u64>);

impl Users {
    pub(crate) fn only(part: usize) -> Self {
        let mut users = Self::default();
        users.insert(part);
        users
    }

    pub(crate) fn insert(&mut self, part: usize) {
        let word = part / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (part % 64);
    }

    pub(crate) fn contains(&self, part: usize) -> bool {
        self.0.get(part / 64).is_some_and(|word| word & 1 << (part % 64) != 0)
    }

    pub(crate) fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// True if nobody else uses it.
    pub(crate) fn are_within(&self, other: &Self) -> bool {
        let theirs = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(theirs).all(|(a, b)| a & !b == 0)
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The first of them.
    pub(crate) fn first(&self) -> Option<usize> {
        let (at, word) = self.0.iter().enumerate().find(|(_, word)| **word != 0)?;
        Some(at * 64 + word.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_many_parts() {
        let mut users = Users::only(3);
        users.insert(100);
        assert!(users.contains(3) && users.contains(100) && !users.contains(4));
        assert!(users.intersects(&Users::only(100)) && !users.intersects(&Users::only(99)));
        assert!(Users::only(3).are_within(&users) && !users.are_within(&Users::only(3)));
        assert_eq!((users.count(), users.first()), (2, Some(3)));
    }
}
