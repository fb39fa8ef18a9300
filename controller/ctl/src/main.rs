//! The program `mesegatectl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesegatectl::main()
}
