//! `mesegatectl`: what operators see and order, from a shell.
//!
//! One call of the admin interface a command; what comes back is shown as a table, JSON or YAML.
//! Exit codes: 0 done, 1 refused (standard error has the reason's name), 2 wrong usage, 3 not
//! reachable or not in time, 4 not allowed.
#![forbid(unsafe_code)]

mod cli;
mod cluster;
mod commands;
mod connection;
mod error;
mod output;
mod rows;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Command};
use error::Error;

/// Everything that can be typed, for the manual.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Completion { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "mesegatectl", &mut std::io::stdout());
        return ExitCode::SUCCESS;
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            // The reader has seen enough, as in `mesegatectl watch players | head`.
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mesegatectl: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::Output)?.block_on(commands::run(cli))
}
