//! The manual's blocks: commands are run as they stand there, YAML is given to an API server, and
//! what cannot be tried here is listed with the reason ([`lists`]).
//!
//! Commands use the ports that the pages name, so this runs in a network of its own, which the
//! stage `docs` makes.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod blocks;
mod inline;
mod links;
mod lists;
mod place;
mod run;
mod troubleshooting;
mod yaml;

use blocks::{Block, Kind};
use lists::{LEFT_OUT, NO_COMMANDS, REPLACED};

/// All blocks of all pages.
fn all() -> Vec<Block> {
    blocks::pages().iter().flat_map(|page| blocks::of(page)).collect()
}

#[test]
fn what_is_left_out_is_there() {
    let all = all();
    let commands: Vec<(&str, String)> = all
        .iter()
        .filter(|block| block.kind == Kind::Commands)
        .flat_map(|block| block.commands().into_iter().map(|it| (block.page.as_str(), it.text)))
        .collect();
    for (page, beginning, reason) in LEFT_OUT {
        let found = commands.iter().any(|(at, it)| at == page && it.starts_with(beginning));
        assert!(found, "{page}: no command `{beginning}`; left out because {reason}");
    }
    for (page, from, _) in REPLACED {
        let found = commands.iter().any(|(at, it)| at == page && it.contains(from));
        assert!(found, "{page}: no command with `{from}`");
    }
    for (page, beginning, reason) in NO_COMMANDS {
        let found = all
            .iter()
            .any(|it| it.kind == Kind::Other && it.page == *page && it.text.starts_with(beginning));
        assert!(found, "{page}: no block `{beginning}`; said to be {reason}");
    }
}

#[test]
fn all_blocks_are_of_a_known_kind() {
    let all = all();
    assert!(all.len() > 30, "{}", all.len());
    for block in all.iter().filter(|it| it.kind == Kind::Other) {
        let listed = NO_COMMANDS
            .iter()
            .any(|(page, beginning, _)| block.page == *page && block.text.starts_with(beginning));
        assert!(
            listed,
            "{}: neither commands nor YAML, and not listed:\n{}",
            block.at(),
            block.text
        );
    }
}
