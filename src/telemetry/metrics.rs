//! The recorder of the metrics, in the text format of Prometheus.
//!
//! The recorder is global, because the macros of the `metrics` crate need a global one. Without a recorder, as in tests with
//! many gateways in one process, they do nothing. The admin listener serves the text.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::names::{self, METRICS, Metric, MetricKind};

/// In seconds, from a cached response to more than the default deadline.
const DURATION_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 10.0, 15.0];
/// Numbers of items, up to the rows of a large page.
const SIZE_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0];

/// How often the samples of histograms are moved into their buckets. Until then they take memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The process's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Installs the recorder. All counters start at 0, so that Prometheus sees their first increase.
    ///
    /// # Errors
    /// If a recorder is already installed.
    pub fn install() -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZE_BUCKETS)?;
        let handle = builder.install_recorder()?;
        for metric in METRICS {
            describe(metric);
            if metric.kind == MetricKind::Counter {
                for labels in label_combinations(metric) {
                    metrics::counter!(metric.name, labels).increment(0);
                }
            }
        }
        let commit = option_env!("GATEWAY_COMMIT").unwrap_or("unknown");
        let (version, rustc) = (env!("CARGO_PKG_VERSION"), env!("GATEWAY_RUSTC"));
        metrics::gauge!(names::BUILD_INFO, "version" => version, "rustc" => rustc, "commit" => commit).set(1.0);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        metrics::gauge!(names::START_TIME).set(started.as_secs_f64());
        for at_rest in [
            names::DRAINING,
            names::REQUESTS_IN_FLIGHT,
            names::OPERATIONS_IN_FLIGHT,
            names::UPSTREAM_IN_FLIGHT,
            names::UPSTREAM_QUEUE_LENGTH,
        ] {
            metrics::gauge!(at_rest).set(0.0);
        }
        Ok(Self { handle })
    }

    /// All metrics as text. It blocks, because it reads the process metrics from `/proc`.
    pub fn render(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            metrics::gauge!(names::MEMORY).set(bytes);
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            metrics::gauge!(names::OPEN_FILES).set(as_f64(open.count() as u64));
        }
        self.handle.render()
    }

    /// Moves samples into buckets. It never returns.
    pub async fn run_upkeep(self) {
        let mut due = tokio::time::interval(UPKEEP_INTERVAL);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            self.handle.run_upkeep();
        }
    }
}

/// A count as a gauge's value.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes stay far below 2^53")]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Describes a metric. Its unit is part of its name.
fn describe(metric: &Metric) {
    match metric.kind {
        MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
        MetricKind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        MetricKind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
    }
}

/// Every combination of a metric's label values; none if the values of a label are not known in advance.
fn label_combinations(metric: &Metric) -> Vec<Vec<metrics::Label>> {
    metric.labels.iter().fold(vec![Vec::new()], |combinations, (label, values)| {
        let with = |before: &Vec<metrics::Label>, value: &'static str| {
            let mut labels = before.clone();
            labels.push(metrics::Label::from_static_parts(label, value));
            labels
        };
        combinations.iter().flat_map(|before| values.iter().map(move |value| with(before, value))).collect()
    })
}

/// The resident memory in bytes, from Linux.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// Adds one to a gauge until it is dropped.
#[derive(Debug)]
pub struct GaugeGuard(metrics::Gauge);

impl GaugeGuard {
    /// Adds one to the gauge.
    pub fn new(gauge: metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Limits the values of a label: the first names are used as they are, all later ones as `other`. Manifests of trusted
/// documents can be reloaded many times with new names.
#[derive(Debug, Default)]
pub struct BoundedLabelValues {
    values: Mutex<HashSet<Arc<str>>>,
}

/// A large frontend has a hundred operations. Each operation has some sixty series.
const MAX_VALUES: usize = 200;
/// GraphQL does not limit names.
const MAX_VALUE_CHARS: usize = 100;

impl BoundedLabelValues {
    /// The label value for a name.
    pub fn value(&self, name: &Arc<str>) -> Arc<str> {
        let mut seen = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(name) {
            return Arc::clone(name);
        }
        if seen.len() >= MAX_VALUES || name.len() > MAX_VALUE_CHARS {
            return "other".into();
        }
        seen.insert(Arc::clone(name));
        Arc::clone(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_label_values_is_limited() {
        let names = BoundedLabelValues::default();
        let name = |i: usize| Arc::<str>::from(format!("Operation{i}"));
        for i in 0..MAX_VALUES {
            assert_eq!(names.value(&name(i)), name(i));
        }
        assert_eq!(&*names.value(&name(MAX_VALUES)), "other");
        assert_eq!(names.value(&name(0)), name(0), "earlier names stay");
        assert_eq!(&*BoundedLabelValues::default().value(&"A".repeat(MAX_VALUE_CHARS + 1).into()), "other");
    }

    #[test]
    fn each_combination_of_labels_occurs_once() {
        let of = |name| {
            METRICS.iter().find(|metric| metric.name == name).map_or(0, |metric| label_combinations(metric).len())
        };
        assert_eq!(of(names::CACHE_LOOKUPS), 3 * 5);
        assert_eq!((of(names::PANICS), of(names::REQUEST_DURATION)), (1, 0));
    }
}
