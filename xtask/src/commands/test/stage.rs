//! One command of a stage: its output goes to a log, what matters of it to the terminal.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use xtask::{Error, Result, paths, wait};

/// How many things passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Tests and checks that passed.
    pub(crate) passed: u32,
    /// Tests and checks that failed.
    pub(crate) failed: u32,
}

impl Count {
    /// Adds another count.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A command with a name for its log.
pub(crate) struct Step {
    name: String,
    command: Command,
}

impl Step {
    /// A command that runs in the workspace's root.
    pub(crate) fn new(name: &str, mut command: Command) -> Self {
        command.current_dir(paths::workspace()).env("CARGO_TERM_COLOR", "never");
        Self { name: name.into(), command }
    }

    /// Runs a command that is one check as a whole.
    pub(crate) fn check(self, count: &mut Count) -> Result<()> {
        let (success, _) = self.run()?;
        if success {
            count.passed += 1;
        } else {
            count.failed += 1;
        }
        Ok(())
    }

    /// Runs a command that ends in `cargo test` and counts its tests.
    pub(crate) fn tests(self, count: &mut Count) -> Result<()> {
        let (success, output) = self.run()?;
        let mut tests = count_tests(&output);
        if !success && tests.failed == 0 {
            // Did not compile, or was killed.
            tests.failed = 1;
        }
        count.add(tests);
        Ok(())
    }

    fn run(mut self) -> Result<(bool, String)> {
        let log = super::log_file(&self.name)?;
        let file = File::create(&log).map_err(Error::io(format!("making {}", log.display())))?;
        let errors = file.try_clone().map_err(Error::io("a second handle"))?;
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .map_err(Error::io(format!("starting {}", self.command.get_program().display())))?;
        let start = Instant::now();
        let mut next = Duration::from_secs(15);
        let status = loop {
            if let Some(status) = child.try_wait().map_err(Error::io("waiting"))? {
                break status;
            }
            if start.elapsed() >= next {
                let output = wait::read(&log);
                let last = output.lines().rfind(|line| !line.trim().is_empty());
                let short: String = last.unwrap_or_default().trim().chars().take(90).collect();
                println!("   {}: {} s … {short}", self.name, next.as_secs());
                next += Duration::from_secs(15);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let output = wait::read(&log);
        if !status.success() {
            println!("{}", failures(&output));
            println!("   {}: {status}; all of it: {}", self.name, log.display());
        }
        Ok((status.success(), output))
    }
}

/// The sum of the `test result:` lines of several test programs.
fn count_tests(output: &str) -> Count {
    let mut count = Count::default();
    for line in output.lines().filter(|line| line.starts_with("test result: ")) {
        for part in line.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => count.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => count.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    count
}

/// Lines shown of one panic: its message and what it quotes; a log in it may be endless.
const OF_A_PANIC: usize = 25;

/// The part of the output that says what went wrong.
fn failures(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    // What a test program printed about its failed tests, or the first errors of the compiler.
    let start = lines
        .iter()
        .position(|line| *line == "failures:" || line.starts_with("error"))
        .unwrap_or(0);
    // With `--nocapture` the list at the end has only names: the words were said where it happened.
    let mut part: Vec<&str> = panics(&lines[..start]);
    part.extend(&lines[start..]);
    if part.len() <= 250 {
        return part.join("\n");
    }
    format!("{}\n   …\n{}", part[..220].join("\n"), part[part.len() - 30..].join("\n"))
}

/// What was said at each panic, without its backtrace.
fn panics<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut shown = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("thread '") && line.contains(" panicked at ") {
            let end = lines[at..].iter().position(|line| *line == "stack backtrace:");
            let length = end.unwrap_or(usize::MAX).min(OF_A_PANIC).min(lines.len() - at);
            shown.extend(&lines[at..at + length]);
            shown.push("");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_several_programs_are_summed() {
        let output = "test a ... ok\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
            test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(count_tests(output), Count { passed: 13, failed: 2 });
    }

    #[test]
    fn failures_are_shown_from_where_they_begin() {
        let output = "test a ... ok\n\nfailures:\n\n---- b ----\nno";
        assert_eq!(failures(output), "failures:\n\n---- b ----\nno");
    }

    #[test]
    fn words_of_a_panic_are_shown_though_its_test_wrote_straight_to_the_log() {
        let output = "test b ... \nthread 'b' (7) panicked at b.rs:1:1:\nred != green\n\
            stack backtrace:\n 0: x\nFAILED\n\nfailures:\n    b";
        let shown = "thread 'b' (7) panicked at b.rs:1:1:\nred != green\n\nfailures:\n    b";
        assert_eq!(failures(output), shown);
    }
}
