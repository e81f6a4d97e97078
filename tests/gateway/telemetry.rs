//! Metrics, log, traces, probes and settings of a running gateway.

mod dashboard;
mod draining;
mod lines;
mod metrics;
mod reload;
mod settings;
mod timing;
pub mod traces;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::process::Process;

/// A series of the Prometheus text: its name including `_bucket`, `_sum` or `_count`, its labels and its value.
#[derive(Clone, PartialEq, Debug)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Series {
    /// All series of a text. Label values contain no quotes and no commas here. Only routes contain braces.
    fn all(text: &str) -> Vec<Self> {
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Self::of).collect()
    }

    fn of(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match series.split_once('{') {
            None => (series, ""),
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        };
        let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
            let (name, value) = label.split_once("=\"").unwrap();
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        });
        Self { name: name.to_owned(), labels: labels.collect(), value: value.parse().unwrap() }
    }

    /// The name of the metric.
    fn metric(&self) -> &str {
        metric(&self.name)
    }
}

/// The name of a series without the suffixes of histograms.
fn metric(series: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end)).unwrap_or(series)
}

/// The metrics of a running gateway.
pub struct Shown(Vec<Series>);

impl Shown {
    pub async fn by(process: &Process) -> Self {
        let got = process.admin("/metrics").await;
        assert_eq!(got.status, 200, "{}", got.text);
        Self(Series::all(&got.text))
    }

    /// The sum of the series with these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |series: &&Series| {
            let has = |(label, value): &(&str, &str)| series.labels.get(*label).is_some_and(|is| is == value);
            series.name == name && labels.iter().all(has)
        };
        self.0.iter().filter(fits).map(|series| series.value).sum()
    }

    fn metrics(&self) -> BTreeSet<&str> {
        self.0.iter().map(Series::metric).collect()
    }
}

/// The request lines of a log in JSON.
fn lines(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == "request").collect()
}

/// Sends reads, a page, a review, a write, and an error of each kind that a caller can cause.
async fn traffic(process: &Process) {
    let somebody = process.somebody().await;
    let review = "query($id: ID!) { customer(id: $id) { name review { identity { decision } } } }";
    for _ in 0..2 {
        assert_eq!(process.ask(review, json!({ "id": somebody })).await.status, 200);
    }
    let page = "{ customers(first: 3) { totalCount nodes { id address { city } } } }";
    assert_eq!(process.ask(page, json!({})).await.json()["errors"], Value::Null);
    let unmask = "mutation($id: ID!) { unmaskCustomer(input: {id: $id}) { unmaskedCustomer { email } } }";
    process.ask(unmask, json!({ "id": somebody })).await;
    let update = "mutation($id: ID!) { updateCustomer(input: {id: $id, name: \"New\"}) { userErrors { code } } }";
    process.ask(update, json!({ "id": somebody })).await;
    process.ask("{ nonsense }", json!({})).await;
    process.ask("{ not graphql", json!({})).await;
    process.post("no JSON").await;
}
