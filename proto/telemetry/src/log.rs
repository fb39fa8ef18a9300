//! Structured logs, and where traces go.

use std::io::IsTerminal as _;

use clap::Args;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::span::TARGET;

/// Flags about what a program tells of itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs and traces")]
pub struct TelemetryOptions {
    /// What to log: a level (error, warn, info, debug, trace) or a filter such as
    /// `info,mesegate_admin=debug`
    #[arg(long, env = "MESEGATE_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// How log lines are written
    #[arg(long, env = "MESEGATE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Collector that traces are sent to (OTLP over gRPC), such as http://collector:4317; none are
    /// made when not given
    #[cfg(feature = "otlp")]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Who tells.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program's name.
    pub name: &'static str,
    /// Its release.
    pub release: &'static str,
    /// What this one of its processes is called.
    pub instance: String,
}

/// To be held until the program ends: spans that have not been sent yet are, for up to 2 s.
#[derive(Debug)]
#[must_use]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    _traces: Option<crate::trace::Traces>,
}

/// Starts writing log lines to standard error and, if there is a collector, sending traces.
///
/// # Errors
/// When an option makes no sense; the text names it.
pub fn start(options: &TelemetryOptions, program: &Program) -> Result<Telemetry, String> {
    let filter = EnvFilter::builder()
        .parse(&options.log)
        .map_err(|error| format!("--log {:?}: {error}", options.log))?;
    let writer = fmt::layer().with_writer(std::io::stderr);
    let writer = writer.with_ansi(std::io::stderr().is_terminal());
    let lines = match options.log_format {
        LogFormat::Text => writer.with_target(false).boxed(),
        LogFormat::Json => writer.json().flatten_event(true).boxed(),
    };
    // Spans are for traces: lines stay what they are, whether there are any or not.
    let own = FilterFn::new(|metadata| metadata.target() != TARGET);
    let lines = lines.with_filter(own).with_filter(filter);
    let subscriber = tracing_subscriber::registry().with(lines);
    let failed = |error: TryInitError| error.to_string();
    #[cfg(feature = "otlp")]
    if let Some(endpoint) = options.otlp_endpoint.as_deref().filter(|url| !url.is_empty()) {
        let (layer, traces) = crate::trace::start(endpoint, program)
            .map_err(|error| format!("--otlp-endpoint {endpoint:?}: {error}"))?;
        let spans = FilterFn::new(|metadata| metadata.is_span() && metadata.target() == TARGET)
            .with_max_level_hint(LevelFilter::INFO);
        subscriber.with(layer.with_filter(spans)).try_init().map_err(failed)?;
        return Ok(Telemetry { _traces: Some(traces) });
    }
    #[cfg(not(feature = "otlp"))]
    let _ = program;
    subscriber.try_init().map_err(failed)?;
    Ok(Telemetry {
        #[cfg(feature = "otlp")]
        _traces: None,
    })
}
