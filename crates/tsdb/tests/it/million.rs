//! The head keeps to its share of a small machine: a million series on two gibibytes (`make soak`), a twentieth of both
//! in `make test`.
//!
//! The victim is this test binary itself, run with a limit on its memory (`ulimit -d`) that is the whole budget of such a
//! machine: an allocation beyond it would end it.

use std::process::Command;

use wf_model::Labels;
use wf_series::{Acknowledge, AppendError, SampleSink, SeriesRef, WriteBatch};
use wf_tsdb::{Budget, Tsdb, TsdbOptions};

use crate::kill::victim_dir;

const GIB: u64 = 1 << 30;
const SERIES_PER_TARGET: usize = 1000;
const START_MS: i64 = 1_700_000_000_000;
const INTERVAL_MS: i64 = 15_000;

/// Series, machine, rounds of appending.
fn form() -> (usize, u64, i64) {
    // Memory that does not depend on the number of series weighs more on the small one: it gets a little more.
    if std::env::var_os("WF_SOAK").is_some() { (1_000_000, 2 * GIB, 130) } else { (50_000, GIB / 8, 40) }
}

fn labels(n: usize) -> Labels {
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
fn value(series: usize, round: i64) -> f64 {
    match series % 4 {
        0 | 1 => series as f64,
        2 => (round * 150) as f64 + (series % 100) as f64,
        _ => ((series as f64 * 0.1 + round as f64).sin() * 1e6).round() / 1e3,
    }
}

#[test]
fn victim_fills_its_budget() {
    let Some(dir) = victim_dir() else { return };
    let (n_series, machine_bytes, n_rounds) = form();
    let memory_bytes_max = Budget::of_machine(machine_bytes).head_bytes();
    let tsdb =
        Tsdb::open(&dir, TsdbOptions { memory_bytes_max, ..TsdbOptions::default() }, START_MS).unwrap();
    let refs: Vec<SeriesRef> = (0..n_series).map(|n| tsdb.resolve(&labels(n)).unwrap()).collect();
    let mut batch = WriteBatch::default();
    for round in 0..n_rounds {
        let time = START_MS + round * INTERVAL_MS;
        for (target, refs) in refs.chunks(SERIES_PER_TARGET).enumerate() {
            batch.clear();
            for (at, series) in refs.iter().enumerate() {
                batch.push(*series, time, value(target * SERIES_PER_TARGET + at, round));
            }
            let outcome = tsdb.append(&batch, Acknowledge::Queued).unwrap();
            assert_eq!(outcome.rejected, []);
        }
        tsdb.maintain(time);
    }
    let stats = tsdb.stats();
    assert_eq!(
        (stats.n_series, stats.series_refused),
        (n_series as u64, 0),
        "below the limit nothing is refused"
    );
    // And on: at the bound new series are refused, known ones are not.
    let refusal = (n_series..).find_map(|n| tsdb.resolve(&labels(n)).err()).unwrap();
    assert!(matches!(refusal, AppendError::MemoryLimit { .. }), "{refusal}");
    let time = START_MS + n_rounds * INTERVAL_MS;
    batch.clear();
    refs.iter().take(SERIES_PER_TARGET).for_each(|series| batch.push(*series, time, 1.0));
    assert_eq!(tsdb.append(&batch, Acknowledge::Written).unwrap().n_appended, SERIES_PER_TARGET);
    let per_series = stats.memory_bytes / stats.n_series;
    println!("\n{per_series} B a series with {} before the first refusal: {refusal}", stats.n_series);
}

#[test]
fn series_up_to_the_budget_fit_the_machine() {
    if victim_dir().is_some() {
        return;
    }
    let (_, machine_bytes, _) = form();
    let limit_kib = Budget::of_machine(machine_bytes).total_bytes() / 1024;
    let dir = tempfile::tempdir().unwrap();
    let out = Command::new("sh")
        .args(["-c", "ulimit -d \"$1\" && shift && exec \"$@\"", "sh", &limit_kib.to_string()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "million::victim_fills_its_budget", "--nocapture", "--test-threads=1"])
        .env("WF_TEST_VICTIM_DIR", dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("before the first refusal"), "{text}");
}
