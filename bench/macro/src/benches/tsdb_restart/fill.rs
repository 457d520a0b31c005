//! A log as a server leaves it that scraped a cluster and was killed: written by the database itself, faster than a
//! server could scrape.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, getpid, kill_process};
use wf_model::Labels;
use wf_series::{Acknowledge, SampleSink, SeriesRef, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

const INTERVAL_MS: i64 = 15_000;
/// A batch appends the series of a target together.
const SERIES_PER_TARGET: usize = 1_000;
/// Upkeep runs about once a second.
const UPKEEP_MS: i64 = 1_000;

/// Writes `n_rounds` samples of each of `n_series` series into a new database in `dir`, the last ones now, with the
/// upkeep that a server does meanwhile; then kills this process.
/// # Errors
/// When that fails.
pub fn fill_and_die(dir: &Path, n_series: usize, n_rounds: i64) -> Result<()> {
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let start_ms = now_ms - n_rounds * INTERVAL_MS;
    let options = TsdbOptions {
        compaction_thread: false,
        series_max: u64::MAX,
        memory_bytes_max: u64::MAX,
        ..TsdbOptions::default()
    };
    let tsdb = Tsdb::open(dir, options, start_ms).context("open a database")?;
    let refs: Vec<SeriesRef> =
        (0..n_series).map(|n| tsdb.resolve(&labels_of(n))).collect::<Result<_, _>>()?;
    let n_targets = i64::try_from(refs.chunks(SERIES_PER_TARGET).len())?;
    let mut batch = WriteBatch::default();
    let mut upkeep_ms = start_ms;
    for round in 0..n_rounds {
        for (target, some) in (0..).zip(refs.chunks(SERIES_PER_TARGET)) {
            // Scrapes are spread over the interval.
            let time_ms = start_ms + round * INTERVAL_MS + target * INTERVAL_MS / n_targets;
            batch.clear();
            for (series, at) in some.iter().zip(0..) {
                batch.push(*series, time_ms, value_of(target * 1_000 + at, round));
            }
            tsdb.append(&batch, Acknowledge::Queued)?;
            if time_ms - upkeep_ms >= UPKEEP_MS {
                upkeep_ms = time_ms;
                tsdb.maintain(time_ms);
            }
        }
    }
    tsdb.append(&batch, Acknowledge::Written)?;
    kill_process(getpid(), Signal::KILL)?;
    bail!("the process survived its kill")
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

/// The mix of the simulator: of a hundred series 45 stand still, 20 count, 15 count hundredths, 12 wander, 5 grow
/// steadily, 3 are random.
fn value_of(series: i64, round: i64) -> f64 {
    let noise = |range: i64| {
        let mixed = (series << 20 ^ round).cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        i64::try_from(mixed >> 40).unwrap_or(0) % range
    };
    match series % 100 {
        0..45 => series as f64,
        45..65 => (round * 150 + noise(40)) as f64,
        65..80 => (round * 1_500 + noise(300)) as f64 / 100.0,
        80..92 => (1_000_000 + noise(4_096) * 64) as f64,
        92..97 => (round * 15) as f64,
        _ => noise(1 << 24) as f64 / 65_537.0,
    }
}
