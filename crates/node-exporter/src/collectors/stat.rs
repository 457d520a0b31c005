//! `stat`: counts the kernel keeps since boot.

use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector, counter};
use crate::config::Config;
use crate::context::Context;
use crate::parse;

/// In the order of the line's columns.
const SOFTIRQ_VECTORS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

/// Lines of one number that counts, and their metrics. One that a kernel does not write is 0, as in the original.
#[rustfmt::skip]
const NUMBERS: [(&str, &str, &str, MetricType); 6] = [
    ("intr", "node_intr_total", "Interrupts served.", MetricType::Counter),
    ("ctxt", "node_context_switches_total", "Context switches.", MetricType::Counter),
    ("processes", "node_forks_total", "Tasks created.", MetricType::Counter),
    ("btime", "node_boot_time_seconds", "Boot time since the Unix epoch.", MetricType::Gauge),
    ("procs_running", "node_procs_running", "Tasks that can run.", MetricType::Gauge),
    ("procs_blocked", "node_procs_blocked", "Tasks that wait for I/O.", MetricType::Gauge),
];

/// The collector.
#[derive(Debug)]
pub struct Stat {
    has_softirq: bool,
}

impl Stat {
    /// Takes its options.
    pub fn new(config: &Config) -> Self {
        Self { has_softirq: config.stat_softirq }
    }
}

impl Collector for Stat {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut values = [0.0; NUMBERS.len()];
        for line in parse::lines(ctx.stat()?) {
            let mut words = parse::words(line);
            let key = words.next().unwrap_or_default();
            if self.has_softirq && key == b"softirq" {
                out.push(softirqs(line)?);
            }
            let numbers = NUMBERS.iter().zip(&mut values).find(|((known, ..), _)| known.as_bytes() == key);
            if let Some((_, value)) = numbers {
                // The interrupt line is long: only its sum is looked at.
                let number = words.next().and_then(parse::number);
                *value = number.ok_or_else(|| CollectError::parse("stat", line))?;
            }
        }
        for ((_, name, help, kind), value) in NUMBERS.into_iter().zip(values) {
            let mut family = MetricFamily::new(name, help, kind);
            family.push(&[], value);
            out.push(family);
        }
        Ok(())
    }
}

fn softirqs(line: &[u8]) -> Result<MetricFamily, CollectError> {
    let mut family = counter("node_softirqs_total", "Soft interrupts by vector.");
    let mut counts = parse::words(line).skip(2);
    for vector in SOFTIRQ_VECTORS {
        let count = counts.next().and_then(parse::number);
        family.push(&[("vector", vector)], count.ok_or_else(|| CollectError::parse("stat", line))?);
    }
    Ok(family)
}
