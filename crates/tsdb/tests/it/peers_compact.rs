//! What we cut and compact is what the original reads, in fewer bytes than it writes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use wf_model::Labels;
use wf_series::{Acknowledge, SampleSink, WriteBatch};
use wf_tsdb::block::BlockMeta;
use wf_tsdb::disk::OsDisk;
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::peers::{Dump, Prometheus, dump, now_ms, peer, value_text};

const HOUR_MS: i64 = 3_600_000;
const STEP_MS: i64 = 15_000;
const RANGE_MS: i64 = 18 * HOUR_MS;
/// In the proportions of a cluster: constants, integer counters, CPU seconds, gauges, monotonic, noise.
const CLASSES: [usize; 6] = [45, 20, 15, 12, 5, 3];

/// xorshift: the same samples in every run.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Values of one series of a class, in order.
fn values(class: usize, seed: usize, n: usize) -> Vec<f64> {
    let mut random = Random(seed as u64 * 7919 + 1);
    let (mut value, mut rate) = ((seed * 1000) as f64, 50.0);
    let mut next = |at: usize| {
        match class {
            0 => {}
            1 => {
                if at.is_multiple_of(100) {
                    rate = (random.unit() * 500.0).floor();
                }
                value += (rate * random.unit()).floor();
            }
            2 => value = ((value + random.unit() * 15.0) * 100.0).round() / 100.0,
            3 => value += ((random.unit() - 0.5) * 1000.0).round() * 4096.0,
            4 => value += 15.0,
            _ => value = random.unit(),
        }
        value
    };
    (0..n).map(&mut next).collect()
}

fn series() -> Vec<(Labels, Vec<f64>)> {
    let n = usize::try_from(RANGE_MS / STEP_MS).unwrap();
    let classes = CLASSES.iter().enumerate().flat_map(|(class, count)| vec![class; *count]);
    let labels = |id: usize, class: usize| {
        let name = format!("wf_class_{class}_total");
        Labels::from_pairs([
            ("__name__", name),
            ("instance", format!("host-{}:9100", id % 7)),
            ("id", id.to_string()),
        ])
    };
    classes.enumerate().map(|(id, class)| (labels(id, class), values(class, id, n))).collect()
}

/// The newest boundary of 18 hours that lies far enough back for nothing to be too young.
fn start_ms() -> i64 {
    (now_ms() - 30 * HOUR_MS).div_euclid(RANGE_MS) * RANGE_MS
}

/// Stores the samples as they come from scrapes, with some hours of one series after them, so that all is compacted.
fn fill(dir: &Path, start_ms: i64, series: &[(Labels, Vec<f64>)]) -> Arc<Tsdb> {
    let options = TsdbOptions { compaction_thread: false, ..TsdbOptions::default() };
    let tsdb = Tsdb::open(dir, options, start_ms).unwrap();
    let refs: Vec<_> = series.iter().map(|(labels, _)| tsdb.resolve(labels).unwrap()).collect();
    let mut batch = WriteBatch::default();
    for at in 0..usize::try_from(RANGE_MS / STEP_MS).unwrap() {
        batch.clear();
        let time_ms = start_ms + i64::try_from(at).unwrap() * STEP_MS;
        for (series_ref, (_, values)) in refs.iter().zip(series) {
            batch.push(*series_ref, time_ms, values[at]);
        }
        tsdb.append(&batch, Acknowledge::Queued).unwrap();
        if at % 240 == 0 {
            tsdb.maintain(time_ms);
        }
    }
    for hours in [18, 20, 22, 24] {
        batch.clear();
        batch.push(refs[0], start_ms + hours * HOUR_MS, 0.0);
        tsdb.append(&batch, Acknowledge::Written).unwrap();
    }
    tsdb.maintain(start_ms + 24 * HOUR_MS);
    tsdb.compact(start_ms + 24 * HOUR_MS);
    tsdb
}

