//! The program's exit codes where no server is needed.
#![allow(missing_docs, clippy::unwrap_used)]

use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mesegatectl")).args(words).output().unwrap()
}

#[test]
fn wrong_usage_is_told_apart_from_nobody_answering() {
    assert_eq!(run(&["players", "--colour"]).status.code(), Some(2));
    assert_eq!(run(&["--server", "not a url", "players"]).status.code(), Some(2));
    let nobody = run(&["--server", "http://127.0.0.1:1", "players"]);
    assert_eq!(nobody.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("127.0.0.1:1"), "{nobody:?}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completion", shell]);
        assert!(script.status.success());
        assert!(String::from_utf8_lossy(&script.stdout).contains("unban"), "{shell}");
    }
}
