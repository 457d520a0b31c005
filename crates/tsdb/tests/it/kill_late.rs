//! kill -9 of a database that takes out-of-order samples: what was acknowledged is there after each kill, whether it was
//! in memory, in a chunk with or without its marker, or on its way to a block.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{Acknowledge, SampleColumns, SampleSink, SelectRequest, SeriesSource, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::kill::{enter, run_and_kill, victim_dir};

const N_ROUNDS: u64 = 8;
const N_THREADS: u64 = 3;
const SERIES_PER_THREAD: usize = 10;
const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 1_700_000_000_000;
/// Late samples come newest first, from here on back.
const LATE_MS: i64 = START_MS - HOUR_MS;
const STEP_MS: i64 = 700;

fn open(dir: &Path) -> Arc<Tsdb> {
    let options = TsdbOptions {
        chunk_range_ms: 60_000,
        out_of_order_window_ms: 20 * HOUR_MS,
        ..TsdbOptions::default()
    };
    Tsdb::open(dir, options, START_MS).unwrap()
}

fn labels(thread: u64, n: usize) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("thread", &thread.to_string()), ("n", &n.to_string())])
}

/// How many late steps each series of a thread has, and that none is missing in between.
fn n_steps(tsdb: &Tsdb, thread: u64) -> Vec<i64> {
    let matchers = [Matcher::equal("thread", &thread.to_string())];
    let range = TimeRange { start_ms: i64::MIN, end_ms: LATE_MS };
    let selection = tsdb.select(&SelectRequest { matchers: &matchers, range }).unwrap();
    let mut out = SampleColumns::default();
    let count = |idx| {
        selection.read(idx, range, &mut out).unwrap();
        let steps = out.times_ms.iter().rev().map(|time| (LATE_MS - time) / STEP_MS);
        assert!(steps.eq(0..out.len() as i64), "{} has a gap: {:?}", selection.labels(idx), out.times_ms);
        assert!(out.times_ms.iter().zip(&out.values).all(|(time, value)| *time as f64 == *value));
        out.len() as i64
    };
    (0..selection.len()).map(count).collect()
}

#[test]
fn victim_takes_late_samples() {
    let Some(dir) = victim_dir() else { return };
    let tsdb = open(&dir);
    let heartbeat = tsdb.resolve(&Labels::from_pairs([("__name__", "heartbeat")])).unwrap();
    let beat = |step: i64| {
        let mut batch = WriteBatch::default();
        batch.push(heartbeat, START_MS + step * 20_000, step as f64);
        tsdb.append(&batch, Acknowledge::Written).unwrap();
        tsdb.maintain(START_MS + step * 20_000);
    };
    beat(0);
    std::thread::scope(|scope| {
        for thread in 0..N_THREADS {
            let tsdb = &tsdb;
            scope.spawn(move || {
                let first = n_steps(tsdb, thread).into_iter().min().unwrap_or(0);
                let refs: Vec<_> =
                    (0..SERIES_PER_THREAD).map(|n| tsdb.resolve(&labels(thread, n)).unwrap()).collect();
                let mut batch = WriteBatch::default();
                for step in first.. {
                    batch.clear();
                    let time = LATE_MS - step * STEP_MS;
                    refs.iter().for_each(|series| batch.push(*series, time, time as f64));
                    let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
                    assert_eq!(outcome.n_appended, SERIES_PER_THREAD, "{outcome:?}");
                    enter(&format!("ledger {thread} {}.", step + 1));
                }
            });
        }
        for step in 1.. {
            beat(step);
            std::thread::sleep(Duration::from_millis(3));
        }
    });
}

#[test]
fn a_killed_database_keeps_late_samples_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut promised: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..N_ROUNDS {
        let victim = "kill_late::victim_takes_late_samples";
        promised.extend(run_and_kill(victim, dir.path(), Duration::from_millis(200 + 47 * round)));
        let tsdb = open(dir.path());
        for (thread, wanted) in &promised {
            let wanted = i64::try_from(*wanted).unwrap();
            let found = n_steps(&tsdb, thread.parse().unwrap());
            assert_eq!(found.len(), SERIES_PER_THREAD);
            assert!(found.iter().all(|n| *n >= wanted), "round {round}: {found:?} of {wanted}");
        }
        assert_eq!((tsdb.stats().replay_unknown_refs, tsdb.stats().head_chunk_corruptions), (0, 0));
        tsdb.close().unwrap();
    }
    assert!(promised.values().sum::<u64>() > 100, "{promised:?}");
}
