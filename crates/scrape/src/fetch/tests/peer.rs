//! Odd pages beside Debian's prometheus: the same fake targets leave the same series with the same values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use wf_exposition::protobuf::encode::Message;
use wf_model::is_stale_nan;

use super::*;
use crate::config::HistogramSettings;

const OPEN_METRICS: &str = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
const PROTOBUF: &str = "Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited\r\n";

/// Pages that both read, and pages that both refuse. Blanks before a name are not here: that Prometheus takes them for a part
/// of the name, and fails the page.
fn odd_pages() -> Vec<(&'static str, Vec<u8>)> {
    let text = |page: &str| (TEXT, page.as_bytes().to_vec());
    let open = |page: &str| (OPEN_METRICS, page.as_bytes().to_vec());
    vec![
        text("blanks\t{ a = \"1\" ,\tb=\"2\" , }  \t 1.5  \n\n#comment\n# \n#HELP x y\nend{} -0\n"),
        text(
            "escapes{a=\"\\\\ \\\" \\n é\"} 1\nnumbers{a=\"1\"} +Inf\nnumbers{a=\"2\"} -Inf\nnumbers{a=\"3\"} nan\nnumbers{a=\"4\"} 1e-3\nnumbers{a=\"5\"} .5\nnumbers{a=\"6\"} 0x10\n",
        ),
        text(
            "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n# TYPE s summary\ns{quantile=\"0.9\"} 4\ns_sum 5\ns_count 6\nlast 7",
        ),
        text("conflict{job=\"theirs\",instance=\"\",exported_job=\"x\"} 1\n"),
        text("twice 1\ntwice 2\nempty{a=\"\",b=\"1\"} 3\n"),
        text("good 1\nbad{a=\"1\" 2\n"),
        text("good{a=\"1\",a=\"2\"} 1\n"),
        text("# TYPE t nonsense\ngood 1\n"),
        text("good 1 12 13\n"),
        open(
            "# TYPE c counter\n# UNIT c \n# HELP c text\nc_total{a=\"1\"} 5 # {trace=\"x\"} 0.5\nc_created{a=\"1\"} 1.5\n# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE st stateset\nst{st=\"a\"} 1\n# EOF\n",
        ),
        open("good 1\n"),
        open("good 1\n# EOF\nmore 1\n"),
        (PROTOBUF, protobuf_page()),
        (PROTOBUF, b"\x05abcde".to_vec()),
    ]
}

fn protobuf_page() -> Vec<u8> {
    let bucket = |count, bound| Message::new().varint(1, count).double(2, bound);
    let span = |offset, length| Message::new().sint(1, offset).varint(2, length);
    let classic =
        Message::new().varint(1, 5).double(2, 9.5).message(3, &bucket(2, 1.0)).message(3, &bucket(4, 2.5));
    let native = Message::new()
        .varint(1, 7)
        .double(2, -3.5)
        .sint(5, 1)
        .double(6, 0.25)
        .varint(7, 1)
        .message(9, &span(0, 1))
        .packed_sints(10, &[2])
        .message(12, &span(1, 1))
        .message(12, &span(2, 1))
        .packed_sints(13, &[1, 2]);
    let quantile = Message::new().double(1, 0.5).double(2, 1.25);
    let summary = Message::new().varint(1, 3).double(2, 4.5).message(3, &quantile);
    let family = |name: &str, kind: u64, field: u32, value: &Message| {
        let metric = Message::new().label("a", "1").message(field, value);
        Message::new().bytes(1, name).bytes(2, "Help.").varint(3, kind).message(4, &metric)
    };
    let mut page = Vec::new();
    for family in [
        family("pb_counter_total", 0, 3, &Message::new().double(1, 1.5)),
        family("pb_gauge", 1, 2, &Message::new().double(1, -2.0)),
        family("pb_untyped", 3, 5, &Message::new().double(1, 0.0)),
        family("pb_summary", 2, 4, &summary),
        family("pb_classic", 4, 7, &classic),
        family("pb_native", 4, 7, &native),
    ] {
        family.write_delimited(&mut page);
    }
    page
}

/// Ended by its handle when dropped.
struct Peer {
    child: Child,
    base: Url,
    _folder: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peer_program() -> Option<PathBuf> {
    let folder = std::env::var_os("WF_PEERS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers")),
        PathBuf::from,
    );
    let program = folder.join("usr/bin/prometheus");
    if program.exists() {
        return Some(program);
    }
    let is_required = std::env::var("WF_REQUIRE").is_ok_and(|list| list.contains("peers"));
    assert!(!is_required, "{} is missing", program.display());
    eprintln!("SKIPPED: peers: Debian's prometheus is not unpacked");
    None
}

