//! Bytes derived by hand from the format's description, round trips, hostile bytes.

use proptest::prelude::*;
use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};
use wf_model::{FloatHistogram, Histogram};

use super::*;
use crate::chunk::{Encoding, samples};

/// Packs ones and zeros, filled up with zeros; blanks are for the reader.
pub(crate) fn packed(bits: &str) -> Vec<u8> {
    let mut out = BitWriter::default();
    bits.bytes().filter(|b| *b != b' ').for_each(|b| out.push(u64::from(b - b'0'), 1));
    out.bytes
}

fn histogram(count: u64, sum: f64, deltas: [i64; 2]) -> Histogram {
    Histogram {
        schema: 1,
        zero_count: 1,
        count,
        sum,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_deltas: deltas.to_vec(),
        ..Histogram::default()
    }
}

#[test]
fn integer_chunks_are_those_of_the_format() {
    let mut encoder = Encoder::<Integers>::begin(ResetFlag::Reset, 5, None, &histogram(3, 2.0, [1, 0]));
    encoder.push(15, 0, &histogram(5, 4.0, [2, 0]));
    encoder.push(25, 0, &Histogram::stale());
    let two = "0100000000000000000000000000000000000000000000000000000000000000";
    let head = "0000000000000011 10000000 00000000";
    let layout = "10001 10001 10010 0 0";
    let first = format!("110000101 10011 10001 {two} 10001 0");
    // The sum changes by one bit, 11 zeros above it.
    let second = "110001010 10010 0 11 01011 000001 1 10001 0";
    // 4.0 to the stale NaN: bits 62 to 52 but for 62 and 52 itself, and bit 1.
    let change = 4.0_f64.to_bits() ^ wf_model::sample::STALE_NAN_BITS;
    let (leading, trailing) = (change.leading_zeros(), change.trailing_zeros());
    let n_bits = 64 - leading - trailing;
    let value = change >> trailing;
    let width = n_bits as usize;
    let third = format!("0 0 0 11 {leading:05b} {n_bits:06b} {value:0width$b}");
    assert_eq!(encoder.bytes(), packed(&format!("{head} {layout} {first} {second} {third}")));
    assert_eq!(reset_flag(encoder.bytes(), false), Ok(ResetFlag::Reset));
}

#[test]
fn float_chunks_are_those_of_the_format() {
    let float = |count, sum, bucket| FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count,
        sum,
        positive_spans: vec![Span { offset: 1, length: 1 }],
        positive_buckets: vec![bucket],
        custom_values: vec![0.5, f64::from_bits(1)],
        ..FloatHistogram::default()
    };
    let mut encoder = Encoder::<Floats>::begin(ResetFlag::Gauge, -1, None, &float(1.0, 2.0, 1.0));
    encoder.push(0, 0, &float(1.0, 2.0, 1.0));
    let bits = |value: f64| format!("{:064b}", value.to_bits());
    let head = "0000000000000010 11000000 00000000";
    // Schema −53 in 9 bits, one span, none, two bounds: 500 + 1 thousandths in 9 bits, the other in full.
    let bound = format!("0 {}", bits(f64::from_bits(1)));
    let layout = format!("1110 111001011 10001 10001 10001 0 10010 1110 111110101 {bound}");
    let first = format!("10111 {} {} {} {}", bits(1.0), bits(0.0), bits(2.0), bits(1.0));
    assert_eq!(encoder.bytes(), packed(&format!("{head} {layout} {first} 10001 0 0 0 0")));
}

#[test]
fn chunks_with_start_timestamps_count_in_fourteen_bits() {
    let mut encoder = Encoder::<Integers>::begin(ResetFlag::NotReset, 1000, Some(900), &Histogram::default());
    encoder.push(1010, 900, &Histogram::default());
    encoder.push(1020, 1005, &Histogram::default());
    // Two bits of flag and the count; the first sample has a start, the third is the first with a field.
    let head = "01000000 00000011 10000010 00000000 0 0 0";
    let first = format!("11110 001111101000 0 0 {:064b}", 0);
    let first_start = "11001000 00000001";
    // 1,000, 1,010, 1,020: the step changes once. The start of the third is five before the second.
    let rest = "110 001010 0 0 0   0 0 0 0 110 000101";
    assert_eq!(encoder.bytes(), packed(&format!("{head} {first} {first_start} {rest}")));
    let list = samples(Encoding::HistogramSt, encoder.bytes(), TimeRange::ALL).unwrap();
    assert_eq!(list.iter().map(|s| s.start_time_ms).collect::<Vec<_>>(), [900, 900, 1005]);
}

