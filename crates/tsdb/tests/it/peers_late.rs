//! Out-of-order samples cross over: the original reads ours, chunks, markers and log, and we read its.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{Acknowledge, SampleColumns, SampleSink, SelectRequest, SeriesSource, WriteBatch};
use wf_tsdb::{OpenError, Tsdb, TsdbOptions};

use crate::peers::{Prometheus, now_ms, peer};

const HOUR_MS: i64 = 3_600_000;
const STEP_MS: i64 = 20_000;
const CONFIG: &str = "storage: {tsdb: {out_of_order_time_window: 6h}}\n";

/// Samples by the label `id`.
type Samples = BTreeMap<String, Vec<(i64, f64)>>;

fn open(dir: &Path, window_ms: i64) -> Arc<Tsdb> {
    let options = TsdbOptions { out_of_order_window_ms: window_ms, ..TsdbOptions::default() };
    Tsdb::open(dir, options, now_ms()).unwrap()
}

fn labels(id: usize) -> Labels {
    Labels::from_pairs([("__name__", "wf_late".to_owned()), ("id", id.to_string())])
}

/// What each series gets, in this order: samples of the last half hour with gaps, then some of hours before and some
/// that fill the gaps, newest first. Series `id` gets so many that some are in memory, some in chunks.
fn plan(id: usize, now_ms: i64) -> Vec<(i64, f64)> {
    let value = |at: i64| if at % 17 == 0 { f64::INFINITY } else { (at * (id as i64 + 3)) as f64 * 0.25 };
    let recent = (0..90).filter(|at| at % 5 != 3);
    let gaps = (0..90).filter(|at| at % 5 == 3).rev();
    let early = (90..100 + 40 * id as i64).filter(|at| at % 2 == 0).rev();
    recent.rev().chain(gaps).chain(early).map(|at| (now_ms - 10_000 - at * STEP_MS, value(at))).collect()
}

fn planned(now_ms: i64) -> Samples {
    let sorted = |id: usize| {
        let mut samples = plan(id, now_ms);
        samples.sort_by_key(|(time, _)| *time);
        (id.to_string(), samples)
    };
    (0..5).map(sorted).collect()
}

fn read_ours(tsdb: &Tsdb) -> Samples {
    let matchers = [Matcher::equal("__name__", "wf_late")];
    let selection = tsdb.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL }).unwrap();
    let mut out = SampleColumns::default();
    let read = |idx: usize| {
        selection.read(idx, TimeRange::ALL, &mut out).unwrap();
        let samples = out.times_ms.iter().copied().zip(out.values.iter().copied()).collect();
        (selection.labels(idx).get("id").unwrap().to_owned(), samples)
    };
    (0..selection.len()).map(read).collect()
}

/// Reads the answer to a range selector; good enough for one label.
fn read_theirs(server: &Prometheus) -> Samples {
    let body = server.eventually("/api/v1/query?query=wf_late%5B8h%5D", r#""status":"success""#);
    let mut all = Samples::new();
    for series in body.split(r#""metric":"#).skip(1) {
        let (_, rest) = series.split_once(r#""id":""#).unwrap();
        let (id, rest) = rest.split_once('"').unwrap();
        let (_, rest) = rest.split_once(r#""values":[["#).unwrap();
        let (values, _) = rest.split_once("]]").unwrap();
        let sample = |pair: &str| {
            let (time, value) = pair.split_once(',').unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century")]
            let time_ms = (time.parse::<f64>().unwrap() * 1000.0).round() as i64;
            let value = value.trim_matches('"').replace("+Inf", "inf");
            (time_ms, value.parse().unwrap())
        };
        all.insert(id.to_owned(), values.split("],[").map(sample).collect());
    }
    all
}

#[test]
fn prometheus_reads_our_late_samples() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().unwrap();
    let now = now_ms();
    let tsdb = open(dir.path(), 6 * HOUR_MS);
    let refs: Vec<_> = (0..5).map(|id| tsdb.resolve(&labels(id)).unwrap()).collect();
    for at in 0..plan(4, now).len() {
        let mut batch = WriteBatch::default();
        for (id, series) in refs.iter().enumerate() {
            if let Some((time, value)) = plan(id, now).get(at) {
                batch.push(*series, *time, *value);
            }
        }
        let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
        assert_eq!(outcome.rejected, []);
    }
    assert!(tsdb.stats().late_samples_appended > 200);
    tsdb.close().unwrap();
    assert_eq!(read_ours(&open(dir.path(), 0)), planned(now));
    let server = Prometheus::start_with(&program, dir.path(), CONFIG);
    server.eventually("/-/ready", "Ready");
    assert_eq!(read_theirs(&server), planned(now));
}

fn put_field(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    out.push(tag);
    put_uvarint(out, body.len() as u64);
    out.extend_from_slice(body);
}

fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

/// A remote-write request with one sample for each of some series.
fn write_request(samples: &[(usize, i64, f64)]) -> Vec<u8> {
    let mut request = Vec::new();
    for (id, time_ms, value) in samples {
        let mut series = Vec::new();
        for (name, text) in labels(*id).iter() {
            let mut label = Vec::new();
            put_field(&mut label, 0x0a, name.as_bytes());
            put_field(&mut label, 0x12, text.as_bytes());
            put_field(&mut series, 0x0a, &label);
        }
        let mut sample = vec![0x09];
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(0x10);
        put_uvarint(&mut sample, time_ms.cast_unsigned());
        put_field(&mut series, 0x12, &sample);
        put_field(&mut request, 0x0a, &series);
    }
    snap::raw::Encoder::new().compress_vec(&request).unwrap()
}

#[test]
fn we_read_the_late_samples_of_a_killed_prometheus() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().unwrap();
    let now = now_ms();
    let server = Prometheus::start_with(&program, dir.path(), CONFIG);
    server.eventually("/-/ready", "Ready");
    for at in 0..plan(4, now).len() {
        let samples: Vec<_> =
            (0..5).filter_map(|id| plan(id, now).get(at).map(|(time, value)| (id, *time, *value))).collect();
        let headers = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n";
        let answer = server.post("/api/v1/write", headers, &write_request(&samples));
        assert!(answer.contains(" 204 "), "{answer}");
    }
    assert_eq!(read_theirs(&server), planned(now));
    let refused = Tsdb::open(dir.path(), TsdbOptions::default(), now).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    server.kill();
    assert!(fs::metadata(dir.path().join("wbl/00000000")).unwrap().len() > 0);
    // Taken over with the window closed: what was late stays, nothing late is taken.
    let tsdb = open(dir.path(), 0);
    assert_eq!(read_ours(&tsdb), planned(now));
    let stats = tsdb.stats();
    assert_eq!((stats.wbl_corruptions, stats.wal_corruptions, stats.clean_start), (0, 0, false));
    assert!(Prometheus::refuses(&program, dir.path()), "two at once");
    tsdb.close().unwrap();
    // And handed back: it goes on with its own and ours.
    let server = Prometheus::start_with(&program, dir.path(), CONFIG);
    server.eventually("/-/ready", "Ready");
    assert_eq!(read_theirs(&server), planned(now));
}
