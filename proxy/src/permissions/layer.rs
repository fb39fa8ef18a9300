//! Rules of the same distance from a player.

use std::collections::BTreeMap;

/// Rules of the same distance: `true` gives, `false` takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layer {
    exact: BTreeMap<Box<str>, bool>,
    /// What permissions begin with, the longest first.
    stems: Vec<(Box<str>, bool)>,
}

impl Layer {
    /// Of rules as documents have them.
    pub(super) fn new<'a>(rules: impl Iterator<Item = &'a String>) -> Self {
        let mut exact = BTreeMap::new();
        let mut stems: BTreeMap<Box<str>, bool> = BTreeMap::new();
        for rule in rules {
            let (name, given) = match rule.strip_prefix('-') {
                Some(name) => (name, false),
                None => (rule.as_str(), true),
            };
            let entry = match name.strip_suffix('*') {
                Some(stem) => stems.entry(stem.into()),
                None => exact.entry(name.into()),
            };
            // What is given and taken away in one place is taken away.
            entry.and_modify(|before| *before &= given).or_insert(given);
        }
        let mut stems: Vec<_> = stems.into_iter().collect();
        stems.sort_by_key(|(stem, _)| std::cmp::Reverse(stem.len()));
        Self { exact, stems }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.stems.is_empty()
    }

    /// What the most specific rule for a permission says, if there is one.
    pub(super) fn rule(&self, permission: &str) -> Option<bool> {
        self.exact.get(permission).copied().or_else(|| {
            let mut stems = self.stems.iter();
            stems.find(|(stem, _)| permission.starts_with(&**stem)).map(|(_, given)| *given)
        })
    }

    /// All rules: the name, whether it is only the beginning of one, and whether it is given.
    pub(super) fn rules(&self) -> impl Iterator<Item = (&str, bool, bool)> {
        let exact = self.exact.iter().map(|(name, given)| (&**name, false, *given));
        exact.chain(self.stems.iter().map(|(stem, given)| (&**stem, true, *given)))
    }
}

/// A rule as documents have it.
pub(super) fn written(name: &str, any: bool, given: bool) -> String {
    let (sign, end) = (if given { "" } else { "-" }, if any { "*" } else { "" });
    format!("{sign}{name}{end}")
}
