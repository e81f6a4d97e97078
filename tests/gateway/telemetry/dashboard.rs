//! The dashboard, the alerts and the operations page name existing metrics, labels and headings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use customers_gateway::telemetry::names::{METRICS, REQUEST_FIELDS};
use serde_json::Value;

use super::metric;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The expressions of the alerts, one per line.
fn alerts() -> Vec<String> {
    let alerts = read("docs/operations/alerts.yaml");
    alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned).collect()
}

/// The expressions of the dashboard's panels.
fn panels() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("docs/operations/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The series of an expression, each with the labels in its braces.
fn series(expression: &str) -> Vec<(&str, Vec<&str>)> {
    let starts = expression.match_indices(is_word).map(|(at, _)| at);
    let starts = starts.filter(|at| *at == 0 || !expression[..*at].ends_with(is_word));
    let words = starts.map(|at| {
        let rest = &expression[at..];
        rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()))
    });
    let words = words.filter(|(word, _)| word.starts_with("gateway_") || word.starts_with("process_"));
    words
        .map(|(word, rest)| {
            let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
            let labels = inside.split(',').filter_map(|label| label.split_once(['=', '!']));
            (word, labels.map(|(label, _)| label.trim()).collect())
        })
        .collect()
}

/// The problems of an expression.
fn problems(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (series, labels) in series(expression) {
        let Some(known) = METRICS.iter().find(|known| known.name == metric(series)) else {
            found.push(format!("{series} is not there: {expression}"));
            continue;
        };
        let has = |label: &str| label == "instance" || known.labels.iter().any(|(name, _)| *name == label);
        found.extend(labels.iter().filter(|label| !has(label)).map(|label| format!("{series} has no label {label}")));
    }
    if series(expression).is_empty() {
        found.push(format!("no metric of ours: {expression}"));
    }
    found
}

#[test]
fn the_dashboard_and_the_alerts_use_existing_metrics() {
    let (alerts, panels) = (alerts(), panels());
    assert!(alerts.len() > 15 && panels.len() > 40, "they were not found");
    let found: Vec<String> = alerts.iter().chain(&panels).flat_map(|expression| problems(expression)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(problems("sum(rate(gateway_nothing_total{code=\"A\"}[5m]))").len(), 1);
    assert_eq!(problems("sum(gateway_errors_total{cod=~\"A\", instance=\"b\"})").len(), 1);
    assert_eq!(problems("sum(rate(gateway_request_duration_seconds_bucket{outcome!=\"ok\"}[5m]))").len(), 0);
}

#[test]
fn the_dashboard_shows_every_metric() {
    let panels = panels();
    let shown: BTreeSet<&str> =
        panels.iter().flat_map(|expression| series(expression)).map(|(series, _)| metric(series)).collect();
    // The histogram's count shows the calls.
    let missing = METRICS.iter().map(|known| known.name).filter(|name| !shown.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), ["gateway_upstream_calls_total"]);
}

#[test]
fn the_operations_page_explains_every_metric_field_and_alert() {
    let page = read("docs/operations.md");
    let names = METRICS.iter().map(|known| known.name).chain(REQUEST_FIELDS.iter().map(|field| field.name));
    let missing: Vec<&str> = names.filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, [""; 0], "not in docs/operations.md");
    let headings: BTreeSet<String> = page.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    let alerts = read("docs/operations/alerts.yaml");
    let pointed = alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook: docs/operations.md#"));
    let nowhere: Vec<&str> = pointed.filter(|anchor| !headings.contains(*anchor)).collect();
    assert_eq!(nowhere, [""; 0]);
    let alert = |line: &str| line.trim().strip_prefix("- alert: ").map(str::to_owned);
    let unexplained: Vec<String> =
        alerts.lines().filter_map(alert).filter(|alert| !page.contains(&format!("`{alert}`"))).collect();
    assert_eq!(unexplained, [""; 0]);
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
}
