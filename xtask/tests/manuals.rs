//! What the manuals tell of flags and metrics is what the programs have.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

#[path = "../examples/manuals/flags.rs"]
mod flags;
#[path = "../examples/manuals/metrics.rs"]
mod metrics;
#[path = "../examples/manuals/part.rs"]
mod part;

use xtask::paths;

fn found(name: &str) -> String {
    std::fs::read_to_string(paths::workspace().join("doc").join(name)).unwrap_or_default()
}

#[test]
fn every_flag_is_in_the_manual() {
    let text = flags::text();
    for program in ["mesegate-proxy", "mesegate-controller", "mesegatectl"] {
        assert!(text.contains(&format!("\n## {program}\n")), "{program}");
    }
    assert!(text.contains("| `--otlp-endpoint URL` | `OTEL_EXPORTER_OTLP_ENDPOINT` |"));
    assert!(found(flags::FILE) == text, "doc/{} is old: run `cargo xtask generate`", flags::FILE);
}

#[test]
fn every_metric_is_in_the_manual() {
    let found = found(metrics::FILE);
    let text = metrics::text(&found).unwrap();
    assert!(found == text, "doc/{} is old: run `cargo xtask generate`", metrics::FILE);
}

/// Prometheus' own rules for names, and labels that are bounded.
#[test]
fn metrics_are_named_as_prometheus_wants_them() {
    let proxy = mesegate_proxy::metrics::Metrics::new().unwrap().series();
    let controller = mesegate_controller::metrics::Metrics::new().unwrap().series();
    assert!(proxy.len() > 60 && controller.len() > 30, "{} {}", proxy.len(), controller.len());
    for it in proxy.iter().chain(&controller) {
        let name = &it.name;
        assert_eq!(it.kind == "counter", name.ends_with("_total"), "{name} is a {}", it.kind);
        assert!(it.kind != "histogram" || name.ends_with("_seconds"), "{name}");
        assert!(it.help.ends_with('.'), "{name}: {}", it.help);
        for label in &it.labels {
            let unbounded =
                ["player", "name", "address", "object", "pod"].contains(&label.as_str());
            assert!(!unbounded, "{name} has the label {label}");
        }
    }
}
