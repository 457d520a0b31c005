//! Arithmetic by tables, and the laws that hold for any histograms.

use proptest::prelude::*;

use super::*;

fn exponential(schema: i32, offset: i32, counts: &[f64]) -> FloatHistogram {
    let length = u32::try_from(counts.len()).unwrap();
    FloatHistogram {
        schema,
        count: counts.iter().sum(),
        positive_spans: vec![Span { offset, length }],
        positive_buckets: counts.to_vec(),
        ..FloatHistogram::default()
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> FloatHistogram {
    FloatHistogram { custom_values: bounds.to_vec(), ..exponential(CUSTOM_BUCKETS_SCHEMA, 0, counts) }
}

fn with_hint(counter_reset_hint: CounterResetHint) -> FloatHistogram {
    FloatHistogram { counter_reset_hint, ..exponential(0, 0, &[1.0]) }
}

#[test]
fn a_sum_has_the_lower_resolution() {
    let mut sum = exponential(1, 1, &[1.0, 2.0, 3.0, 4.0]);
    let outcome = sum.add(&exponential(0, 0, &[10.0, 20.0])).unwrap();
    assert_eq!(outcome, Outcome::default());
    assert_eq!((sum.schema, sum.count), (0, 40.0));
    assert_eq!(sum.to_string(), "{count:40, sum:0, (0.5,1]:10, (1,2]:23, (2,4]:7}");
}

#[test]
fn a_wider_zero_bucket_swallows_what_it_covers_and_never_cuts() {
    let mut sum = FloatHistogram { zero_threshold: 0.75, zero_count: 1.0, ..FloatHistogram::default() };
    sum.add(&exponential(0, -1, &[2.0, 3.0, 4.0])).unwrap();
    assert_eq!((sum.zero_threshold, sum.zero_count), (1.0, 6.0));
    assert_eq!(sum.to_string(), "{count:9, sum:0, [-1,1]:6, (1,2]:4}");
}

#[test]
fn custom_bounds_meet_on_those_in_common() {
    let mut sum = custom(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]);
    let outcome = sum.add(&custom(&[1.0, 3.0, 5.0], &[10.0, 20.0, 30.0, 40.0])).unwrap();
    assert!(outcome.bounds_reconciled);
    assert_eq!(sum.to_string(), "{count:110, sum:0, [-Inf,1]:11, (1,3]:25, (3,+Inf]:74}");
    assert_eq!(sum.add(&exponential(0, 0, &[1.0])), Err(Incompatible));
}

#[test]
fn hints_combine() {
    use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
    let check = |a, b, want, conflict| {
        let mut sum = with_hint(a);
        let outcome = sum.add(&with_hint(b)).unwrap();
        assert_eq!((sum.counter_reset_hint, outcome.conflicting_resets), (want, conflict), "{a:?} {b:?}");
    };
    check(Reset, Reset, Reset, false);
    check(Reset, NotReset, Unknown, true);
    check(Unknown, Reset, Unknown, false);
    check(Gauge, NotReset, Gauge, false);
    let mut scaled = with_hint(NotReset);
    scaled.scale(-1.0);
    assert_eq!(scaled.counter_reset_hint, Gauge);
}

#[test]
fn resets_are_detected() {
    let old = exponential(1, 1, &[1.0, 2.0, 3.0]);
    let check = |new: &FloatHistogram, want: bool| assert_eq!(new.detect_reset(&old), want, "{new:?}");
    check(&old, false);
    check(&exponential(1, 1, &[1.0, 2.0, 4.0]), false);
    check(&exponential(1, 1, &[1.0, 1.0, 9.0]), true);
    check(&exponential(1, 2, &[3.0, 9.0]), true);
    check(&exponential(0, 1, &[3.0, 3.0]), false);
    check(&exponential(0, 1, &[2.0, 9.0]), true);
    check(&exponential(2, 1, &[9.0]), true);
    check(&custom(&[1.0], &[9.0]), true);
    check(
        &FloatHistogram { counter_reset_hint: CounterResetHint::NotReset, ..FloatHistogram::default() },
        false,
    );
}

#[test]
fn trimming_keeps_what_lies_on_one_side() {
    let histogram = exponential(0, 0, &[1.0, 2.0, 4.0]);
    assert_eq!(histogram.trim_upper(2.0).count, 3.0);
    assert_eq!(histogram.trim_lower(2.0).count, 4.0);
    let cut = histogram.trim_upper(2_f64.sqrt());
    assert!((cut.count - 2.0).abs() < 1e-12, "{cut}");
    assert!(histogram.trim_upper(f64::INFINITY).equals(&histogram));
}

#[test]
fn a_sum_carries_what_rounding_lost() {
    let of = |sum: f64| FloatHistogram { sum, ..FloatHistogram::default() };
    let mut total = HistogramSum::new(&of(1e100));
    for sum in [1.0, -1e100] {
        total.add(&of(sum)).unwrap();
    }
    assert_eq!(total.finish().sum, 1.0);
    let mut mean = HistogramMean::new(&of(f64::MAX));
    mean.add(&of(f64::MAX)).unwrap();
    assert_eq!(mean.finish().sum, f64::MAX);
}

#[test]
fn damaged_spans_do_no_harm() {
    let spans = vec![Span { offset: i32::MAX, length: u32::MAX }, Span { offset: -5, length: 3 }];
    let mut histogram = FloatHistogram {
        schema: 8,
        positive_spans: spans.clone(),
        negative_spans: spans,
        positive_buckets: vec![1.0; 5],
        ..FloatHistogram::default()
    };
    histogram.add(&exponential(-4, i32::MIN, &[1.0, 2.0])).unwrap();
    histogram.compact();
    let _ = (histogram.to_string(), histogram.detect_reset(&histogram.clone()), histogram.trim_lower(1.0));
}

fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
    let counts = || prop::collection::vec(0..5_u8, 0..8);
    (-4..=8, -6..6, counts(), -6..6, counts(), prop::option::of(0..4_u8)).prop_map(
        |(schema, offset, positive, n_offset, negative, zero)| {
            let floats = |counts: Vec<u8>| counts.into_iter().map(f64::from).collect::<Vec<f64>>();
            let mut histogram = exponential(schema, offset, &floats(positive));
            histogram.negative_buckets = floats(negative);
            let length = u32::try_from(histogram.negative_buckets.len()).unwrap();
            histogram.negative_spans = vec![Span { offset: n_offset, length }];
            histogram.zero_threshold = zero.map_or(0.0, |zero| f64::from(zero) / 3.0);
            histogram.zero_count = zero.map_or(0.0, f64::from);
            histogram.count = histogram.buckets().map(|bucket| bucket.count).sum();
            histogram
        },
    )
}

