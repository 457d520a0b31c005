//! `bcache`: disks cached by faster ones.

use std::path::Path;

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::Config;
use crate::context::{Context, names_in};
use crate::parse;

/// The collector.
#[derive(Debug)]
pub struct Bcache {
    /// Asking for priorities makes the kernel sort all buckets.
    has_priorities: bool,
}

/// File and metric of numbers about a cache set.
const SET: [(&str, &str); 8] = [
    ("average_key_size", "node_bcache_average_key_size_sectors"),
    ("btree_cache_size", "node_bcache_btree_cache_size_bytes"),
    ("cache_available_percent", "node_bcache_cache_available_percent"),
    ("congested", "node_bcache_congested"),
    ("root_usage_percent", "node_bcache_root_usage_percent"),
    ("tree_depth", "node_bcache_tree_depth"),
    ("internal/active_journal_entries", "node_bcache_active_journal_entries"),
    ("internal/btree_nodes", "node_bcache_btree_nodes"),
];

/// File and metric of counts about a backing device, since it was attached.
const TOTALS: [(&str, &str); 6] = [
    ("bypassed", "node_bcache_bypassed_bytes_total"),
    ("cache_hits", "node_bcache_cache_hits_total"),
    ("cache_misses", "node_bcache_cache_misses_total"),
    ("cache_bypass_hits", "node_bcache_cache_bypass_hits_total"),
    ("cache_bypass_misses", "node_bcache_cache_bypass_misses_total"),
    ("cache_miss_collisions", "node_bcache_cache_miss_collisions_total"),
];

/// Key of `writeback_rate_debug` and metric.
const WRITEBACK: [(&str, &str); 5] = [
    ("rate", "node_bcache_writeback_rate"),
    ("target", "node_bcache_dirty_target_bytes"),
    ("proportional", "node_bcache_writeback_rate_proportional_term"),
    ("integral", "node_bcache_writeback_rate_integral_term"),
    ("change", "node_bcache_writeback_change"),
];

const HELP: &str = "Block cache statistic.";

impl Bcache {
    /// Takes its options.
    pub fn new(config: &Config) -> Self {
        Self { has_priorities: config.bcache_priority_stats }
    }

    fn push_cache(
        &self,
        ctx: &mut Context,
        dir: &Path,
        labels: [(&'static str, &str); 2],
        sink: &mut Sink<'_>,
    ) {
        let mut number = |file: &str| ctx.attribute(&dir.join(file)).and_then(human);
        if let Some(errors) = number("io_errors") {
            sink.gauge("node_bcache_io_errors", HELP, &labels, errors);
        }
        for (file, name) in [
            ("metadata_written", "node_bcache_metadata_written_bytes_total"),
            ("written", "node_bcache_written_bytes_total"),
        ] {
            if let Some(bytes) = number(file) {
                sink.counter(name, HELP, &labels, bytes);
            }
        }
        if !self.has_priorities {
            return;
        }
        let text = ctx.text(&dir.join("priority_stats")).unwrap_or_default();
        for (key, name) in [
            ("Unused:", "node_bcache_priority_stats_unused_percent"),
            ("Metadata:", "node_bcache_priority_stats_metadata_percent"),
        ] {
            let percent = text.lines().find_map(|line| line.strip_prefix(key));
            let percent = percent.and_then(|percent| percent.trim().trim_end_matches('%').parse().ok());
            if let Some(percent) = percent {
                sink.gauge(name, HELP, &labels, percent);
            }
        }
    }
}

impl Collector for Bcache {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("fs/bcache");
        let mut sink = Sink::new(out);
        for uuid in names_in(&base, "").iter().filter(|name| name.contains('-')) {
            let dir = base.join(uuid);
            push_set(ctx, &dir, uuid, &mut sink);
            for device in names_in(&dir, "bdev") {
                push_backing(
                    ctx,
                    &dir.join(&device),
                    [("backing_device", &device), ("uuid", uuid)],
                    &mut sink,
                );
            }
            for device in names_in(&dir, "cache").iter().filter(|name| is_numbered(name, "cache")) {
                self.push_cache(
                    ctx,
                    &dir.join(device),
                    [("cache_device", device), ("uuid", uuid)],
                    &mut sink,
                );
            }
        }
        Ok(())
    }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.parse::<u32>().is_ok())
}

