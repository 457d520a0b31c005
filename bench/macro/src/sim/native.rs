//! A page in protobuf with native histograms, encoded anew for each scrape: such targets are few and small.
//!
//! # Source
//! `io.prometheus.client.MetricFamily`, length-delimited; field numbers stand beside the calls.

use super::spec::{Clock, Spec};
use super::values::{Class, Moving};
use super::{mixed, mixed2};

const N_COUNTERS: u64 = 150;
const N_HISTOGRAMS: usize = 50;
/// Populated buckets of a histogram, in two spans.
const N_BUCKETS: usize = 24;
const COUNTER: u64 = 0;
const HISTOGRAM: u64 = 4;

/// A target that counts requests in native histograms.
#[derive(Debug)]
pub struct NativePage {
    seed: u64,
    clock: Clock,
    counters: Vec<Moving>,
    histograms: Vec<[u64; N_BUCKETS]>,
    bytes: Vec<u8>,
}

impl NativePage {
    /// Builds the page of target number `target`.
    pub fn new(spec: &Spec, target: u64) -> Self {
        let seed = mixed2(spec.seed, target);
        let counters =
            (0..N_COUNTERS).map(|idx| Moving::new(Class::of_family(idx), mixed2(seed, idx))).collect();
        let histograms = vec![[1; N_BUCKETS]; N_HISTOGRAMS];
        Self { seed, clock: spec.clock, counters, histograms, bytes: Vec::new() }
    }

    /// Moves the page to scrape `round`, counted from 1 and without a gap.
    pub fn step(&mut self, round: u64) {
        for counter in &mut self.counters {
            counter.step(round);
        }
        for (idx, buckets) in (0..).zip(&mut self.histograms) {
            for (bucket, count) in (0..).zip(buckets) {
                *count += mixed2(mixed2(self.seed, idx), mixed(round) ^ bucket) % 5;
            }
        }
        let time_ms = match self.clock {
            Clock::Wall => None,
            Clock::Simulated { start_ms, step_ms } => Some(start_ms + (round - 1) * step_ms),
        };
        self.encode(time_ms);
    }

    /// Returns the page as of the last step.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the number of samples the page exposes; a histogram is one.
    pub fn n_samples(&self) -> u64 {
        N_COUNTERS + N_HISTOGRAMS as u64
    }

    fn encode(&mut self, time_ms: Option<u64>) {
        let mut out = std::mem::take(&mut self.bytes);
        out.clear();
        let counters = self.counters.iter().map(|counter| {
            let mut text = vec![b'0'; counter.n_bytes()];
            counter.write(&mut text);
            let value = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
            message(3, &double(1, value))
        });
        family(&mut out, "app_operations_total", COUNTER, counters, time_ms);
        let histograms = self.histograms.iter().map(|buckets| message(7, &histogram(buckets)));
        family(&mut out, "app_request_duration_seconds", HISTOGRAM, histograms, time_ms);
        self.bytes = out;
    }
}

/// Writes a family whose metrics differ in label `idx`.
fn family(
    out: &mut Vec<u8>,
    name: &str,
    kind: u64,
    values: impl Iterator<Item = Vec<u8>>,
    time_ms: Option<u64>,
) {
    let mut body = [message(1, name.as_bytes()), message(2, b"Simulated."), number(3, kind)].concat();
    for (idx, value) in values.enumerate() {
        let label = [message(1, b"idx"), message(2, idx.to_string().as_bytes())].concat();
        let time = time_ms.map_or_else(Vec::new, |time_ms| number(6, time_ms));
        body.extend(message(4, &[message(1, &label), value, time].concat()));
    }
    varint(out, body.len() as u64);
    out.extend(body);
}

/// Encodes schema 3 with two spans of positive buckets.
fn histogram(buckets: &[u64]) -> Vec<u8> {
    let mut deltas = Vec::new();
    let mut before = 0_i64;
    for count in buckets {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        varint(&mut deltas, zigzag(count - before));
        before = count;
    }
    let n_half = N_BUCKETS as u64 / 2;
    let span = |offset: i64| message(12, &[number(1, zigzag(offset)), number(2, n_half)].concat());
    let total: u64 = buckets.iter().sum();
    [
        number(1, total),
        double(2, total as f64 * 0.25),
        number(5, zigzag(3)),
        double(6, 1e-128),
        number(7, 0),
        span(-20),
        span(3),
        message(13, &deltas),
    ]
    .concat()
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, field << 3);
    varint(&mut out, value);
    out
}

fn double(field: u64, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, field << 3 | 1);
    out.extend(value.to_le_bytes());
    out
}

fn message(field: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, field << 3 | 2);
    varint(&mut out, body.len() as u64);
    out.extend(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_encoded_as_the_format_says() {
        assert_eq!(number(1, 300), [0x08, 0xac, 0x02]);
        assert_eq!(message(2, b"ab"), [0x12, 2, b'a', b'b']);
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
        assert_eq!(double(1, 1.0).first(), Some(&0x09));
    }

    #[test]
    fn the_same_scrape_is_the_same_page() {
        let spec: Spec = "native=1;clock=1700000000000/1000".parse().unwrap();
        let page = |n| {
            let mut page = NativePage::new(&spec, 0);
            (1..=n).for_each(|round| page.step(round));
            page.bytes
        };
        assert_eq!(page(3), page(3));
        assert_ne!(page(3), page(4));
    }
}
