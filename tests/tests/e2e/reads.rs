//! The original reads what we wrote: Debian's prometheus 2.42 and promtool open our data directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wf_e2e::answers::time_ms;
use wf_e2e::process::{PATIENCE, Server, eventually, free_port, run};
use wf_e2e::skip::{binary, peer};
use wf_e2e::target::Target;
use wf_e2e::{figure, http};

use crate::setup::Site;

/// Asked of both at [`instant_between_scrapes`]; all windows are whole seconds.
const QUERIES: [&str; 12] = [
    "counter",
    "rate(counter[7s])",
    "increase(counter[13s])",
    "sum by (shard) (rate(counter[9s]))",
    "gauge",
    "avg_over_time(gauge[11s])",
    "max by (shard) (gauge)",
    "gauge offset 3s",
    "special",
    "count_over_time(gauge[30s])",
    "histogram_quantile(0.9, rate(latency_bucket[15s]))",
    "up",
];

#[test]
fn prometheus_reads_our_write_ahead_log() {
    let (Some(binary), Some(prometheus), Some(promtool)) = (binary(), peer("prometheus"), peer("promtool"))
    else {
        return;
    };
    let target = Target::page(page).unwrap();
    let site = Site::new();
    site.configure("1s", &[("load", target.address.to_string())]);
    let server = site.server(&binary);
    let has_enough = || {
        let found =
            http::query(&server.base, "count_over_time(counter{series=\"1\"}[1h])", None).unwrap_or_default();
        found.first().is_some_and(|sample| sample["value"][1].as_str().is_some_and(|text| text.len() > 1))
    };
    assert!(eventually(PATIENCE, has_enough), "{}", server.log_text());
    let time = instant_between_scrapes(&server);
    let ours: Vec<_> =
        QUERIES.iter().map(|expr| canonical(&http::query(&server.base, expr, Some(time)).unwrap())).collect();
    server.kill();

    let copy = site.path("copy");
    copy_folder(&site.data(), &copy);
    let (code, dump, errors) = run(&promtool, &["tsdb", "dump", copy.to_str().unwrap()]).unwrap();
    assert_eq!(code, 0, "promtool tsdb dump: {errors}");
    figure("samples that promtool dumps from our data directory", dump.lines().count());
    assert!(dump.lines().filter(|line| line.contains("counter")).count() > 100, "{dump}");

    let theirs = start_prometheus(&site, &prometheus, &copy);
    for (expr, want) in QUERIES.iter().zip(ours) {
        let have = canonical(&http::query(&theirs.base, expr, Some(time)).unwrap());
        assert!(!want.is_empty(), "{expr}: our answer is empty");
        assert_same(expr, &want, &have);
    }
    figure("queries answered alike by prometheus 2.42 on our directory", QUERIES.len());
}

/// Returns an instant between two scrapes that are over, so that nothing comes before it any more, which no sample precedes by
/// whole seconds, so that none lies on a window's left edge: 2.42 has closed ranges, 3.x left-open ones.
fn instant_between_scrapes(server: &Server) -> f64 {
    let found = http::query(&server.base, "counter{series=\"1\"}[1h]", None).unwrap();
    let samples = found[0]["values"].as_array().unwrap().iter();
    let times_ms: Vec<i64> = samples.map(|sample| time_ms(&sample[0]).unwrap()).collect();
    let (before, last) = (times_ms[times_ms.len() - 2], times_ms[times_ms.len() - 1]);
    let is_free = |at: &i64| times_ms.iter().all(|time_ms| (at - time_ms) % 1000 != 0);
    let middle = (before + last) / 2;
    (middle..last).chain(before + 1..middle).find(is_free).expect("a dozen scrapes leave room between two")
        as f64
        / 1e3
}

/// A page with counters that reset, gauges, special values and a histogram.
fn page(number: u64) -> String {
    let mut page = String::from("# TYPE counter counter\n# TYPE latency histogram\n");
    for series in 0..40_u64 {
        let count = (number * (series + 1)) % 50;
        page.push_str(&format!("counter{{series=\"{series}\",shard=\"{}\"}} {count}\n", series % 4));
        let level = (number as f64 * 0.37 + series as f64).sin() * 1e3;
        page.push_str(&format!("gauge{{series=\"{series}\",shard=\"{}\"}} {level}\n", series % 4));
    }
    page.push_str("special{kind=\"nan\"} NaN\nspecial{kind=\"inf\"} +Inf\nspecial{kind=\"온도\"} -0.5\n");
    for (idx, bound) in ["0.1", "1", "10", "+Inf"].iter().enumerate() {
        page.push_str(&format!("latency_bucket{{le=\"{bound}\"}} {}\n", number * (idx as u64 + 1)));
    }
    page.push_str(&format!("latency_sum {number}\nlatency_count {}\n", number * 4));
    page
}

fn start_prometheus(site: &Site, prometheus: &Path, data: &Path) -> Server {
    let empty = site.path("empty.yml");
    fs::write(&empty, "").unwrap();
    let port = free_port().unwrap();
    let arguments = [
        format!("--config.file={}", empty.display()),
        format!("--storage.tsdb.path={}", data.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::start(prometheus, &arguments, port, &site.path("prometheus.log")).unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(status.success());
    // The killed process left its lock: the original replaces it, as it does for its own.
}

/// An instant vector as sorted (labels, value) pairs; values stay text so that NaN compares.
fn canonical(result: &[Value]) -> BTreeSet<(String, String)> {
    let pair =
        |sample: &Value| (sample["metric"].to_string(), sample["value"][1].as_str().unwrap_or("").to_owned());
    let sorted = |sample: &Value| {
        let mut sample = sample.clone();
        if let Some(metric) = sample["metric"].as_object_mut() {
            metric.sort_keys();
        }
        pair(&sample)
    };
    result.iter().map(sorted).collect()
}

fn assert_same(expr: &str, want: &BTreeSet<(String, String)>, have: &BTreeSet<(String, String)>) {
    assert_eq!(want.len(), have.len(), "{expr}\nours:   {want:?}\ntheirs: {have:?}");
    for ((labels, ours), (other, theirs)) in want.iter().zip(have) {
        let close = match (ours.parse::<f64>(), theirs.parse::<f64>()) {
            (Ok(a), Ok(b)) => a == b || (a.is_nan() && b.is_nan()) || ((a - b) / b).abs() < 1e-9,
            _ => ours == theirs,
        };
        assert!(labels == other && close, "{expr}\nours:   {labels} {ours}\ntheirs: {other} {theirs}");
    }
}