fn push_set(ctx: &mut Context, dir: &Path, uuid: &str, sink: &mut Sink<'_>) {
    let labels = [("uuid", uuid)];
    for (file, name) in SET {
        if let Some(number) = ctx.attribute(&dir.join(file)).and_then(human) {
            sink.gauge(name, HELP, &labels, number);
        }
    }
    if let Some(races) = ctx.value(&dir.join("internal/cache_read_races")) {
        sink.counter("node_bcache_cache_read_races_total", HELP, &labels, races);
    }
    // Nanoseconds, whatever the file's name says.
    if let Some(duration_ns) = ctx.value(&dir.join("internal/btree_read_average_duration_us")) {
        sink.gauge("node_bcache_btree_read_average_duration_seconds", HELP, &labels, duration_ns * 1e-9);
    }
}

fn push_backing(ctx: &mut Context, dir: &Path, labels: [(&'static str, &str); 2], sink: &mut Sink<'_>) {
    if let Some(bytes) = ctx.attribute(&dir.join("dirty_data")).and_then(human) {
        sink.gauge("node_bcache_dirty_data_bytes", HELP, &labels, bytes);
    }
    let debug = ctx.text(&dir.join("writeback_rate_debug")).unwrap_or_default();
    for (key, name) in WRITEBACK {
        let value = debug.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let value = value.and_then(|value| human(value.trim().trim_end_matches("/sec").as_bytes()));
        if let Some(value) = value {
            sink.gauge(name, HELP, &labels, value);
        }
    }
    let totals = dir.join("stats_total");
    for (file, name) in TOTALS {
        if let Some(count) = ctx.attribute(&totals.join(file)).and_then(human) {
            sink.counter(name, HELP, &labels, count);
        }
    }
    // Kernels since 5.10 keep the file and never count.
    if let Some(count) = ctx.value(&totals.join("cache_readaheads")).filter(|count| *count != 0.0) {
        sink.counter("node_bcache_cache_readaheads_total", HELP, &labels, count);
    }
}

/// Reads a size as bcache prints it: `20.4G`, where the digit after the point counts hundreds of the next smaller unit.
fn human(text: &[u8]) -> Option<f64> {
    let text = str::from_utf8(text).ok()?.trim();
    let Some(unit) = text.chars().last().filter(|last| last.is_ascii_alphabetic()) else {
        return parse::number(text.as_bytes());
    };
    let power = "kMGTPEZY".find(unit)?;
    let unit_bytes = 1024_f64.powi(i32::try_from(power).ok()? + 1);
    let (whole, tenths) = text.strip_suffix(unit)?.split_once('.').unwrap_or((text.strip_suffix(unit)?, "0"));
    let sign = if whole.starts_with('-') { -1.0 } else { 1.0 };
    let (whole, tenths) = (whole.trim_start_matches('-').parse::<f64>().ok()?, tenths.parse::<f64>().ok()?);
    Some(sign * (whole * unit_bytes + tenths * 100.0 * (unit_bytes / 1024.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_the_kernel_made_them() {
        assert_eq!(human(b"20.4G"), Some(21_894_266_880.0));
        assert_eq!(human(b"427.5k"), Some(437_748.0));
        assert_eq!(human(b"-1.0k"), Some(-1024.0));
        assert_eq!(human(b"0"), Some(0.0));
        assert_eq!([human(b""), human(b"x"), human(b"1.xG")], [None; 3]);
    }
}
