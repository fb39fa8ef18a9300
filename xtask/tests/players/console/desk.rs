//! Somebody who types commands, and what has been seen of the console so far.

use std::collections::BTreeSet;
use std::path::PathBuf;

use xtask::client::Client;
use xtask::paths;

use crate::support::SOON;

/// The names of all commands, of the manual's table. (The proxy's own tests compare that with the
/// commands there are.)
pub(super) fn commands() -> BTreeSet<String> {
    let manual = std::fs::read_to_string(paths::workspace().join("doc/console.md")).unwrap();
    let names = manual.lines().filter_map(|line| line.strip_prefix("| `>"));
    let names: BTreeSet<String> =
        names.filter_map(|usage| usage.split([' ', '`']).next()).map(str::to_owned).collect();
    assert!(names.len() >= 28 && names.contains("shutdown"), "{names:?}");
    names
}

/// A client with a player at the keyboard.
pub(super) struct Desk {
    pub(super) client: Client,
    /// Commands that were carried out.
    pub(super) done: BTreeSet<String>,
    /// Commands that were answered with the name of a cause why not.
    pub(super) refused: BTreeSet<String>,
}

impl Desk {
    pub(super) fn new(client: Client) -> Self {
        Self { client, done: BTreeSet::new(), refused: BTreeSet::new() }
    }

    /// Types a line; all answers come in the chat, in this order.
    pub(super) fn ask(&mut self, line: &str, answers: &[&str]) {
        let mut from = self.client.log().len();
        self.client.chat(line).unwrap();
        for answer in answers {
            self.client
                .wait_log_since(from, answer, SOON)
                .unwrap_or_else(|error| panic!("after `{line}`: {error}"));
            from += self.client.log()[from..].find(answer).unwrap() + answer.len();
        }
        let name = line.trim_start_matches('>').split(' ').next().unwrap().to_owned();
        let refused = answers.last().is_some_and(|it| has_cause(it));
        let kind = if refused { &mut self.refused } else { &mut self.done };
        kind.insert(name);
    }

    /// Takes a picture, and keeps it for the manual where `MESEGATE_PICTURES` names a folder.
    pub(super) fn picture(&mut self, name: &str) {
        self.client.screenshot().unwrap();
        if let Some(folder) = std::env::var_os("MESEGATE_PICTURES") {
            self.client.keep_picture(&PathBuf::from(folder).join(name)).unwrap();
        }
    }
}

/// Whether an answer ends with a name in brackets, such as `(USAGE)`.
fn has_cause(answer: &str) -> bool {
    let cause = answer.strip_suffix(')').and_then(|it| it.rsplit_once('('));
    cause.is_some_and(|(_, it)| it.bytes().all(|c| c.is_ascii_uppercase() || c == b'_'))
}
