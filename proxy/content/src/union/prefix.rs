//! New names for what conflicts.

use crate::hash::{hex_digits, sha1};

/// The prefix of a server or pool: its name, with what neither files nor items may be called
/// written as `_`.
pub(crate) fn of(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// `PREFIX_name`, or with the lowest number between them that makes it a name that is not `taken`.
/// A name that gets longer than `max` bytes is replaced by its hash; `keep` bytes at its end stay.
pub(crate) fn unique(
    prefix: &str,
    name: &str,
    keep: usize,
    max: usize,
    taken: impl Fn(&str) -> bool,
) -> String {
    // Room for the prefix and a number.
    let too_long = prefix.len() + name.len() + 12 > max;
    let short;
    let (prefix, name) = if too_long {
        let end = name.get(name.len().saturating_sub(keep)..).unwrap_or_default();
        short = format!("{}{end}", hex_digits(&sha1(name.as_bytes())));
        (prefix.get(..prefix.len().min(64)).unwrap_or_default(), short.as_str())
    } else {
        (prefix, name)
    };
    let first = format!("{prefix}_{name}");
    if !taken(&first) {
        return first;
    }
    let mut number = 2u64;
    loop {
        let next = format!("{prefix}_{number}_{name}");
        if !taken(&next) {
            return next;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_names_are_free_and_not_too_long() {
        assert_eq!(of("sky-wars.eu"), "sky_wars_eu");
        assert_eq!(unique("mine", "a.png", 4, 255, |_| false), "mine_a.png");
        let taken = ["mine_a.png", "mine_2_a.png"];
        assert_eq!(unique("mine", "a.png", 4, 255, |n| taken.contains(&n)), "mine_3_a.png");
        let long = format!("{}.png", "x".repeat(250));
        let new = unique("mine", &long, 4, 255, |_| false);
        assert!(new.starts_with("mine_") && new.contains(".png") && new.len() < 60, "{new}");
        assert_ne!(new, unique("mine", &format!("y{long}"), 4, 255, |_| false));
    }
}
