//! The database answers generated queries as the naive storage does: chunk boundaries, open chunks, the write-ahead log
//! and a restart leave no trace in an answer.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::Arc;

use wf_model::Labels;
use wf_promql::engine::{Engine, EngineOptions, Features, QueryOptions, RangeSpan};
use wf_promql::testing::{Generator, Scope, Vocabulary};
use wf_series::memory::MemoryStorage;
use wf_series::{Acknowledge, SampleColumns, SampleSink, SeriesSource, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

const INTERVAL_MS: i64 = 5_000;
const N_SAMPLES: i64 = 700;

const VOCABULARY: Vocabulary = Vocabulary {
    metrics: &["a_total", "a_total", "b", "gappy"],
    matchers: &["x=\"1\"", "x!=\"1\"", "y=~\".+\"", "y=\"\""],
    labels: &["x", "y", "__name__"],
    times: &["600", "1234.5", "3499"],
};

/// Values that compress well, badly and not at all; gaps; stale markers.
fn series() -> Vec<(Labels, SampleColumns)> {
    let mut all = Vec::new();
    for idx in 0..9_i64 {
        let name = ["a_total", "b", "gappy"][usize::try_from(idx % 3).unwrap()];
        let (x, y) = ((idx / 3).to_string(), if idx < 6 { "" } else { "y" });
        let pairs = [("__name__", name), ("x", x.as_str()), ("y", y)];
        let mut samples = SampleColumns::default();
        for step in 0..N_SAMPLES {
            let time_ms = step * INTERVAL_MS + idx * 7;
            let value = match name {
                "a_total" => ((step * (idx + 1)) % (400 + idx)) as f64,
                "b" => (step as f64 * 0.37 + idx as f64).sin() * 1e3,
                _ if step % 90 > 60 => continue,
                _ if step % 90 == 60 => f64::from_bits(0x7ff0_0000_0000_0002),
                _ => 5.0,
            };
            samples.push(time_ms, value);
        }
        all.push((Labels::from_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty())), samples));
    }
    all
}

fn write(tsdb: &Tsdb, all: &[(Labels, SampleColumns)]) {
    for step in 0..N_SAMPLES {
        let mut batch = WriteBatch::default();
        for (labels, samples) in all {
            let Some(at) = samples.times_ms.iter().position(|time_ms| time_ms / INTERVAL_MS == step) else {
                continue;
            };
            batch.push(tsdb.resolve(labels).unwrap(), samples.times_ms[at], samples.values[at]);
        }
        tsdb.append(&batch, Acknowledge::Written).unwrap();
    }
}

fn compare(naive: &MemoryStorage, real: &dyn SeriesSource, seed: u64, n_queries: usize) {
    let options = EngineOptions { features: Features::SCRIPT_SUITE, ..EngineOptions::default() };
    let engine = Engine::new(options);
    let mut generator = Generator::new(seed, VOCABULARY, Scope { odd_spelling: false, ..Scope::ALL });
    for _ in 0..n_queries {
        let query = generator.query();
        let start_ms = generator.dice.pick(&[0, 599_000, 1_800_000, 3_400_000]);
        let span = RangeSpan {
            start_ms,
            end_ms: start_ms + 600_000,
            step_ms: generator.dice.pick(&[15_000, 60_000]),
        };
        let told =
            |source: &dyn SeriesSource| match engine.range(source, &query, span, &QueryOptions::default()) {
                Ok(result) => format!("{:?} {:?}", result.value, result.annotations),
                Err(error) => error.to_string(),
            };
        assert!(told(naive) == told(real), "seed {seed}: {query}\n{}\n{}", told(naive), told(real));
    }
}

#[test]
fn the_database_answers_as_the_naive_storage() {
    let folder = tempfile::tempdir().unwrap();
    let all = series();
    let naive = MemoryStorage::new();
    for (labels, samples) in &all {
        naive.insert(labels.clone(), samples.clone());
    }
    let open = || -> Arc<Tsdb> {
        Tsdb::open(folder.path(), TsdbOptions::default(), N_SAMPLES * INTERVAL_MS).unwrap()
    };
    let tsdb = open();
    write(&tsdb, &all);
    compare(&naive, tsdb.as_ref(), 1, 300);
    tsdb.close().unwrap();
    let tsdb = open();
    compare(&naive, tsdb.as_ref(), 2, 300);
    tsdb.close().unwrap();
}
