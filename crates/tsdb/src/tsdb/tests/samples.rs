//! Native histograms, exemplars, metadata and start timestamps against a naive model, across restarts and crashes.

use std::sync::Arc;

use wf_model::histogram::{CounterResetHint, Span};
use wf_model::{FloatHistogram, Histogram, Metadata, MetricType, STALE_NAN};
use wf_series::{Exemplar, ExemplarQuery, ExemplarRejection, HistogramRejection, HistogramValue};

use super::*;

/// A counter histogram with these counts in buckets 0, 1, 2, …; empty buckets are left out.
pub(super) fn counter(counts: &[u64]) -> Histogram {
    let filled: Vec<(i32, u64)> = (0..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect();
    let mut before = 0;
    let deltas = filled.iter().map(|(_, count)| {
        let delta = *count as i64 - before;
        before = *count as i64;
        delta
    });
    Histogram {
        count: counts.iter().sum(),
        sum: counts.iter().sum::<u64>() as f64 * 0.5,
        positive_deltas: deltas.collect(),
        positive_spans: wf_model::histogram::sparse::spans_of_indices(filled.iter().map(|(index, _)| *index)),
        ..Histogram::default()
    }
}

pub(super) fn integer(histogram: Histogram) -> HistogramValue {
    HistogramValue::Integer(Arc::new(histogram))
}

fn append_histogram(tsdb: &Tsdb, labels: &Labels, time: i64, value: HistogramValue) -> AppendOutcome {
    let mut batch = WriteBatch::default();
    batch.push_histogram(tsdb.resolve(labels).unwrap(), time, value);
    tsdb.append(&batch, Acknowledge::Written).unwrap()
}

/// What a sample means, however its buckets are spelled; a marker of staleness means nothing else.
fn meaning(histogram: &FloatHistogram) -> String {
    let mut histogram = histogram.clone();
    histogram.counter_reset_hint = CounterResetHint::Unknown;
    histogram.compact();
    if histogram.is_stale() { "stale histogram".to_owned() } else { format!("{histogram:?}") }
}

fn float_meaning(value: f64) -> String {
    format!("{:x}", value.to_bits())
}

fn read(tsdb: &Tsdb, series: &Labels, range: TimeRange) -> Vec<(i64, String)> {
    let matchers = [Matcher::equal("n", series.get("n").unwrap())];
    let selection = tsdb.select(&SelectRequest { matchers: &matchers, range }).unwrap();
    let mut out = SampleColumns::default();
    if selection.len() == 1 {
        selection.read(0, range, &mut out).unwrap();
    }
    assert!(selection.len() <= 1 && out.times_ms.is_sorted_by(|a, b| a < b));
    let mut histograms = out.histograms.iter().peekable();
    let samples =
        out.times_ms.iter().zip(&out.values).enumerate().map(|(at, (time, value))| {
            match histograms.next_if(|(position, _)| *position == at) {
                Some((_, histogram)) => (*time, meaning(histogram)),
                None => (*time, float_meaning(*value)),
            }
        });
    samples.collect()
}

#[test]
fn histograms_are_read_as_they_were_appended_before_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let mut want = Vec::new();
    for n in 0..500_u64 {
        let time = START + n as i64 * 15_000;
        // Buckets appear, and twice all is reset.
        let histogram = counter(&[n % 200, n % 200 / 10, n % 200 / 50, u64::from(n % 200 > 150)]);
        want.push((time, meaning(&histogram.to_float())));
        let outcome = append_histogram(&tsdb, &labels(0), time, integer(histogram));
        assert_eq!((outcome.n_histograms, outcome.rejected_histograms), (1, vec![]));
        if n % 100 == 50 {
            tsdb.maintain(time);
        }
    }
    assert_eq!(read(&tsdb, &labels(0), TimeRange::ALL), want);
    let part = TimeRange { start_ms: START + HOUR, end_ms: START + HOUR + 10 * MINUTE };
    assert_eq!(read(&tsdb, &labels(0), part).len(), 41);
    assert!(tsdb.stats().histograms_appended == 500 && tsdb.cardinality(1).n_chunks > 3);
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(read(&tsdb, &labels(0), TimeRange::ALL), want);
}

#[test]
fn hints_tell_queries_about_resets() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    for (n, count) in [5, 6, 3, 4].into_iter().enumerate() {
        append_histogram(&tsdb, &labels(0), START + n as i64, integer(counter(&[count])));
    }
    let selection = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    let mut out = SampleColumns::default();
    selection.read(0, TimeRange::ALL, &mut out).unwrap();
    let hints: Vec<_> = out.histograms.iter().map(|(_, histogram)| histogram.counter_reset_hint).collect();
    use CounterResetHint::{NotReset, Unknown};
    assert_eq!(hints, [Unknown, NotReset, Unknown, NotReset]);
}

