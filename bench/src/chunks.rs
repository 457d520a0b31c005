//! Codecs: chunks per class of values, and the log's record of samples.

use std::hint::black_box;

use anyhow::Result;
use wf_model::TimeRange;
use wf_series::SampleColumns;
use wf_tsdb::chunk::{XorState, xor};
use wf_tsdb::record::SamplesWriter;

use crate::path::{Path, Work, mixed};

pub(crate) const PATHS: &[Path] = &[
    Path { name: "xor/encode-constant", unit: "sample", n_rounds: 32, prepare: || encode(constant) },
    Path { name: "xor/encode-counter", unit: "sample", n_rounds: 32, prepare: || encode(counter) },
    Path { name: "xor/encode-gauge", unit: "sample", n_rounds: 32, prepare: || encode(gauge) },
    Path { name: "xor/encode-random", unit: "sample", n_rounds: 32, prepare: || encode(random) },
    Path { name: "xor/decode-constant", unit: "sample", n_rounds: 32, prepare: || decode(constant) },
    Path { name: "xor/decode-counter", unit: "sample", n_rounds: 32, prepare: || decode(counter) },
    Path { name: "xor/decode-gauge", unit: "sample", n_rounds: 32, prepare: || decode(gauge) },
    Path { name: "xor/decode-random", unit: "sample", n_rounds: 32, prepare: || decode(random) },
    Path { name: "wal/samples-record", unit: "sample", n_rounds: 8, prepare: record },
];

const N_SAMPLES: usize = 120;
const N_LOGGED: u64 = 1_000;
const START_MS: i64 = 1_700_000_000_000;
const INTERVAL_MS: i64 = 15_000;

fn constant(_: u64) -> f64 {
    1.0
}

/// A counter of whole numbers, growing at an uneven rate.
fn counter(idx: u64) -> f64 {
    (idx * 170 + mixed(idx) % 17) as f64
}

/// A gauge with one decimal.
fn gauge(idx: u64) -> f64 {
    (mixed(idx) % 100) as f64 / 10.0
}

/// All bits of the fraction change.
fn random(idx: u64) -> f64 {
    (mixed(idx) >> 11) as f64
}

/// Times jitter by milliseconds where values move, as they do when scraped; constants stand still.
fn samples(value: fn(u64) -> f64) -> Vec<(i64, f64)> {
    let is_constant = value(0).to_bits() == value(1).to_bits();
    let jitter_ms = |idx: u64| if is_constant { 0 } else { i64::try_from(mixed(idx) % 5).unwrap_or(0) };
    let times = (0..).map(|step| START_MS + step * INTERVAL_MS);
    times.zip(0..N_SAMPLES as u64).map(|(time, idx)| (time + jitter_ms(idx), value(idx))).collect()
}

fn encode(value: fn(u64) -> f64) -> Result<Work> {
    let samples = samples(value);
    let mut bytes = Vec::new();
    Ok(Work::new(N_SAMPLES, move || {
        bytes.clear();
        let mut state = XorState::default();
        for (time_ms, value) in black_box(&samples) {
            state.append(&mut bytes, *time_ms, *value);
        }
        black_box(&bytes);
        Ok(())
    }))
}

fn decode(value: fn(u64) -> f64) -> Result<Work> {
    let mut bytes = Vec::new();
    let mut state = XorState::default();
    for (time_ms, value) in samples(value) {
        state.append(&mut bytes, time_ms, value);
    }
    let mut out = SampleColumns::default();
    Ok(Work::new(N_SAMPLES, move || {
        out.clear();
        xor::decode(black_box(&bytes), TimeRange::ALL, &mut out)?;
        black_box(&out);
        Ok(())
    }))
}

fn record() -> Result<Work> {
    let mut bytes = Vec::new();
    let mut time_ms = START_MS;
    Ok(Work::new(usize::try_from(N_LOGGED)?, move || {
        bytes.clear();
        time_ms += INTERVAL_MS;
        let mut writer = SamplesWriter::new(&mut bytes);
        for series in 1..=N_LOGGED {
            writer.push(black_box(series * 3), time_ms, random(series));
        }
        black_box(&bytes);
        Ok(())
    }))
}
