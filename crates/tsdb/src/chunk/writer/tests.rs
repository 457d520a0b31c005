//! Any samples come back from the chunks they were written to.

use std::sync::Arc;

use proptest::prelude::*;
use wf_model::histogram::{CounterResetHint, Span};
use wf_model::{FloatHistogram, Histogram, STALE_NAN, TimeRange};

use super::*;
use crate::chunk::samples;

fn write(list: &[Sample], samples_max: u16, floats: Encoding) -> Vec<EncodedChunk> {
    let mut writer = Writer::new(samples_max, floats);
    let mut chunks = Vec::new();
    for sample in list {
        chunks.extend(writer.push(sample).unwrap());
    }
    chunks.extend(writer.finish());
    chunks
}

fn flag_of(chunk: &EncodedChunk) -> ResetFlag {
    crate::chunk::histogram::reset_flag(&chunk.bytes, false).unwrap()
}

/// A histogram with these counts in buckets 0, 1, 2, …; zeros are left out.
fn counter(time_ms: i64, counts: &[u64]) -> Sample {
    let mut histogram = Histogram { count: counts.iter().sum(), sum: 1.0, ..Histogram::default() };
    let mut before = 0;
    let mut indices = Vec::new();
    for (index, count) in (0_i32..).zip(counts).filter(|(_, count)| **count > 0) {
        histogram.positive_deltas.push(*count as i64 - before);
        before = *count as i64;
        indices.push(index);
    }
    histogram.positive_spans = wf_model::histogram::sparse::spans_of_indices(indices.into_iter());
    Sample {
        time_ms,
        start_time_ms: 0,
        value: Value::Histogram(HistogramValue::Integer(Arc::new(histogram))),
    }
}

fn with_hint(sample: Sample, hint: CounterResetHint) -> Sample {
    let Value::Histogram(HistogramValue::Integer(histogram)) = sample.value else {
        panic!("an integer histogram")
    };
    let histogram = Arc::new(Histogram { counter_reset_hint: hint, ..Histogram::clone(&histogram) });
    Sample { value: Value::Histogram(HistogramValue::Integer(histogram)), ..sample }
}

#[test]
fn chunks_say_whether_a_reset_came_before_them() {
    let list = [
        counter(1, &[1, 1]),
        counter(2, &[2, 1]),
        counter(3, &[2, 2]),
        counter(4, &[1, 2]),
        counter(5, &[1, 2, 1]),
        with_hint(counter(6, &[9, 9, 9]), CounterResetHint::Reset),
        with_hint(counter(7, &[9]), CounterResetHint::Gauge),
        with_hint(counter(8, &[0, 3]), CounterResetHint::Gauge),
    ];
    let chunks = write(&list, 2, Encoding::Xor);
    let got: Vec<_> =
        chunks.iter().map(|chunk| (chunk.min_time_ms, chunk.n_samples, flag_of(chunk))).collect();
    use ResetFlag::{Gauge, NotReset, Reset, Unknown};
    assert_eq!(got, [(1, 2, Unknown), (3, 1, NotReset), (4, 2, Reset), (6, 1, Reset), (7, 2, Gauge)]);
}

#[test]
fn a_bucket_that_vanishes_is_a_reset_unless_it_was_empty() {
    let chunks = write(&[counter(1, &[1, 1]), counter(2, &[3])], 120, Encoding::Xor);
    assert_eq!(chunks.iter().map(flag_of).collect::<Vec<_>>(), [ResetFlag::Unknown, ResetFlag::Reset]);
    let wide = Histogram {
        count: 1,
        sum: 1.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_deltas: vec![1, -1],
        ..Histogram::default()
    };
    let wide = Sample { value: Value::Histogram(HistogramValue::Integer(Arc::new(wide))), ..counter(1, &[]) };
    let chunks = write(&[wide, counter(2, &[3])], 120, Encoding::Xor);
    assert_eq!(chunks.len(), 1);
    let list = samples(Encoding::Histogram, &chunks[0].bytes, TimeRange::ALL).unwrap();
    let Value::Histogram(HistogramValue::Integer(second)) = &list[1].value else {
        panic!("an integer histogram")
    };
    assert_eq!(second.positive_deltas, [3, -3]);
}

#[test]
fn a_new_bucket_recodes_the_chunk() {
    let chunks =
        write(&[counter(1, &[1]), counter(2, &[1, 0, 0, 4]), counter(3, &[1, 2, 0, 4])], 120, Encoding::Xor);
    assert_eq!(chunks.len(), 1);
    let list = samples(Encoding::Histogram, &chunks[0].bytes, TimeRange::ALL).unwrap();
    for (sample, want) in list.iter().zip([[1.0, 0.0, 0.0], [1.0, 0.0, 4.0], [1.0, 2.0, 4.0]]) {
        let Value::Histogram(histogram) = &sample.value else { panic!("a histogram") };
        let histogram = histogram.to_float();
        assert_eq!(histogram.positive_spans, [Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }]);
        assert_eq!(histogram.positive_buckets, want);
    }
}