#[test]
fn a_float_stale_marker_ends_a_histogram_series_as_a_histogram() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_histogram(&tsdb, &labels(0), START, integer(counter(&[1])));
    let float = HistogramValue::Float(Arc::new(counter(&[1]).to_float()));
    append_histogram(&tsdb, &labels(1), START, float);
    for n in 0..2 {
        append_one(&tsdb, &labels(n), START + 1, STALE_NAN);
    }
    let check = |tsdb: &Tsdb| {
        for n in 0..2 {
            assert_eq!(read(tsdb, &labels(n), TimeRange::ALL)[1], (START + 1, "stale histogram".to_owned()));
        }
    };
    check(&tsdb);
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    check(&tsdb);
    // The same marker once more is nothing new; another float of that time is.
    assert_eq!(append_one(&tsdb, &labels(0), START + 1, STALE_NAN).rejected, []);
    assert_eq!(append_one(&tsdb, &labels(0), START + 1, 0.0).rejected, [(0, Rejection::Duplicate)]);
}

#[test]
fn histograms_that_contradict_themselves_or_come_late_are_refused_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let series = tsdb.resolve(&labels(0)).unwrap();
    let mut batch = WriteBatch::default();
    batch.push_histogram(series, START, integer(counter(&[1])));
    batch.push_histogram(series, START, integer(counter(&[1])));
    batch.push_histogram(series, START, integer(counter(&[2])));
    batch.push_histogram(series, START - 1, integer(counter(&[1])));
    batch.push_histogram(series, START + 1, integer(Histogram { count: 7, ..counter(&[1]) }));
    batch.push_histogram(series, START - 3 * HOUR, integer(counter(&[1])));
    batch.push_histogram(SeriesRef::new(99).unwrap(), START + 1, integer(counter(&[1])));
    let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
    assert_eq!(outcome.n_histograms, 2, "the repeated one counts");
    let reasons: Vec<_> =
        outcome.rejected_histograms.iter().map(|(at, reason)| (*at, reason.clone())).collect();
    let mismatch = wf_model::histogram::HistogramError::CountMismatch { count: 7, in_buckets: 1 };
    assert_eq!(
        reasons,
        [
            (2, HistogramRejection::Sample(Rejection::Duplicate)),
            (3, HistogramRejection::Sample(Rejection::OutOfOrder)),
            (4, HistogramRejection::Invalid(mismatch)),
            (5, HistogramRejection::Sample(Rejection::OutOfOrder)),
            (6, HistogramRejection::Sample(Rejection::UnknownSeries)),
        ]
    );
}

#[test]
fn too_fine_histograms_are_stored_coarser() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let fine = Histogram {
        schema: 10,
        count: 4,
        positive_spans: vec![Span { offset: 1, length: 4 }],
        positive_deltas: vec![1, 0, 0, 0],
        ..Histogram::default()
    };
    append_histogram(&tsdb, &labels(0), START, integer(fine));
    let want = Histogram {
        schema: 8,
        count: 4,
        positive_spans: vec![Span { offset: 1, length: 1 }],
        positive_deltas: vec![4],
        ..Histogram::default()
    };
    assert_eq!(read(&tsdb, &labels(0), TimeRange::ALL), [(START, meaning(&want.to_float()))]);
}

#[test]
fn start_timestamps_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { xor2: true, start_timestamps: true, ..small() };
    let tsdb = Tsdb::open(dir.path(), options.clone(), START).unwrap();
    let (counter_ref, plain_ref) = (tsdb.resolve(&labels(0)).unwrap(), tsdb.resolve(&labels(1)).unwrap());
    let mut want = Vec::new();
    for n in 0..300 {
        let time = START + n * 15_000;
        let start = if n < 5 { 0 } else { START + n / 100 * 1_000_000 };
        let mut batch = WriteBatch::default();
        batch.push_started(counter_ref, time, start, n as f64);
        batch.push_started(plain_ref, time, 0, 1.0);
        batch.push_histogram(tsdb.resolve(&labels(2)).unwrap(), time, integer(self::counter(&[n as u64])));
        batch.histograms[0].start_time_ms = start;
        tsdb.append(&batch, Acknowledge::Written).unwrap();
        want.push(start);
    }
    let check = |tsdb: &Tsdb| {
        for (n, want) in [(0, want.clone()), (1, vec![]), (2, want.clone())] {
            let matchers = [Matcher::equal("n", &n.to_string())];
            let selection =
                tsdb.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL }).unwrap();
            let mut out = SampleColumns::default();
            selection.read(0, TimeRange::ALL, &mut out).unwrap();
            assert_eq!(out.len(), 300);
            assert_eq!(out.start_times_ms, want);
        }
    };
    check(&tsdb);
    tsdb.maintain(START + 2 * HOUR);
    tsdb.close().unwrap();
    check(&Tsdb::open(dir.path(), options, START).unwrap());
}

