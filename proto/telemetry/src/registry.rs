//! Metrics that know how to describe themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::proto::MetricType;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, TextEncoder,
};

use crate::process::Process;
use crate::runtime::{Known, Runtimes};

/// Bounds of histograms of times that people wait for, in seconds.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// A metric, as the manual tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels, in the order of their names.
    pub labels: Vec<String>,
    /// What it means.
    pub help: String,
}

/// All metrics of a program. Cloning is cheap and shares them.
#[derive(Debug, Clone)]
pub struct Registry {
    prefix: &'static str,
    inner: prometheus::Registry,
    series: Arc<Mutex<Vec<Series>>>,
    runtimes: Known,
}

impl Registry {
    /// An empty one. Names of its metrics begin with `prefix` and an underscore.
    pub fn new(prefix: &'static str) -> Self {
        let inner = prometheus::Registry::new();
        Self { prefix, inner, series: Arc::default(), runtimes: Arc::default() }
    }

    /// What there is, in the order in which it was made.
    pub fn series(&self) -> Vec<Series> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What all programs have: `build_info`, what of the machine the process uses, under the names
    /// that every Prometheus knows, and how busy its [runtimes](Self::runs_on) are.
    ///
    /// # Errors
    /// When it is there already.
    pub fn program(&self, release: &str) -> prometheus::Result<()> {
        let build = self.gauges("build_info", "Always 1.", &["version"])?;
        build.with_label_values(&[release]).set(1);
        self.add(Process::new())?;
        self.add(Runtimes::new(Arc::clone(&self.runtimes))).map(|_| ())
    }

    /// Measures the tokio runtime that this is called in, under that name, from now on.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn runs_on(&self, name: &str) {
        let mut runtimes = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        runtimes.push((name.to_owned(), tokio::runtime::Handle::current()));
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if TextEncoder::new().encode_utf8(&self.inner.gather(), &mut text).is_err() {
            text.clear();
        }
        text
    }

    fn opts(&self, name: &str, help: &str) -> Opts {
        Opts::new(format!("{}_{name}", self.prefix), help)
    }

    /// Takes a metric in.
    ///
    /// # Errors
    /// When it could not be made, or there is one of that name.
    fn add<C: Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<C>,
    ) -> prometheus::Result<C> {
        let made = made?;
        self.inner.register(Box::new(made.clone()))?;
        let families = made.collect();
        let kinds = families.iter().map(|it| match it.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::HISTOGRAM => "histogram",
            _ => "gauge",
        });
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        for (desc, kind) in made.desc().into_iter().zip(kinds) {
            let mut labels = desc.variable_labels.clone();
            labels.sort();
            let (name, help) = (desc.fq_name.clone(), desc.help.clone());
            series.push(Series { name, kind, labels, help });
        }
        drop(series);
        Ok(made)
    }

    /// A counter.
    ///
    /// # Errors
    /// When there is a metric of that name; so with the others.
    pub fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::with_opts(self.opts(name, help)))
    }

    /// A counter with labels.
    pub fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(self.opts(name, help), labels))
    }

    /// A gauge.
    pub fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::with_opts(self.opts(name, help)))
    }

    /// A gauge of a quantity that is not counted.
    pub fn float(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.add(Gauge::with_opts(self.opts(name, help)))
    }

    /// A gauge with labels.
    pub fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(self.opts(name, help), labels))
    }

    /// A histogram with labels of times that people wait for: 5 ms to 30 s.
    pub fn seconds(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<HistogramVec> {
        self.times(name, help, labels, &SECONDS)
    }

    /// A histogram with labels and bounds of its own, in seconds.
    pub fn times(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        bounds: &[f64],
    ) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::from(self.opts(name, help)).buckets(bounds.to_vec());
        self.add(HistogramVec::new(opts, labels))
    }

    /// A histogram with bounds of its own, in seconds.
    pub fn time(&self, name: &str, help: &str, bounds: &[f64]) -> prometheus::Result<Histogram> {
        let opts = HistogramOpts::from(self.opts(name, help)).buckets(bounds.to_vec());
        self.add(Histogram::with_opts(opts))
    }
}

/// Removes the series of a metric that have this label, such as those of a server that is no more.
pub fn forget<B: MetricVecBuilder>(metric: &MetricVec<B>, label: &str, value: &str) {
    for family in metric.collect() {
        for series in family.get_metric() {
            let labels: HashMap<&str, &str> =
                series.get_label().iter().map(|it| (it.name(), it.value())).collect();
            if labels.get(label) == Some(&value) {
                // Somebody may have been faster.
                let _ = metric.remove(&labels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_described_before_anything_was_counted() {
        let registry = Registry::new("test");
        registry.counters("b_total", "Of b.", &["y", "x"]).unwrap();
        registry.seconds("a_seconds", "Of a.", &[]).unwrap();
        registry.gauge("c", "Of c.").unwrap();
        assert!(registry.gauge("c", "Again.").is_err());
        let all = registry.series();
        let told: Vec<(&str, &str, usize)> =
            all.iter().map(|it| (it.name.as_str(), it.kind, it.labels.len())).collect();
        let expected = [
            ("test_b_total", "counter", 2),
            ("test_a_seconds", "histogram", 0),
            ("test_c", "gauge", 0),
        ];
        assert_eq!(told, expected);
        assert_eq!(all[0].labels, ["x", "y"]);
        assert_eq!(all[0].help, "Of b.");
    }

    #[test]
    fn what_is_no_more_is_forgotten_and_nothing_else() {
        let registry = Registry::new("test");
        let moves = registry.counters("moves_total", "Moves.", &["from", "to"]).unwrap();
        for (from, to) in [("a", "b"), ("b", "a"), ("b", "c")] {
            moves.with_label_values(&[from, to]).inc();
        }
        forget(&moves, "from", "a");
        forget(&moves, "to", "a");
        let text = registry.render();
        assert!(text.contains("test_moves_total{from=\"b\",to=\"c\"} 1"), "{text}");
        assert!(!text.contains("\"a\""), "{text}");
    }

    #[test]
    fn the_process_is_measured() {
        let registry = Registry::new("test");
        registry.program("1.2.3").unwrap();
        let text = registry.render();
        assert!(text.contains("test_build_info{version=\"1.2.3\"} 1"), "{text}");
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - value("process_start_time_seconds");
        assert!((-2.0..86_400.0).contains(&age), "{age}");
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }

    #[test]
    fn runtimes_are_measured() {
        let registry = Registry::new("test");
        registry.program("1.2.3").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let text = runtime.block_on(async {
            registry.runs_on("lane-0");
            tokio::spawn(std::future::pending::<()>());
            for _ in 0..3 {
                tokio::task::spawn(async {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                })
                .await
                .unwrap();
            }
            registry.render()
        });
        assert!(text.contains("tokio_workers{runtime=\"lane-0\"} 1\n"), "{text}");
        assert!(text.contains("tokio_alive_tasks{runtime=\"lane-0\"} 1\n"), "{text}");
        // Counted when the thread has nothing more to do.
        let text = registry.render();
        let busy = text.lines().find(|it| it.starts_with("tokio_busy_seconds_total{")).unwrap();
        let busy: f64 = busy.rsplit(' ').next().unwrap().parse().unwrap();
        assert!((0.06..10.0).contains(&busy), "{busy}");
    }
}
