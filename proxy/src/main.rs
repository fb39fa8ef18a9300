//! The program `mesegate-proxy`: settings in, [`mesegate_proxy::run`] does the rest.

use std::io::Write as _;
use std::process::ExitCode;

use mesegate_proxy::cli::{Call, Options};
use mesegate_telemetry::Program;

fn main() -> ExitCode {
    match Call::parse() {
        Call::Run(options) => run(*options),
        Call::Content(options) => print(mesegate_proxy::content(&options)),
        Call::Accounts(options) => match mesegate_proxy::accounts(&options) {
            Ok(code) => code,
            Err(error) => failed(&error),
        },
        Call::Migrate(options) => match mesegate_proxy::migrate(&options) {
            Ok(code) => code,
            Err(error) => failed(&error),
        },
        Call::ModToken(options) => print(mesegate_proxy::mod_token(&options)),
    }
}

fn print(text: Result<String, mesegate_proxy::RunError>) -> ExitCode {
    match text {
        Ok(text) => {
            // Who reads may have seen enough.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn run(options: Options) -> ExitCode {
    let program = Program {
        name: "mesegate-proxy",
        release: env!("CARGO_PKG_VERSION"),
        instance: options.proxy_name(),
    };
    let telemetry = match mesegate_telemetry::start(&options.telemetry, &program) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("mesegate-proxy: {error}");
            return ExitCode::from(2);
        }
    };
    let result = mesegate_proxy::run(options);
    drop(telemetry);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("mesegate-proxy: {error}");
    ExitCode::FAILURE
}