#[test]
fn a_first_stale_sample_has_no_layout() {
    let encoder = Encoder::<Floats>::begin(ResetFlag::Unknown, 0, None, &FloatHistogram::stale());
    let stale = format!("{:064b}", wf_model::sample::STALE_NAN_BITS);
    let zero = format!("{:064b}", 0);
    let want = format!("0000000000000001 00000000 00000000 0 0 0 0 {zero} {zero} {stale}");
    assert_eq!(encoder.bytes(), packed(&want));
}

#[test]
fn spans_that_promise_too_many_buckets_are_refused() {
    let mut out = BitWriter::after(vec![0, 2, 0]);
    let span = Span { offset: 0, length: u32::MAX };
    Layout { positive_spans: vec![span; 3], ..Layout::default() }.push(&mut out);
    out.push_bytes(&[0; 40]);
    let want = Err(ChunkError::Truncated { at: 0, n_samples: 2 });
    assert_eq!(decode::<Integers>(&out.bytes, false, TimeRange::ALL, &mut SampleColumns::default()), want);
}

#[test]
fn a_chunk_that_multiplies_its_layout_is_refused() {
    // A megabyte of empty spans, repeated in each of 65,535 samples of four bits.
    let mut out = BitWriter::after(vec![0xff, 0xff, 0]);
    let span = Span { offset: 0, length: 0 };
    Layout { positive_spans: vec![span; 1 << 16], ..Layout::default() }.push(&mut out);
    out.push_bytes(&[0; 1 << 16]);
    let mut columns = SampleColumns::default();
    let decoded = decode::<Integers>(&out.bytes, false, TimeRange::ALL, &mut columns);
    assert_eq!(decoded, Err(ChunkError::TooLarge));
}

#[test]
fn only_the_range_asked_for_is_decoded() {
    let mut encoder = Encoder::<Integers>::begin(ResetFlag::Unknown, 0, None, &histogram(3, 2.0, [1, 0]));
    for time in 1..10 {
        encoder.push(time * 10, 0, &histogram(3, 2.0, [1, 0]));
    }
    let mut out = SampleColumns::default();
    let range = TimeRange { start_ms: 15, end_ms: 40 };
    decode::<Integers>(encoder.bytes(), false, range, &mut out).unwrap();
    assert_eq!(out.times_ms, [20, 30, 40]);
    let positions: Vec<usize> = out.histograms.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, [0, 1, 2]);
    assert_eq!(out.histograms[0].1.counter_reset_hint, CounterResetHint::NotReset);
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail(mut bytes: Vec<u8>, n in 0_u8..20, tail in prop::collection::vec(any::<u8>(), 0..400)) {
        bytes.extend(tail);
        if let Some(header) = bytes.first_chunk_mut::<2>() {
            *header = [0, n];
        }
        let encodings = [Encoding::Histogram, Encoding::FloatHistogram, Encoding::HistogramSt, Encoding::FloatHistogramSt];
        for encoding in encodings.into_iter().chain([Encoding::Xor2]) {
            let mut out = SampleColumns::default();
            let _ = crate::chunk::decode(encoding, &bytes, TimeRange::ALL, &mut out);
            prop_assert!(out.len() <= usize::from(n));
            prop_assert!(out.start_times_ms.is_empty() || out.start_times_ms.len() == out.len());
            let _ = samples(encoding, &bytes, TimeRange::ALL);
        }
    }

    #[test]
    fn no_bytes_harm_a_decoder(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::any_chunk(&bytes);
    }

    /// Real chunks with a few bytes changed get further than noise.
    #[test]
    fn damaged_chunks_decode_or_fail(
        sums in prop::collection::vec(0_u16..20, 1..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        has_starts: bool,
    ) {
        let mut encoder: Option<Encoder<Integers>> = None;
        for (time, sum) in (0..).zip(sums) {
            let histogram = histogram(u64::from(sum) + 1, f64::from(sum), [i64::from(sum), 0]);
            match &mut encoder {
                Some(encoder) => encoder.push(time, time / 5, &histogram),
                None => encoder = Some(Encoder::begin(ResetFlag::Gauge, time, has_starts.then_some(7), &histogram)),
            }
        }
        let encoder = encoder.unwrap();
        let mut bytes = [&[encoder.encoding().number()], encoder.bytes()].concat();
        for (at, byte) in damage {
            let at = at.index(bytes.len() - 1) + 1;
            bytes[at] = byte;
        }
        crate::fuzz::any_chunk(&bytes);
    }
}