fn start_peer(program: &PathBuf, targets: &[String]) -> Peer {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prometheus.yml");
    let job = format!(
        "scrape_configs:\n- job_name: j\n  scrape_interval: 1s\n  static_configs:\n  - targets: {targets:?}\n"
    );
    std::fs::write(&config, job).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(program)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--enable-feature=native-histograms")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Peer { child, base: Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap(), _folder: folder }
}

impl Peer {
    async fn query(&self, client: &HttpClient, expr: &str) -> Vec<Value> {
        let mut url = self.base.join("api/v1/query").unwrap();
        url.query_pairs_mut().append_pair("query", expr);
        let deadline = Instant::now() + Duration::from_secs(20);
        let Ok(response) = client.get(&url, &HeaderMap::new(), deadline).await else { return Vec::new() };
        let mut body = Vec::new();
        if response.into_body().read_into(&mut body, 8 << 20).await.is_err() {
            return Vec::new();
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

/// What differs from scrape to scrape.
fn is_steady(labels: &str) -> bool {
    !["scrape_duration_seconds", "scrape_series_added"].iter().any(|name| labels.contains(name))
}

type Series = BTreeMap<String, String>;

fn peer_series(result: &[Value]) -> Series {
    let series = result.iter().map(|entry| {
        let metric = entry["metric"].as_object().unwrap();
        let labels = Labels::from_pairs(metric.iter().map(|(name, value)| (name, value.as_str().unwrap())));
        let shown = match entry["value"][1].as_str() {
            Some(text) => show(text.parse().unwrap()),
            None => {
                let native = &entry["histogram"][1];
                let number = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
                let buckets = native["buckets"].as_array().unwrap();
                let buckets: Vec<_> =
                    buckets.iter().map(|b| (number(&b[1]), number(&b[2]), number(&b[3]))).collect();
                show_native(number(&native["count"]), number(&native["sum"]), buckets)
            }
        };
        (labels.to_string(), shown)
    });
    series.filter(|(labels, _)| is_steady(labels)).collect()
}

fn show(value: f64) -> String {
    format!("{value:?}")
}

fn show_native(count: f64, sum: f64, mut buckets: Vec<(f64, f64, f64)>) -> String {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let buckets: Vec<String> =
        buckets.iter().map(|(lower, upper, n)| format!("{lower:.6}..{upper:.6}:{n}")).collect();
    format!("{count} {sum} {buckets:?}")
}

async fn our_series(targets: &[String]) -> Series {
    let sink = Arc::new(FakeSink::default());
    let manager = ScrapeManager::new(Arc::clone(&sink) as Arc<_>, &Registry::new(), ScrapeOptions::default());
    let histograms = HistogramSettings { takes_native: true, ..HistogramSettings::default() };
    let second = Duration::from_secs(1);
    let settings = JobSettings { interval: second, timeout: second, histograms, ..JobSettings::default() };
    let groups = vec![TargetGroup::of_addresses(targets, Labels::empty())];
    let jobs = vec![JobConfig { name: "j".to_owned(), settings, groups }];
    manager.reload(&ScrapeConfig { jobs, external_labels: Labels::empty() }).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while manager.targets().active.iter().any(|target| target.status.health == Health::Unknown) {
        assert!(Instant::now() < deadline, "not all targets were scraped");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let floats = sink.take_log().into_iter().map(|(labels, _, bits)| (labels, f64::from_bits(bits)));
    let mut series: Series = floats
        .filter(|(_, value)| !is_stale_nan(*value))
        .map(|(labels, value)| (labels, show(value)))
        .collect();
    for (labels, _, _, value) in sink.take_histograms() {
        let value = value.to_float();
        let buckets =
            value.buckets().filter(|b| b.count > 0.0).map(|b| (b.lower, b.upper, b.count)).collect();
        series.insert(labels, show_native(value.count, value.sum, buckets));
    }
    series.retain(|labels, _| is_steady(labels));
    series
}

#[tokio::test]
async fn odd_pages_leave_what_they_leave_with_prometheus() {
    let Some(program) = peer_program() else { return };
    let pages = odd_pages();
    let mut targets = Vec::new();
    for (headers, body) in &pages {
        targets.push(serve_bytes(http_page(headers, body)).await.to_string());
    }
    let peer = start_peer(&program, &targets);
    let client = HttpClient::new(&wf_httpkit::ClientOptions::default()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // On a busy machine a scrape of either side can come too late: the next one is compared.
    loop {
        let ours = our_series(&targets).await;
        let theirs = peer_series(&peer.query(&client, "{job=~\".+\"}").await);
        if ours == theirs {
            return;
        }
        if Instant::now() > deadline {
            assert_eq!(ours, theirs);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
