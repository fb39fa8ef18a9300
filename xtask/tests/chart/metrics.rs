//! Dashboards and alerts name metrics that there are.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{documents, file, text};

/// The names in the manual, which is compared with the programs.
fn documented() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text("doc/metrics.md").lines().filter(|it| it.starts_with("| `")) {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next().unwrap().trim_matches('`');
        if cells.next() == Some("histogram") {
            names.extend(["bucket", "sum", "count"].map(|it| format!("{name}_{it}")));
        }
        names.insert(name.to_owned());
    }
    names
}

/// The names of ours in an expression.
fn used(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|it| it.starts_with("mesegate_"))
}

fn check(place: &str, expression: &str, known: &BTreeSet<String>) {
    let names: Vec<&str> = used(expression).collect();
    assert!(!names.is_empty(), "{place}: no metric of ours in {expression}");
    for name in names {
        assert!(known.contains(name), "{place}: there is no metric {name}");
    }
}

#[test]
fn alerts_are_about_metrics_that_exist() {
    let known = documented();
    assert!(known.contains("mesegate_controller_streams_total") && known.len() > 50);
    let alerts = documents(&text("charts/mesegate/files/alerts.yaml")).remove(0);
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 5);
    for rule in rules {
        check(&rule["alert"].to_string(), rule["expr"].as_str().unwrap(), &known);
        assert!(rule["annotations"]["summary"].is_string());
    }
}

#[test]
fn dashboards_are_about_metrics_that_exist() {
    let known = documented();
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(file("charts/mesegate/files/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(ids.insert(board["uid"].as_str().unwrap().to_owned()));
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                check(&panel["title"].to_string(), target["expr"].as_str().unwrap(), &known);
            }
        }
    }
    assert_eq!(ids.len(), 2);
}
