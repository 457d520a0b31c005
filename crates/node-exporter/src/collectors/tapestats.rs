//! `tapestats`: what tape drives read and wrote.

use regex_automata::meta::Regex;
use wf_exposition::MetricFamily;
use wf_model::MetricType;

use crate::collector::{CollectError, Collector, Sink};
use crate::config::{Config, FlagError};
use crate::context::{Context, names_in};
use crate::filter;

/// The collector.
#[derive(Debug)]
pub struct TapeStats {
    ignored: Regex,
}

/// File, metric, type, factor. Times are in nanoseconds.
#[rustfmt::skip]
const NUMBERS: [(&str, &str, MetricType, f64); 10] = [
    ("in_flight", "node_tape_io_now", MetricType::Gauge, 1.0),
    ("io_ns", "node_tape_io_time_seconds_total", MetricType::Counter, 1e-9),
    ("other_cnt", "node_tape_io_others_total", MetricType::Counter, 1.0),
    ("read_byte_cnt", "node_tape_read_bytes_total", MetricType::Counter, 1.0),
    ("read_cnt", "node_tape_reads_completed_total", MetricType::Counter, 1.0),
    ("read_ns", "node_tape_read_time_seconds_total", MetricType::Counter, 1e-9),
    ("resid_cnt", "node_tape_residual_total", MetricType::Counter, 1.0),
    ("write_byte_cnt", "node_tape_written_bytes_total", MetricType::Counter, 1.0),
    ("write_cnt", "node_tape_writes_completed_total", MetricType::Counter, 1.0),
    ("write_ns", "node_tape_write_time_seconds_total", MetricType::Counter, 1e-9),
];

impl TapeStats {
    /// Takes its options.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: &Config) -> Result<Self, FlagError> {
        let flag = "--collector.tapestats.ignored-devices";
        Ok(Self { ignored: filter::regex(flag, &config.tapestats_ignored)? })
    }
}

impl Collector for TapeStats {
    fn collect(&self, ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let base = ctx.paths.sys.join("class/scsi_tape");
        if !base.is_dir() {
            return Err(CollectError::NoData { why: "this host has no tapes".to_owned() });
        }
        let mut sink = Sink::new(out);
        // A drive has several names: by density, and whether it rewinds.
        let is_drive = |name: &&String| name.trim_start_matches("st").parse::<u32>().is_ok();
        let drives = names_in(&base, "st");
        for device in drives.iter().filter(is_drive).filter(|name| !self.ignored.is_match(name.as_str())) {
            let dir = base.join(device).join("stats");
            if !dir.is_dir() {
                continue;
            }
            for (file, name, kind, factor) in NUMBERS {
                // What a driver does not count is 0, as in the original.
                let value = ctx.value(&dir.join(file)).unwrap_or(0.0);
                sink.add(kind, name, "Tape statistic.", &[("device", device)], value * factor);
            }
        }
        Ok(())
    }
}
