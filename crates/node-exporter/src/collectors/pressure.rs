//! `pressure`: time that tasks lost waiting for CPU, memory and I/O (PSI).

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, push_counter};
use crate::context::Context;
use crate::parse;

/// File, line and metric.
const LINES: &[(&str, &[u8], &str, &str)] = &[
    (
        "pressure/cpu",
        b"some",
        "node_pressure_cpu_waiting_seconds_total",
        "Time in which some task waited for CPU.",
    ),
    (
        "pressure/io",
        b"some",
        "node_pressure_io_waiting_seconds_total",
        "Time in which some task waited for I/O.",
    ),
    (
        "pressure/io",
        b"full",
        "node_pressure_io_stalled_seconds_total",
        "Time in which all tasks waited for I/O.",
    ),
    (
        "pressure/memory",
        b"some",
        "node_pressure_memory_waiting_seconds_total",
        "Time in which some task waited for memory.",
    ),
    (
        "pressure/memory",
        b"full",
        "node_pressure_memory_stalled_seconds_total",
        "Time in which all tasks waited for memory.",
    ),
    (
        "pressure/irq",
        b"full",
        "node_pressure_irq_stalled_seconds_total",
        "Time in which interrupts kept all tasks from running.",
    ),
];

/// The collector.
#[derive(Debug)]
pub struct Pressure;

impl Collector for Pressure {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let n_before = out.len();
        for (file, kind, name, help) in LINES {
            // Each file may be missing by itself: irq pressure is younger than the others. A kernel booted with
            // PSI off has the files and refuses to read them.
            let text = match ctx.proc(file) {
                Ok(text) => text,
                Err(error) if error.is_no_data() => continue,
                Err(error) => return Err(error),
            };
            let Some(line) = parse::lines(text).find(|line| line.starts_with(kind)) else { continue };
            let total = parse::words(line).find_map(|word| word.strip_prefix(b"total=")).and_then(parse::u64);
            let total_us = total.ok_or_else(|| CollectError::parse("pressure", line))?;
            push_counter(out, name, help, total_us as f64 / 1000.0 / 1000.0);
        }
        if out.len() == n_before {
            return Err(CollectError::NoData { why: "this kernel has no pressure information".to_owned() });
        }
        Ok(())
    }
}
