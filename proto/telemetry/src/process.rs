//! What of the machine this process uses, as the kernel tells it (`proc_pid_stat(5)`).

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// Ticks of the kernel's clock in a second, as programs see it: the same on all machines of the
/// kinds that there are images for (`include/uapi/asm-generic/param.h`, USER_HZ).
const TICKS: f64 = 100.0;

/// How a value is found, if the kernel tells it.
type Look = fn() -> Option<f64>;

/// Looked at whenever it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    cpu: Counter,
    gauges: [(Gauge, Look); 4],
}

impl Process {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str, look: Look| {
            prometheus::Result::Ok((Gauge::new(name, help)?, look))
        };
        Ok(Self {
            cpu: Counter::new(
                "process_cpu_seconds_total",
                "Time on processors, of the program and of the kernel for it.",
            )?,
            gauges: [
                gauge("process_resident_memory_bytes", "Memory that the process uses.", resident)?,
                gauge("process_open_fds", "Files and sockets that are open.", open)?,
                gauge("process_max_fds", "The most that may be open.", most)?,
                gauge(
                    "process_start_time_seconds",
                    "When the process began, in Unix seconds.",
                    start,
                )?,
            ],
        })
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = self.gauges.iter().flat_map(|(gauge, _)| gauge.desc());
        self.cpu.desc().into_iter().chain(gauges).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Two may look at the same time; neither makes it go back.
        let more = cpu().unwrap_or_default() - self.cpu.get();
        if more > 0.0 {
            self.cpu.inc_by(more);
        }
        for (gauge, look) in &self.gauges {
            gauge.set(look().unwrap_or_default());
        }
        let gauges = self.gauges.iter().flat_map(|(gauge, _)| gauge.collect());
        self.cpu.collect().into_iter().chain(gauges).collect()
    }
}

/// A field of `/proc/self/stat`, counted from 1 as in its manual. The second one, the program's
/// name in brackets, may have spaces in it.
fn stat(field: usize) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(field.checked_sub(3)?)?.parse().ok()
}

fn cpu() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS)
}

fn resident() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

fn open() -> Option<f64> {
    // Itself is one of them.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn most() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn start() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = text.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    Some(boot + stat(22)? / TICKS)
}
