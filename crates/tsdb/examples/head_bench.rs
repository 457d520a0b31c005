//! Measures the head against its budgets: memory per series, time per new series, per sample, per selected series.
//!
//! `cargo run --release -p wf-tsdb --example head_bench -- [SERIES] [ROUNDS]`; defaults 200,000 and 60. Budgets are those
//! of `spec/performance-design.md` §0: 350 B a series, 1 µs a new one, about 65 ns a sample (route, append, log).
#![expect(clippy::print_stdout, reason = "a report for whoever runs it")]

use std::error::Error;
use std::fs;
use std::time::Instant;

use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{Acknowledge, SampleColumns, SampleSink, SelectRequest, SeriesRef, SeriesSource, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

/// As in the shipped binary: what is measured is its memory too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Series of one simulated target: a batch appends them together.
const SERIES_PER_TARGET: usize = 1000;
const INTERVAL_MS: i64 = 15_000;
/// Memory is told each time so many samples of each series were appended: half a chunk.
const REPORT_ROUNDS: i64 = 60;
const START_MS: i64 = 1_700_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let n_series: usize = args.next().map_or(Ok(200_000), |arg| arg.parse())?;
    let n_rounds: i64 = args.next().map_or(Ok(60), |arg| arg.parse())?;
    let dir = std::env::temp_dir().join(format!("head_bench-{}", std::process::id()));
    let result = run(&dir, n_series, n_rounds);
    fs::remove_dir_all(&dir)?;
    result
}

fn run(dir: &std::path::Path, n_series: usize, n_rounds: i64) -> Result<(), Box<dyn Error>> {
    let labels: Vec<Labels> = (0..n_series).map(labels_of).collect();
    let rss_before = rss_bytes()?;
    let tsdb = Tsdb::open(dir, TsdbOptions::default(), START_MS)?;

    let started = Instant::now();
    let refs: Vec<SeriesRef> = labels.iter().map(|labels| tsdb.resolve(labels)).collect::<Result<_, _>>()?;
    report("new series", started, n_series);
    let started = Instant::now();
    for labels in &labels {
        tsdb.resolve(labels)?;
    }
    report("known series", started, n_series);
    let rss_after = rss_bytes()?;
    println!("{:>8.0} B RSS per series without samples", per(rss_after.saturating_sub(rss_before), n_series));

    let started = Instant::now();
    let mut batch = WriteBatch::default();
    for round in 0..n_rounds {
        let time = START_MS + round * INTERVAL_MS;
        for (target, refs) in refs.chunks(SERIES_PER_TARGET).enumerate() {
            batch.clear();
            for (at, series) in refs.iter().enumerate() {
                batch.push(*series, time, value_of(target * SERIES_PER_TARGET + at, round));
            }
            tsdb.append(&batch, Acknowledge::Queued)?;
        }
        tsdb.maintain(time);
        if round % REPORT_ROUNDS == REPORT_ROUNDS - 1 {
            let rss = per(rss_bytes()?.saturating_sub(rss_before), n_series);
            println!("{rss:>8.0} B RSS per series after {} samples", round + 1);
        }
    }
    report("sample appended", started, n_series * usize::try_from(n_rounds)?);
    let stats = tsdb.stats();
    println!("{:>8.0} B RSS per series with samples", per(rss_bytes()?.saturating_sub(rss_before), n_series));
    println!("{:>8.0} B estimated per series", per(stats.memory_bytes, n_series));
    println!("{:>8.2} B of log per sample", stats.wal_bytes as f64 / stats.samples_appended as f64);

    let matchers = [Matcher::equal("__name__", "metric_7_total")];
    let request = SelectRequest { matchers: &matchers, range: TimeRange::ALL };
    let started = Instant::now();
    let selection = tsdb.select(&request)?;
    report("series selected", started, selection.len());
    let (mut out, mut n_samples) = (SampleColumns::default(), 0);
    let started = Instant::now();
    for idx in 0..selection.len() {
        selection.read(idx, TimeRange::ALL, &mut out)?;
        n_samples += out.len();
    }
    report("sample decoded", started, n_samples);
    let started = Instant::now();
    selection.label_column("instance");
    report("label code", started, selection.len());

    tsdb.close()?;
    drop((selection, tsdb));
    let started = Instant::now();
    let tsdb = Tsdb::open(dir, TsdbOptions::default(), START_MS)?;
    println!("{:>8.2} s to replay {} series", started.elapsed().as_secs_f64(), tsdb.stats().n_series);
    Ok(())
}

/// Ten labels, as a scrape of a node or a pod makes them.
fn labels_of(n: usize) -> Labels {
    let (target, metric) = (n / SERIES_PER_TARGET, n % SERIES_PER_TARGET);
    Labels::from_pairs([
        ("__name__", format!("metric_{}_total", metric / 8)),
        ("cluster", "production".to_owned()),
        ("container", format!("app-{}", target % 20)),
        ("device", format!("disk{}", metric % 8)),
        ("instance", format!("10.0.{}.{}:9100", target / 250, target % 250)),
        ("job", "node".to_owned()),
        ("mode", ["idle", "user", "system", "iowait"][metric % 4].to_owned()),
        ("namespace", format!("namespace-{}", target % 30)),
        ("node", format!("node-{target}")),
        ("pod", format!("app-{}-{:08x}", target % 20, target * 7919)),
    ])
}

/// What series of a cluster are: 45 % stand still, 20 % are integer counters, 15 % CPU time with two decimals, 12 % gauges
/// that wander, 5 % grow steadily, 3 % are random.
fn value_of(series: usize, round: i64) -> f64 {
    let noise =
        |at: i64| (mixed((series as u64) << 32 | at.cast_unsigned()) >> 40) as f64 / f64::from(1 << 24);
    // A pattern of 100 that is not the one of targets.
    match mixed(series as u64) % 100 {
        0..45 => (series % 1000) as f64,
        45..65 => ((round * 150) as f64 + noise(round) * 100.0).floor(),
        65..80 => (series % 1000) as f64 + ((round as f64 + noise(round)) * 1_234.0).round() / 100.0,
        80..92 => 1e6 + ((round as f64 * 0.1 + series as f64).sin() * 1e5 + noise(round) * 1e3).round() * 4.0,
        92..97 => (round * 15) as f64,
        _ => noise(round),
    }
}

/// Spreads the bits of a number.
fn mixed(n: u64) -> u64 {
    let n = (n ^ n >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let n = (n ^ n >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    n ^ n >> 33
}

fn report(what: &str, started: Instant, n: usize) {
    println!("{:>8.1} ns per {what}", started.elapsed().as_nanos() as f64 / n.max(1) as f64);
}

fn per(bytes: u64, n: usize) -> f64 {
    bytes as f64 / n as f64
}

fn rss_bytes() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}
