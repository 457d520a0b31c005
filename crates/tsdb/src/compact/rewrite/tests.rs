//! Rewritten chunks hold what the naive way says, in time order, copied where possible.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::chunk::XorState;

fn chunk<'a>(samples: &[(i64, f64)], deleted: &'a [TimeRange]) -> Input<'a> {
    let (mut state, mut data) = (XorState::default(), Vec::new());
    samples.iter().for_each(|(time, value)| state.append(&mut data, *time, *value));
    let span = TimeRange { start_ms: samples[0].0, end_ms: state.last_t };
    Input { span, encoding: Encoding::Xor, data: Cow::Owned(data), deleted }
}

fn steady(start: i64, n: i64) -> Vec<(i64, f64)> {
    (0..n).map(|at| ((start + at) * 15_000, (start + at) as f64)).collect()
}

fn decode(chunks: &[Output<'_>]) -> Vec<(i64, f64)> {
    let mut out = SampleColumns::default();
    for chunk in chunks {
        let n_before = out.len();
        chunk::decode(chunk.encoding, &chunk.data, TimeRange::ALL, &mut out).unwrap();
        let times = &out.times_ms[n_before..];
        assert_eq!((times.first(), times.last()), (Some(&chunk.span.start_ms), Some(&chunk.span.end_ms)));
    }
    assert!(out.times_ms.is_sorted_by(|a, b| a < b));
    out.times_ms.into_iter().zip(out.values).collect()
}

fn rewrite<'a>(density: Density, input: &[Input<'a>]) -> Vec<Output<'a>> {
    Rewriter::new(density, TimeRange::ALL).rewrite(input.to_vec()).unwrap()
}

#[test]
fn chunks_one_after_the_other_are_copied() {
    let input = [chunk(&steady(0, 120), &[]), chunk(&steady(120, 120), &[])];
    let out = rewrite(Density::Copied, &input);
    assert_eq!(out.iter().map(|c| c.data.clone()).collect::<Vec<_>>(), input.map(|c| c.data));
}

#[test]
fn small_neighbours_are_joined_and_large_ones_stay() {
    let input: Vec<Input<'_>> = (0..10).map(|n| chunk(&steady(n * 120, 120), &[])).collect();
    let out = rewrite(Density::Joined, &input);
    let sizes: Vec<u16> = out.iter().map(|c| xor::n_samples(&c.data).unwrap()).collect();
    assert_eq!(sizes, [480, 480, 240]);
    assert_eq!(decode(&out), steady(0, 1200));
    let again: Vec<Input<'_>> = out
        .iter()
        .map(|c| Input { span: c.span, encoding: c.encoding, data: c.data.clone(), deleted: &[] })
        .collect();
    assert_eq!(rewrite(Density::Joined, &again), out, "what is dense stays as it is");
}

/// Writes samples, times and start timestamps in ms, as one chunk of the other encoding.
fn xor2(samples: &[(i64, i64, f64)]) -> Input<'static> {
    let mut encoder = Xor2Encoder::begin(samples[0].0, samples[0].1, samples[0].2);
    samples[1..].iter().for_each(|(time, start, value)| encoder.push(*time, *start, *value));
    let span = TimeRange { start_ms: samples[0].0, end_ms: samples[samples.len() - 1].0 };
    Input { span, encoding: Encoding::Xor2, data: Cow::Owned(encoder.into_bytes()), deleted: &[] }
}

#[test]
fn joining_never_makes_chunks_larger_and_keeps_every_bit() {
    let values: [fn(i64) -> f64; 3] = [|_| 7.0, |at| at as f64 * 3.0, |at| (at * 7919 % 1000) as f64 / 100.0];
    for value in values {
        let value = |at: i64| if at == 300 { wf_model::STALE_NAN } else { value(at) };
        let samples: Vec<(i64, i64, f64)> = (1..=480).map(|at| (at * 15_000, 0, value(at))).collect();
        let input: Vec<Input<'_>> = samples.chunks(120).map(xor2).collect();
        let out = rewrite(Density::Joined, &input);
        let before: usize = input.iter().map(|chunk| chunk.data.len() + CHUNK_BYTES).sum();
        assert!(size_of_all(&out) <= before, "{before} B -> {} B in {} chunks", size_of_all(&out), out.len());
        let bits = |(time, value): (i64, f64)| (time, value.to_bits());
        let want: Vec<_> = samples.iter().map(|(time, _, value)| bits((*time, *value))).collect();
        assert_eq!(decode(&out).into_iter().map(bits).collect::<Vec<_>>(), want);
    }
}

