//! The database against a naive model, across restarts, crashes and truncations.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use wf_model::{Matcher, TimeRange};
use wf_series::memory::MemoryStorage;
use wf_series::{Rejection, SampleColumns};

use super::*;
use crate::disk::faulty::FaultyDisk;

mod blocks;
mod deletion;
mod late;
mod repair;
mod samples;
mod snapshot;
mod takeover;
mod upkeep;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Some boundary of two hours, in the past.
const START: i64 = 1_700_000_000_000 / (2 * HOUR) * (2 * HOUR);

fn small() -> TsdbOptions {
    TsdbOptions { wal_segment_bytes: 10 << 20, compaction_thread: false, ..TsdbOptions::default() }
}

fn labels(n: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", if n.is_multiple_of(3) { "up" } else { "down" }.to_owned()),
        ("instance", format!("host-{}", n / 4)),
        ("job", "test".to_owned()),
        ("n", n.to_string()),
    ])
}

/// Copies the directory as a killed process would leave it: what was written is there, nothing else.
fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn dump(
    source: &dyn SeriesSource,
    matchers: &[Matcher],
    range: TimeRange,
) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    let selection = source.select(&SelectRequest { matchers, range }).unwrap();
    let (mut out, mut newest) = (SampleColumns::default(), SampleColumns::default());
    let mut all = BTreeMap::new();
    let column = selection.label_column("n");
    for idx in 0..selection.len() {
        selection.read(idx, range, &mut out).unwrap();
        let samples = out.times_ms.iter().copied().zip(out.values.iter().map(|value| value.to_bits()));
        selection.read_newest(idx, range, &mut newest).unwrap();
        let last = newest.times_ms.last().copied().zip(newest.values.last().map(|value| value.to_bits()));
        assert_eq!(last, samples.clone().next_back(), "the newest sample is the last of all");
        let labels = selection.labels(idx);
        assert_eq!(&*column.values[column.codes[idx] as usize], labels.get("n").unwrap_or(""));
        // Storage may return a series whose chunks, but not samples, touch the range.
        if !out.is_empty() {
            assert!(all.insert(labels, samples.collect::<Vec<_>>()).is_none(), "a series came twice");
        }
    }
    all
}

fn append_one(tsdb: &Tsdb, labels: &Labels, time: i64, value: f64) -> AppendOutcome {
    let mut batch = WriteBatch::default();
    batch.push(tsdb.resolve(labels).unwrap(), time, value);
    tsdb.append(&batch, Acknowledge::Written).unwrap()
}

/// What the database should hold: rules of `spec/prometheus-core.md` §7.7 in their simplest form.
#[derive(Default)]
struct Model {
    series: BTreeMap<Labels, SampleColumns>,
    newest: Option<i64>,
}

impl Model {
    fn append(&mut self, batch: &[(usize, i64, f64)]) -> Vec<(usize, Rejection)> {
        let bound = self.newest.map_or(i64::MIN, |newest| newest - HOUR);
        let mut rejected = Vec::new();
        for (at, (n, time, value)) in batch.iter().enumerate() {
            let series = self.series.entry(labels(*n)).or_default();
            let last = series.times_ms.last().copied();
            if *time < bound {
                rejected.push((at, Rejection::OutOfBounds));
            } else if last.is_some_and(|last| *time < last) {
                rejected.push((at, Rejection::OutOfOrder));
            } else if last == Some(*time) {
                if series.values.last().map(|v| v.to_bits()) != Some(value.to_bits()) {
                    rejected.push((at, Rejection::Duplicate));
                }
            } else {
                series.push(*time, *value);
                self.newest = self.newest.max(Some(*time));
            }
        }
        rejected
    }

