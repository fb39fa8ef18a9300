//! How busy the threads are that run a program's tasks: tokio's own figures.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, IntGaugeVec, Opts};
use tokio::runtime::{Handle, RuntimeMetrics};

/// Runtimes and what they are called. Cloning shares the list.
pub(crate) type Known = Arc<Mutex<Vec<(String, Handle)>>>;

/// How a value is found.
type Look = fn(&RuntimeMetrics) -> usize;

/// Looked at whenever it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Runtimes {
    known: Known,
    gauges: [(IntGaugeVec, Look); 3],
    busy: CounterVec,
}

impl Runtimes {
    pub(crate) fn new(known: Known) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["runtime"]);
        let busy = Opts::new(
            "tokio_busy_seconds_total",
            "Time that threads spent on tasks, which is at most `tokio_workers` in a second. A \
             proxy's players are on the lanes, whose number is that of the processors.",
        );
        Ok(Self {
            known,
            gauges: [
                (gauge("tokio_workers", "Threads that run tasks.")?, RuntimeMetrics::num_workers),
                (
                    gauge("tokio_alive_tasks", "Tasks that have not ended.")?,
                    RuntimeMetrics::num_alive_tasks,
                ),
                (
                    gauge("tokio_global_queue_depth", "Tasks that wait for any thread.")?,
                    RuntimeMetrics::global_queue_depth,
                ),
            ],
            busy: CounterVec::new(busy, &["runtime"])?,
        })
    }
}

impl Collector for Runtimes {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = self.gauges.iter().flat_map(|(gauge, _)| gauge.desc());
        gauges.chain(self.busy.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for (name, runtime) in &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            let now = runtime.metrics();
            for (gauge, look) in &self.gauges {
                gauge.with_label_values(&[name]).set(look(&now) as i64);
            }
            let busy = self.busy.with_label_values(&[name]);
            let workers = 0..now.num_workers();
            let all: f64 = workers.map(|it| now.worker_total_busy_duration(it).as_secs_f64()).sum();
            // Rounding does not make it go back.
            busy.inc_by((all - busy.get()).max(0.0));
        }
        let gauges = self.gauges.iter().flat_map(|(gauge, _)| gauge.collect());
        gauges.chain(self.busy.collect()).collect()
    }
}
