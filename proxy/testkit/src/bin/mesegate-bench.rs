//! The load generator; see `--help` and [`mesegate_testkit::bench`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    mesegate_testkit::bench::main()
}