    fn storage(&self) -> MemoryStorage {
        let storage = MemoryStorage::new();
        let filled = self.series.iter().filter(|(_, samples)| !samples.is_empty());
        filled.for_each(|(labels, samples)| storage.insert(labels.clone(), samples.clone()));
        storage
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Series, time relative to now in seconds, value.
    Append(Vec<(usize, i64, u8)>),
    /// One series, many samples at a constant step of so many seconds.
    Run {
        series: usize,
        n: i64,
        step_s: i64,
        is_constant: bool,
    },
    Pass {
        minutes: i64,
    },
    Maintain,
    Compact,
    Restart,
    Crash,
}

fn any_step() -> impl Strategy<Value = Step> {
    let sample = (0..12usize, prop_oneof![4 => 0..60i64, 1 => -4000..0i64], 0..3u8);
    prop_oneof![
        6 => prop::collection::vec(sample, 1..20).prop_map(Step::Append),
        3 => (0..12usize, 1..300i64, 1..20i64, any::<bool>())
            .prop_map(|(series, n, step_s, is_constant)| Step::Run { series, n, step_s, is_constant }),
        3 => (1..150i64).prop_map(|minutes| Step::Pass { minutes }),
        2 => Just(Step::Maintain),
        1 => Just(Step::Compact),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

fn check_equal(tsdb: &Tsdb, model: &Model, range: TimeRange) {
    let storage = model.storage();
    let regex = |op, name, pattern| Matcher::new(op, name, pattern).unwrap();
    use wf_model::MatchOp::{NotEqual, NotRegex, Regex};
    let sets = [
        vec![],
        vec![Matcher::equal("__name__", "up")],
        vec![Matcher::equal("job", "test"), regex(Regex, "instance", "host-[01]")],
        vec![regex(NotEqual, "n", "3"), regex(NotRegex, "instance", ".*1")],
    ];
    for matchers in &sets {
        let (got, want) = (dump(tsdb, matchers, range), dump(&storage, matchers, range));
        let keys = |all: &BTreeMap<Labels, Vec<(i64, u64)>>| all.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&got), keys(&want), "{matchers:?} in {range:?}");
        for ((series, got), (_, want)) in got.iter().zip(&want) {
            let at =
                got.iter().zip(want).position(|(got, want)| got != want).unwrap_or(got.len().min(want.len()));
            assert!(
                got == want,
                "{series} at {at}: {:?} of {}, not {:?} of {}",
                got.get(at),
                got.len(),
                want.get(at),
                want.len()
            );
        }
    }
}

fn run_model(steps: &[Step]) {
    let root = tempfile::tempdir().unwrap();
    let mut n_dirs = 0;
    let mut dir = root.path().join("0");
    let mut tsdb = Tsdb::open(&dir, small(), START).unwrap();
    let mut model = Model::default();
    let mut now = START + MINUTE;
    for step in steps {
        match step {
            Step::Append(samples) => {
                let samples: Vec<(usize, i64, f64)> =
                    samples.iter().map(|(n, s, v)| (*n, now + s * 1000, f64::from(*v))).collect();
                let mut batch = WriteBatch::default();
                for (n, time, value) in &samples {
                    batch.push(tsdb.resolve(&labels(*n)).unwrap(), *time, *value);
                }
                let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
                assert_eq!(outcome.rejected, model.append(&samples));
                assert_eq!(outcome.n_appended + outcome.rejected.len(), samples.len());
            }
            Step::Run { series, n, step_s, is_constant } => {
                let value = |at: i64| if *is_constant { 1.0 } else { (at * at) as f64 * 0.37 };
                let samples: Vec<(usize, i64, f64)> =
                    (0..*n).map(|at| (*series, now + at * step_s * 1000, value(at))).collect();
                let mut batch = WriteBatch::default();
                let series_ref = tsdb.resolve(&labels(*series)).unwrap();
                samples.iter().for_each(|(_, time, value)| batch.push(series_ref, *time, *value));
                let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
                assert_eq!(outcome.rejected, model.append(&samples));
                now += n * step_s * 1000;
            }
            Step::Pass { minutes } => now += minutes * MINUTE,
            Step::Maintain => tsdb.maintain(now),
            Step::Compact => tsdb.compact(now),
            Step::Restart => {
                tsdb.close().unwrap();
                tsdb = Tsdb::open(&dir, small(), now).unwrap();
            }
            Step::Crash => {
                n_dirs += 1;
                let copy = root.path().join(n_dirs.to_string());
                copy_dir(&dir, &copy);
                let crashed = std::mem::replace(&mut tsdb, Tsdb::open(&copy, small(), now).unwrap());
                crashed.close().unwrap();
                dir = copy;
            }
        }
        let newest = model.newest.unwrap_or(now);
        check_equal(&tsdb, &model, TimeRange { start_ms: newest - 20 * HOUR, end_ms: newest + HOUR });
        check_equal(&tsdb, &model, TimeRange { start_ms: newest - 90 * MINUTE, end_ms: newest - 7 * MINUTE });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Through appends, late and repeated samples, cuts, truncations, restarts and crashes: what was acknowledged is
    /// what is read.
    #[test]
    fn the_database_equals_the_model(steps in prop::collection::vec(any_step(), 1..40)) {
        run_model(&steps);
    }
}

#[test]
fn labels_are_listed_as_the_model_lists_them() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let mut model = Model::default();
    for n in 0..12 {
        let time = START + n as i64 * MINUTE;
        append_one(&tsdb, &labels(n), time, 1.0);
        model.append(&[(n, time, 1.0)]);
    }
    let storage = model.storage();
    let up = [vec![Matcher::equal("__name__", "up")], vec![Matcher::equal("n", "1")]];
    let early = TimeRange { start_ms: START, end_ms: START + 5 * MINUTE };
    for (matcher_sets, range) in
        [(&up[..], TimeRange::ALL), (&[], TimeRange::ALL), (&up[..], early), (&[], early)]
    {
        let query = LabelQuery { matcher_sets, range };
        assert_eq!(tsdb.label_names(&query).unwrap(), storage.label_names(&query).unwrap());
        for name in ["instance", "n", "nowhere", "__name__"] {
            assert_eq!(tsdb.label_values(name, &query).unwrap(), storage.label_values(name, &query).unwrap());
        }
    }
}

#[test]
fn a_reader_never_sees_half_a_batch() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let refs: Vec<SeriesRef> = (0..300).map(|n| tsdb.resolve(&labels(n)).unwrap()).collect();
    let is_over = AtomicBool::new(false);
    let writer = |first: usize, acknowledge: Acknowledge| {
        let mut batch = WriteBatch::default();
        for round in 0..400 {
            batch.clear();
            let series = refs.iter().skip(first).step_by(2);
            series.for_each(|series| batch.push(*series, START + round * 1000, round as f64));
            tsdb.append(&batch, acknowledge).unwrap();
        }
    };
    std::thread::scope(|scope| {
        let writers =
            [scope.spawn(|| writer(0, Acknowledge::Queued)), scope.spawn(|| writer(1, Acknowledge::Written))];
        let reader = scope.spawn(|| {
            let mut n_reads = 0;
            while !is_over.load(Ordering::Relaxed) || n_reads == 0 {
                let all = dump(&*tsdb, &[], TimeRange::ALL);
                for parity in [0, 1] {
                    let of_writer = all
                        .iter()
                        .filter(|(l, _)| l.get("n").unwrap().parse::<usize>().unwrap() % 2 == parity);
                    let lens: Vec<usize> = of_writer.map(|(_, samples)| samples.len()).collect();
                    assert!(lens.is_empty() || lens.len() == 150, "{} series of a batch", lens.len());
                    assert!(lens.iter().all(|len| *len == lens[0]), "half a batch: {lens:?}");
                }
                n_reads += 1;
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn a_selection_is_a_snapshot_and_survives_truncation() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    for minute in 0..120 {
        append_one(&tsdb, &labels(1), START + minute * MINUTE, minute as f64);
    }
    let request = SelectRequest { matchers: &[], range: TimeRange::ALL };
    let selection = tsdb.select(&request).unwrap();
    for minute in (0..30 * 60).step_by(10) {
        let time = START + 2 * HOUR + minute * MINUTE;
        append_one(&tsdb, &labels(2), time, 2.0);
        // The clock hardly moves: the selection's patience is not at stake here.
        tsdb.maintain(START + minute);
    }
    let mut out = SampleColumns::default();
    selection.read(0, TimeRange::ALL, &mut out).unwrap();
    assert_eq!((out.len(), out.values[119], selection.len()), (120, 119.0, 1));
    assert_eq!(selection.labels(0), labels(1));
    drop(selection);
    let now = START + 33 * HOUR;
    tsdb.maintain(now);
    tsdb.maintain(now);
    assert_eq!(tsdb.stats().n_series, 1, "{:?}", tsdb.stats());
    let keys: Vec<Labels> = dump(&*tsdb, &[], TimeRange::ALL).into_keys().collect();
    assert_eq!(keys, [labels(1), labels(2)], "what left the head is in a block");
}

#[test]
fn a_selection_held_too_long_fails_instead_of_lying() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_one(&tsdb, &labels(1), START, 1.0);
    let selection = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    append_one(&tsdb, &labels(2), START + 10 * HOUR, 1.0);
    tsdb.maintain(START + 10 * HOUR);
    assert_eq!(tsdb.stats().n_series, 2);
    tsdb.maintain(START + 11 * HOUR);
    assert_eq!(tsdb.stats().n_series, 1);
    assert!(selection.read(0, TimeRange::ALL, &mut SampleColumns::default()).is_err());
    assert!(selection.labels(0).is_empty());
}

#[test]
fn series_beyond_the_bound_are_refused_while_known_ones_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { series_max: 5, ..small() };
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    (0..5).for_each(|n| {
        append_one(&tsdb, &labels(n), START, 1.0);
    });
    let error = tsdb.resolve(&labels(5)).unwrap_err();
    assert!(error.to_string().contains("--storage.head.series-max"), "{error}");
    assert_eq!(append_one(&tsdb, &labels(4), START + 10 * HOUR, 1.0).n_appended, 1);
    tsdb.maintain(START + 10 * HOUR);
    assert_eq!((tsdb.stats().n_series, tsdb.stats().series_refused), (1, 1));
    tsdb.resolve(&labels(5)).unwrap();
}

#[test]
fn memory_beyond_the_bound_refuses_new_series_only() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { memory_bytes_max: 2 << 20, ..small() };
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    let n_taken = (0..100_000).take_while(|n| tsdb.resolve(&labels(*n)).is_ok()).count();
    assert!((1000..20_000).contains(&n_taken), "{n_taken}");
    assert!(tsdb.resolve(&labels(n_taken)).unwrap_err().to_string().contains("--storage.head.memory-max"));
    assert_eq!(append_one(&tsdb, &labels(7), START, 1.0).n_appended, 1);
}

#[test]
fn churn_within_the_window_does_not_grow_memory_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { chunk_range_ms: 60_000, ..small() };
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    let mut peak_early = 0;
    for round in 0..40i64 {
        let time = START + round * 30_000;
        let mut batch = WriteBatch::default();
        for n in 0..500 {
            let series = Labels::from_pairs([("__name__", "m".to_owned()), ("pod", format!("{round}-{n}"))]);
            batch.push(tsdb.resolve(&series).unwrap(), time, n as f64);
        }
        tsdb.append(&batch, Acknowledge::Written).unwrap();
        tsdb.maintain(time);
        let bytes = tsdb.stats().memory_bytes;
        if round < 12 {
            peak_early = peak_early.max(bytes);
        } else {
            assert!(bytes <= peak_early * 5 / 4, "round {round}: {bytes} bytes after a peak of {peak_early}");
        }
    }
    assert!(tsdb.stats().series_removed > 15_000, "{:?}", tsdb.stats());
}

#[test]
fn readers_writers_and_truncation_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { chunk_range_ms: 10_000, ..small() };
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    let is_over = AtomicBool::new(false);
    let churned =
        |round: i64, n: i64| Labels::from_pairs([("pod", format!("{}", round / 7)), ("n", n.to_string())]);
    let read_once = || {
        let selection = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
        let pods = selection.label_column("pod");
        let mut out = SampleColumns::default();
        for idx in 0..selection.len() {
            selection.read(idx, TimeRange::ALL, &mut out).unwrap();
            assert!(out.times_ms.iter().zip(&out.values).all(|(time, value)| *time as f64 == *value));
            let labels = selection.labels(idx);
            assert_eq!(labels.get("pod"), Some(&*pods.values[pods.codes[idx] as usize]));
            // The samples are those of this very series: its pod lived for seven rounds of a second each.
            let pod: i64 = labels.get("pod").unwrap().parse().unwrap();
            assert!(
                out.times_ms.iter().all(|time| (time - START) / 1000 / 7 == pod),
                "{labels}: {:?}",
                out.times_ms
            );
        }
        let query = LabelQuery { matcher_sets: &[vec![Matcher::equal("n", "1")]], range: TimeRange::ALL };
        tsdb.label_values("pod", &query).unwrap();
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut batch = WriteBatch::default();
            for round in 0..600 {
                let time = START + round * 1000;
                let mut missing: Vec<i64> = (0..20).collect();
                while !missing.is_empty() {
                    batch.clear();
                    for n in &missing {
                        batch.push(tsdb.resolve(&churned(round, *n)).unwrap(), time, time as f64);
                    }
                    let outcome = tsdb.append(&batch, Acknowledge::Queued).unwrap();
                    // Two truncations since it was resolved: the writer is told, see the next test.
                    let unknown = outcome.rejected.iter().map(|(at, rejection)| {
                        assert_eq!(*rejection, Rejection::UnknownSeries);
                        missing[*at]
                    });
                    missing = unknown.collect();
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    read_once();
                }
            });
        }
        while !is_over.load(Ordering::Relaxed) {
            // A clock that stands still: no selection loses its patience here.
            tsdb.maintain(START);
            std::thread::yield_now();
        }
        writer.join().unwrap();
    });
    tsdb.maintain(START);
    tsdb.maintain(START);
    let stats = tsdb.stats();
    assert!(stats.series_removed > 1000 && stats.n_series < 200, "{stats:?}");
    assert_eq!(stats.samples_appended, 600 * 20);
}

