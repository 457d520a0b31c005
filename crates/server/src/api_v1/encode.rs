//! Query results as JSON, straight from their columns.
//!
//! # Source
//! `spec/prometheus-query.md` §4.3.

use wf_model::FloatHistogram;
use wf_model::histogram::CUSTOM_BUCKETS_SCHEMA;
use wf_promql::engine::{
    InstantSample, QueryResult, QueryStats, QueryValue, RangeSeries, SampleValue, StepCount,
};

use crate::json::{JsonWriter, Points};

/// Most warnings and infos of an answer, each.
const N_ANNOTATIONS_MAX: usize = 10;

/// Entries of a vector that are written at a time; each has its labels.
const N_INSTANTS_A_PIECE: usize = 50;

/// Samples of a series that are written at a time.
const N_SAMPLES_A_PIECE: usize = 500;

/// What stands around a result: what it cost and how long it waited for its turn, if that is wanted, and remarks.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) queued: Option<std::time::Duration>,
    pub(crate) warnings: Vec<&'static str>,
}

/// Writes the whole envelope of a query's answer.
pub(crate) fn write_query_answer(json: &mut JsonWriter, result: &QueryResult, around: &Around) {
    write_head(json, &result.value);
    match &result.value {
        QueryValue::Scalar { time_ms, value } => {
            json.sample(*time_ms, *value);
        }
        QueryValue::String { time_ms, value } => {
            json.raw("[").timestamp(*time_ms).raw(",").string(value).raw("]");
        }
        QueryValue::Vector(samples) => {
            json.list(samples, write_instant);
        }
        QueryValue::Matrix(series) => {
            let mut points = Points::default();
            json.list(series, |json, series| write_series(json, series, &mut points));
        }
    }
    write_tail(json, result, around);
}

