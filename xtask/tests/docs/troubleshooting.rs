//! Every message that the page quotes is one that a program says, and every reason that programs
//! give has its line there.

use std::collections::BTreeSet;
use std::path::Path;

use mesegate_proto::admin::v1::FailureReason;
use xtask::paths;

use crate::blocks;

const PAGE: &str = "doc/troubleshooting.md";

/// Where messages come from.
const SOURCES: [&str; 4] = ["controller", "proto", "proxy", "charts/mesegate/templates"];

/// Files whose words in lower case are reasons, and from where on in the file.
const REASONS: [(&str, &str); 13] = [
    ("proxy/backend/src/error.rs", "fn reason("),
    ("proxy/protocol/src/login/denied.rs", "\"wrong_version\","),
    ("proxy/src/selection.rs", "fn reason("),
    ("proxy/src/session/bridge.rs", "fn "),
    ("proxy/src/session/hop.rs", "fn nowhere("),
    ("proxy/src/session/login.rs", "fn "),
    ("proxy/src/session/login/account.rs", "fn register("),
    ("proxy/src/session/login/admit.rs", "fn "),
    ("proxy/src/session/login/place.rs", "fn "),
    ("proxy/src/session/orders.rs", "fn "),
    ("proxy/src/session/travel.rs", "fn reason("),
    ("proxy/transport/src/error.rs", "fn as_str("),
    ("proxy/src/admin/orders.rs", "fn kick("),
];

/// Words of those files that are no reasons for anything that goes wrong, and codes of engines that
/// the proxy passes on but does not give.
const OTHER_WORDS: &[&str] = &[
    "active",
    "backend",
    "crash",
    "custom_string",
    "name",
    "ok",
    "other",
    "password",
    "result",
    "server",
    "server_fail",
    "to_client",
    "to_server",
    "too_many_users",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(paths::workspace().join(path)).unwrap()
}

/// The text up to its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// The string literals of a Rust file.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    let mut last = ' ';
    while let Some(char) = rest.next() {
        match char {
            '/' if last == '/' => while rest.next_if(|it| *it != '\n').is_some() {},
            '"' if last == '\'' => {}
            'r' if !last.is_alphanumeric() && matches!(rest.peek(), Some('#' | '"')) => {
                let mut end = "\"".to_owned();
                while rest.next_if_eq(&'#').is_some() {
                    end.push('#');
                }
                rest.next();
                let mut literal = String::new();
                while !literal.ends_with(&end) {
                    let Some(char) = rest.next() else { break };
                    literal.push(char);
                }
                literal.truncate(literal.len().saturating_sub(end.len()));
                found.push(literal);
            }
            '"' => {
                let mut literal = String::new();
                while let Some(char) = rest.next() {
                    match char {
                        '"' => break,
                        '\\' => match rest.next() {
                            // A line that goes on.
                            Some('\n') => while rest.next_if(|it| it.is_whitespace()).is_some() {},
                            Some('n') => literal.push('\n'),
                            Some(other) => literal.push(other),
                            None => {}
                        },
                        other => literal.push(other),
                    }
                }
                found.push(literal);
            }
            _ => {}
        }
        last = char;
    }
    found
}

/// All that programs and chart can say.
fn said() -> Vec<String> {
    fn below(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["tests", "testkit", "target", "benches"].contains(&name.as_str())
            {
                below(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") && name != "tests.rs" {
                found.extend(literals(without_tests(&std::fs::read_to_string(&path).unwrap())));
            } else if path.extension().is_some_and(|it| it == "tpl") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.extend(text.lines().filter_map(|it| it.split('"').nth(1)).map(str::to_owned));
            }
        }
    }
    let mut found = Vec::new();
    for source in SOURCES {
        below(&paths::workspace().join(source), &mut found);
    }
    found
}

/// Whether a message is this literal: its parts between `…` are there in their order, from the
/// beginning and to the end, and where it has `…` there is something to be filled in, or more.
fn quotes(message: &str, literal: &str) -> bool {
    let mut parts = message.split('…');
    let Some(mut rest) = parts.next().and_then(|it| literal.strip_prefix(it)) else { return false };
    let mut open = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        open = part.is_empty();
    }
    open || rest.is_empty()
}

/// Whether a message is what becomes of this literal when its places are filled in.
fn fills(message: &str, literal: &str) -> bool {
    let mut parts = literal.split('{').map(|it| it.split_once('}').map_or(it, |(_, it)| it));
    let Some(mut rest) = parts.next().and_then(|it| message.strip_prefix(it)) else { return false };
    // Something has to be there that is not to be filled in.
    let mut own = message.len() - rest.len();
    let mut open = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        own += part.len();
        open = part.is_empty();
    }
    own * 2 > message.len() && (open || rest.is_empty())
}