/// Returns the bytes of the block of 18 hours in `dir`.
fn block_bytes(dir: &Path) -> u64 {
    fn bytes(dir: &Path) -> u64 {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| match entry.metadata().unwrap() {
                metadata if metadata.is_dir() => bytes(&entry.path()),
                metadata => metadata.len(),
            })
            .sum()
    }
    let blocks = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let long = blocks.filter(|path| {
        BlockMeta::read(&OsDisk, path).is_ok_and(|meta| meta.max_time - meta.min_time > 12 * HOUR_MS)
    });
    let found: Vec<u64> = long.map(|path| bytes(&path)).collect();
    assert_eq!(found.len(), 1, "one block of 18 hours in {}", dir.display());
    found[0]
}

/// Lets promtool make a block from the same samples.
fn promtool_block_bytes(promtool: &Path, start_ms: i64, series: &[(Labels, Vec<f64>)]) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input.om");
    let mut out = std::io::BufWriter::new(fs::File::create(&input).unwrap());
    for (labels, values) in series {
        let pairs = labels.iter().filter(|(name, _)| *name != "__name__");
        let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let head = format!("{}{{{}}}", labels.get("__name__").unwrap(), pairs.join(","));
        for (value, at) in values.iter().zip(0..) {
            writeln!(out, "{head} {value} {}", (start_ms + at * STEP_MS) / 1000).unwrap();
        }
    }
    writeln!(out, "# EOF").unwrap();
    drop(out);
    let data = dir.path().join("data");
    let made = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=18h"])
        .args([&input, &data])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    block_bytes(&data)
}

fn want(start_ms: i64, series: &[(Labels, Vec<f64>)]) -> Dump {
    let text = |labels: &Labels| {
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("{{{}}}", pairs.join(", "))
    };
    let samples = |values: &[f64]| {
        values.iter().zip(0..).map(|(value, at)| (start_ms + at * STEP_MS, value_text(*value))).collect()
    };
    series.iter().map(|(labels, values)| (text(labels), samples(values))).collect()
}

#[test]
fn the_original_reads_what_we_compacted_and_its_own_blocks_are_larger() {
    let Some(promtool) = peer("promtool") else { return };
    let (start_ms, series, dir) = (start_ms(), series(), tempfile::tempdir().unwrap());
    let tsdb = fill(dir.path(), start_ms, &series);
    tsdb.close().unwrap();
    let mut found = dump(&promtool, dir.path());
    found.values_mut().for_each(|samples| samples.retain(|(time, _)| *time < start_ms + RANGE_MS));
    assert!(found == want(start_ms, &series), "the dump of {} series differs", found.len());
    let listed = Command::new(&promtool).args(["tsdb", "list"]).arg(dir.path()).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let analyzed = Command::new(&promtool).args(["tsdb", "analyze"]).arg(dir.path()).output().unwrap();
    assert!(analyzed.status.success(), "{}", String::from_utf8_lossy(&analyzed.stderr));

    let (ours, theirs) = (block_bytes(dir.path()), promtool_block_bytes(&promtool, start_ms, &series));
    let ratio = ours as f64 / theirs as f64;
    let _ = writeln!(std::io::stderr(), "block of 18 h: {ours} B, Prometheus's {theirs} B: {ratio:.3}");
    assert!(ratio <= 0.92, "{ours} B are more than 0.92 of {theirs} B");
}

#[test]
fn the_original_goes_on_where_we_stopped() {
    let Some(program) = peer("prometheus") else { return };
    let (start_ms, series, dir) = (start_ms(), series(), tempfile::tempdir().unwrap());
    fill(dir.path(), start_ms, &series).close().unwrap();
    let n_samples = series.len() * usize::try_from(RANGE_MS / STEP_MS).unwrap();
    let server = Prometheus::start_with(&program, dir.path(), "");
    server.eventually("/-/ready", "Ready");
    let end_s = (start_ms + RANGE_MS - 1) / 1000;
    let query = format!("/api/v1/query?time={end_s}&query=sum(count_over_time(%7Bid!=%22%22%7D%5B18h%5D))");
    let body = server.get(&query).unwrap();
    assert!(body.contains(&format!("\"{n_samples}\"")), "{body}, not {n_samples}");
    // What it kept is ours again.
    drop(server);
    let tsdb = Tsdb::open(dir.path(), TsdbOptions::default(), now_ms()).unwrap();
    assert_eq!(tsdb.stats().compaction.n_set_aside, 0);
    assert!(tsdb.stats().compaction.n_blocks > 0);
}
