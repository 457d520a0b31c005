//! Round trips, a naive decoder to compare with, and hostile bytes.

use proptest::prelude::*;
use wf_model::sample::{NORMAL_NAN_BITS, STALE_NAN_BITS};

use super::*;

fn encode(samples: &[(i64, f64)]) -> Vec<u8> {
    let mut state = XorState::default();
    let mut bytes = Vec::new();
    if samples.is_empty() {
        return vec![0, 0];
    }
    for &(t, v) in samples {
        let before = bytes.len();
        state.append(&mut bytes, t, v);
        assert!(bytes.len() - before <= SAMPLE_BYTES_MAX);
    }
    bytes
}

fn decoded(bytes: &[u8], range: TimeRange) -> Result<Vec<(i64, u64)>, ChunkError> {
    let mut out = SampleColumns::default();
    decode(bytes, range, &mut out)?;
    Ok(out.times_ms.into_iter().zip(out.values.into_iter().map(f64::to_bits)).collect())
}

fn bits_of(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|&(t, v)| (t, v.to_bits())).collect()
}

/// Reads bit by bit, straight from the format's description.
fn decode_naively(bytes: &[u8]) -> Option<Vec<(i64, u64)>> {
    let mut cursor = Cursor::new(bytes);
    let n = cursor.u16().ok()?;
    if n == 0 {
        return Some(Vec::new());
    }
    let (mut t, mut v) = (cursor.varint().ok()?, cursor.u64().ok()?);
    let mut samples = vec![(t, v)];
    if n == 1 {
        return Some(samples);
    }
    let mut dt = cursor.uvarint().ok()? as i64;
    let mut stream = cursor.rest().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut read = |n: u32| (0..n).try_fold(0_u64, |value, _| Some(value << 1 | u64::from(stream.next()?)));
    let (mut leading, mut trailing) = (0_u64, 0_u64);
    for idx in 1..n {
        if idx > 1 {
            let mut class = 0;
            while class < 4 && read(1)? == 1 {
                class += 1;
            }
            let n_bits = [0, 14, 17, 20, 64][class];
            let raw = read(n_bits)?;
            let is_negative = (1..64).contains(&n_bits) && raw > 1 << (n_bits - 1);
            dt = dt.wrapping_add(if is_negative { raw as i64 - (1 << n_bits) } else { raw as i64 });
        }
        t = t.wrapping_add(dt);
        if read(1)? == 1 {
            if read(1)? == 1 {
                leading = read(5)?;
                let significant = match read(6)? {
                    0 => 64,
                    n => n,
                };
                trailing = 64_u64.checked_sub(leading + significant)?;
            }
            v ^= read((64 - leading - trailing) as u32)? << trailing;
        }
        samples.push((t, v));
    }
    Some(samples)
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => Just(1.0),
        2 => (0_u32..100).prop_map(f64::from),
        2 => any::<f64>(),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => prop::sample::select(vec![STALE_NAN_BITS, NORMAL_NAN_BITS, 0, 1 << 63, u64::MAX]).prop_map(f64::from_bits),
    ]
}

fn delta() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => Just(15_000_i64),
        2 => 14_990_i64..15_010,
        1 => 1_i64..100_000_000,
        1 => prop::sample::select(vec![1, 8_191, 8_192, 8_193, 23_191, 23_192, 80_536, 539_288, 539_289, i64::MAX]),
    ]
}

fn series() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let start = prop_oneof![Just(1_700_000_000_000_i64), Just(i64::MIN), any::<i64>()];
    (start, prop::collection::vec((delta(), value()), 0..300)).prop_map(|(start, steps)| {
        let mut samples = Vec::new();
        let mut t = Some(start);
        for (dt, v) in steps {
            let Some(at) = t else { break };
            samples.push((at, v));
            t = at.checked_add(dt);
        }
        samples
    })
}

proptest! {
    #[test]
    fn samples_round_trip_by_their_bits(samples in series()) {
        let bytes = encode(&samples);
        prop_assert_eq!(decode_naively(&bytes).unwrap(), bits_of(&samples));
        prop_assert_eq!(decoded(&bytes, TimeRange::ALL).unwrap(), bits_of(&samples));
    }

    #[test]
    fn a_range_keeps_the_samples_inside(samples in series(), a: prop::sample::Index, b: prop::sample::Index) {
        prop_assume!(!samples.is_empty());
        let (start_ms, end_ms) = (samples[a.index(samples.len())].0, samples[b.index(samples.len())].0);
        let range = TimeRange { start_ms, end_ms };
        let inside: Vec<_> = samples.iter().copied().filter(|(t, _)| range.contains(*t)).collect();
        prop_assert_eq!(decoded(&encode(&samples), range).unwrap(), bits_of(&inside));
    }

    #[test]
    fn the_first_samples_can_be_read_while_later_ones_exist(samples in series(), n: prop::sample::Index) {
        let n = n.index(samples.len() + 1);
        let mut out = SampleColumns::default();
        decode_first(&encode(&samples), n as u16, TimeRange::ALL, &mut out).unwrap();
        prop_assert_eq!(out.times_ms, samples[..n].iter().map(|s| s.0).collect::<Vec<_>>());
    }

    #[test]
    fn a_constant_chunk_is_what_appending_would_have_made(
        t0 in -1_000_000_000_000_i64..1_000_000_000_000, dt in 1_i64..1_000_000, v in value(), n in 1_u16..300, more in series()
    ) {
        let samples: Vec<_> = (0..i64::from(n)).map(|idx| (t0 + idx * dt, v)).collect();
        let (mut want, mut state) = (Vec::new(), XorState::default());
        for &(t, v) in &samples {
            state.append(&mut want, t, v);
        }
        let mut got = Vec::new();
        let mut constant = XorState::constant(&mut got, t0, dt, v, n);
        for (t, v) in more {
            state.append(&mut want, t, v);
            constant.append(&mut got, t, v);
        }
        prop_assert_eq!(got, want);
    }

    #[test]
    fn hostile_bytes_decode_as_the_naive_decoder_says(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decoded(&bytes, TimeRange::ALL).ok(), decode_naively(&bytes));
    }

    #[test]
    fn a_mutated_chunk_decodes_as_the_naive_decoder_says(
        samples in series(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut: prop::sample::Index
    ) {
        let mut bytes = encode(&samples);
        prop_assume!(!bytes.is_empty());
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        // Ranges stop at the first later sample, damaged ones need not ascend: only the full range is comparable.
        prop_assert_eq!(decoded(&bytes, TimeRange::ALL).ok(), decode_naively(&bytes));
    }
}

#[test]
fn the_bytes_are_those_of_the_format() {
    // n=3 | varint 1000 | 1.0 | uvarint 10 | bits: 0, then dod 1 = 10 00000000000001, xor 2.0^1.0 = 11 00001 001011 …
    let bytes = encode(&[(1000, 1.0), (1010, 1.0), (1021, 2.0)]);
    assert_eq!(bytes[..14], [0, 3, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0x0a, 0b0100_0000]);
    assert_eq!(decode_naively(&bytes).unwrap().len(), 3);
}

#[test]
fn a_steady_sample_costs_two_bits() {
    let samples: Vec<_> = (0..120).map(|idx| (1_700_000_000_000 + idx * 15_000, 1.0)).collect();
    assert_eq!(encode(&samples).len(), 2 + 6 + 8 + 2 + (1_usize + 118 * 2).div_ceil(8));
}
