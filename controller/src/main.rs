//! The program `mesegate-controller`: settings in, [`mesegate_controller::run`] does the rest.

use std::process::ExitCode;

use clap::Parser;
use mesegate_controller::cli::Options;
use mesegate_telemetry::Program;

fn main() -> ExitCode {
    let options = Options::parse();
    let program = Program {
        name: "mesegate-controller",
        release: env!("CARGO_PKG_VERSION"),
        instance: options.identity(),
    };
    let telemetry = match mesegate_telemetry::start(&options.telemetry, &program) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("mesegate-controller: {error}");
            return ExitCode::from(2);
        }
    };
    let result = mesegate_controller::run(options);
    drop(telemetry);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesegate-controller: {error}");
            ExitCode::FAILURE
        }
    }
}
