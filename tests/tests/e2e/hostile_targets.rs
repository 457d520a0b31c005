//! Targets that hang, lie or flood: each is down with its reason, the others stay on time, memory stays bounded.
//!
//! How many scrapes of the good target are on time is a figure, not a condition: it is the machine's, when that is busy elsewhere.
//! That some in a row are is a condition: if one target that hangs kept others waiting, that would never be.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use wf_e2e::process::{PATIENCE, Server, eventually};
use wf_e2e::skip::binary;
use wf_e2e::target::Target;
use wf_e2e::{figure, http, meter};

use crate::setup::Site;

/// What the server may keep of series, bytes. The flood goes beyond it after a few scrapes.
const HEAD_BYTES_MAX: u64 = 40 << 20;

/// Series of a page of the flood, all of them new: a million a minute.
const N_FLOOD_SERIES: u64 = 17_000;

/// Scrapes of the good target that are waited for, however slow the machine is.
const N_SCRAPES: usize = 12;

/// Scrapes of the good target that succeed one after the other, each at its second: meanwhile whoever hangs does so as often.
const N_IN_A_ROW: usize = 5;

/// A target and what is to become of it.
struct Case {
    job: &'static str,
    /// Part of what is told about it; `None` when all is well.
    reason: Option<&'static str>,
    /// Whether its scrapes succeed nevertheless.
    is_up: bool,
    /// Settings of its job.
    settings: &'static str,
    target: Target,
}

fn down(
    job: &'static str,
    reason: &'static str,
    handler: fn(u64, &mut TcpStream) -> std::io::Result<()>,
) -> Case {
    Case { job, reason: Some(reason), is_up: false, settings: "", target: Target::raw(handler).unwrap() }
}

fn page(
    job: &'static str,
    reason: Option<&'static str>,
    settings: &'static str,
    page: fn(u64) -> String,
) -> Case {
    Case { job, reason, is_up: reason.is_none(), settings, target: Target::page(page).unwrap() }
}

