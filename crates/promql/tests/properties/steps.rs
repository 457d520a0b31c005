//! A range query is its instant queries, one a step.

use std::collections::BTreeMap;

use wf_promql::engine::{QueryOptions, QueryValue, RangeSeries, RangeSpan, SampleValue};
use wf_promql::testing::{Generator, Scope};

use super::{data, n_of, seed};

/// Values by time and labels.
pub(crate) type Points = BTreeMap<(i64, String), SampleValue>;

/// An instant query ranks what it returns, a range query does not: sums over that differ in their last bits.
pub(crate) fn is_same(a: &SampleValue, b: &SampleValue) -> bool {
    let close = |a: f64, b: f64| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).min(f64::MAX)
    };
    match (a, b) {
        (SampleValue::Float(a), SampleValue::Float(b)) => close(*a, *b),
        (SampleValue::Histogram(a), SampleValue::Histogram(b)) => {
            close(a.count, b.count)
                && close(a.sum, b.sum)
                && a.positive_buckets.len() == b.positive_buckets.len()
        }
        _ => false,
    }
}

pub(crate) fn add_range(points: &mut Points, series: &[RangeSeries]) {
    for one in series {
        for (time, value) in one.times_ms.iter().zip(&one.values) {
            points.insert((*time, one.labels.to_string()), SampleValue::Float(*value));
        }
        for (time, histogram) in &one.histograms {
            points.insert((*time, one.labels.to_string()), SampleValue::Histogram(histogram.clone()));
        }
    }
}

fn add_instant(points: &mut Points, value: QueryValue) {
    match value {
        QueryValue::Scalar { time_ms, value } => {
            points.insert((time_ms, "{}".to_owned()), SampleValue::Float(value));
        }
        QueryValue::Vector(samples) => {
            for sample in samples {
                points.insert((sample.time_ms, sample.labels.to_string()), sample.value);
            }
        }
        QueryValue::String { .. } | QueryValue::Matrix(_) => {}
    }
}

#[test]
fn a_range_query_is_its_instant_queries() {
    let (engine, storage, options) = (data::engine(), data::storage(), QueryOptions::default());
    // The value of these depends on the query's own times.
    let scope = Scope { query_times: false, odd_spelling: false, ..Scope::ALL };
    let mut generator = Generator::new(seed(), data::VOCABULARY, scope);
    let (mut n_points, mut n_failed) = (0, 0);
    for _ in 0..n_of(3_000) {
        let query = generator.query();
        let picks = ["limitk", "limit_ratio", "topk", "bottomk"].iter().any(|pick| query.contains(pick));
        if picks && query.contains("sort") {
            // Which series come first depends on the order, and an instant query alone is sorted.
            continue;
        }
        let start_ms = generator.dice.pick(&[0, 120_000, 601_000, 1_500_000]);
        let step_ms = generator.dice.pick(&[60_000, 30_000, 77_000, 300_000]);
        let span = RangeSpan { start_ms, end_ms: start_ms + 7 * step_ms, step_ms };
        let ranged = engine.range(&storage, &query, span, &options);
        let times = (0..8).map(|step| start_ms + step * step_ms);
        let instants: Vec<_> = times.map(|time| engine.instant(&storage, &query, time, &options)).collect();
        match ranged {
            Ok(result) => {
                let (mut want, mut found) = (Points::new(), Points::new());
                for instant in instants {
                    let instant =
                        instant.unwrap_or_else(|error| panic!("{query}: the instant query fails: {error}"));
                    add_instant(&mut want, instant.value);
                }
                let QueryValue::Matrix(series) = result.value else { panic!("{query}: no matrix") };
                add_range(&mut found, &series);
                n_points += found.len();
                let differing = want
                    .iter()
                    .find(|(key, value)| !found.get(*key).is_some_and(|other| is_same(value, other)));
                let differing = differing.map(|(key, value)| (key, value, found.get(key)));
                assert!(differing.is_none(), "seed {}: {query}\n{span:?}\n{differing:?}", seed());
                assert_eq!(found.len(), want.len(), "seed {}: {query}\n{span:?}", seed());
            }
            Err(error) => {
                n_failed += 1;
                // A range query evaluates a subquery over all its time, also where no window looks.
                let some_fail = instants.iter().any(Result::is_err) || query.contains(':');
                assert!(some_fail, "seed {}: {query}: only the range query fails: {error}", seed());
            }
        }
    }
    assert!(
        n_points > 10_000 && n_failed > 10,
        "{n_points} points, {n_failed} refusals: the generator is dull"
    );
}
