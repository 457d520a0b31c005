//! The original reads what we wrote, and we read what the original wrote.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use wf_model::STALE_NAN;
use wf_model::sample::NORMAL_NAN_BITS;
use wf_series::Acknowledge;
use wf_tsdb::WalCompression;
use wf_tsdb::chunk::{Encoding, XorState};
use wf_tsdb::head_chunks::HeadChunks;
use wf_tsdb::record::{Record, SamplesWriter, SeriesWriter, decode};
use wf_tsdb::wal::{Reader, Wal, WalOptions};

/// Samples as text by series, the way `promtool tsdb dump` prints them.
pub(crate) type Dump = BTreeMap<String, Vec<(i64, String)>>;

/// Returns the path of one of Debian's programs, or says that it is not there.
pub(crate) fn peer(program: &str) -> Option<PathBuf> {
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers");
    let folder = std::env::var_os("WF_PEERS").map_or_else(|| PathBuf::from(unpacked), PathBuf::from);
    let path = folder.join("usr/bin").join(program);
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var("WF_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|entry| entry == "peers"), "{} is required", path.display());
    // Past the capture of test output, on purpose; nobody has to read it.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: peers: Debian's {program} is not unpacked: run `cargo xtask peers`"
    );
    None
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn series_record(series: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let id = series.to_string();
    let labels = [("__name__", "wf_test"), ("id", id.as_str()), ("text", "a \"quoted\" π")];
    SeriesWriter::new(&mut out).push(series, labels.into_iter());
    out
}

/// What the dump calls it.
fn series_text(series: u64) -> String {
    format!(r#"{{__name__="wf_test", id="{series}", text="a \"quoted\" π"}}"#)
}

fn value(series: u64, idx: i64) -> f64 {
    match idx % 7 {
        5 => f64::from_bits(NORMAL_NAN_BITS),
        6 if idx == 6 => STALE_NAN,
        _ => (series as f64 + 0.1) * (idx / 3) as f64,
    }
}

pub(crate) fn value_text(value: f64) -> String {
    if value.is_nan() { "NaN".to_owned() } else { value.to_string() }
}

pub(crate) fn dump(promtool: &Path, dir: &Path) -> Dump {
    let out = Command::new(promtool).args(["tsdb", "dump"]).arg(dir).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut found = Dump::new();
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let (rest, time) = line.rsplit_once(' ').unwrap();
        let (series, value) = rest.rsplit_once(' ').unwrap();
        let value = value_text(value.parse().unwrap());
        found.entry(series.to_owned()).or_default().push((time.parse().unwrap(), value));
    }
    found
}

/// Writes `n` samples for each of ten series from `start_ms` on, in many records, and returns what a dump must show.
fn write_log(dir: &Path, compression: WalCompression, start_ms: i64, n: i64) -> Dump {
    let options = WalOptions { compression, segment_bytes: 512 << 10, ..WalOptions::default() };
    let wal = Wal::open(&dir.join("wal"), options).unwrap();
    let mut want = Dump::new();
    for series in 1..=10 {
        wal.log(&[&series_record(series)], Acknowledge::Queued).unwrap();
    }
    for idx in 0..n {
        let time_ms = start_ms + idx * 15_000 + idx % 3;
        let mut record = Vec::new();
        let mut writer = SamplesWriter::new(&mut record);
        for series in 1..=10 {
            let value = value(series, idx);
            writer.push(series, time_ms, value);
            want.entry(series_text(series)).or_default().push((time_ms, value_text(value)));
        }
        wal.log(&[&record], Acknowledge::Queued).unwrap();
    }
    wal.close().unwrap();
    want
}

#[test]
fn promtool_dumps_a_log_of_ours() {
    let Some(promtool) = peer("promtool") else { return };
    // 2.42 does not know Zstandard yet.
    for compression in [WalCompression::None, WalCompression::Snappy] {
        let dir = tempfile::tempdir().unwrap();
        let want = write_log(dir.path(), compression, 1_700_000_000_000, 700);
        assert_eq!(dump(&promtool, dir.path()), want, "{compression:?}");
    }
}

#[test]
fn promtool_dumps_a_log_of_ours_after_a_checkpoint() {
    let Some(promtool) = peer("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let start_ms = 1_700_000_000_000;
    let mut want = write_log(dir.path(), WalCompression::None, start_ms, 12_000);
    let wal = Wal::open(&dir.path().join("wal"), WalOptions::default()).unwrap();
    let min_time_ms = start_ms + 2_000 * 15_000;
    let stats = wal.checkpoint(min_time_ms, &mut |series| series != 3).unwrap().unwrap();
    assert!(stats.samples.kept > 0 && stats.samples.kept < stats.samples.all, "{stats:?}");
    wal.close().unwrap();
    // Without its series record the rest of a series is unknown.
    want.remove(&series_text(3));
    for samples in want.values_mut() {
        samples.retain(|(time_ms, _)| *time_ms >= min_time_ms);
    }
    assert_eq!(dump(&promtool, dir.path()), want);
}

#[test]
fn promtool_reads_head_chunks_of_ours() {
    let Some(promtool) = peer("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let start_ms = 1_700_000_000_000;
    // These samples are in the files only: the log has nothing but the series.
    write_log(dir.path(), WalCompression::Snappy, 0, 0);
    let (chunks, _) = HeadChunks::open(&dir.path().join("chunks_head"), &mut |_| ()).unwrap();
    let mut want = Dump::new();
    for series in 1..=10 {
        let samples = want.entry(series_text(series)).or_default();
        for chunk in 0..3 {
            let (mut state, mut data) = (XorState::default(), Vec::new());
            let first_ms = start_ms + chunk * 120 * 15_000;
            for idx in 0..120 {
                let (time_ms, value) = (first_ms + idx * 15_000 + idx % 3, value(series, idx));
                state.append(&mut data, time_ms, value);
                samples.push((time_ms, value_text(value)));
            }
            chunks.append(series, first_ms, state.last_t, Encoding::Xor, &data).unwrap();
        }
    }
    chunks.close().unwrap();
    assert_eq!(dump(&promtool, dir.path()), want);
}

/// A Prometheus of Debian's, ended with the test.
pub(crate) struct Prometheus {
    child: Child,
    port: u16,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Prometheus {
    fn start(program: &Path, data: &Path, scrape_itself: bool) -> Self {
        let port = free_port();
        let jobs = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        );
        Self::start_on(port, program, data, if scrape_itself { &jobs } else { "" })
    }

    /// Starts with this configuration; takes remote writes.
    pub(crate) fn start_with(program: &Path, data: &Path, config: &str) -> Self {
        Self::start_on(free_port(), program, data, config)
    }

    /// Returns whether it ends by itself with an error, as it does on a directory in use.
    pub(crate) fn refuses(program: &Path, data: &Path) -> bool {
        let mut server = Self::start_with(program, data, "");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match server.child.try_wait().unwrap() {
                Some(status) => return !status.success(),
                None if Instant::now() > deadline => return false,
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn start_on(port: u16, program: &Path, data: &Path, config_text: &str) -> Self {
        let config = data.join("prometheus.yml");
        fs::write(&config, config_text).unwrap();
        Self::spawn(port, program, data, &[])
    }

    /// As [`Prometheus::start_with`] without a configuration, with native histograms, which are a feature of 2.42.
    pub(crate) fn start_with_histograms(program: &Path, data: &Path) -> Self {
        fs::write(data.join("prometheus.yml"), "").unwrap();
        Self::spawn(free_port(), program, data, &["--enable-feature=native-histograms"])
    }

    fn spawn(port: u16, program: &Path, data: &Path, more: &[&str]) -> Self {
        let config = data.join("prometheus.yml");
        let child = Command::new(program)
            .args(more)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver")
            // Debian's does without, unless told; the original locks.
            .arg("--storage.tsdb.use-lockfile")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// Ends it as a power-off would, without a chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a body; returns the status line and what follows.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks for a path; `None` while nobody answers with 200.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
    }

    /// Repeats a query until its answer contains `want`.
    pub(crate) fn eventually(&self, path: &str, want: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match self.get(path) {
                Some(body) if body.contains(want) => return body,
                answer => assert!(Instant::now() < deadline, "{path} never answered {want}: {answer:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn prometheus_serves_a_log_of_ours() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().unwrap();
    let start_ms = now_ms() - 500 * 15_000;
    write_log(dir.path(), WalCompression::Snappy, start_ms, 400);
    let server = Prometheus::start(&program, dir.path(), false);
    server.eventually("/-/ready", "Ready");
    // 400 samples each, one of them a stale marker, which queries do not count.
    let body = server.get("/api/v1/query?query=sum(count_over_time(wf_test%5B1d%5D))").unwrap();
    assert!(body.contains(r#""3990""#), "{body}");
}

#[test]
fn we_read_the_log_of_a_killed_prometheus() {
    let Some(program) = peer("prometheus") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut server = Prometheus::start(&program, dir.path(), true);
    server.eventually("/api/v1/query?query=count_over_time(up%5B1m%5D)%20%3E=%203", r#""job":"self""#);
    server.child.kill().unwrap();
    server.child.wait().unwrap();

    let mut reader = Reader::open(&dir.path().join("wal")).unwrap();
    let (mut up, mut n_up, mut n_samples) = (0, 0, 0);
    while let Some((_, record)) = reader.next_record().unwrap() {
        match decode(record).unwrap() {
            Record::Series(entries) => {
                for entry in entries.map(Result::unwrap) {
                    if entry.labels.clone().any(|pair| pair == ("__name__", "up")) {
                        up = entry.series;
                    }
                }
            }
            Record::Samples(entries) => {
                for entry in entries.map(Result::unwrap) {
                    n_samples += 1;
                    if entry.series == up {
                        n_up += 1;
                        assert!((entry.time_ms - now_ms()).abs() < 600_000 && entry.value == 1.0);
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(up > 0 && n_up >= 3 && n_samples > 500, "{up} {n_up} {n_samples}");
}