fn write_head(json: &mut JsonWriter, value: &QueryValue) {
    json.raw(r#"{"status":"success","data":{"resultType":"#);
    json.string(result_type(value)).raw(r#","result":"#);
}

/// Writes the begin of an answer of series.
pub(crate) fn begin_matrix(json: &mut JsonWriter) {
    write_head(json, &QueryValue::Matrix(Vec::new()));
    json.raw("[");
}

/// Writes a series of a matrix.
fn write_series(json: &mut JsonWriter, series: &RangeSeries, points: &mut Points) {
    let mut place = Place::default();
    while write_some_of_series(json, series, points, &mut place, usize::MAX) {}
}

/// Writes a series of a matrix; after every some ten kilobytes `pass_on` may take what is written.
/// # Errors
/// The first of `pass_on`.
pub(crate) fn write_long_series<E>(
    json: &mut JsonWriter,
    series: &RangeSeries,
    points: &mut Points,
    mut pass_on: impl FnMut(&mut JsonWriter) -> Result<(), E>,
) -> Result<(), E> {
    let mut place = Place::default();
    while write_some_of_series(json, series, points, &mut place, N_SAMPLES_A_PIECE) {
        pass_on(json)?;
    }
    pass_on(json)
}

fn write_tail(json: &mut JsonWriter, result: &QueryResult, around: &Around) {
    if let Some(queued) = around.queued {
        json.raw(r#","stats":"#);
        write_stats(json, &result.stats, queued);
    }
    json.raw("}");
    let annotations = result.annotations.limited(N_ANNOTATIONS_MAX);
    let own = around.warnings.iter().copied();
    let warnings: Vec<&str> = annotations.warnings.iter().map(String::as_str).chain(own).collect();
    write_remarks(json, "warnings", &warnings);
    write_remarks(json, "infos", &annotations.infos);
    json.raw("}");
}

/// The envelope of a long answer, written in pieces. What is written is freed.
pub(crate) struct Pieces {
    result: QueryResult,
    around: Around,
    has_begun: bool,
    /// Whether no sample or series stands before those of the result.
    is_first: bool,
    /// Samples or series written.
    n_written: usize,
    place: Place,
    points: Points,
}

impl Pieces {
    pub(crate) fn new(result: QueryResult, around: Around) -> Self {
        Self {
            result,
            around,
            has_begun: false,
            is_first: true,
            n_written: 0,
            place: Place::default(),
            points: Points::default(),
        }
    }

    /// What comes behind series that are [begun](begin_matrix) and written already.
    pub(crate) fn behind(result: QueryResult) -> Self {
        Self { has_begun: true, is_first: false, ..Self::new(result, Around::default()) }
    }

    /// Writes the next piece, some ten kilobytes; returns whether more follows.
    pub(crate) fn next(&mut self, json: &mut JsonWriter) -> bool {
        if !self.has_begun {
            self.has_begun = true;
            write_head(json, &self.result.value);
            json.raw("[");
        }
        let is_over = match &mut self.result.value {
            QueryValue::Vector(samples) => {
                for sample in samples.iter().skip(self.n_written).take(N_INSTANTS_A_PIECE) {
                    write_instant(json.item(self.is_first && self.n_written == 0), sample);
                    self.n_written += 1;
                }
                self.n_written == samples.len()
            }
            QueryValue::Matrix(series) => {
                if let Some(one) = series.get_mut(self.n_written) {
                    if self.place == Place::default() {
                        json.item(self.is_first && self.n_written == 0);
                    }
                    if !write_some_of_series(json, one, &mut self.points, &mut self.place, N_SAMPLES_A_PIECE)
                    {
                        *one = RangeSeries::default();
                        self.n_written += 1;
                        self.place = Place::default();
                    }
                }
                self.n_written == series.len()
            }
            // One sample is no list, and never long.
            QueryValue::Scalar { .. } | QueryValue::String { .. } => true,
        };
        if is_over {
            json.raw("]");
            write_tail(json, &self.result, &self.around);
        }
        !is_over
    }
}

/// Writes `,"name":[…]` unless there is nothing to remark.
pub(crate) fn write_remarks<T: AsRef<str>>(json: &mut JsonWriter, name: &str, remarks: &[T]) {
    if !remarks.is_empty() {
        json.raw(",").key(name).strings(remarks);
    }
}

/// Cuts a result to `limit` series; returns whether something was cut.
pub(crate) fn truncate(value: &mut QueryValue, limit: Option<usize>) -> bool {
    let Some(limit) = limit else { return false };
    match value {
        QueryValue::Vector(samples) if samples.len() > limit => samples.truncate(limit),
        QueryValue::Matrix(series) if series.len() > limit => series.truncate(limit),
        _ => return false,
    }
    true
}

/// Returns a rough size of the answer in samples: decides whether it is worth streaming.
pub(crate) fn n_samples(value: &QueryValue) -> usize {
    match value {
        QueryValue::Scalar { .. } | QueryValue::String { .. } => 1,
        // A sample of a vector comes with its labels.
        QueryValue::Vector(samples) => samples.len() * 8,
        QueryValue::Matrix(series) => {
            series.iter().map(|s| 8 + s.times_ms.len() + 40 * s.histograms.len()).sum()
        }
    }
}

fn result_type(value: &QueryValue) -> &'static str {
    match value {
        QueryValue::Scalar { .. } => "scalar",
        QueryValue::String { .. } => "string",
        QueryValue::Vector(_) => "vector",
        QueryValue::Matrix(_) => "matrix",
    }
}

fn write_instant(json: &mut JsonWriter, sample: &InstantSample) {
    json.raw(r#"{"metric":"#).labels(&sample.labels);
    match &sample.value {
        SampleValue::Float(value) => {
            json.raw(r#","value":"#).sample(sample.time_ms, *value);
        }
        SampleValue::Histogram(histogram) => {
            json.raw(r#","histogram":"#);
            write_histogram_sample(json, sample.time_ms, histogram);
        }
    }
    json.raw("}");
}

/// How far a series is written: none, or so many of its floats, then of its histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    has_begun: bool,
    n_floats: usize,
    n_histograms: usize,
}

/// Writes a series from `place` on, at most about `n_max` samples of it; returns whether some are left.
fn write_some_of_series(
    json: &mut JsonWriter,
    series: &RangeSeries,
    points: &mut Points,
    place: &mut Place,
    n_max: usize,
) -> bool {
    if !place.has_begun {
        place.has_begun = true;
        points.rewind();
        json.raw(r#"{"metric":"#).labels(&series.labels);
    }
    let (n_floats, n_histograms) = (series.times_ms.len(), series.histograms.len());
    if place.n_floats < n_floats {
        if place.n_floats == 0 {
            json.raw(r#","values":["#);
        }
        let end = place.n_floats.saturating_add(n_max).min(n_floats);
        let times_ms = series.times_ms.get(place.n_floats..end).unwrap_or_default();
        let values = series.values.get(place.n_floats..end).unwrap_or_default();
        points.write(json, times_ms, values, place.n_floats == 0);
        place.n_floats = end;
        if place.n_floats < n_floats {
            return true;
        }
        json.raw("]");
        if n_histograms > 0 && n_max < usize::MAX {
            return true;
        }
    }
    if place.n_histograms < n_histograms {
        if place.n_histograms == 0 {
            json.raw(r#","histograms":["#);
        }
        // A histogram is as long as dozens of floats.
        let n_now = (n_max / 40).max(1);
        let histograms = series.histograms.iter().skip(place.n_histograms).take(n_now);
        for (idx, (time_ms, histogram)) in histograms.enumerate() {
            write_histogram_sample(json.item(place.n_histograms + idx == 0), *time_ms, histogram);
        }
        place.n_histograms = place.n_histograms.saturating_add(n_now).min(n_histograms);
        if place.n_histograms < n_histograms {
            return true;
        }
        json.raw("]");
    }
    json.raw("}");
    false
}

fn write_histogram_sample(json: &mut JsonWriter, time_ms: i64, histogram: &FloatHistogram) {
    json.raw("[").timestamp(time_ms).raw(r#",{"count":"#).value(histogram.count);
    json.raw(r#","sum":"#).value(histogram.sum);
    let buckets = buckets(histogram);
    if !buckets.is_empty() {
        json.raw(r#","buckets":"#).list(buckets, |json, bucket| {
            json.raw("[").integer(bucket.rule).raw(",").value(bucket.lower).raw(",");
            json.value(bucket.upper).raw(",").value(bucket.count).raw("]");
        });
    }
    json.raw("}]");
}

/// A bucket and which of its bounds belong to it: 0 (lo,hi], 1 [lo,hi), 2 (lo,hi), 3 [lo,hi].
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    rule: i32,
    lower: f64,
    upper: f64,
    count: f64,
}

/// Returns the buckets that are not empty, in ascending order.
fn buckets(histogram: &FloatHistogram) -> Vec<Bucket> {
    let indexes = |spans: &[wf_model::histogram::Span]| {
        let mut next = 0_i32;
        let mut all = Vec::new();
        for span in spans {
            next = next.saturating_add(span.offset);
            for _ in 0..span.length {
                all.push(next);
                next = next.saturating_add(1);
            }
        }
        all
    };
    let is_custom = histogram.schema == CUSTOM_BUCKETS_SCHEMA;
    let bound = |idx: i32| {
        if is_custom { custom_bound(histogram, idx) } else { exponential_bound(histogram.schema, idx) }
    };
    let negative = indexes(&histogram.negative_spans).into_iter().zip(&histogram.negative_buckets);
    let mut found: Vec<Bucket> = negative
        .map(|(idx, count)| Bucket { rule: 1, lower: -bound(idx), upper: -bound(idx - 1), count: *count })
        .collect();
    found.reverse();
    let zero = histogram.zero_threshold;
    found.push(Bucket { rule: 3, lower: -zero, upper: zero, count: histogram.zero_count });
    let positive = indexes(&histogram.positive_spans).into_iter().zip(&histogram.positive_buckets);
    found.extend(positive.map(|(idx, count)| {
        let lower = bound(idx.saturating_sub(1));
        // The first custom bucket includes its lower bound when that is -Inf.
        let rule = if is_custom && idx == 0 && lower == f64::NEG_INFINITY { 3 } else { 0 };
        Bucket { rule, lower, upper: bound(idx), count: *count }
    }));
    found.retain(|bucket| bucket.count != 0.0);
    found
}

fn custom_bound(histogram: &FloatHistogram, idx: i32) -> f64 {
    match usize::try_from(idx) {
        Err(_) => f64::NEG_INFINITY,
        Ok(idx) => histogram.custom_values.get(idx).copied().unwrap_or(f64::INFINITY),
    }
}

/// Upper bound of bucket `idx`: 2^(idx·2^−schema).
fn exponential_bound(schema: i32, idx: i32) -> f64 {
    let bound = (f64::from(idx) * f64::from(-schema).exp2()).exp2();
    // The bucket below +Inf ends at the largest number, as in the original.
    if bound == f64::INFINITY && f64::from(idx - 1) * f64::from(-schema).exp2() < 1024.0 {
        f64::MAX
    } else {
        bound
    }
}

/// Writes what a query cost, as `stats` has it.
pub(crate) fn write_stats(json: &mut JsonWriter, stats: &QueryStats, queued: std::time::Duration) {
    let timings = &stats.timings;
    json.raw(r#"{"timings":{"evalTotalTime":"#).seconds(timings.eval_total);
    json.raw(r#","resultSortTime":"#).seconds(timings.result_sort);
    json.raw(r#","queryPreparationTime":"#).seconds(timings.query_preparation);
    json.raw(r#","innerEvalTime":"#).seconds(timings.inner_eval);
    json.raw(r#","execQueueTime":"#).seconds(queued);
    json.raw(r#","execTotalTime":"#).seconds(timings.eval_total + queued);
    let samples = &stats.samples;
    json.raw(r#"},"samples":{"totalQueryableSamples":"#).integer(samples.total_queryable);
    write_steps(json, "totalQueryableSamplesPerStep", &samples.total_queryable_per_step);
    json.raw(r#","samplesRead":"#).integer(samples.read);
    write_steps(json, "samplesReadPerStep", &samples.read_per_step);
    json.raw(r#","peakSamples":"#).integer(samples.peak).raw("}}");
}

fn write_steps(json: &mut JsonWriter, name: &str, steps: &[StepCount]) {
    if !steps.is_empty() {
        json.raw(",").key(name).list(steps, |json, step| {
            json.raw("[").timestamp(step.time_ms).raw(",").integer(step.n_samples).raw("]");
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wf_model::Labels;
    use wf_model::histogram::Span;
    use wf_promql::engine::Annotations;

    use super::*;

    fn answer(value: QueryValue, annotations: Annotations) -> String {
        let result = QueryResult { value, annotations, stats: QueryStats::default() };
        let mut json = JsonWriter::collecting();
        write_query_answer(&mut json, &result, &Around::default());
        let whole = json.finish();
        if matches!(result.value, QueryValue::Vector(_) | QueryValue::Matrix(_)) {
            assert_eq!(in_pieces(result), whole);
        }
        whole
    }

    fn in_pieces(result: QueryResult) -> String {
        let (mut pieces, mut json) = (Pieces::new(result, Around::default()), JsonWriter::collecting());
        while pieces.next(&mut json) {}
        json.finish()
    }

    fn check(value: QueryValue, want: &str) {
        let want = format!(r#"{{"status":"success","data":{want}}}"#);
        assert_eq!(answer(value, Annotations::default()), want);
    }

    #[test]
    fn each_result_type_has_its_form() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a\"b")]);
        check(
            QueryValue::Scalar { time_ms: 1_500, value: 2.5 },
            r#"{"resultType":"scalar","result":[1.500,"2.5"]}"#,
        );
        check(
            QueryValue::String { time_ms: 0, value: "a\nb".into() },
            r#"{"resultType":"string","result":[0,"a\nb"]}"#,
        );
        check(QueryValue::Vector(Vec::new()), r#"{"resultType":"vector","result":[]}"#);
        let sample = InstantSample { labels, time_ms: 1_000, value: SampleValue::Float(f64::NAN) };
        check(
            QueryValue::Vector(vec![sample]),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\"b"},"value":[1,"NaN"]}]}"#,
        );
        let series = RangeSeries {
            labels: Labels::empty(),
            times_ms: vec![1_000, 2_005],
            values: vec![1.0, -0.0],
            histograms: Vec::new(),
        };
        check(
            QueryValue::Matrix(vec![series]),
            r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2.005,"-0"]]}]}"#,
        );
    }

    #[test]
    fn remarks_stand_beside_the_data() {
        let annotations = Annotations { warnings: vec!["w".into()], infos: vec!["i".into()] };
        let value = QueryValue::Vector(Vec::new());
        assert_eq!(
            answer(value, annotations),
            r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["w"],"infos":["i"]}"#
        );
    }

    #[test]
    fn a_long_answer_is_the_same_in_pieces() {
        let histogram = Arc::new(FloatHistogram { count: 1.0, zero_count: 1.0, ..FloatHistogram::default() });
        let series = |n_floats: i64, n_histograms: i64| RangeSeries {
            labels: Labels::from_pairs([("n", format!("{n_floats}-{n_histograms}"))]),
            times_ms: (0..n_floats).collect(),
            values: (0..n_floats).map(|at| at as f64).collect(),
            histograms: (0..n_histograms).map(|at| (at, Arc::clone(&histogram))).collect(),
        };
        let sizes = [(0, 1), (1, 0), (499, 13), (500, 0), (501, 0), (0, 100), (3_000, 30), (1_000, 12)];
        answer(
            QueryValue::Matrix(sizes.iter().map(|(n, m)| series(*n, *m)).collect()),
            Annotations::default(),
        );
        for n_samples in [0, 1, 50, 51, 777] {
            let sample = |at: i64| InstantSample {
                labels: Labels::empty(),
                time_ms: at,
                value: SampleValue::Float(at as f64),
            };
            answer(QueryValue::Vector((0..n_samples).map(sample).collect()), Annotations::default());
        }
    }

    #[test]
    fn buckets_ascend_and_empty_ones_are_left_out() {
        let histogram = FloatHistogram {
            schema: 0,
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 10.0,
            sum: 5.5,
            positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }],
            positive_buckets: vec![1.0, 0.0, 4.0],
            negative_spans: vec![Span { offset: 1, length: 1 }],
            negative_buckets: vec![3.0],
            ..FloatHistogram::default()
        };
        let sample = InstantSample {
            labels: Labels::empty(),
            time_ms: 0,
            value: SampleValue::Histogram(Arc::new(histogram)),
        };
        check(
            QueryValue::Vector(vec![sample]),
            r#"{"resultType":"vector","result":[{"metric":{},"histogram":[0,{"count":"10","sum":"5.5","buckets":[[1,"-2","-1","3"],[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"4","8","4"]]}]}]}"#,
        );
    }
}
