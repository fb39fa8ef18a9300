//! Commands, flags and metrics that are named in the text are there.

use std::collections::BTreeSet;
use std::process::Command;

use xtask::paths;

use crate::{blocks, links};

/// The programs whose flags the pages tell.
const PROGRAMS: [&str; 3] = ["mesegate-proxy", "mesegate-controller", "mesegatectl"];

/// Flags of other programs: flag, whose.
const OTHERS: &[(&str, &str)] = &[
    ("--address", "cargo xtask e2e"),
    ("--values", "cargo xtask e2e"),
    ("--list", "cargo xtask test"),
    ("--no-default-features", "cargo build"),
    ("--config", "the engine"),
    ("--gameid", "the engine"),
    ("--logfile", "the engine"),
    ("--world", "the engine"),
    ("---", "YAML"),
];

/// What a program says to `--help`; none if it does not know these subcommands.
fn help(program: &str, subcommands: &[&str]) -> Option<String> {
    let path = paths::target().join("debug").join(program);
    let output = Command::new(path).args(subcommands).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The flags in a text, with their dashes.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
    words.filter(|it| it.starts_with("--"))
}

/// The flags of a program with all of its subcommands.
fn all_flags(program: &str, subcommands: &[&str], found: &mut BTreeSet<String>) {
    let text = help(program, subcommands).unwrap();
    found.extend(flags(&text).map(str::to_owned));
    let list = text.split("Commands:\n").nth(1).unwrap_or_default();
    for line in list.lines().take_while(|it| it.starts_with("  ")) {
        let name = line.split_whitespace().next().unwrap();
        // The descriptions of some go on in the next line.
        if line.starts_with("   ") || name == "help" {
            continue;
        }
        all_flags(program, &[subcommands, &[name]].concat(), found);
    }
}

/// What is between single backticks on a page.
fn pieces(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(paths::workspace().join(page)).unwrap();
    links::prose(&text).split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs the programs: cargo xtask test --only docs"]
fn named_commands_and_flags_are_there() {
    let mut known: BTreeSet<String> = OTHERS.iter().map(|it| it.0.to_owned()).collect();
    for program in PROGRAMS {
        all_flags(program, &[], &mut known);
    }
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in blocks::pages() {
        for piece in pieces(&page) {
            let program = PROGRAMS.iter().find(|it| piece.split(' ').next() == Some(**it));
            if let Some(program) = program {
                // Up to what stands for something, and to flags.
                let name = |it: &&str| it.chars().all(|it| it.is_ascii_lowercase() || it == '-');
                let words = piece.split(' ').skip(1).filter(|it| !it.is_empty());
                let subcommands: Vec<&str> =
                    words.take_while(|it| name(it) && !it.starts_with('-')).collect();
                count += 1;
                if help(program, &subcommands).is_none() {
                    wrong.push(format!("{page}: {piece}: no such command"));
                }
            }
            if program.is_some() || piece.starts_with("--") {
                for flag in flags(&piece) {
                    count += 1;
                    if !known.contains(flag) {
                        wrong.push(format!("{page}: {piece}: no flag {flag}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 80, "only {count} commands and flags");
    assert!(help("mesegatectl", &["plyers"]).is_none() && !known.contains("--listn"));
}