/// Who resolves a series and then waits for two truncations is told, and nothing goes to a series of the same id.
#[test]
fn a_series_that_is_collected_before_its_first_sample_is_reported_as_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { chunk_range_ms: 10_000, ..small() };
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    let series = tsdb.resolve(&labels(1)).unwrap();
    for second in 0..60 {
        append_one(&tsdb, &labels(2), START + second * 1000, 2.0);
        tsdb.maintain(START);
    }
    let mut batch = WriteBatch::default();
    batch.push(series, START + 60_000, 1.0);
    let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
    assert_eq!((outcome.n_appended, outcome.rejected), (0, vec![(0, Rejection::UnknownSeries)]));
    assert_eq!(append_one(&tsdb, &labels(1), START + 60_000, 1.0).n_appended, 1);
    assert!(tsdb.resolve(&labels(1)).unwrap() > series);
}

#[test]
fn a_series_costs_less_than_its_budget() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let n_series = 20_000;
    let series = |n: usize| {
        let metric = format!("metric_{}_total", n % 500);
        let instance = format!("10.0.0.{}:9100", n / 500);
        let pod = format!("app-{:08x}", n / 500 * 7919);
        let constant = [("cluster", "production"), ("job", "node"), ("container", "app"), ("region", "east")];
        let own = [
            ("__name__", &*metric),
            ("instance", &*instance),
            ("pod", &*pod),
            ("mode", ["user", "idle"][n % 2]),
        ];
        Labels::from_pairs(constant.into_iter().chain(own))
    };
    let refs: Vec<SeriesRef> = (0..n_series).map(|n| tsdb.resolve(&series(n)).unwrap()).collect();
    let mut batch = WriteBatch::default();
    for round in 0..130 {
        batch.clear();
        for (n, series) in refs.iter().enumerate() {
            let value = if n % 2 == 0 { 1.0 } else { (round * 30) as f64 };
            batch.push(*series, START + round * 15_000, value);
        }
        tsdb.append(&batch, Acknowledge::Queued).unwrap();
    }
    tsdb.maintain(START + HOUR);
    let bytes = tsdb.stats().memory.series_bytes / n_series as u64;
    assert!((100..350).contains(&bytes), "{bytes} bytes a series");
}

