//! Measures the codecs against their budgets: `cargo run --release -p wf-tsdb --example speed`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool for developers")]

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

use wf_model::TimeRange;
use wf_series::{Acknowledge, SampleColumns};
use wf_tsdb::chunk::{XorState, xor};
use wf_tsdb::record::SamplesWriter;
use wf_tsdb::wal::{Wal, WalOptions};

const N_SAMPLES: usize = 120;
const N_ROUNDS: usize = 500;
const N_REPEATS: usize = 40;

fn main() {
    let jitter = |idx: usize| (idx.wrapping_mul(2_654_435_761) >> 7) as i64 % 5;
    let noise = |idx: usize| (idx.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64;
    chunk("constant", |_| 0, |_| 1.0);
    chunk("counter", |_| 0, |idx| (idx * 17) as f64);
    chunk("counter, jitter", jitter, |idx| (idx * 17) as f64);
    chunk("gauge, decimals", |_| 0, |idx| ((idx * 37) % 100) as f64 / 10.0);
    chunk("noise, jitter", jitter, noise);
    log();
}

/// Encodes and decodes one chunk over and over; budgets: decode 2 ns constant, 6 ns changing.
fn chunk(name: &str, jitter: impl Fn(usize) -> i64, value: impl Fn(usize) -> f64) {
    let samples: Vec<_> = (0..N_SAMPLES)
        .map(|idx| (1_700_000_000_000 + idx as i64 * 15_000 + jitter(idx), value(idx)))
        .collect();
    let mut bytes = Vec::new();
    let encode_ns = best_ns(|| {
        bytes.clear();
        let mut state = XorState::default();
        for (t, v) in black_box(&samples) {
            state.append(&mut bytes, *t, *v);
        }
    });
    let mut out = SampleColumns::default();
    let decode_ns = best_ns(|| {
        out.clear();
        xor::decode(black_box(&bytes), TimeRange::ALL, &mut out).unwrap();
        black_box(&out);
    });
    println!("{name:16} {:4} B  encode {encode_ns:5.1} ns  decode {decode_ns:5.1} ns a sample", bytes.len());
}

/// Returns the CPU time of one sample in the best of many repeats: others use this machine too.
fn best_ns(mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..N_REPEATS {
        let started = cpu_seconds(ClockId::ThreadCPUTime);
        (0..N_ROUNDS).for_each(|_| work());
        best = best.min(cpu_seconds(ClockId::ThreadCPUTime) - started);
    }
    best * 1e9 / (N_ROUNDS * N_SAMPLES) as f64
}

fn cpu_seconds(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Logs batches of 1,000 samples; budget: 25 ns a sample, the writer thread included.
fn log() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), WalOptions::default()).unwrap();
    let mut record = Vec::new();
    let n_batches = 5_000_i64;
    let started = cpu_seconds(ClockId::ProcessCPUTime);
    for batch in 0..n_batches {
        record.clear();
        let mut writer = SamplesWriter::new(&mut record);
        for series in 1..=1_000 {
            writer.push(series, batch * 15_000, (series * 3) as f64);
        }
        wal.log(&[&record], Acknowledge::Queued).unwrap();
    }
    wal.close().unwrap();
    let ns = (cpu_seconds(ClockId::ProcessCPUTime) - started) * 1e9 / (n_batches * 1_000) as f64;
    let bytes = wal.stats().bytes as f64 / (n_batches * 1_000) as f64;
    println!(
        "log              {ns:5.1} ns a sample in all, {bytes:.1} B a sample, {} writes",
        wal.stats().writes
    );
}
