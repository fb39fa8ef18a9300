//! The program `mesegate-controller`: settings in, [`mesegate_controller::run`] does the rest.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use mesegate_controller::cli::{LogFormat, Options};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(error) = log(&options) {
        eprintln!("mesegate-controller: {error}");
        return ExitCode::from(2);
    }
    match mesegate_controller::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesegate-controller: {error}");
            ExitCode::FAILURE
        }
    }
}

fn log(options: &Options) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .parse(&options.log)
        .map_err(|error| format!("--log {:?}: {error}", options.log))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    match options.log_format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
