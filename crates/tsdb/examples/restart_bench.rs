//! Measures the time to ready after a kill.
//!
//! `restart_bench fill DIR [SERIES] [ROUNDS]` writes samples every 15 s as scrapes of 1,000 series do, then kills itself;
//! `restart_bench open DIR` opens what is left and says how long that took and how much memory. A Prometheus started on
//! a copy of DIR replays the same load. Defaults: 1,000,000 series, 120 rounds (half an hour).
#![expect(clippy::print_stdout, reason = "a report for whoever runs it")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use rustix::process::{Signal, getpid, kill_process};
use wf_model::Labels;
use wf_series::{Acknowledge, SampleSink, SeriesRef, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

/// Series of one simulated target: a batch appends them together.
const SERIES_PER_TARGET: usize = 1000;
const INTERVAL_MS: i64 = 15_000;
/// 17 minutes into a two-hour range, so that an hour of samples has no cut in it.
const START_MS: i64 = 1_700_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| args.get(at).map_or(Ok(default), |arg| arg.parse());
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["fill", dir, ..] => fill(Path::new(dir), number(2, 1_000_000)?, number(3, 120)?),
        ["open", dir, ..] => open(Path::new(dir)),
        _ => Err("say `fill DIR [SERIES] [ROUNDS]` or `open DIR`".into()),
    }
}

fn fill(dir: &Path, n_series: usize, n_rounds: usize) -> Result<(), Box<dyn Error>> {
    let tsdb = Tsdb::open(dir, TsdbOptions::default(), START_MS)?;
    let refs: Vec<SeriesRef> =
        (0..n_series).map(|n| tsdb.resolve(&labels_of(n))).collect::<Result<_, _>>()?;
    let started = Instant::now();
    let mut batch = WriteBatch::default();
    for round in 0..i64::try_from(n_rounds)? {
        for (target, refs) in refs.chunks(SERIES_PER_TARGET).enumerate() {
            // Scrapes are spread over the interval.
            let time = START_MS + round * INTERVAL_MS + i64::try_from(target * 15)? % INTERVAL_MS;
            batch.clear();
            for (at, series) in refs.iter().enumerate() {
                batch.push(*series, time, value_of(target * SERIES_PER_TARGET + at, round));
            }
            tsdb.append(&batch, Acknowledge::Queued)?;
            if target % 67 == 0 {
                tsdb.maintain(time);
            }
        }
    }
    tsdb.append(&batch, Acknowledge::Written)?;
    let stats = tsdb.stats();
    println!(
        "{} samples of {n_series} series in {:.1} s, log {} MB, head chunks {} MB, {} MB RSS",
        stats.samples_appended,
        started.elapsed().as_secs_f64(),
        stats.wal_bytes >> 20,
        stats.head_chunks_bytes >> 20,
        rss_bytes("VmRSS:")? >> 20,
    );
    kill_process(getpid(), Signal::KILL)?;
    Ok(())
}

fn open(dir: &Path) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let tsdb = Tsdb::open(dir, TsdbOptions::default(), START_MS)?;
    let elapsed_s = started.elapsed().as_secs_f64();
    let stats = tsdb.stats();
    println!(
        "{elapsed_s:.2} s to ready, {} series, {} chunks, {} MB RSS, {} MB at the peak, {} MB estimated",
        stats.n_series,
        stats.n_chunks,
        rss_bytes("VmRSS:")? >> 20,
        rss_bytes("VmHWM:")? >> 20,
        stats.memory_bytes >> 20,
    );
    kill_process(getpid(), Signal::KILL)?;
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

/// Half of the series never change, a quarter counts, a quarter is a noisy gauge.
fn value_of(series: usize, round: i64) -> f64 {
    match series % 4 {
        0 | 1 => series as f64,
        2 => (round * 150) as f64 + (series % 100) as f64,
        _ => ((series as f64 * 0.1 + round as f64).sin() * 1e6).round() / 1e3,
    }
}

fn rss_bytes(field: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}
