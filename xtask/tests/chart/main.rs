//! The Helm chart: its values, what it makes of them, and what a real API server says to that.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod admission;
mod files;
mod metrics;
mod releases;
mod rights;
mod support;
mod switches;
mod upgrade;
mod values;
