//! Where chunks and blocks begin changes no answer.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::Path;
use std::sync::Arc;

use wf_model::{MatchOp, Matcher, TimeRange};
use wf_promql::engine::{QueryOptions, QueryValue, RangeSpan};
use wf_promql::testing::{Generator, Scope};
use wf_series::memory::MemoryStorage;
use wf_series::{
    Acknowledge, HistogramValue, SampleColumns, SampleSink, SelectRequest, SeriesSource, WriteBatch,
};
use wf_tsdb::{Tsdb, TsdbOptions};

use super::steps::{Points, add_range, is_same};
use super::{data, n_of, seed};

const MINUTE: i64 = 60_000;

/// Opens a database with the samples of `storage`, whose chunks and blocks cross no multiple of `chunk_range_ms`.
fn database(folder: &Path, storage: &MemoryStorage, chunk_range_ms: i64) -> Arc<Tsdb> {
    let options = TsdbOptions { chunk_range_ms, compaction_thread: false, ..TsdbOptions::default() };
    let tsdb = Tsdb::open(folder, options, 0).unwrap();
    let all = [Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()];
    let selection = storage.select(&SelectRequest { matchers: &all, range: TimeRange::ALL }).unwrap();
    let mut samples: Vec<(i64, usize, Option<f64>, Option<HistogramValue>)> = Vec::new();
    let mut columns = SampleColumns::default();
    let labels: Vec<_> = (0..selection.len()).map(|idx| selection.labels(idx)).collect();
    for idx in 0..selection.len() {
        selection.read(idx, TimeRange::ALL, &mut columns).unwrap();
        for (at, time) in columns.times_ms.iter().enumerate() {
            let histogram = columns.histograms.iter().find(|(place, _)| *place == at);
            let histogram = histogram.map(|(_, value)| HistogramValue::Float(Arc::clone(value)));
            let float = histogram.is_none().then(|| columns.values[at]);
            samples.push((*time, idx, float, histogram));
        }
    }
    samples.sort_by_key(|(time, idx, ..)| (*time, *idx));
    for round in samples.chunk_by(|a, b| a.0 == b.0) {
        let mut batch = WriteBatch::default();
        for (time, idx, float, histogram) in round {
            // A series that was silent for a while has left the head.
            let series = tsdb.resolve(&labels[*idx]).unwrap();
            match (float, histogram) {
                (Some(value), _) => batch.push(series, *time, *value),
                (None, Some(value)) => batch.push_histogram(series, *time, value.clone()),
                (None, None) => {}
            }
        }
        let outcome = tsdb.append(&batch, Acknowledge::Queued).unwrap();
        assert!(outcome.rejected.is_empty(), "{outcome:?}");
        // Blocks are cut as time goes by.
        tsdb.maintain(round[0].0);
        tsdb.compact(round[0].0);
    }
    tsdb
}

#[test]
fn answers_do_not_depend_on_chunks_and_blocks() {
    let (engine, storage) = (data::engine(), data::storage());
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, minutes| database(&folder.path().join(name), &storage, minutes * MINUTE);
    let (whole, parts) = (open("whole", 120), open("parts", 4));
    let n_blocks = |name| {
        let entries = std::fs::read_dir(folder.path().join(name)).unwrap();
        entries.flatten().filter(|entry| entry.path().join("meta.json").exists()).count()
    };
    assert!(n_blocks("parts") > 3 && n_blocks("whole") == 0, "{} blocks", n_blocks("parts"));
    let mut generator =
        Generator::new(seed() + 60, data::VOCABULARY, Scope { odd_spelling: false, ..Scope::ALL });
    let mut n_points = 0;
    for _ in 0..n_of(1_500) {
        let query = generator.query();
        let step_ms = generator.dice.pick(&[60_000, 77_000, 300_000]);
        let span = RangeSpan { start_ms: 0, end_ms: 40 * MINUTE, step_ms };
        let ask = |source: &dyn SeriesSource| {
            let result = engine.range(source, &query, span, &QueryOptions::default());
            result.map_err(|error| error.to_string()).map(|result| {
                let QueryValue::Matrix(series) = result.value else { panic!("{query}: no matrix") };
                let mut points = Points::new();
                add_range(&mut points, &series);
                points
            })
        };
        match (ask(&storage), ask(&*whole), ask(&*parts)) {
            (Ok(want), Ok(whole), Ok(parts)) => {
                n_points += want.len();
                for found in [whole, parts] {
                    let differing = want
                        .iter()
                        .find(|(key, value)| !found.get(*key).is_some_and(|other| is_same(value, other)))
                        .map(|(key, value)| (key, value, found.get(key)));
                    assert!(differing.is_none(), "seed {}: {query}\n{span:?}\n{differing:?}", seed());
                    assert_eq!(found.len(), want.len(), "seed {}: {query}", seed());
                }
            }
            (Err(want), Err(whole), Err(parts)) => assert_eq!((&want, &want), (&whole, &parts), "{query}"),
            (want, whole, parts) => {
                panic!("seed {}: {query}: {:?}, {:?}, {:?}", seed(), want.err(), whole.err(), parts.err())
            }
        }
    }
    assert!(n_points > 10_000, "{n_points} points: the generator is dull");
}
