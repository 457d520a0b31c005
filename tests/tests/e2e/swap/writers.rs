//! The two that write a history into a data directory, and end as if killed: with a live log.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wf_e2e::history::{History, NATIVE_LABELS, STEP_MS, Sample};
use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::{http, remote_write};
use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{Acknowledge, HistogramValue, SampleSink, SeriesRef, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

use super::{blocks, copy_of};
use crate::setup::Site;

/// How late a sample may come.
const OUT_OF_ORDER_WINDOW_MS: i64 = 3_600_000;
/// Ticks per write request.
const TICKS_PER_REQUEST: i64 = 20;

/// Writes ticks with our storage, driven by the clock of the history.
pub(super) fn we_write(data: &Path, history: &History, ticks: Range<i64>) {
    with_our_storage(data, history, ticks.start, |db| {
        let refs: Vec<SeriesRef> = history
            .labels()
            .map(|labels| db.resolve(&Labels::from_pairs(labels.iter().map(|(n, v)| (n, v)))).unwrap())
            .collect();
        let native = db.resolve(&Labels::from_pairs(NATIVE_LABELS)).unwrap();
        for tick in ticks {
            let mut batch = WriteBatch::default();
            let histogram = HistogramValue::Integer(Arc::new(history.native(tick)));
            batch.push_histogram(native, history.time_ms(tick), histogram);
            db.append(&batch, Acknowledge::Written).unwrap();
            for samples in [history.on_time(tick).collect::<Vec<_>>(), history.belated(tick).collect()] {
                let mut batch = WriteBatch::default();
                samples
                    .iter()
                    .for_each(|(series, time_ms, value)| batch.push(refs[*series], *time_ms, *value));
                let outcome = db.append(&batch, Acknowledge::Written).unwrap();
                assert!(outcome.rejected.is_empty(), "tick {tick}: {:?}", outcome.rejected);
            }
            if tick % 4 == 0 {
                db.maintain(history.time_ms(tick));
                db.compact(history.time_ms(tick));
            }
        }
    });
}

/// Deletes a piece of a series from blocks and head.
pub(super) fn we_delete(data: &Path, history: &History, n_ticks: i64) {
    with_our_storage(data, history, n_ticks, |db| {
        let matchers = [Matcher::equal("__name__", "doomed"), Matcher::equal("instance", "b:9100")];
        for range in doomed(history, n_ticks) {
            db.delete(&matchers, range).unwrap();
        }
    });
}

/// What is deleted: a piece in the blocks and one in the head.
fn doomed(history: &History, n_ticks: i64) -> [TimeRange; 2] {
    let range =
        |from: i64, to: i64| TimeRange { start_ms: history.time_ms(from), end_ms: history.time_ms(to) };
    [range(n_ticks / 4, n_ticks / 2), range(n_ticks - 40, n_ticks - 20)]
}

/// Opens, works, and leaves the directory as a killed process would: what is closed afterwards is another copy.
fn with_our_storage(data: &Path, history: &History, tick: i64, work: impl FnOnce(&Tsdb)) {
    let options = TsdbOptions {
        out_of_order_window_ms: OUT_OF_ORDER_WINDOW_MS,
        compaction_thread: false,
        ..TsdbOptions::default()
    };
    let db = Tsdb::open(data, options, history.time_ms(tick)).unwrap();
    work(&db);
    let killed = copy_of(data, "killed");
    db.close().unwrap();
    drop(db);
    fs::remove_dir_all(data).unwrap();
    fs::rename(killed, data).unwrap();
}

/// Sends ticks to Debian's prometheus, deletes as [`we_delete`] does, waits for its blocks, and kills it.
pub(super) fn they_write(prometheus: &Path, site: &Site, data: &Path, history: &History, ticks: Range<i64>) {
    let server = start_theirs(prometheus, site, data, OUT_OF_ORDER_WINDOW_MS);
    let mut from = ticks.start;
    while from < ticks.end {
        let to = ticks.end.min(from + TICKS_PER_REQUEST);
        let on_time: Vec<Sample> = (from..to).flat_map(|tick| history.on_time(tick)).collect();
        remote_write::send(&server.base, history, &on_time).unwrap();
        let belated: Vec<Sample> = (from..to).flat_map(|tick| history.belated(tick)).collect();
        remote_write::send(&server.base, history, &belated).unwrap();
        remote_write::send_native(&server.base, history, from..to).unwrap();
        from = to;
    }
    let n_due = usize::try_from((ticks.end - ticks.start) * STEP_MS / (2 * 3_600_000))
        .unwrap()
        .min(super::N_BLOCKS_MIN);
    assert!(eventually(PATIENCE, || blocks(data).len() >= n_due), "{}", server.log_text());
    // Deleting from what is being compacted is undone by 2.42; for a minute after a start it does not compact. It is asked to
    // stop: killed while late samples come in, it sometimes does not find all of them again, and we do.
    server.stop().unwrap();
    let server = start_theirs(prometheus, site, data, OUT_OF_ORDER_WINDOW_MS);
    for range in doomed(history, ticks.end) {
        let matcher = http::encode("doomed{instance=\"b:9100\"}");
        let span = format!("start={}&end={}", range.start_ms as f64 / 1e3, range.end_ms as f64 / 1e3);
        let url = format!("{}/api/v1/admin/tsdb/delete_series?match[]={matcher}&{span}", server.base);
        let answer = http::post(&url, b"", &[]).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    server.kill();
}

/// Starts Debian's prometheus on a directory, scraping nothing.
pub(super) fn start_theirs(prometheus: &Path, site: &Site, data: &Path, out_of_order_ms: i64) -> Server {
    let configuration = site.path("theirs.yml");
    let window = format!("storage:\n  tsdb:\n    out_of_order_time_window: {out_of_order_ms}ms\n");
    fs::write(&configuration, window).unwrap();
    let port = free_port().unwrap();
    let arguments = [
        format!("--config.file={}", configuration.display()),
        format!("--storage.tsdb.path={}", data.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--web.enable-remote-write-receiver".to_owned(),
        "--web.enable-admin-api".to_owned(),
        "--enable-feature=native-histograms".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::start(prometheus, &arguments, port, &site.path("theirs.log")).unwrap()
}
