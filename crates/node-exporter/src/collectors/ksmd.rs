//! `ksmd`: pages that processes share because they are equal.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, push_counter, push_gauge};
use crate::context::Context;
use crate::parse;

/// File and gauge.
const GAUGES: [(&str, &str); 8] = [
    ("general_profit", "node_ksmd_general_profit_bytes"),
    ("merge_across_nodes", "node_ksmd_merge_across_nodes"),
    ("pages_shared", "node_ksmd_pages_shared"),
    ("pages_sharing", "node_ksmd_pages_sharing"),
    ("pages_to_scan", "node_ksmd_pages_to_scan"),
    ("pages_unshared", "node_ksmd_pages_unshared"),
    ("pages_volatile", "node_ksmd_pages_volatile"),
    ("run", "node_ksmd_run"),
];

const HELP: &str = "Statistic of merging equal pages.";

/// The collector.
#[derive(Debug)]
pub struct Ksmd;

impl Collector for Ksmd {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let dir = ctx.paths.sys.join("kernel/mm/ksm");
        if !dir.is_dir() {
            return Err(CollectError::NoData { why: "this kernel does not merge pages".to_owned() });
        }
        // Each file may be missing: they came with different kernels. The profit can be negative.
        let mut number = |file: &str| ctx.attribute(&dir.join(file)).and_then(parse::number);
        if let Some(scans) = number("full_scans") {
            push_counter(out, "node_ksmd_full_scans_total", HELP, scans);
        }
        if let Some(sleep_ms) = number("sleep_millisecs") {
            push_gauge(out, "node_ksmd_sleep_seconds", HELP, sleep_ms / 1000.0);
        }
        for (file, name) in GAUGES {
            if let Some(value) = number(file) {
                push_gauge(out, name, HELP, value);
            }
        }
        Ok(())
    }
}