#[test]
fn after_a_stale_marker_a_new_chunk_begins() {
    let stale = |time_ms| Sample {
        value: Value::Histogram(HistogramValue::Integer(Arc::new(Histogram::stale()))),
        ..counter(time_ms, &[])
    };
    let chunks = write(&[counter(1, &[1]), stale(2), stale(3), counter(4, &[2])], 120, Encoding::Xor);
    let got: Vec<_> = chunks.iter().map(|chunk| (chunk.n_samples, flag_of(chunk))).collect();
    assert_eq!(got, [(3, ResetFlag::Unknown), (1, ResetFlag::Unknown)]);
}

fn any_sample() -> impl Strategy<Value = Value> {
    let counts = prop::collection::vec(0_u64..4, 0..6);
    let hint = prop_oneof![4 => Just(CounterResetHint::Unknown), 1 => Just(CounterResetHint::Gauge), 1 => Just(CounterResetHint::Reset)];
    let integer = (counts, hint, 0_i32..2).prop_map(|(counts, hint, schema)| {
        let Value::Histogram(HistogramValue::Integer(histogram)) = with_hint(counter(0, &counts), hint).value
        else {
            panic!("an integer histogram")
        };
        Histogram { schema: schema / 2, ..Histogram::clone(&histogram) }
    });
    prop_oneof![
        1 => prop_oneof![3 => (0_u32..5).prop_map(f64::from), 1 => Just(STALE_NAN)].prop_map(Value::Float),
        4 => integer.clone().prop_map(|histogram| Value::Histogram(HistogramValue::Integer(Arc::new(histogram)))),
        2 => integer.prop_map(|histogram| Value::Histogram(HistogramValue::Float(Arc::new(histogram.to_float())))),
        1 => Just(Value::Histogram(HistogramValue::Integer(Arc::new(Histogram::stale())))),
        1 => Just(Value::Histogram(HistogramValue::Float(Arc::new(FloatHistogram::stale())))),
    ]
}

/// What a sample means, however its buckets are spelled; a marker of staleness means nothing else.
fn meaning(sample: &Sample) -> (i64, i64, String) {
    let text = match &sample.value {
        Value::Float(value) => format!("float {:x}", value.to_bits()),
        Value::Histogram(histogram) => {
            let kind = matches!(histogram, HistogramValue::Integer(_));
            let mut float = FloatHistogram::clone(&histogram.to_float());
            float.counter_reset_hint = CounterResetHint::Unknown;
            float.compact();
            if float.is_stale() { format!("stale {kind}") } else { format!("{kind} {float:?}") }
        }
    };
    (sample.time_ms, sample.start_time_ms, text)
}

proptest! {
    #[test]
    fn samples_come_back_and_no_counter_chunk_holds_a_reset(
        values in prop::collection::vec((any_sample(), 0_i64..3), 1..80),
        samples_max in prop_oneof![Just(3_u16), Just(120)],
        is_started: bool,
    ) {
        let floats = if is_started { Encoding::Xor2 } else { Encoding::Xor };
        let list: Vec<Sample> = (0..).zip(values).map(|(n, (value, start))| Sample {
            time_ms: n * 15_000,
            start_time_ms: if is_started { start } else { 0 },
            value,
        }).collect();
        let chunks = write(&list, samples_max, floats);
        let mut got = Vec::new();
        for chunk in &chunks {
            let inside = samples(chunk.encoding, &chunk.bytes, TimeRange::ALL).unwrap();
            prop_assert_eq!(inside.len(), usize::from(chunk.n_samples));
            prop_assert_eq!(inside.first().map(|s| s.time_ms), Some(chunk.min_time_ms));
            prop_assert_eq!(inside.last().map(|s| s.time_ms), Some(chunk.max_time_ms));
            for pair in inside.windows(2) {
                let [Value::Histogram(before), Value::Histogram(after)] = [&pair[0].value, &pair[1].value] else { continue };
                let (before, mut after) = (before.to_float(), FloatHistogram::clone(&after.to_float()));
                let is_gauge = after.counter_reset_hint == CounterResetHint::Gauge;
                after.counter_reset_hint = CounterResetHint::Unknown;
                prop_assert!(is_gauge || after.is_stale() || !after.detect_reset(&before));
            }
            got.extend(inside);
        }
        prop_assert_eq!(got.iter().map(meaning).collect::<Vec<_>>(), list.iter().map(meaning).collect::<Vec<_>>());
    }
}
