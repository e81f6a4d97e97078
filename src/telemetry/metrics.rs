//! Metrics: recorded where things happen, by the names of the table, and shown as Prometheus reads them.
//!
//! The recorder is the process's one global: the crates' macros ask for it, and where none was installed, as in tests
//! with many gateways in one process, they do nothing. There is no listener here; the admin server shows the text.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::names::{self, METRICS, Metric, MetricKind};

/// From a kept answer to past the default deadline.
const DURATION_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 10.0, 15.0];
/// Up to the rows of the largest page.
const SIZE_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0];

/// How often what histograms were told is put into their buckets; between, it takes memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The process's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Installs the recorder. Counters are there from the start: the first increase is to be seen as one.
    ///
    /// # Errors
    /// Where one is installed already.
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

    /// All metrics as text. It reads the process's own numbers too, so it does not belong on the runtime's threads.
    pub fn render(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            metrics::gauge!(names::MEMORY).set(bytes);
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            metrics::gauge!(names::OPEN_FILES).set(as_f64(open.count() as u64));
        }
        self.handle.render()
    }

    /// Keeps histograms small, for as long as the process lives.
    pub async fn run_upkeep(self) {
        let mut due = tokio::time::interval(UPKEEP_INTERVAL);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            self.handle.run_upkeep();
        }
    }
}

/// A count as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes stay far below 2^53")]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

/// The metric's unit stands in its name.
fn describe(metric: &Metric) {
    match metric.kind {
        MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
        MetricKind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        MetricKind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
    }
}

/// Each combination of a metric's labels; none where the values of a label are not known beforehand.
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

/// What Linux says of this process, in bytes.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// Adds one for as long as this lives.
#[derive(Debug)]
pub struct GaugeGuard(metrics::Gauge);

impl GaugeGuard {
    /// One more.
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

/// Names that may be a label's values: the first so many, and "other" for all that come after. Manifests are the team's
/// own, and reloaded for years.
#[derive(Debug, Default)]
pub struct BoundedLabelValues {
    values: Mutex<HashSet<Arc<str>>>,
}

/// A hundred operations are a large frontend; each is some sixty series.
const MAX_VALUES: usize = 200;
/// GraphQL has no bound on names.
const MAX_VALUE_CHARS: usize = 100;

impl BoundedLabelValues {
    /// The value of the label for a name.
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
    fn names_as_labels_are_bounded() {
        let names = BoundedLabelValues::default();
        let name = |i: usize| Arc::<str>::from(format!("Operation{i}"));
        for i in 0..MAX_VALUES {
            assert_eq!(names.value(&name(i)), name(i));
        }
        assert_eq!(&*names.value(&name(MAX_VALUES)), "other");
        assert_eq!(names.value(&name(0)), name(0), "who was there stays");
        assert_eq!(&*BoundedLabelValues::default().value(&"A".repeat(MAX_VALUE_CHARS + 1).into()), "other");
    }

    #[test]
    fn each_combination_of_labels_is_made_once() {
        let of = |name| {
            METRICS.iter().find(|metric| metric.name == name).map_or(0, |metric| label_combinations(metric).len())
        };
        assert_eq!(of(names::CACHE_LOOKUPS), 3 * 5);
        assert_eq!((of(names::PANICS), of(names::REQUEST_DURATION)), (1, 0));
    }
}
