//! The program `mesegate-proxy`: settings in, [`mesegate_proxy::run`] does the rest.

use std::process::ExitCode;

use clap::Parser;
use mesegate_proxy::cli::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(error) = mesegate_proxy::log::start(&options) {
        eprintln!("mesegate-proxy: {error}");
        return ExitCode::from(2);
    }
    match mesegate_proxy::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesegate-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}