#[test]
fn a_batch_too_large_for_the_log_is_refused_before_it_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let series = tsdb.resolve(&labels(1)).unwrap();
    let mut batch = WriteBatch::default();
    (0..400_000).for_each(|n| batch.push(series, START + n, 1.0));
    let error = tsdb.append(&batch, Acknowledge::Written).unwrap_err();
    assert!(error.to_string().contains("400000 samples"), "{error}");
    assert_eq!(append_one(&tsdb, &labels(1), START, 1.0).n_appended, 1);
}

#[test]
fn a_repeated_sample_is_still_no_conflict_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_one(&tsdb, &labels(1), START, 5.0);
    tsdb.close().unwrap();
    assert!(matches!(tsdb.resolve(&labels(2)), Err(AppendError::Closed)));
    tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert!(tsdb.stats().clean_start);
    assert_eq!(append_one(&tsdb, &labels(1), START, 5.0).rejected, []);
    assert_eq!(append_one(&tsdb, &labels(1), START, 6.0).rejected, [(0, Rejection::Duplicate)]);
    assert_eq!(append_one(&tsdb, &labels(1), START - 1, 6.0).rejected, [(0, Rejection::OutOfOrder)]);
}

#[test]
fn references_are_not_given_out_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let first = tsdb.resolve(&labels(1)).unwrap();
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(tsdb.resolve(&labels(1)).unwrap(), first);
    assert!(tsdb.resolve(&labels(2)).unwrap() > first);
    let mut batch = WriteBatch::default();
    batch.push(SeriesRef::new(999).unwrap(), START, 1.0);
    let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
    assert_eq!(outcome.rejected, [(0, Rejection::UnknownSeries)]);
}