proptest! {
    #[test]
    fn no_observation_is_lost_and_order_does_not_matter(a in any_histogram(), b in any_histogram()) {
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.add(&b).unwrap();
        ba.add(&a).unwrap();
        ab.compact();
        ba.compact();
        prop_assert!(ab.equals(&ba), "{ab} != {ba}");
        let in_buckets: f64 = ab.buckets().map(|bucket| bucket.count).sum();
        prop_assert_eq!(in_buckets, a.count + b.count);
        let mut sum = HistogramSum::new(&a);
        sum.add(&b).unwrap();
        let mut sum = sum.finish();
        sum.compact();
        prop_assert!(sum.equals(&ab));
    }

    #[test]
    fn a_grown_histogram_is_not_reset(a in any_histogram(), b in any_histogram()) {
        let mut grown = a.clone();
        grown.add(&b).unwrap();
        grown.counter_reset_hint = CounterResetHint::Unknown;
        prop_assert!(!grown.detect_reset(&a), "{grown} after {a}");
    }

    #[test]
    fn the_two_sides_of_a_cut_make_the_whole(a in any_histogram(), limit in -3.0..3.0_f64) {
        let parts = a.trim_upper(limit).count + a.trim_lower(limit).count;
        prop_assert!((parts - a.count).abs() < 1e-9, "{parts} of {}", a.count);
    }
}
