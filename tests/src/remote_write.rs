//! A small remote-write 1.0 client: fills a Prometheus with samples of any time.
//!
//! Source: the remote-write 1.0 specification; `WriteRequest{1: TimeSeries{1: Label{1: name, 2: value}, 2: Sample{1:
//! double, 2: int64}}}`, compressed as a snappy block.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result, ensure};

use wf_model::histogram::Histogram;

use crate::history::{History, NATIVE_LABELS, Sample};
use crate::http;

/// Posts samples of a history to `base`; those of one series in the order given.
/// # Errors
/// When the receiver does not take all of them.
pub fn send(base: &str, history: &History, samples: &[Sample]) -> Result<()> {
    let mut by_series: BTreeMap<usize, Vec<(i64, f64)>> = BTreeMap::new();
    for (series, time_ms, value) in samples {
        by_series.entry(*series).or_default().push((*time_ms, *value));
    }
    let labels: Vec<_> = history.labels().collect();
    let mut request = Vec::new();
    for (series, samples) in &by_series {
        field(&mut request, 1, &time_series(labels[*series], samples));
    }
    post(base, &request)
}

fn post(base: &str, request: &[u8]) -> Result<()> {
    let body = snap::raw::Encoder::new().compress_vec(request).context("compress a write request")?;
    let headers = [
        ("Content-Type", "application/x-protobuf"),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    ];
    let answer = http::post(&format!("{base}/api/v1/write"), &body, &headers)?;
    ensure!(answer.status / 100 == 2, "the receiver answered {}: {}", answer.status, answer.body);
    Ok(())
}

/// Posts native histograms of a history to `base`.
/// # Errors
/// When the receiver does not take all of them.
pub fn send_native(base: &str, history: &History, ticks: Range<i64>) -> Result<()> {
    let labels = NATIVE_LABELS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut series = time_series(&labels, &[]);
    for tick in ticks {
        field(&mut series, 4, &native(&history.native(tick), history.time_ms(tick)));
    }
    let mut request = Vec::new();
    field(&mut request, 1, &series);
    post(base, &request)
}

/// `Histogram{1: count, 3: sum, 4: schema, 5: zero threshold, 6: zero count, 11: spans, 12: deltas, 15: time}`.
fn native(histogram: &Histogram, time_ms: i64) -> Vec<u8> {
    let mut message = vec![1 << 3];
    varint(&mut message, histogram.count);
    for (number, value) in [(3, histogram.sum), (5, histogram.zero_threshold)] {
        message.push(number << 3 | 1);
        message.extend(value.to_bits().to_le_bytes());
    }
    message.push(4 << 3);
    varint(&mut message, zigzag(i64::from(histogram.schema)));
    message.push(6 << 3);
    varint(&mut message, histogram.zero_count);
    for span in &histogram.positive_spans {
        let mut inner = vec![1 << 3];
        varint(&mut inner, zigzag(i64::from(span.offset)));
        inner.push(2 << 3);
        varint(&mut inner, u64::from(span.length));
        field(&mut message, 11, &inner);
    }
    let mut deltas = Vec::new();
    histogram.positive_deltas.iter().for_each(|delta| varint(&mut deltas, zigzag(*delta)));
    field(&mut message, 12, &deltas);
    message.push(15 << 3);
    varint(&mut message, time_ms.cast_unsigned());
    message
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn time_series(labels: &[(String, String)], samples: &[(i64, f64)]) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        field(&mut label, 1, name.as_bytes());
        field(&mut label, 2, value.as_bytes());
        field(&mut message, 1, &label);
    }
    for (time_ms, value) in samples {
        // Field 1 as fixed 64 bits, field 2 as a varint.
        let mut sample = vec![1 << 3 | 1];
        sample.extend(value.to_bits().to_le_bytes());
        sample.push(2 << 3);
        varint(&mut sample, time_ms.cast_unsigned());
        field(&mut message, 2, &sample);
    }
    message
}

/// Appends a field of bytes.
fn field(to: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    to.push(number << 3 | 2);
    varint(to, bytes.len() as u64);
    to.extend(bytes);
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}
