//! Appends scrapes to a new database, as a measure of the write path.

use std::io::{self, BufRead, BufReader};
use std::path::Path;

use wf_model::{Labels, METRIC_NAME};
use wf_series::{Acknowledge, SampleSink, WriteBatch};

use super::ToolError;
use crate::block::BlockError;
use crate::disk::{Disk, OsDisk};
use crate::{Tsdb, TsdbOptions};

/// Time between two scrapes, ms.
const INTERVAL_MS: i64 = 15_000;

/// Longest line of a file of series, bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Reads at most `n_max` series from a file with a JSON object of labels a line.
/// # Errors
/// When the file cannot be read or a line is something else.
pub fn read_series(file: &Path, n_max: usize) -> Result<Vec<Labels>, ToolError> {
    let mut reader = BufReader::new(OsDisk.reader(file).map_err(BlockError::io("read", file))?);
    let mut series = Vec::new();
    let mut line = String::new();
    while series.len() < n_max {
        line.clear();
        let n_read = io::Read::take(&mut reader, LINE_BYTES_MAX).read_line(&mut line);
        if n_read.map_err(BlockError::io("read", file))? == 0 {
            break;
        }
        let number = series.len() + 1;
        let bad = |error: serde_json::Error| {
            ToolError::Request(format!("{}: line {number}: {error}", file.display()))
        };
        // The original's data separates lines by commas.
        let text = line.trim().trim_end_matches(',');
        let pairs: std::collections::BTreeMap<String, String> = serde_json::from_str(text).map_err(bad)?;
        series.push(Labels::from_pairs(pairs));
    }
    Ok(series)
}

/// Makes up series as a node exporter has them: many hosts, ten metrics each with a label.
pub fn invent_series(n: usize) -> Vec<Labels> {
    let labels = |idx: usize| {
        let (host, metric, device) = (idx / 100, idx / 10 % 10, idx % 10);
        let (name, device) = (format!("bench_metric_{metric}_total"), format!("device{device}"));
        let instance = format!("host-{host}:9100");
        let pairs =
            [(METRIC_NAME, name.as_str()), ("instance", &instance), ("job", "bench"), ("device", &device)];
        Labels::from_pairs(pairs)
    };
    (0..n).map(labels).collect()
}

/// Appends `n_scrapes` scrapes of all series to a new database in `dir`; returns how many samples it took.
/// # Errors
/// When the directory exists, or the database refuses.
pub fn run(dir: &Path, series: &[Labels], n_scrapes: u32) -> Result<u64, ToolError> {
    if OsDisk.info(dir).is_ok() {
        return Err(ToolError::Request(format!(
            "{} exists already: choose another directory",
            dir.display()
        )));
    }
    let refused = |error: &dyn std::error::Error| ToolError::Request(crate::head::Chain(error).to_string());
    let options = TsdbOptions { series_max: series.len().max(1) as u64, ..TsdbOptions::default() };
    let tsdb = Tsdb::open(dir, options, 0)?;
    let mut batch = WriteBatch::default();
    let mut refs = Vec::with_capacity(series.len());
    for labels in series {
        refs.push(tsdb.resolve(labels).map_err(|error| refused(&error))?);
    }
    let mut n_samples = 0;
    for scrape in 0..n_scrapes {
        let time_ms = i64::from(scrape) * INTERVAL_MS;
        batch.clear();
        for (series_ref, counter) in refs.iter().zip(0_u32..) {
            batch.push(*series_ref, time_ms, f64::from(scrape) * f64::from(counter % 100));
        }
        let outcome = tsdb.append(&batch, Acknowledge::Written).map_err(|error| refused(&error))?;
        n_samples += outcome.n_appended as u64;
        tsdb.maintain(time_ms);
    }
    tsdb.close().map_err(|error| refused(&error))?;
    Ok(n_samples)
}
