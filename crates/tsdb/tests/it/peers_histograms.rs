//! Native histograms cross over: the original reads ours from log and chunks, and we read its.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wf_model::histogram::{CounterResetHint, Span};
use wf_model::{Histogram, Labels, Matcher, TimeRange};
use wf_series::{
    Acknowledge, HistogramValue, SampleColumns, SampleSink, SelectRequest, SeriesSource, WriteBatch,
};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::peers::{Prometheus, now_ms, peer};

const STEP_MS: i64 = 15_000;
const N_SAMPLES: u64 = 400;

/// Time, count, sum and the counts of all buckets that are not empty, from the lowest on, by the label `kind`.
type Read = BTreeMap<String, Vec<(i64, f64, f64, Vec<f64>)>>;

fn labels(kind: &str) -> Labels {
    Labels::from_pairs([("__name__", "wf_native"), ("kind", kind)])
}

/// The `n`th histogram: buckets on both sides appear by and by; the count falls back twice.
fn histogram(n: u64) -> Histogram {
    let n = n % 170 + 1;
    let positive = [n, n / 3, n / 20, n / 60];
    let n_filled = positive.iter().filter(|count| **count > 0).count();
    let mut before = 0;
    let deltas = positive.iter().take(n_filled).map(|count| {
        let delta = *count as i64 - before;
        before = *count as i64;
        delta
    });
    let spans = [
        Span { offset: -1, length: 2 },
        Span { offset: 3, length: u32::try_from(n_filled).unwrap().saturating_sub(2) },
    ];
    let spans = if n_filled <= 2 {
        vec![Span { offset: -1, length: u32::try_from(n_filled).unwrap() }]
    } else {
        spans.to_vec()
    };
    Histogram {
        schema: 2,
        zero_threshold: 0.001,
        zero_count: n / 7,
        count: positive.iter().sum::<u64>() + n / 7 + n / 11,
        sum: n as f64 * 1.25,
        positive_spans: spans,
        positive_deltas: deltas.collect(),
        negative_spans: if n >= 11 { vec![Span { offset: 4, length: 1 }] } else { Vec::new() },
        negative_deltas: if n >= 11 { vec![(n / 11) as i64] } else { Vec::new() },
        ..Histogram::default()
    }
}

fn value(kind: &str, n: u64) -> HistogramValue {
    match kind {
        "integer" => HistogramValue::Integer(Arc::new(histogram(n))),
        "float" => HistogramValue::Float(Arc::new(histogram(n).to_float())),
        _ => {
            let gauge = Histogram { counter_reset_hint: CounterResetHint::Gauge, ..histogram(n * 31) };
            HistogramValue::Integer(Arc::new(gauge))
        }
    }
}

fn counts(histogram: &wf_model::FloatHistogram) -> Vec<f64> {
    let negative = histogram.negative_buckets.iter().rev();
    let all = negative.chain([&histogram.zero_count]).chain(&histogram.positive_buckets);
    all.copied().filter(|count| *count != 0.0).collect()
}

fn read_ours(tsdb: &Tsdb) -> Read {
    let matchers = [Matcher::equal("__name__", "wf_native")];
    let selection = tsdb.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL }).unwrap();
    let mut out = SampleColumns::default();
    let read = |idx: usize| {
        selection.read(idx, TimeRange::ALL, &mut out).unwrap();
        assert_eq!(out.histograms.len(), out.len());
        let samples = out.histograms.iter().map(|(at, h)| (out.times_ms[*at], h.count, h.sum, counts(h)));
        (selection.labels(idx).get("kind").unwrap().to_owned(), samples.collect())
    };
    (0..selection.len()).map(read).collect()
}

/// Asks for each sample by an instant of its own: 2.42 answers range selectors over integer histograms with the last one
/// again and again.
fn read_theirs(server: &Prometheus, start_ms: i64) -> Read {
    let (start_s, end_s) =
        (start_ms as f64 / 1e3, (start_ms + (N_SAMPLES as i64 - 1) * STEP_MS) as f64 / 1e3);
    let path =
        format!("/api/v1/query_range?query=wf_native&start={start_s}&end={end_s}&step={}s", STEP_MS / 1000);
    let body = server.eventually(&path, "histograms");
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let number = |value: &serde_json::Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let mut all = Read::new();
    for series in answer["data"]["result"].as_array().unwrap() {
        let samples = series["histograms"].as_array().unwrap().iter().map(|sample| {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century")]
            let time_ms = (sample[0].as_f64().unwrap() * 1000.0).round() as i64;
            let buckets = sample[1]["buckets"].as_array().unwrap().iter();
            let counts = buckets.map(|bucket| number(&bucket[3])).collect();
            (time_ms, number(&sample[1]["count"]), number(&sample[1]["sum"]), counts)
        });
        all.insert(series["metric"]["kind"].as_str().unwrap().to_owned(), samples.collect());
    }
    all
}

