//! `softnet`: packets through the per-CPU receive queues.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, counter, gauge};
use crate::context::Context;
use crate::parse;

/// Fewer columns are not this file.
const COLUMNS_MIN: usize = 9;
/// Column, counted from 0, that names the CPU; absent in old kernels, whose lines are in order of CPUs.
const CPU: usize = 12;
const BACKLOG: usize = 11;

/// Column and counter.
const COUNTERS: [(usize, &str, &str); 6] = [
    (0, "node_softnet_processed_total", "Packets processed."),
    (1, "node_softnet_dropped_total", "Packets dropped."),
    (2, "node_softnet_times_squeezed_total", "Times processing ran out of budget."),
    (8, "node_softnet_cpu_collision_total", "Collisions while a device was locked."),
    (9, "node_softnet_received_rps_total", "Times a CPU was woken to receive packets."),
    (10, "node_softnet_flow_limit_count_total", "Times the flow limit was reached."),
];

/// The collector.
#[derive(Debug)]
pub struct SoftNet;

impl Collector for SoftNet {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let mut families = COUNTERS.map(|(_, name, help)| counter(name, help));
        let mut backlog = gauge("node_softnet_backlog_len", "Packets waiting in the queue.");
        for (line_idx, line) in parse::lines(ctx.proc("net/softnet_stat")?).enumerate() {
            let columns: Option<Vec<u64>> = parse::words(line).map(parse::hex).collect();
            let columns = columns.filter(|columns| columns.len() >= COLUMNS_MIN);
            let columns = columns.ok_or_else(|| CollectError::parse("net/softnet_stat", line))?;
            let column = |idx: usize| columns.get(idx).copied();
            let cpu = column(CPU).unwrap_or(line_idx as u64).to_string();
            for (family, (idx, _, _)) in families.iter_mut().zip(COUNTERS) {
                family.push(&[("cpu", &cpu)], column(idx).unwrap_or(0) as f64);
            }
            backlog.push(&[("cpu", &cpu)], column(BACKLOG).unwrap_or(0) as f64);
        }
        out.extend(families);
        out.push(backlog);
        Ok(())
    }
}
