//! Arithmetic of native histograms by tables and laws.

use proptest::prelude::*;

use super::*;

fn exponential(schema: i32, offset: i32, counts: &[f64]) -> FloatHistogram {
    let total: f64 = counts.iter().sum();
    FloatHistogram {
        schema,
        count: total,
        sum: total,
        positive_spans: vec![Span { offset, length: counts.len() as u32 }],
        positive_buckets: counts.to_vec(),
        ..FloatHistogram::default()
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> FloatHistogram {
    let mut histogram = exponential(CUSTOM_BUCKETS_SCHEMA, 0, counts);
    histogram.custom_values = bounds.to_vec();
    histogram
}

#[test]
fn adding_takes_the_coarser_resolution() {
    let mut fine = exponential(1, 1, &[1.0, 1.0, 1.0, 1.0]);
    fine.add(&exponential(0, 1, &[10.0, 20.0])).unwrap();
    assert_eq!((fine.schema, fine.positive_buckets.as_slice()), (0, [12.0, 22.0].as_slice()));
}

#[test]
fn the_zero_bucket_swallows_a_populated_bucket_whole() {
    let mut narrow = exponential(0, 1, &[4.0, 5.0]);
    let wide =
        FloatHistogram { zero_threshold: 1.5, zero_count: 1.0, count: 1.0, ..FloatHistogram::default() };
    narrow.add(&wide).unwrap();
    // The bucket (1, 2] holds something, so the threshold moves on from 1.5 to 2.
    assert_eq!((narrow.zero_threshold, narrow.zero_count), (2.0, 5.0));
    assert_eq!(narrow.positive_buckets, [5.0]);
}

#[test]
fn custom_bounds_meet_at_their_intersection() {
    let mut left = custom(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0, 1.0]);
    let outcome = left.add(&custom(&[2.0, 5.0], &[10.0, 10.0, 10.0])).unwrap();
    assert!(outcome.bounds_reconciled);
    assert_eq!(
        (left.custom_values.as_slice(), left.positive_buckets.as_slice()),
        ([2.0].as_slice(), [12.0, 22.0].as_slice())
    );
    assert_eq!(left.add(&exponential(0, 0, &[1.0])), Err(Incompatible));
}

#[test]
fn resets_are_seen_in_count_layout_and_buckets() {
    let old = exponential(0, 0, &[1.0, 2.0]);
    let check = |new: &FloatHistogram, want: bool| assert_eq!(new.detect_reset(&old), want, "{new:?}");
    check(&exponential(0, 0, &[1.0, 3.0]), false);
    check(&exponential(0, 0, &[3.0, 1.0]), true);
    check(&exponential(0, 0, &[0.5, 1.0]), true);
    check(&exponential(1, 0, &[5.0, 5.0]), true);
    check(&exponential(-1, 0, &[1.0, 2.0]), false);
    check(
        &FloatHistogram { counter_reset_hint: CounterResetHint::NotReset, ..FloatHistogram::default() },
        false,
    );
}

#[test]
fn trimming_keeps_what_lies_inside() {
    let histogram = exponential(0, 0, &[1.0, 2.0, 4.0]);
    let below = histogram.trim_upper(2.0);
    assert_eq!((below.count, below.positive_buckets.as_slice()), (3.0, [1.0, 2.0].as_slice()));
    let above = histogram.trim_lower(2.0);
    assert_eq!((above.count, above.positive_buckets.as_slice()), (4.0, [4.0].as_slice()));
    assert!(histogram.trim_upper(100.0).equals(&histogram));
}

#[test]
fn text_names_populated_buckets() {
    let mut histogram = exponential(0, 1, &[1.0, 0.0]);
    histogram.zero_threshold = 0.1;
    histogram.zero_count = 2.0;
    assert_eq!(histogram.text(), "{count:1, sum:1, [-0.1,0.1]:2, (1,2]:1}");
}

fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
    (-2_i32..4, -6_i32..6, prop::collection::vec(0_u32..9, 0..6), 0_u32..5, 0_u32..3).prop_map(
        |(schema, offset, counts, zero, width)| {
            let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
            let mut histogram = exponential(schema, offset, &counts);
            histogram.zero_count = f64::from(zero);
            histogram.zero_threshold = f64::from(width) * 0.4;
            histogram.count += histogram.zero_count;
            histogram
        },
    )
}

fn observations(histogram: &FloatHistogram) -> f64 {
    histogram.buckets().iter().map(|bucket| bucket.count).sum()
}

proptest! {
    /// Reconciling layouts loses no observation, whichever way round.
    #[test]
    fn adding_loses_nothing_and_commutes(a in any_histogram(), b in any_histogram()) {
        let (mut left, mut right) = (a.clone(), b.clone());
        left.add(&b).unwrap();
        right.add(&a).unwrap();
        left.compact();
        right.compact();
        prop_assert!(left.equals(&right), "{left:?} {right:?}");
        prop_assert_eq!(observations(&left), observations(&a) + observations(&b));
    }

    /// A counter that only grew was not reset.
    #[test]
    fn growth_is_no_reset(a in any_histogram(), b in any_histogram()) {
        let mut grown = a.clone();
        grown.add(&b).unwrap();
        prop_assert!(!grown.detect_reset(&a));
    }

    /// The parts below and above a value make the whole.
    #[test]
    fn trims_are_complementary(a in any_histogram(), limit in -3.0..20.0_f64) {
        let total = a.trim_upper(limit).count + a.trim_lower(limit).count;
        prop_assert!((total - a.count).abs() < 1e-9 * (1.0 + a.count));
    }
}