fn cases() -> Vec<Case> {
    vec![
        down("error", "500", |_, stream| stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")),
        page("garbage", Some("line 1"), "", |_| "\u{1}\u{2}}{ not metrics\n".to_owned()),
        down("not-utf8", "UTF-8", |_, stream| {
            let body = b"fine 1\nbad{label=\"\xff\xfe\"} 2\n";
            write!(stream, "{HEAD}Content-Length: {}\r\n\r\n", body.len())?;
            stream.write_all(body)
        }),
        down("hang", "deadline", |_, stream| wait_for_hang_up(stream)),
        down("loris", "deadline", loris),
        down("endless-head", "", endless_head),
        Case { settings: RARELY, ..down("endless", "", endless) },
        Case { settings: RARELY, ..down("bomb", "body size limit", bomb) },
        down("redirects", "redirect", |number, stream| {
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: /{number}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }),
        page("huge-label", Some("bytes"), RARELY, |_| {
            format!("huge{{label=\"{}\"}} 1\n", "x".repeat(20 << 20))
        }),
        page("limited-label", Some("label_value_length_limit"), "label_value_length_limit: 100", |_| {
            format!("huge{{label=\"{}\"}} 1\n", "x".repeat(1 << 20))
        }),
        page("limited-flood", Some("sample limit"), "sample_limit: 100", |_| same_flood().to_owned()),
        // Those it had before memory was at its bound are stored.
        Case { is_up: true, ..page("flood", Some("not stored"), "", flood) },
        page("duplicates", None, "", |number| {
            (0..2_000).fold(String::new(), |all, idx| all + &format!("same {}\n", number + idx))
        }),
    ]
}

/// What costs the machine much in a debug build needs no more than a scrape or two, and time.
const RARELY: &str = "scrape_interval: 10s\n  scrape_timeout: 10s";

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";

fn configure(site: &Site, good: &Target, cases: &[Case]) {
    let mut text = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n".to_owned();
    let good = ("good", "", good);
    let bad = cases.iter().map(|case| (case.job, case.settings, &case.target));
    for (job, settings, target) in std::iter::once(good).chain(bad) {
        let address = target.address;
        writeln!(text, "- job_name: {job}\n  static_configs: [{{targets: ['{address}']}}]").unwrap();
        if !settings.is_empty() {
            writeln!(text, "  {settings}").unwrap();
        }
    }
    fs::write(site.path("prometheus.yml"), text).unwrap();
}

fn states(server: &Server) -> Vec<Value> {
    let body = http::get(&format!("{}/api/v1/targets", server.base)).unwrap().json().unwrap();
    body["data"]["activeTargets"].as_array().cloned().unwrap_or_default()
}

#[test]
fn each_bad_target_is_down_with_its_reason_and_the_good_one_is_up() {
    let Some(binary) = binary() else { return };
    let good = Target::page(|number| format!("fine {number}\n")).unwrap();
    let cases = cases();
    let site = Site::new();
    configure(&site, &good, &cases);
    let mut arguments = site.server_arguments();
    arguments.push(format!("--storage.head.memory-max={HEAD_BYTES_MAX}"));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let port = site.listen().rsplit(':').next().unwrap().parse().unwrap();
    let server = Server::start(&binary, &arguments, port, &site.path("log")).unwrap();
    let is_known = |state: &Value| state["health"] != "unknown";
    assert!(eventually(PATIENCE, || {
        let states = states(&server);
        states.len() == cases.len() + 1 && states.iter().all(is_known)
    }));
    // Through all of it the good target is scraped; and memory must not grow with the rounds.
    let is_scraped = || samples(&server, "fine").len() >= N_SCRAPES;
    assert!(eventually(PATIENCE, is_scraped), "{}", server.log_text());
    for case in &cases {
        check(&server, case);
    }
    check_good(&server);
    check_counters(&server);
    // Two bodies of the largest size may be in memory at once, each half as large again while its buffer grows, beside
    // the series and what the server needs itself. What was freed goes back to the machine a little later; what grew with
    // the rounds would stay.
    let bound = (2 * 192 + 140) * 1_048_576;
    let resident = || meter::resident_bytes(server.id()).unwrap();
    let is_bounded = eventually(PATIENCE, || resident() < bound);
    figure("resident MiB with hostile targets", resident() / 1_048_576);
    assert!(is_bounded, "{} MiB resident", resident() / 1_048_576);
}

fn check(server: &Server, case: &Case) {
    let Case { job, reason, is_up, .. } = case;
    let state = || states(server).into_iter().find(|state| state["labels"]["job"] == **job).unwrap();
    // A machine that is busy elsewhere may need some scrapes to get that far.
    let is_as_said = || {
        let state = state();
        let error = state["lastError"].as_str().unwrap();
        let is_told = error.contains(reason.unwrap_or("")) && error.is_empty() == reason.is_none();
        is_told && (state["health"] == "up") == *is_up
    };
    assert!(eventually(PATIENCE, is_as_said), "{job}: {}", state());
}

/// Returns times and values of the one series that a selector finds.
fn samples(server: &Server, selector: &str) -> Vec<(f64, String)> {
    let found = http::query(&server.base, &format!("{selector}[1h]"), None).unwrap();
    let values = found.first().and_then(|series| series["values"].as_array().cloned()).unwrap_or_default();
    let pair = |pair: &Value| (pair[0].as_f64().unwrap(), pair[1].as_str().unwrap().to_owned());
    values.iter().map(pair).collect()
}

/// The good target is scraped on the grid of its interval.
fn check_good(server: &Server) {
    let times: Vec<f64> = samples(server, "fine").iter().map(|(time, _)| *time).collect();
    let ticks = times[times.len() - 1] - times[0];
    figure("of 100 ticks the good target was scraped at", (times.len() - 1) as f64 * 100.0 / ticks);
    let is_steady = || longest_run(&samples(server, "up{job=\"good\"}")) >= N_IN_A_ROW;
    assert!(eventually(PATIENCE, is_steady), "{:?}", samples(server, "up{job=\"good\"}"));
}

/// Returns how many scrapes in a row succeeded a second after the one before.
fn longest_run(ups: &[(f64, String)]) -> usize {
    let (mut longest, mut run, mut previous) = (0, 0, f64::NEG_INFINITY);
    for (time, up) in ups {
        let is_next = time - previous < 1.5;
        run = if up != "1" {
            0
        } else if is_next {
            run + 1
        } else {
            1
        };
        (longest, previous) = (longest.max(run), *time);
    }
    longest
}

/// What was refused is counted.
fn check_counters(server: &Server) {
    let page = http::get(&format!("{}/metrics", server.base)).unwrap().body;
    let value = |name: &str| -> f64 {
        let line = page.lines().find(|line| line.starts_with(name)).expect(name);
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    for name in [
        "prometheus_target_scrapes_sample_duplicate_timestamp_total ",
        "prometheus_target_scrapes_exceeded_sample_limit_total ",
        "prometheus_target_scrapes_exceeded_body_size_limit_total ",
        "watchfire_target_scrapes_sample_refused_total ",
    ] {
        assert!(value(name) > 0.0, "{name}");
    }
    figure("series in memory with a flood of a million a minute", value("prometheus_tsdb_head_series "));
}

/// Pages of which no series was there before.
fn flood(number: u64) -> String {
    let mut page = String::with_capacity(600_000);
    for idx in 0..N_FLOOD_SERIES {
        writeln!(page, "flood{{series=\"{}\"}} 1", number * N_FLOOD_SERIES + idx).unwrap();
    }
    page
}

/// A flood that is made once: what the target costs, the server lacks.
fn same_flood() -> &'static str {
    static PAGE: OnceLock<String> = OnceLock::new();
    PAGE.get_or_init(|| flood(0))
}

/// Holds the connection open until the other side ends it.
fn wait_for_hang_up(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(None)?;
    std::io::Read::read(stream, &mut [0]).map(drop)
}

/// A page that comes byte by byte and never ends.
fn loris(_: u64, stream: &mut TcpStream) -> std::io::Result<()> {
    write!(stream, "{HEAD}\r\nslow")?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    // The wait is the attack: whoever hangs up ends it.
    while std::io::Read::read(stream, &mut [0]).is_err() {
        stream.write_all(b"x")?;
    }
    Ok(())
}

/// A body without end, as fast as it is read.
fn endless(_: u64, stream: &mut TcpStream) -> std::io::Result<()> {
    write!(stream, "{HEAD}\r\n")?;
    let chunk = "padding 1\n".repeat(6_000);
    loop {
        stream.write_all(chunk.as_bytes())?;
    }
}

/// Headers without end.
fn endless_head(_: u64, stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(HEAD.as_bytes())?;
    let chunk = "X-Padding: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".repeat(1_000);
    loop {
        stream.write_all(chunk.as_bytes())?;
    }
}

/// 1 GiB of comments in a megabyte of gzip: one member, again and again.
fn bomb(_: u64, stream: &mut TcpStream) -> std::io::Result<()> {
    static BODY: OnceLock<Vec<u8>> = OnceLock::new();
    let body = BODY.get_or_init(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'#'; 1 << 20]).unwrap();
        encoder.finish().unwrap().repeat(1024)
    });
    write!(stream, "{HEAD}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)
}