#[test]
fn joined_xor2_chunks_keep_start_timestamps_and_stale_markers() {
    let samples: Vec<(i64, i64, f64)> = (1..=600)
        .map(|at| {
            (at * 15_000, at / 70 * 1_000_000, if at % 90 == 0 { wf_model::STALE_NAN } else { at as f64 })
        })
        .collect();
    let mut input: Vec<Input<'_>> = samples.chunks(120).map(xor2).collect();
    input.push(chunk(&steady(1000, 120), &[]));
    let out = rewrite(Density::Joined, &input);
    let sizes: Vec<_> = out.iter().map(|c| (c.encoding, xor::n_samples(&c.data).unwrap())).collect();
    assert_eq!(sizes, [(Encoding::Xor2, 480), (Encoding::Xor2, 120), (Encoding::Xor, 120)]);
    let mut columns = SampleColumns::default();
    for chunk in &out[..2] {
        chunk::decode(chunk.encoding, &chunk.data, TimeRange::ALL, &mut columns).unwrap();
    }
    let starts = columns.start_times_ms.iter();
    let found = columns.times_ms.iter().zip(starts).zip(&columns.values);
    let bits = |(time, start, value): (i64, i64, f64)| (time, start, value.to_bits());
    let want: Vec<_> = samples.into_iter().map(bits).collect();
    let found: Vec<_> = found.map(|((time, start), value)| bits((*time, *start, *value))).collect();
    assert_eq!(found, want);
}

#[test]
fn chunks_that_do_not_compress_stay_below_the_bound() {
    let noise = |at: i64| f64::from_bits((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let samples: Vec<(i64, f64)> = (0..2000).map(|at| (at * at * 997, noise(at))).collect();
    let input: Vec<Input<'_>> = samples.chunks(120).map(|samples| chunk(samples, &[])).collect();
    let out = rewrite(Density::Joined, &input);
    assert!(out.iter().all(|chunk| chunk.data.len() <= BYTES_JOINED) && out.len() > 3);
    assert_eq!(out.len(), rewrite(Density::Joined, &input).len());
}

#[test]
fn deleted_chunks_go_and_cut_ones_are_written_anew() {
    let gone = [TimeRange { start_ms: 0, end_ms: 130 * 15_000 }];
    let input =
        [chunk(&steady(0, 120), &gone), chunk(&steady(120, 120), &gone), chunk(&steady(240, 5), &gone)];
    let out = rewrite(Density::Copied, &input);
    assert_eq!(decode(&out), steady(131, 114));
    assert_eq!(out.len(), 2);
}

#[test]
fn bounds_cut_chunks_in_two() {
    let bounds = TimeRange { start_ms: 10 * 15_000, end_ms: 100 * 15_000 };
    let input = vec![chunk(&steady(0, 120), &[]), chunk(&steady(120, 120), &[])];
    let out = Rewriter::new(Density::Copied, bounds).rewrite(input).unwrap();
    assert_eq!(decode(&out), steady(10, 91));
}

proptest! {
    #[test]
    fn overlaps_and_deletions_are_as_in_a_map(
        blocks in prop::collection::vec(
            (prop::collection::btree_map(0i64..400, 0u8..5, 1..150), (0i64..400, 0i64..50)), 0..4),
        joined: bool,
    ) {
        let deleted: Vec<[TimeRange; 1]> = blocks
            .iter()
            .map(|(_, (start, length))| [TimeRange { start_ms: *start, end_ms: start + length }])
            .collect();
        let mut input = Vec::new();
        let mut want: BTreeMap<i64, f64> = BTreeMap::new();
        for ((samples, _), deleted) in blocks.iter().zip(&deleted) {
            let samples: Vec<(i64, f64)> = samples.iter().map(|(t, v)| (*t, f64::from(*v))).collect();
            input.extend(samples.chunks(40).map(|samples| chunk(samples, deleted)));
            let kept = samples.iter().filter(|(time, _)| !deleted[0].contains(*time));
            kept.for_each(|(time, _)| { want.insert(*time, 0.0); });
        }
        let density = if joined { Density::Joined } else { Density::Copied };
        let got = decode(&rewrite(density, &input));
        let times: Vec<i64> = got.iter().map(|(time, _)| *time).collect();
        prop_assert_eq!(times, want.keys().copied().collect::<Vec<_>>());
        // Each value is that of one of the blocks.
        for (time, value) in got {
            prop_assert!(blocks.iter().any(|(samples, _)| samples.get(&time).is_some_and(|v| f64::from(*v) == value)));
        }
    }
}