#[test]
fn start_timestamps_need_xor2() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { start_timestamps: true, ..small() };
    assert!(matches!(
        Tsdb::open(dir.path(), options, START),
        Err(OpenError::Option { option: "start_timestamps", .. })
    ));
}

fn exemplar(id: &str, time_ms: i64) -> Exemplar {
    Exemplar { labels: Labels::from_pairs([("trace_id", id)]), time_ms, value: 0.5 }
}

fn exemplar_times(tsdb: &Tsdb) -> Vec<(String, Vec<i64>)> {
    let sets = [vec![Matcher::equal("job", "test")]];
    let range = TimeRange { start_ms: START, end_ms: i64::MAX };
    let found = tsdb.exemplars(&ExemplarQuery { matcher_sets: &sets, range }).unwrap();
    let listed = found.iter().map(|series| {
        let times = series.exemplars.iter().map(|exemplar| exemplar.time_ms - START).collect();
        (series.series.get("n").unwrap().to_owned(), times)
    });
    listed.collect()
}

#[test]
fn exemplars_and_metadata_come_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { exemplars_max: 3, ..small() };
    let tsdb = Tsdb::open(dir.path(), options.clone(), START).unwrap();
    let refs: Vec<SeriesRef> = (0..2).map(|n| tsdb.resolve(&labels(n)).unwrap()).collect();
    let exemplars = vec![
        (refs[0], exemplar("a", START)),
        (refs[1], exemplar("b", START + 1)),
        (refs[0], exemplar("a", START)),
        (refs[0], exemplar("c", START - 1)),
        (refs[0], exemplar("d", START + 2)),
        (refs[1], exemplar("e", START + 3)),
    ];
    let metadata =
        |help: &str| Metadata { kind: MetricType::Counter, help: help.to_owned(), unit: "s".to_owned() };
    let metadata_sent =
        vec![(refs[0], metadata("old")), (refs[0], metadata("new")), (refs[1], metadata("new"))];
    let batch = WriteBatch { exemplars, metadata: metadata_sent, ..WriteBatch::default() };
    let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
    assert_eq!(outcome.n_exemplars, 4);
    assert_eq!(outcome.rejected_exemplars, [(3, ExemplarRejection::OutOfOrder)]);
    let want = vec![("1".to_owned(), vec![1, 3]), ("0".to_owned(), vec![2])];
    let check = |tsdb: &Tsdb| {
        assert_eq!(exemplar_times(tsdb), want);
        let all = tsdb.metadata(None);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["down", "up"]);
        assert_eq!(*all["up"], [Arc::new(metadata("new"))]);
        assert_eq!(tsdb.metadata(Some("down")).len(), 1);
        assert_eq!(tsdb.series_metadata(refs[0]).as_deref(), Some(&metadata("new")));
    };
    check(&tsdb);
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    check(&tsdb);
    tsdb.resize_exemplars(1);
    assert_eq!((exemplar_times(&tsdb), tsdb.exemplar_stats().n_max), (vec![("1".to_owned(), vec![3])], 1));
}

#[test]
fn exemplars_are_off_unless_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let exemplars = vec![(tsdb.resolve(&labels(0)).unwrap(), exemplar("a", START))];
    let batch = WriteBatch { exemplars, ..WriteBatch::default() };
    assert_eq!(tsdb.append(&batch, Acknowledge::Written).unwrap(), AppendOutcome::default());
    assert!(exemplar_times(&tsdb).is_empty());
}

#[derive(Clone, Debug)]
enum Kind {
    Float(u8),
    Stale,
    Counter { counts: Vec<u8>, is_float: bool },
    Gauge(Vec<u8>),
}

#[derive(Clone, Debug)]
enum MixedStep {
    /// Series, how many samples 15 s apart, what.
    Run(usize, u8, Kind),
    Pass(i64),
    Maintain,
    Restart,
    Crash,
}