/// What is between backticks in each cell of the rows of all tables.
fn rows() -> Vec<Vec<Vec<String>>> {
    let quoted = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let page = read(PAGE);
    let rows = page.lines().filter(|it| it.starts_with("| "));
    rows.map(|row| row.trim_matches('|').split(" | ").map(quoted).collect()).collect()
}

#[test]
fn quoted_messages_are_said_somewhere() {
    let said = said();
    assert!(said.len() > 2000, "{}", said.len());
    let (mut count, mut unknown) = (0, Vec::new());
    for message in rows().iter().filter_map(|row| row.first()).flatten() {
        // The others are names, which the next test is about.
        let plain = |it: char| it.is_ascii_alphanumeric() || "_/-".contains(it);
        if message.chars().all(plain) {
            continue;
        }
        let known = said.iter().any(|it| quotes(message, it) || fills(message, it));
        if !known {
            unknown.push(message.clone());
        }
        count += 1;
    }
    assert!(unknown.is_empty(), "nobody says:\n{}", unknown.join("\n"));
    assert!(count > 70, "only {count} messages");
    assert!(!said.iter().any(|it| quotes("wrong … for this name", it)));
}

#[test]
fn all_reasons_have_a_line() {
    let explained: BTreeSet<String> =
        rows().into_iter().flat_map(|row| row.into_iter().take(2).flatten()).collect();
    let mut missing = Vec::new();
    let mut count = 0;
    let mut look = |what: &str, reason: &str| {
        count += 1;
        if !explained.contains(reason) {
            missing.push(format!("{what}: {reason}"));
        }
    };
    // What is fine is named in the text.
    let page = read(PAGE);
    let fine = page.lines().find(|it| it.contains("Fine are")).unwrap();
    let conditions = read("proto/resource/src/condition.rs");
    let conditions = conditions.split("pub enum Reason {").nth(1).unwrap();
    for line in conditions.lines().take_while(|it| *it != "}") {
        let name = line.trim().trim_end_matches(',');
        let reason = name.starts_with(|it: char| it.is_ascii_uppercase());
        if reason && !fine.contains(&format!("`{name}`")) {
            look("a condition", name);
        }
    }
    for reason in (1..).map_while(|it| FailureReason::try_from(it).ok()) {
        let name = reason.as_str_name().trim_start_matches("FAILURE_REASON_");
        look("the admin interface", name);
    }
    for (file, from) in REASONS {
        let text = read(file);
        let at = text.find(from).unwrap_or_else(|| panic!("{file} has no `{from}`"));
        for word in literals(without_tests(&text[at..])) {
            let reason = !word.is_empty()
                && word.chars().all(|it| it.is_ascii_lowercase() || it == '_')
                && !OTHER_WORDS.contains(&word.as_str());
            if reason {
                look(file, &word);
            }
        }
    }
    assert!(missing.is_empty(), "without a line in {PAGE}:\n{}", missing.join("\n"));
    assert!(count > 100, "only {count} reasons");
}

/// Some names are put together of the program's part and the rest.
#[test]
fn metrics_that_pages_name_are_there() {
    let said: BTreeSet<String> = said().into_iter().collect();
    let programs = ["mesegate_proxy_", "mesegate_controller_"];
    let known = |name: &str| {
        let rest = programs.iter().find_map(|it| name.strip_prefix(it)).unwrap_or_default();
        let admin = rest.strip_prefix("admin_").unwrap_or(rest);
        [name, rest, admin].iter().any(|it| said.contains(*it))
    };
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in blocks::pages() {
        let text = read(&page);
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        for word in words.filter(|word| programs.iter().any(|it| word.starts_with(it))) {
            count += 1;
            // What stands for several ends with a line.
            if !word.ends_with('_') && !known(word) {
                wrong.push(format!("{page}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 60 && !known("mesegate_proxy_sesions_total"), "{count}");
}

#[test]
fn quotations_are_taken_at_their_word() {
    for (message, literal, wanted) in [
        ("a … c", "a {b} c", true),
        ("a b", "a b c", false),
        ("a …", "a {b} c", true),
        ("… c", "a c", true),
        ("a … c", "a {b} d", false),
    ] {
        assert_eq!(quotes(message, literal), wanted, "{message}: {literal}");
    }
    assert!(fills("a few words: 3", "a few words: {number}"));
    assert!(fills("too many a, go", "too many {what}, go"));
    assert!(!fills("anything", "{0}") && !fills("a few words", "a few {x} things"));
    let raw = "(r#\"a \\\" b\"#, \"c\", r\"\\d\")";
    assert_eq!(literals(raw), ["a \\\" b", "c", "\\d"]);
    let text = "// \"no\"\nf('\"', \"a \\\n    b\", \"c\\\"d\");";
    assert_eq!(literals(text), ["a b", "c\"d"]);
}
