//! What a client complains about in its verbose log, compared with a visit without the proxy.

use std::collections::BTreeMap;

use xtask::client::Client;

/// Words of the engine's complaints about content, objects and packets
/// (`client/client.cpp`, `client/texturesource.cpp`, `client/clientenvironment.cpp`,
/// `network/clientpackethandler.cpp`, `nodedef.cpp`).
const WORDS: [&str; 20] = [
    "warning[",
    "error[",
    "fail",
    "unknown",
    "invalid",
    "exception",
    "missing",
    "not found",
    "could not",
    "couldn't",
    "cannot",
    "can't",
    "mismatch",
    "ignor",
    "exist",
    "corrupt",
    "truncat",
    "not valid",
    "unsupported",
    "denied",
];

/// Every kind of complaint in a client's log, with an example. Numbers, addresses, the player's
/// name and `prefixes` of names make no difference.
pub(crate) fn complaints(client: &Client, prefixes: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in client.log().lines() {
        let text = line.split_once(": ").map_or(line, |(_, rest)| rest);
        let lower = text.to_lowercase();
        if WORDS.iter().any(|word| lower.contains(word)) {
            let bare = prefixes.iter().fold(lower, |text, prefix| text.replace(prefix, ""));
            let kind = kind(&bare.replace(&client.player().to_lowercase(), "NAME"));
            found.entry(kind).or_insert_with(|| line.to_owned());
        }
    }
    found
}

/// The complaints of `client` that `other` did not have.
pub(crate) fn more_than(
    client: &Client,
    other: &BTreeMap<String, String>,
    prefixes: &[&str],
) -> Vec<String> {
    let own = complaints(client, prefixes);
    own.into_iter().filter(|(kind, _)| !other.contains_key(kind)).map(|(_, line)| line).collect()
}

/// The line with every run of digits replaced.
fn kind(line: &str) -> String {
    let mut kind = String::with_capacity(line.len());
    for letter in line.chars() {
        if !letter.is_ascii_digit() {
            kind.push(letter);
        } else if !kind.ends_with('#') {
            kind.push('#');
        }
    }
    kind
}

#[test]
fn numbers_make_no_difference() {
    assert_eq!(kind("object 12 of 127.0.0.1"), kind("object 7 of 10.2.3.44"));
}
