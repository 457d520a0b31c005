//! Bytes derived by hand from the format's description, and round trips.

use proptest::prelude::*;
use wf_model::STALE_NAN;

use super::*;

fn packed(bits: &str) -> Vec<u8> {
    let mut out = BitWriter::default();
    bits.bytes().filter(|b| *b != b' ').for_each(|b| out.push(u64::from(b - b'0'), 1));
    out.bytes
}

type Samples = Vec<(i64, i64, u64)>;

fn encode(samples: &[(i64, i64, u64)]) -> Vec<u8> {
    let mut list = samples.iter().map(|(time, start, bits)| (*time, *start, f64::from_bits(*bits)));
    let Some((time, start, value)) = list.next() else { return vec![0, 0, 0] };
    let mut encoder = Xor2Encoder::begin(time, start, value);
    for (time, start, value) in list {
        let before = encoder.bytes().len();
        encoder.push(time, start, value);
        assert!(encoder.bytes().len() - before <= SAMPLE_BYTES_MAX);
    }
    encoder.into_bytes()
}

fn decoded(bytes: &[u8]) -> Samples {
    let mut out = SampleColumns::default();
    decode(bytes, TimeRange::ALL, &mut out).unwrap();
    let starts = out.start_times_ms.iter().copied().chain(std::iter::repeat(0));
    let floats = out.times_ms.iter().zip(starts).zip(&out.values);
    floats.map(|((time, start), value)| (*time, start, value.to_bits())).collect()
}

#[test]
fn bytes_are_those_of_the_format() {
    let one = 1.0_f64.to_bits();
    let samples = [
        (0, 0, one),
        (10, 0, one),
        (20, 0, one),
        (30, 0, STALE_NAN.to_bits()),
        (45, 0, 2.0_f64.to_bits()),
        (60, 0, 1.0_f64.to_bits()),
    ];
    let want = format!(
        "00000000 00000110 00000000 00000000 {one:064b} 00001010 0   0   11111 \
         110 0000000000101 110 00001 001011 11111111111   10 0 11111111111"
    );
    assert_eq!(encode(&samples), packed(&want));
}

#[test]
fn start_timestamps_are_those_of_the_format() {
    let one = 1.0_f64.to_bits();
    let samples = [(1000, 900, one), (1010, 900, one), (1020, 1005, one), (1030, 1005, one)];
    let want = format!(
        "00000000 00000100 10000010 11010000 00001111 {one:064b} 11001000 00000001 00001010 0 \
         0 110 000101   0 110 001010"
    );
    // Two samples without a field; then 1,010 − 1,005, then 1,020 − 1,005, which is ten more.
    assert_eq!(encode(&samples), packed(&want));
}

#[test]
fn sample_127_always_has_a_field() {
    let samples: Samples = (0..200).map(|n| (n * 10, if n > 150 { 7 } else { 0 }, 0)).collect();
    let bytes = encode(&samples);
    assert_eq!(bytes[2], 127);
    assert_eq!(decoded(&bytes), samples);
    let few: Samples = samples[..127].to_vec();
    assert_eq!(encode(&few)[2], 0);
}

#[test]
fn a_constant_line_is_what_its_samples_are() {
    for n in [1, 2, 3, 120, 240] {
        let samples: Samples = (0..i64::from(n)).map(|idx| (5 + idx * 15, 0, 1.5_f64.to_bits())).collect();
        assert_eq!(Xor2Encoder::constant(5, 15, 1.5, n).into_bytes(), encode(&samples));
    }
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(1.0_f64.to_bits()),
        3 => (0_u32..50).prop_map(|v| f64::from(v).to_bits()),
        1 => Just(STALE_NAN.to_bits()),
        1 => any::<u64>(),
    ]
}

proptest! {
    #[test]
    fn samples_round_trip(
        first in -1_000_000_i64..2_000_000_000_000,
        steps in prop::collection::vec((prop_oneof![4 => Just(15_000_i64), 1 => 1_i64..100_000, 1 => 1_i64..1 << 40], value(), prop_oneof![Just(0_i64), 1_i64..3, any::<i64>()]), 0..300),
    ) {
        let mut time = first;
        let samples: Samples = steps.into_iter().map(|(step, value, start)| { time += step; (time, start, value) }).collect();
        prop_assert_eq!(decoded(&encode(&samples)), samples);
    }
}
