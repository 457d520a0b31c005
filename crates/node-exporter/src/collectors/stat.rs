//! `stat`: counts the kernel keeps since boot.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, counter, push_counter, push_gauge};
use crate::config::Config;
use crate::context::Context;
use crate::parse;

/// In the order of the line's columns.
const SOFTIRQ_VECTORS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

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
        for line in parse::lines(ctx.stat()?) {
            let mut words = parse::words(line);
            let key = words.next().unwrap_or_default();
            // The interrupt line is long: only its sum is looked at.
            let mut first =
                || words.next().and_then(parse::number).ok_or_else(|| CollectError::parse("stat", line));
            match key {
                b"intr" => push_counter(out, "node_intr_total", "Interrupts served.", first()?),
                b"ctxt" => push_counter(out, "node_context_switches_total", "Context switches.", first()?),
                b"processes" => push_counter(out, "node_forks_total", "Tasks created.", first()?),
                b"btime" => {
                    push_gauge(out, "node_boot_time_seconds", "Boot time since the Unix epoch.", first()?);
                }
                b"procs_running" => push_gauge(out, "node_procs_running", "Tasks that can run.", first()?),
                b"procs_blocked" => {
                    push_gauge(out, "node_procs_blocked", "Tasks that wait for I/O.", first()?);
                }
                b"softirq" if self.has_softirq => out.push(softirqs(line)?),
                _ => {}
            }
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
