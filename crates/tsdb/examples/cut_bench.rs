//! What a head cut costs: `cut_bench [series] [hours] [gone]` appends a sample a minute to that many series of ten
//! labels, of which one in `gone` ends after an hour (none: 0), cuts the head, compacts, and prints time and memory of each
//! step, and how long one who appends meanwhile waits at most.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wf_model::{Labels, TimeRange};
use wf_series::{Acknowledge, SampleColumns, SampleSink, SelectRequest, SeriesSource, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

const START_MS: i64 = 1_700_006_400_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let n_series: usize = args.next().map_or(Ok(100_000), |arg| arg.parse())?;
    let n_hours: i64 = args.next().map_or(Ok(4), |arg| arg.parse())?;
    let gone: usize = args.next().map_or(Ok(10), |arg| arg.parse())?;
    let mut out = std::io::stdout();
    let dir = std::env::temp_dir().join(format!("cut-bench-{}", std::process::id()));
    let options = TsdbOptions {
        compaction_thread: false,
        series_max: u64::MAX,
        memory_bytes_max: u64::MAX,
        ..TsdbOptions::default()
    };
    let tsdb = Tsdb::open(&dir, options, START_MS)?;
    let refs: Vec<_> = (0..n_series).map(|n| tsdb.resolve(&labels(n))).collect::<Result<_, _>>()?;
    let mut batch = WriteBatch::default();
    for minute in 0..n_hours * 60 {
        let time_ms = START_MS + minute * 60_000;
        for (some, base) in refs.chunks(5000).zip((0..).step_by(5000)) {
            batch.clear();
            for (series, n) in some.iter().zip(base..) {
                let value = if n % 2 == 0 { 1.0 } else { (minute * (n % 100)) as f64 };
                let has_ended = minute >= 60 && usize::try_from(n)?.checked_rem(gone) == Some(0);
                if !has_ended {
                    batch.push(*series, time_ms, value);
                }
            }
            tsdb.append(&batch, Acknowledge::Queued)?;
        }
    }
    writeln!(out, "filled: {} MiB, peak {} MiB", status_mib("VmRSS:"), status_mib("VmHWM:"))?;
    let end_ms = START_MS + n_hours * 3_600_000;
    step(&mut out, "cut", &tsdb, end_ms, || tsdb.maintain(START_MS))?;
    step(&mut out, "compact", &tsdb, end_ms + 1_000_000, || tsdb.compact(START_MS))?;
    step(&mut out, "select", &tsdb, end_ms + 2_000_000, || select(&tsdb))?;
    tsdb.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn select(tsdb: &Tsdb) {
    let Ok(selection) = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }) else { return };
    let mut out = SampleColumns::default();
    (0..selection.len()).for_each(|idx| drop(selection.read(idx, TimeRange::ALL, &mut out)));
}

/// Appends a sample to a series of its own again and again; returns the longest wait.
fn longest_wait(tsdb: &Tsdb, start_ms: i64, is_over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    for time_ms in start_ms.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let started = Instant::now();
        let Ok(series) = tsdb.resolve(&labels(usize::MAX)) else { break };
        let mut batch = WriteBatch::default();
        batch.push(series, time_ms, 1.0);
        let appended = tsdb.append(&batch, Acknowledge::Queued);
        longest = longest.max(started.elapsed());
        if appended.is_err() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    longest
}

fn step(
    out: &mut impl Write,
    name: &str,
    tsdb: &Tsdb,
    start_ms: i64,
    work: impl FnOnce(),
) -> std::io::Result<()> {
    let (before, started, cpu) = (status_mib("RssAnon:"), Instant::now(), cpu_seconds());
    let (is_over, peak) = (AtomicBool::new(false), AtomicU64::new(before));
    let longest = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| longest_wait(tsdb, start_ms, &is_over));
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                peak.fetch_max(status_mib("RssAnon:"), Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(10));
            }
        });
        work();
        is_over.store(true, Ordering::Relaxed);
        waiting.join().unwrap_or_default()
    });
    let (after, peak) = (status_mib("RssAnon:"), peak.into_inner());
    let (wall, cpu) = (started.elapsed(), cpu_seconds() - cpu);
    writeln!(
        out,
        "{name}: {wall:.2?}, CPU {cpu:.2} s, anonymous {before} MiB, peak {peak}, after {after}; an append waited {longest:.2?} at most"
    )
}

/// Returns the CPU time of this process, seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn labels(n: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("metric_{}", n % 1000)),
        ("cluster", "main".to_owned()),
        ("container", format!("app-{}", n % 37)),
        ("endpoint", "http".to_owned()),
        ("id", format!("{n:08}")),
        ("instance", format!("10.0.{}.{}:9100", n / 1000 / 250, n / 1000 % 250)),
        ("job", "node".to_owned()),
        ("namespace", format!("ns-{}", n % 53)),
        ("node", format!("node-{}", n / 1000)),
        ("pod", format!("pod-{}", n / 100)),
    ])
}

/// Returns a field of `/proc/self/status`, MiB.
fn status_mib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
