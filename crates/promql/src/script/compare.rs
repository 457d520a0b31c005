//! Comparing: values within a tolerance, series as sets or in order, annotations by their text.

use std::collections::BTreeMap;

use wf_model::{FloatHistogram, Labels, is_stale_nan};

use super::command::{Eval, Expectations, Expected, HintGiven, Pattern, SeriesLine, Value, When};
use crate::engine::{Annotations, InstantSample, QueryValue, RangeSeries, SampleValue};

/// Relative difference below which two floats are equal.
const EPSILON: f64 = 1e-6;

/// A point of a wanted or found series.
#[derive(Clone, Debug)]
pub(super) enum Point {
    Float(f64),
    Histogram(std::sync::Arc<FloatHistogram>),
}

/// Checks annotations against the expect lines.
pub(super) fn annotations(expects: &Expectations, found: &Annotations) -> Result<(), String> {
    let foreign = found.warnings.iter().find(|text| !text.starts_with("PromQL warning: "));
    if let Some(text) = foreign.or_else(|| found.infos.iter().find(|text| !text.starts_with("PromQL info: ")))
    {
        return Err(format!("an annotation that is neither PromQL warning nor info: {text}"));
    }
    if expects.some_warn || expects.some_info {
        let missing =
            (expects.some_warn && found.warnings.is_empty()) || (expects.some_info && found.infos.is_empty());
        return if missing { Err(format!("an annotation should appear, got {found:?}")) } else { Ok(()) };
    }
    kind("warning", expects.no_warn, &expects.warn, &found.warnings)?;
    kind("info", expects.no_info, &expects.info, &found.infos)
}

fn kind(noun: &str, none: bool, patterns: &[Pattern], found: &[String]) -> Result<(), String> {
    if none && !found.is_empty() {
        return Err(format!("want no {noun}, got {found:?}"));
    }
    if patterns.is_empty() {
        return Ok(());
    }
    let unexpected = found.iter().find(|text| !patterns.iter().any(|pattern| pattern.matches(text)));
    let missing = patterns.iter().find(|pattern| !found.iter().any(|text| pattern.matches(text)));
    match (unexpected, missing) {
        (None, None) => Ok(()),
        _ => Err(format!("want {noun}s {patterns:?}, got {found:?}")),
    }
}

/// Checks a result against the result lines.
pub(super) fn value(eval: &Eval, found: &QueryValue) -> Result<(), String> {
    match (&eval.expected, found) {
        (Expected::Scalar(want), QueryValue::Scalar { value, .. }) => {
            if almost_equal(*want, *value) {
                Ok(())
            } else {
                Err(format!("want {want}, got {value}"))
            }
        }
        (Expected::String(want), QueryValue::String { value, .. }) => {
            if want == value {
                Ok(())
            } else {
                Err(format!("want {want:?}, got {value:?}"))
            }
        }
        (Expected::Series(lines), QueryValue::Vector(samples)) => {
            vector(lines, samples, eval.expects.ordered)
        }
        (Expected::Series(lines), QueryValue::Matrix(series)) => {
            let (start_ms, step_ms) = match (eval.expects.range_vector, eval.when) {
                (Some(points), _) => (points.start_ms, points.step_ms),
                (None, When::Range { start_ms, step_ms, .. }) => (start_ms, step_ms),
                (None, When::Instant { .. }) => {
                    return Err(format!("got a range vector: say where its points lie: {series:?}"));
                }
            };
            matrix(lines, series, start_ms, step_ms)
        }
        (_, found) => Err(format!("want {:?}, got {found:?}", eval.expected)),
    }
}

/// Checks an instant vector.
pub(super) fn vector(lines: &[SeriesLine], samples: &[InstantSample], ordered: bool) -> Result<(), String> {
    let mut found: BTreeMap<&Labels, (usize, &SampleValue)> = BTreeMap::new();
    for (position, sample) in samples.iter().enumerate() {
        if found.insert(&sample.labels, (position, &sample.value)).is_some() {
            return Err(format!("duplicate series {}", sample.labels));
        }
    }
    for (position, line) in lines.iter().enumerate() {
        let [want] = line.values.as_slice() else {
            return Err(format!("line {}: an instant result has one value per series", line.line));
        };
        let Some((at, value)) = found.remove(&line.labels) else {
            return Err(format!("want {}, got {}", line.labels, show(samples)));
        };
        if ordered && at != position {
            return Err(format!("want {} at place {position}, got it at {at}", line.labels));
        }
        if !matches(want, &point_of(value)) {
            return Err(format!(
                "{}: want {}, got {}",
                line.labels,
                show_value(want),
                show_point(&point_of(value))
            ));
        }
    }
    match found.first_key_value() {
        Some((labels, (_, value))) => Err(format!("unexpected {labels} {}", show_point(&point_of(value)))),
        None => Ok(()),
    }
}