fn any_mixed_step() -> impl Strategy<Value = MixedStep> {
    let counts = prop::collection::vec(0..3_u8, 0..5);
    let kind = prop_oneof![
        2 => (0..3_u8).prop_map(Kind::Float),
        2 => Just(Kind::Stale),
        6 => (counts.clone(), any::<bool>()).prop_map(|(counts, is_float)| Kind::Counter { counts, is_float }),
        1 => counts.prop_map(Kind::Gauge),
    ];
    prop_oneof![
        12 => (0..3_usize, prop_oneof![1..4_u8, 1..200_u8], kind).prop_map(|(n, length, kind)| MixedStep::Run(n, length, kind)),
        2 => (1..100_i64).prop_map(MixedStep::Pass),
        2 => Just(MixedStep::Maintain),
        1 => Just(MixedStep::Restart),
        1 => Just(MixedStep::Crash),
    ]
}

/// The `n`th sample of a run; counters grow.
fn mixed_value(kind: &Kind, n: u64) -> Result<f64, HistogramValue> {
    let counts =
        |counts: &[u8], n: u64| -> Vec<u64> { counts.iter().map(|c| u64::from(*c) * (n / 2)).collect() };
    match kind {
        Kind::Float(value) => Ok(f64::from(*value)),
        Kind::Stale => Ok(STALE_NAN),
        Kind::Counter { counts: c, is_float: false } => Err(integer(counter(&counts(c, n)))),
        Kind::Counter { counts: c, is_float: true } => {
            Err(HistogramValue::Float(Arc::new(counter(&counts(c, n)).to_float())))
        }
        Kind::Gauge(c) => {
            let gauge = counter(&counts(c, 7 - n % 7));
            Err(integer(Histogram { counter_reset_hint: CounterResetHint::Gauge, ..gauge }))
        }
    }
}

/// A series that left the head with a cut comes back as a new one: that it held histograms is not known any more, and its
/// marker of staleness stays a float.
fn is_same(got: &(i64, String), want: &(i64, String)) -> bool {
    let is_marker = want.1 == "stale histogram" && got.1 == float_meaning(STALE_NAN);
    got == want || (got.0 == want.0 && is_marker)
}

fn run_mixed(steps: &[MixedStep]) {
    let root = tempfile::tempdir().unwrap();
    let mut n_dirs = 0;
    let mut dir = root.path().join("0");
    let mut tsdb = Tsdb::open(&dir, small(), START).unwrap();
    let mut model: Vec<Vec<(i64, String)>> = vec![Vec::new(); 3];
    let mut was_histogram = [false; 3];
    let mut now = START;
    for step in steps {
        match step {
            MixedStep::Run(n, length, kind) => {
                let series = tsdb.resolve(&labels(*n)).unwrap();
                for at in 0..u64::from(*length) {
                    now += 15_000;
                    let mut batch = WriteBatch::default();
                    match mixed_value(kind, at) {
                        Ok(value) => {
                            batch.push(series, now, value);
                            was_histogram[*n] &= wf_model::is_stale_nan(value);
                            let is_marker = was_histogram[*n];
                            let text =
                                if is_marker { "stale histogram".to_owned() } else { float_meaning(value) };
                            model[*n].push((now, text));
                        }
                        Err(value) => {
                            model[*n].push((now, meaning(&value.to_float())));
                            batch.push_histogram(series, now, value);
                            was_histogram[*n] = true;
                        }
                    }
                    let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
                    assert_eq!(outcome.n_appended + outcome.n_histograms, 1, "{outcome:?}");
                }
            }
            MixedStep::Pass(minutes) => now += minutes * MINUTE,
            MixedStep::Maintain => tsdb.maintain(now),
            MixedStep::Restart => {
                tsdb.close().unwrap();
                tsdb = Tsdb::open(&dir, small(), now).unwrap();
            }
            MixedStep::Crash => {
                n_dirs += 1;
                let copy = root.path().join(n_dirs.to_string());
                copy_dir(&dir, &copy);
                let crashed = std::mem::replace(&mut tsdb, Tsdb::open(&copy, small(), now).unwrap());
                crashed.close().unwrap();
                dir = copy;
            }
        }
        let range = TimeRange { start_ms: now - 10 * HOUR, end_ms: now };
        for (n, want) in model.iter().enumerate() {
            let want: Vec<_> = want.iter().filter(|(time, _)| range.contains(*time)).cloned().collect();
            let got = read(&tsdb, &labels(n), range);
            let at = got
                .iter()
                .zip(&want)
                .position(|(got, want)| !is_same(got, want))
                .unwrap_or(want.len().min(got.len()));
            let is_all = at == got.len() && at == want.len();
            assert!(is_all, "series {n} at {at}: {:?}, not {:?}", got.get(at), want.get(at));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Through switches between floats and histograms of all sorts, stale markers, cuts, truncations, restarts and
    /// crashes: what was acknowledged is what is read.
    #[test]
    fn mixed_series_equal_the_model(steps in prop::collection::vec(any_mixed_step(), 1..25)) {
        run_mixed(&steps);
    }
}