fn write_ours(dir: &Path, kinds: &[&str], start_ms: i64) -> Arc<Tsdb> {
    let tsdb = Tsdb::open(dir, TsdbOptions::default(), now_ms()).unwrap();
    for n in 0..N_SAMPLES {
        let mut batch = WriteBatch::default();
        for kind in kinds {
            let time_ms = start_ms + n as i64 * STEP_MS;
            batch.push_histogram(tsdb.resolve(&labels(kind)).unwrap(), time_ms, value(kind, n));
        }
        let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
        assert_eq!(outcome.n_histograms, kinds.len(), "{outcome:?}");
        if n == N_SAMPLES / 2 {
            // Some chunks are in files; what follows, and the open ones, only in the log.
            tsdb.maintain(now_ms() + 120_000);
        }
    }
    tsdb
}

#[test]
fn the_original_reads_our_histograms_and_we_read_them_back() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().unwrap();
    let start_ms = now_ms() - N_SAMPLES as i64 * STEP_MS;
    let tsdb = write_ours(dir.path(), &["integer", "float", "gauge"], start_ms);
    let want = read_ours(&tsdb);
    assert_eq!(want.values().map(Vec::len).collect::<Vec<_>>(), [400; 3]);
    assert_eq!(want["integer"][350].3, counts(&histogram(350).to_float()));
    tsdb.close().unwrap();
    drop(tsdb);
    let server = Prometheus::start_with_histograms(&program, dir.path());
    let theirs = read_theirs(&server, start_ms);
    for (kind, want) in &want {
        for (at, want) in want.iter().enumerate() {
            assert_eq!(theirs[kind].get(at), Some(want), "{kind} {at}");
        }
    }
    server.kill();
    let tsdb = Tsdb::open(dir.path(), TsdbOptions::default(), now_ms()).unwrap();
    assert_eq!(read_ours(&tsdb), want);
}

/// Protocol buffers, as far as a remote write of histograms needs them.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap());
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn signed(self, field: u64, value: i64) -> Self {
        self.number(field, ((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    fn double(mut self, field: u64, value: f64) -> Self {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }
}

fn histogram_message(histogram: &Histogram, time_ms: i64) -> Vec<u8> {
    let mut message = Message::default()
        .number(1, histogram.count)
        .double(3, histogram.sum)
        .signed(4, i64::from(histogram.schema))
        .double(5, histogram.zero_threshold)
        .number(6, histogram.zero_count);
    let sides = [
        (8, &histogram.negative_spans, &histogram.negative_deltas),
        (11, &histogram.positive_spans, &histogram.positive_deltas),
    ];
    for (field, spans, deltas) in sides {
        for span in spans {
            let span = Message::default().signed(1, i64::from(span.offset)).number(2, u64::from(span.length));
            message = message.bytes(field, &span.0);
        }
        for delta in deltas {
            message = message.signed(field + 1, *delta);
        }
    }
    message.number(15, time_ms.cast_unsigned()).0
}

#[test]
fn we_read_the_originals_histograms() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().unwrap();
    let start_ms = now_ms() - N_SAMPLES as i64 * STEP_MS;
    let server = Prometheus::start_with_histograms(&program, dir.path());
    server.eventually("/api/v1/query?query=1", "success");
    let label =
        |name: &str, value: &str| Message::default().bytes(1, name.as_bytes()).bytes(2, value.as_bytes()).0;
    let mut series =
        Message::default().bytes(1, &label("__name__", "wf_native")).bytes(1, &label("kind", "integer"));
    for n in 0..N_SAMPLES {
        series = series.bytes(4, &histogram_message(&histogram(n), start_ms + n as i64 * STEP_MS));
    }
    let body = Message::default().bytes(1, &series.0).0;
    let body = snap::raw::Encoder::new().compress_vec(&body).unwrap();
    let headers = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
                   X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
    let answer = server.post("/api/v1/write", headers, &body);
    assert!(answer.contains(" 204 ") || answer.contains(" 200 "), "{answer}");
    let want = read_theirs(&server, start_ms);
    assert_eq!(want["integer"].len(), 400);
    server.kill();
    let tsdb = Tsdb::open(dir.path(), TsdbOptions::default(), now_ms()).unwrap();
    assert_eq!(read_ours(&tsdb), want);
}
