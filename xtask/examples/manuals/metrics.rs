//! The tables of all metrics, made of what the programs register.

use std::fmt::Write as _;

use mesegate_telemetry::Series;

use super::part::{cell, replace};

/// Where they are, in the folder of manuals.
pub(crate) const FILE: &str = "metrics.md";

/// The manual with its tables as they have to be.
///
/// # Errors
/// When the places of the tables, or the metrics, are not there.
pub(crate) fn text(before: &str) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let proxy = mesegate_proxy::metrics::Metrics::new().map_err(|error| failed(&error))?;
    let controller =
        mesegate_controller::metrics::Metrics::new().map_err(|error| failed(&error))?;
    let text = replace(before, "proxy", &table(&proxy.series()))?;
    replace(&text, "controller", &table(&controller.series()))
}

fn table(series: &[Series]) -> String {
    let mut text = String::from("| name | type | labels | meaning |\n|---|---|---|---|\n");
    for Series { name, kind, labels, help } in series {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        let _ = writeln!(text, "| `{name}` | {kind} | {labels} | {} |", cell(help));
    }
    text
}
