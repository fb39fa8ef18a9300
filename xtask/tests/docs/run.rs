//! The commands of all pages, page by page.

use std::time::Instant;

use crate::blocks::{self, Block, Kind};
use crate::lists::{BEFORE, ENDLESS, LEFT_OUT, PRINTED, REPLACED};
use crate::place::{Outcome, Place};

/// What commands of a cluster have in them.
const OF_CLUSTERS: [&str; 3] = ["kubectl ", "helm ", "mesegate-controller "];

/// The lines at the top of the plain manifests, which are for those who apply them.
fn head_of_manifests() -> String {
    let text = std::fs::read_to_string(xtask::chart::manifests_file()).unwrap();
    let head = text.lines().map_while(|it| it.strip_prefix('#'));
    let lines = head.filter_map(|it| it.strip_prefix("   "));
    // The page has this one itself.
    let lines: Vec<&str> = lines.filter(|it| !it.starts_with("kubectl create namespace")).collect();
    assert!(lines.iter().any(|it| it.starts_with("openssl ")), "no commands in {text}");
    lines.join("\n")
}

/// Whether it goes on running, and is there for others.
fn serves(command: &str) -> bool {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let proxy = program == "mesegate-proxy" || program == "target/release/mesegate-proxy";
    let flags = words.next().is_some_and(|it| it.starts_with("--"));
    flags && (proxy || program == "mesegate-controller")
}

/// Runs one command.
fn does(place: &mut Place, command: &str) -> Outcome {
    if OF_CLUSTERS.iter().any(|it| command.starts_with(it)) {
        place.need_cluster();
    }
    if command.contains("deploy/install.yaml") {
        let outcome = place.run(&head_of_manifests());
        if !outcome.success {
            return outcome;
        }
    }
    if serves(command) {
        place.serve(command)
    } else if ENDLESS.iter().any(|it| command.starts_with(it)) {
        place.run_endless(command)
    } else {
        place.run(command)
    }
}

/// Runs the commands of a page; gives how many, and what went wrong.
fn page(name: &str, blocks: &[Block]) -> (usize, Vec<String>) {
    let mut place = Place::new();
    place.save(&blocks::of("README.md"));
    place.save(blocks);
    let (mut count, mut wrong) = (0, Vec::new());
    for (_, command) in BEFORE.iter().filter(|(page, _)| *page == name) {
        let outcome = does(&mut place, command);
        assert!(outcome.success, "{name}: before it: {command}: {}", outcome.output);
    }
    for block in blocks.iter().filter(|it| it.kind == Kind::Commands) {
        for command in block.commands() {
            let left = |(page, beginning, _): &&(&str, &str, &str)| {
                *page == name && command.text.starts_with(beginning)
            };
            if LEFT_OUT.iter().any(|it| left(&it)) {
                continue;
            }
            let mut text = command.text.clone();
            for (_, from, to) in REPLACED.iter().filter(|(page, ..)| *page == name) {
                text = text.replace(from, to);
            }
            let start = Instant::now();
            let needs_player = text.starts_with("mesegatectl") || text.starts_with("grpcurl");
            let about_player = blocks.iter().any(|it| it.text.contains("alice"));
            if needs_player
                && about_player
                && !place.playing()
                && let Err(error) = place.join()
            {
                wrong.push(format!("{name}:{}: alice does not get in: {error}", command.line));
            }
            let outcome = does(&mut place, &text);
            println!("{name}:{} {:.1} s: {text}", command.line, start.elapsed().as_secs_f64());
            let printed = PRINTED
                .iter()
                .filter(|(page, beginning, _)| *page == name && text.starts_with(beginning))
                .all(|(_, _, words)| outcome.output.contains(words));
            if !outcome.success || !printed {
                wrong.push(format!("{name}:{}: {text}\n{}", command.line, outcome.output));
            }
            count += 1;
        }
        let outcome = place.ready();
        if !outcome.success {
            wrong.push(format!("{}: not ready: {}", block.at(), outcome.output));
        }
    }
    (count, wrong)
}

#[test]
#[ignore = "needs a network of its own: cargo xtask test --only docs"]
fn mistakes_on_a_page_are_found() {
    let text = "```sh\nmesegate-proxy --resources network.yaml\nmesegatectl plyers\n```\n\n    \
                mesegate-proxy --resources network.yml\n    mesegate-proxy mod-token lobby\n";
    let (count, wrong) = page("page.md", &blocks::parse("page.md", text));
    assert_eq!(count, 4);
    let places: Vec<&str> = wrong.iter().filter_map(|it| it.split(": ").next()).collect();
    assert_eq!(places, ["page.md:3", "page.md:6"], "{wrong:?}");
}

#[test]
#[ignore = "needs a network of its own: cargo xtask test --only docs"]
fn commands_do_what_the_pages_say() {
    let (mut count, mut wrong) = (0, Vec::new());
    for name in blocks::pages() {
        let blocks = blocks::of(&name);
        if blocks.iter().any(|it| it.kind == Kind::Commands) {
            let (tried, failed) = page(&name, &blocks);
            count += tried;
            wrong.extend(failed);
        }
    }
    assert!(wrong.is_empty(), "{} of {count} commands:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 20, "only {count} commands");
}