fn matrix(lines: &[SeriesLine], series: &[RangeSeries], start_ms: i64, step_ms: i64) -> Result<(), String> {
    let mut found: BTreeMap<&Labels, &RangeSeries> = BTreeMap::new();
    for one in series {
        if found.insert(&one.labels, one).is_some() {
            return Err(format!("duplicate series {}", one.labels));
        }
    }
    for line in lines {
        let Some(one) = found.remove(&line.labels) else {
            let names: Vec<String> = series.iter().map(|one| one.labels.to_string()).collect();
            return Err(format!("want {}, got {names:?}", line.labels));
        };
        range_points(line, one, start_ms, step_ms)?;
    }
    found.keys().next().map_or(Ok(()), |labels| Err(format!("unexpected series {labels}")))
}

/// Floats and histograms are compared as two lists.
fn range_points(line: &SeriesLine, found: &RangeSeries, start_ms: i64, step_ms: i64) -> Result<(), String> {
    let mut points = points_of(found);
    for (idx, want) in line.values.iter().enumerate() {
        let time_ms = start_ms + step_ms * i64::try_from(idx).unwrap_or(i64::MAX);
        let got = points.remove(&time_ms);
        let same = match (want, &got) {
            (Value::Gap, None) => true,
            (Value::Gap, Some(_)) | (_, None) => false,
            (want, Some(got)) => matches(want, got),
        };
        if !same {
            let got = got.map_or_else(|| "no point".to_owned(), |point| show_point(&point));
            return Err(format!("{} at {time_ms} ms: want {}, got {got}", line.labels, show_value(want)));
        }
    }
    match points.first_key_value() {
        Some((time_ms, point)) => {
            Err(format!("{}: unexpected point {} at {time_ms} ms", line.labels, show_point(point)))
        }
        None => Ok(()),
    }
}

/// Returns the points of a series by time.
pub(super) fn points_of(series: &RangeSeries) -> BTreeMap<i64, Point> {
    let floats =
        series.times_ms.iter().zip(&series.values).map(|(time, value)| (*time, Point::Float(*value)));
    let histograms = series.histograms.iter();
    let histograms = histograms.map(|(time, value)| (*time, Point::Histogram(value.clone())));
    floats.chain(histograms).collect()
}

fn point_of(value: &SampleValue) -> Point {
    match value {
        SampleValue::Float(value) => Point::Float(*value),
        SampleValue::Histogram(histogram) => Point::Histogram(histogram.clone()),
    }
}

fn matches(want: &Value, got: &Point) -> bool {
    match (want, got) {
        (Value::Float(want), Point::Float(got)) => almost_equal(*want, *got),
        (Value::Histogram(want, hint), Point::Histogram(got)) => almost_equal_histograms(want, got, *hint),
        _ => false,
    }
}

fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale_nan(a) || is_stale_nan(b) {
        return is_stale_nan(a) && is_stale_nan(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (size, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || size < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < EPSILON
}

fn almost_equal_histograms(want: &FloatHistogram, got: &FloatHistogram, hint: HintGiven) -> bool {
    let compacted = |histogram: &FloatHistogram| {
        let mut histogram = histogram.clone();
        histogram.compact();
        histogram
    };
    let (want, got) = (compacted(want), compacted(got));
    let lists =
        |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| almost_equal(*a, *b));
    (hint == HintGiven::No || want.counter_reset_hint == got.counter_reset_hint)
        && want.schema == got.schema
        && want.zero_threshold == got.zero_threshold
        && want.custom_values == got.custom_values
        && want.positive_spans == got.positive_spans
        && want.negative_spans == got.negative_spans
        && almost_equal(want.count, got.count)
        && almost_equal(want.sum, got.sum)
        && almost_equal(want.zero_count, got.zero_count)
        && lists(&want.positive_buckets, &got.positive_buckets)
        && lists(&want.negative_buckets, &got.negative_buckets)
}

fn show(samples: &[InstantSample]) -> String {
    let texts: Vec<String> = samples
        .iter()
        .map(|sample| format!("{} {}", sample.labels, show_point(&point_of(&sample.value))))
        .collect();
    format!("[{}]", texts.join(", "))
}

fn show_value(value: &Value) -> String {
    match value {
        Value::Gap => "no point".to_owned(),
        Value::Float(value) => value.to_string(),
        Value::Histogram(histogram, _) => format!("{histogram:?}"),
    }
}

pub(super) fn show_point(point: &Point) -> String {
    match point {
        Point::Float(value) => value.to_string(),
        Point::Histogram(histogram) => format!("{histogram:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_equal_within_the_tolerance() {
        assert!(almost_equal(1.0, 1.000_000_1));
        assert!(!almost_equal(1.0, 1.000_01));
        assert!(almost_equal(f64::NAN, f64::NAN));
        assert!(!almost_equal(f64::NAN, wf_model::STALE_NAN));
        assert!(!almost_equal(0.0, 1e-300));
        assert!(almost_equal(f64::INFINITY, f64::INFINITY));
    }
}
