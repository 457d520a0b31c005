//! kill -9 of the whole database: what `append` acknowledged and what a query returned is there after each kill,
//! whether it was in the log, in a chunk file or on its way from one to the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{Acknowledge, SampleColumns, SampleSink, SelectRequest, SeriesSource, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::kill::{enter, n_rounds, run_and_kill, victim_dir};

const N_THREADS: u64 = 3;
const SERIES_PER_THREAD: usize = 20;
const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 500;

/// Chunks of a minute, so that in a second there are cuts, truncations and checkpoints.
fn open(dir: &Path) -> Arc<Tsdb> {
    let options = TsdbOptions { chunk_range_ms: 60_000, ..TsdbOptions::default() };
    Tsdb::open(dir, options, START_MS).unwrap()
}

fn labels(thread: u64, n: usize) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("thread", &thread.to_string()), ("n", &n.to_string())])
}

/// Newest step that each series of a thread has, and that all earlier ones are there.
fn newest_steps(tsdb: &Tsdb, thread: u64) -> Vec<i64> {
    let matchers = [Matcher::equal("thread", &thread.to_string())];
    let selection = tsdb.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL }).unwrap();
    let mut out = SampleColumns::default();
    let newest = |idx| {
        selection.read(idx, TimeRange::ALL, &mut out).unwrap();
        let steps: Vec<i64> = out.times_ms.iter().map(|time| (time - START_MS) / STEP_MS).collect();
        let is_whole = steps.iter().zip(0..).all(|(step, want)| *step == want);
        assert!(is_whole, "{} has a gap", selection.labels(idx));
        assert!(steps.iter().zip(&out.values).all(|(step, value)| value_at(*step) == *value));
        steps.last().copied().unwrap_or(-1)
    };
    (0..selection.len()).map(newest).collect()
}

/// Stands still, then moves.
fn value_at(step: i64) -> f64 {
    if step % 200 < 100 { 1.0 } else { step as f64 * 0.1 }
}

#[test]
fn victim_runs_a_database() {
    let Some(dir) = victim_dir() else { return };
    let tsdb = open(&dir);
    std::thread::scope(|scope| {
        for thread in 0..N_THREADS {
            let tsdb = &tsdb;
            scope.spawn(move || {
                let first = newest_steps(tsdb, thread).into_iter().min().unwrap_or(-1) + 1;
                let refs: Vec<_> =
                    (0..SERIES_PER_THREAD).map(|n| tsdb.resolve(&labels(thread, n)).unwrap()).collect();
                let mut batch = WriteBatch::default();
                for step in first.. {
                    batch.clear();
                    let time = START_MS + step * STEP_MS;
                    refs.iter().for_each(|series| batch.push(*series, time, value_at(step)));
                    // The second thread only queues: its batches count once a query has returned them.
                    let acknowledge = if thread == 1 { Acknowledge::Queued } else { Acknowledge::Written };
                    let outcome = tsdb.append(&batch, acknowledge).unwrap();
                    // The other threads may be further than storage accepts: then nothing was promised, and a later
                    // step would follow a gap.
                    if outcome.n_appended < SERIES_PER_THREAD {
                        return;
                    }
                    if thread == 1 {
                        let seen = newest_steps(tsdb, thread);
                        assert!(seen.iter().all(|step| *step == seen[0]), "half a batch: {seen:?}");
                        seen.first().inspect(|step| enter(&format!("ledger {thread} {step}.")));
                    } else {
                        enter(&format!("ledger {thread} {step}."));
                    }
                    // Nobody runs ahead: what is half a chunk range behind the newest sample would be refused.
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        for step in 0.. {
            tsdb.maintain(START_MS + step * 60_000);
            std::thread::sleep(Duration::from_millis(3));
        }
    });
}

#[test]
fn a_killed_database_keeps_everything_it_acknowledged_or_showed() {
    let dir = tempfile::tempdir().unwrap();
    let mut promised: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..n_rounds() {
        let victim = "kill_database::victim_runs_a_database";
        promised.extend(run_and_kill(victim, dir.path(), Duration::from_millis(150 + 41 * (round % 17))));
        let tsdb = open(dir.path());
        for (thread, newest) in &promised {
            let newest = i64::try_from(*newest).unwrap();
            let found = newest_steps(&tsdb, thread.parse().unwrap());
            assert_eq!(found.len(), SERIES_PER_THREAD);
            assert!(found.iter().all(|step| *step >= newest), "round {round}: {found:?} of {newest}");
            assert!(found.iter().all(|step| *step == found[0]), "half a batch came back: {found:?}");
        }
        tsdb.close().unwrap();
    }
    assert!(!promised.is_empty());
}
