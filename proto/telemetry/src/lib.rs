//! What the programs tell about themselves: [log lines](LogOptions), [metrics](Registry), and
//! [traces](span).
#![forbid(unsafe_code)]

mod log;
mod process;
mod registry;
mod runtime;
pub mod span;
#[cfg(feature = "otlp")]
mod trace;

pub use log::{LogFormat, Program, Telemetry, TelemetryOptions, start};
pub use registry::{Registry, Series, forget};
