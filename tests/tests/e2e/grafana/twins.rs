//! Two servers over the same samples, rules and targets: ours and Debian's prometheus.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use wf_e2e::http;
use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::skip::{binary, peer};
use wf_e2e::target::Target;
use wf_model::Labels;
use wf_series::{Acknowledge, SampleSink, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::setup::Site;

/// Between samples, s; they come 3 s after whole multiples, where no step and no window's edge lies.
const SAMPLE_EVERY_S: i64 = 15;

/// How much of the past is filled, s.
const FILLED_S: i64 = 3_600;

/// Rules whose outcome does not depend on the moment.
const RULES: &str = "groups:
- name: stock
  interval: 1s
  rules:
  - {record: 'job:live_gauge:sum', expr: 'sum by (job) (live_gauge)', labels: {made: 'by rule'}}
  - {alert: Always, expr: 'live_gauge > 0', labels: {severity: page}, annotations: {summary: 'at {{ $value }}'}}
  - {alert: Later, expr: 'live_gauge > 0', for: 5h}
- name: other
  interval: 1s
  limit: 7
  rules:
  - {alert: Never, expr: 'live_gauge < 0'}
";

/// The two, and what they look at.
pub(crate) struct Twins {
    pub(crate) ours: Server,
    pub(crate) theirs: Server,
    /// First and last whole minute with samples around it, s.
    pub(crate) start_s: i64,
    pub(crate) end_s: i64,
    _target: Target,
    _site: Site,
}

impl Twins {
    /// Fills a directory, copies it, and starts both on it; they scrape the same target and evaluate the same rules.
    pub(crate) fn start() -> Option<Self> {
        let (binary, prometheus) = (binary()?, peer("prometheus")?);
        let site = Site::new();
        let now_s = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let end_s = (now_s - 900).div_euclid(60) * 60;
        let start_s = end_s - FILLED_S;
        fill(&site.data(), start_s, end_s + 60);
        let copy = site.path("copy");
        assert!(Command::new("cp").arg("-r").arg(site.data()).arg(&copy).status().unwrap().success());
        let target = Target::raw(move |_, stream| serve_page(stream, end_s)).unwrap();
        site.configure("1s", &[("live", target.address.to_string())]);
        let config = fs::read_to_string(site.path("prometheus.yml")).unwrap();
        fs::write(site.path("prometheus.yml"), config + "rule_files: ['rules.yml']\n").unwrap();
        fs::write(site.path("rules.yml"), RULES).unwrap();
        let ours = start(&site, &binary, &["server"], &site.data(), "log");
        let theirs = start(&site, &prometheus, &[], &copy, "prometheus.log");
        let twins = Self { ours, theirs, start_s, end_s, _target: target, _site: site };
        for server in [&twins.ours, &twins.theirs] {
            assert!(eventually(PATIENCE, || is_settled(&server.base)), "{}", server.log_text());
        }
        Some(twins)
    }
}

fn start(site: &Site, program: &Path, role: &[&str], data: &Path, log: &str) -> Server {
    let port = free_port().unwrap();
    let mut arguments: Vec<String> = role.iter().map(|role| (*role).to_owned()).collect();
    arguments.extend([
        format!("--config.file={}", site.path("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", data.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--enable-feature=exemplar-storage".to_owned(),
    ]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::start(program, &arguments, port, &site.path(log)).unwrap()
}

/// Whether the target was scraped, the rules ran over it, and what they made can be found.
fn is_settled(base: &str) -> bool {
    ["job:live_gauge:sum", "ALERTS{alertstate=\"firing\"}", "ALERTS_FOR_STATE{alertname=\"Later\"}"]
        .iter()
        .all(|expr| http::query(base, expr, None).is_ok_and(|found| !found.is_empty()))
        && http::get(&format!("{base}/api/v1/query_exemplars?query=live_seconds_bucket"))
            .is_ok_and(|answer| answer.body.contains("trace_id"))
}

/// Writes counters, gauges and buckets by rule.
fn fill(data: &Path, start_s: i64, end_s: i64) {
    let tsdb = Tsdb::open(data, TsdbOptions::default(), end_s * 1_000).unwrap();
    let mut all = Vec::new();
    for instance in ["a:9100", "b:9100", "c:9100"] {
        let mut add = |labels: &[(&str, &str)]| {
            let base = [("instance", instance), ("job", "node")];
            all.push(tsdb.resolve(&Labels::from_pairs(base.iter().chain(labels).copied())).unwrap());
        };
        for mode in ["idle", "user", "system", "iowait"] {
            add(&[("__name__", "node_cpu_seconds_total"), ("mode", mode)]);
        }
        add(&[("__name__", "node_load1")]);
        add(&[("__name__", "node_memory_MemAvailable_bytes")]);
        for bound in ["0.1", "0.5", "2.5", "+Inf"] {
            add(&[
                ("__name__", "http_request_duration_seconds_bucket"),
                ("le", bound),
                ("path", "/ü/\"온도\"\\"),
            ]);
        }
    }
    for tick in 0..(end_s - start_s) / SAMPLE_EVERY_S {
        let mut batch = WriteBatch::default();
        for (idx, series) in all.iter().enumerate() {
            // Counters that start again now and then, and gauges in between.
            let value = ((tick % 101) as f64) * (1.0 + idx as f64 * 0.37);
            batch.push(*series, (start_s + tick * SAMPLE_EVERY_S + 3) * 1_000, value);
        }
        assert!(tsdb.append(&batch, Acknowledge::Written).unwrap().rejected.is_empty());
    }
    tsdb.close().unwrap();
}

/// What the live target says, the same each time: metadata of all kinds, and an exemplar of a fixed time. The gauge, of which
/// there are alerts, has a time: so a scrape that comes too late on a busy machine does not take it away.
fn serve_page(stream: &mut std::net::TcpStream, time_s: i64) -> std::io::Result<()> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let (now_s, rest_ms) = (now_ms / 1_000, now_ms % 1_000);
    let page = format!(
        "# HELP live_gauge A gauge with \"quotes\" and a \\\\.\n# TYPE live_gauge gauge\nlive_gauge{{zone=\"eu\"}} 1.5 {now_s}.{rest_ms:03}\n\
         # HELP live_seconds Time taken.\n# TYPE live_seconds histogram\n# UNIT live_seconds seconds\n\
         live_seconds_bucket{{le=\"1.0\"}} 4 # {{trace_id=\"abc\"}} 0.5 {time_s}.250\n\
         live_seconds_bucket{{le=\"+Inf\"}} 5\nlive_seconds_sum 3.5\nlive_seconds_count 5\n# HELP live Requests.\n\
         # TYPE live counter\nlive_total 7 # {{trace_id=\"def\"}} 1 {time_s}.500\n# TYPE live_plain unknown\nlive_plain 1\n# EOF\n"
    );
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}
