//! Structured logs.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::{LogFormat, Options};

/// Starts writing log lines to standard error.
///
/// # Errors
/// When the filter cannot be read; the text says where.
pub fn start(options: &Options) -> Result<(), String> {
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