#[test]
fn a_torn_log_is_repaired_counted_and_keeps_what_came_before() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    (0..100).for_each(|n| {
        append_one(&tsdb, &labels(1), START + n * 1000, n as f64);
    });
    tsdb.close().unwrap();
    let segment = dir.path().join("wal/00000000");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(tsdb.stats().wal_corruptions, 1);
    let found = dump(&*tsdb, &[], TimeRange::ALL);
    let n_found = found[&labels(1)].len();
    assert!((30..70).contains(&n_found), "{n_found}");
    append_one(&tsdb, &labels(1), START + HOUR, 1.0);
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(tsdb.stats().wal_corruptions, 0);
    assert_eq!(dump(&*tsdb, &[], TimeRange::ALL)[&labels(1)].len(), n_found + 1);
}

/// Waits until `is_done`; the log recovers in its own time.
fn eventually(mut is_done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_done() {
        assert!(std::time::Instant::now() < deadline, "it did not come to pass");
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_full_disk_refuses_batches_and_loses_none_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let faults = FaultyDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(faults.clone());
    let tsdb = Tsdb::open_on(&disk, dir.path(), small(), START, &ReplayProgress::default()).unwrap();
    append_one(&tsdb, &labels(1), START, 1.0);
    let refs = [1, 2].map(|n| tsdb.resolve(&labels(n)).unwrap());
    let batch_at = |time: i64| {
        let mut batch = WriteBatch::default();
        refs.iter().for_each(|series| batch.push(*series, time, 2.0));
        batch
    };
    tsdb.append(&batch_at(START + 1000), Acknowledge::Written).unwrap();
    faults.room.store(0, Ordering::SeqCst);
    for n in 2..5 {
        let error = tsdb.append(&batch_at(START + n * 1000), Acknowledge::Written).unwrap_err();
        assert!(matches!(error, AppendError::Log { .. }), "{error}");
        assert!(matches!(tsdb.resolve(&labels(9)), Err(AppendError::Log { .. })));
        let seen = dump(&*tsdb, &[], TimeRange::ALL);
        assert_eq!(
            [&seen[&labels(1)], &seen[&labels(2)]].map(Vec::len),
            [2, 1],
            "what is not written is not seen"
        );
    }
    tsdb.maintain(START + HOUR);
    faults.room.store(u64::MAX, Ordering::SeqCst);
    eventually(|| tsdb.append(&batch_at(START + 10_000), Acknowledge::Written).is_ok());
    assert!(tsdb.stats().append_errors >= 3 && tsdb.stats().wal_write_errors > 0);
    let before = dump(&*tsdb, &[], TimeRange::ALL);
    let last: Vec<i64> = before.values().map(|samples| samples.last().unwrap().0).collect();
    assert_eq!(last, [START + 10_000; 2]);
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(tsdb.stats().wal_corruptions, 0);
    assert_eq!(dump(&*tsdb, &[], TimeRange::ALL), before);
}

#[test]
fn chunks_that_cannot_be_written_stay_readable_and_are_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let faults = FaultyDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(faults.clone());
    let tsdb = Tsdb::open_on(&disk, dir.path(), small(), START, &ReplayProgress::default()).unwrap();
    (0..400).for_each(|n| {
        append_one(&tsdb, &labels(1), START + n * 15_000, n as f64);
    });
    faults.room.store(0, Ordering::SeqCst);
    tsdb.maintain(START + 10 * HOUR);
    assert!(tsdb.stats().head_chunk_write_errors > 0);
    let n_found = || dump(&*tsdb, &[], TimeRange::ALL)[&labels(1)].len();
    assert_eq!(n_found(), 400);
    faults.room.store(u64::MAX, Ordering::SeqCst);
    tsdb.maintain(START + 11 * HOUR);
    assert_eq!(n_found(), 400);
    tsdb.close().unwrap();
    let n_chunks = tsdb.stats().n_chunks;
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(dump(&*tsdb, &[], TimeRange::ALL)[&labels(1)].len(), 400);
    assert_eq!((tsdb.stats().n_chunks, n_chunks), (4, 4));
}

#[test]
fn the_status_names_the_largest_contributors() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    (0..9).for_each(|n| {
        append_one(&tsdb, &labels(n), START, 1.0);
    });
    let status = tsdb.cardinality(2);
    assert_eq!(status.series_count_by_metric_name, [("down".to_owned(), 6), ("up".to_owned(), 3)]);
    assert_eq!(status.label_value_count_by_label_name, [("n".to_owned(), 9), ("instance".to_owned(), 3)]);
    assert_eq!(
        status.series_count_by_label_value_pair,
        [("job=test".to_owned(), 9), ("__name__=down".to_owned(), 6)]
    );
    assert_eq!(status.memory_in_bytes_by_label_name[0], ("instance".to_owned(), 9 * 6));
    assert_eq!((status.n_chunks, tsdb.stats().n_chunks), (9, 9));
    assert_eq!((status.n_series, status.min_time_ms, status.max_time_ms), (9, Some(START), Some(START)));
}
