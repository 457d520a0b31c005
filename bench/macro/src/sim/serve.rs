//! Targets over HTTP: `/t/NUMBER` is a page, `/stats` tells how much was served.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::native::NativePage;
use super::page::Page;
use super::{Profile, Spec};

/// Connections at a time: a scraper keeps about one per target. More are closed at once.
const CONNECTIONS_MAX: u64 = 8_192;

/// A connection's thread needs little: it copies a page from memory to the socket.
const STACK_BYTES: usize = 256 * 1024;

/// Longest request head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Targets that are being served; no longer when dropped.
#[derive(Debug)]
pub struct Serving {
    /// Where all of them listen.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    targets: Vec<Mutex<Target>>,
    rounds: Option<u64>,
    gzip: bool,
    is_stopped: AtomicBool,
    n_connections: AtomicU64,
    n_samples: AtomicU64,
    n_bytes: AtomicU64,
}

#[derive(Debug)]
struct Target {
    profile: Profile,
    body: Body,
    round: u64,
}

#[derive(Debug)]
enum Body {
    Text(Page),
    Native(NativePage),
}

impl Serving {
    /// Builds all pages and listens on a free port of loopback.
    /// # Errors
    /// When no port or thread is to be had.
    pub fn start(spec: &Spec) -> Result<Self> {
        let target = |(number, profile): (u64, Profile)| {
            let body = match profile {
                Profile::Native => Body::Native(NativePage::new(spec, number)),
                _ => Body::Text(Page::new(spec, profile, number)),
            };
            Mutex::new(Target { profile, body, round: 0 })
        };
        let shared = Arc::new(Shared {
            targets: (0..).zip(spec.profiles()).map(target).collect(),
            rounds: spec.rounds,
            gzip: spec.gzip,
            is_stopped: AtomicBool::new(false),
            n_connections: AtomicU64::new(0),
            n_samples: AtomicU64::new(0),
            n_bytes: AtomicU64::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").context("bind the targets")?;
        let address = listener.local_addr().context("read the targets' address")?;
        let accepting = thread(Arc::clone(&shared), move |shared| accept(&listener, shared))?;
        Ok(Self { address, shared, accepting: Some(accepting) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; that it fails means that it is gone already.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn thread(shared: Arc<Shared>, work: impl FnOnce(&Arc<Shared>) + Send + 'static) -> Result<JoinHandle<()>> {
    let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
    builder.spawn(move || work(&shared)).context("start a thread of the simulator")
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if shared.n_connections.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
            shared.n_connections.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        // Without a thread the connection is closed; the scraper comes again.
        let _ = thread(Arc::clone(shared), move |shared| {
            // The scraper may hang up at any time: that is its right.
            let _ = serve(stream, shared);
            shared.n_connections.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Answers requests of one connection until its end.
fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(300)))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        if shared.is_stopped.load(Ordering::SeqCst) {
            break;
        }
        match request.path.strip_prefix("/t/").and_then(|number| number.parse::<usize>().ok()) {
            Some(number) if number < shared.targets.len() => {
                answer_page(&mut writer, shared, number, &request)?;
            }
            _ if request.path == "/stats" => {
                answer(&mut writer, "200 OK", "application/json", "", stats(shared).to_string().as_bytes())?;
            }
            _ => answer(&mut writer, "404 Not Found", "text/plain", "", b"no such target\n")?,
        }
    }
    Ok(())
}

struct Request {
    path: String,
    accepts_gzip: bool,
    accepts: String,
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let (mut line, mut n_bytes) = (String::new(), 0);
    let mut request: Option<Request> = None;
    loop {
        line.clear();
        n_bytes += reader.read_line(&mut line)?;
        if line.is_empty() || n_bytes > HEAD_BYTES_MAX {
            return Ok(None);
        }
        let text = line.trim_end().to_ascii_lowercase();
        match (&mut request, text.split_once(':')) {
            (None, _) => {
                let url = text.split(' ').nth(1).unwrap_or_default();
                let path = url.split('?').next().unwrap_or_default().to_owned();
                request = Some(Request { path, accepts_gzip: false, accepts: String::new() });
            }
            (Some(_), _) if text.is_empty() => return Ok(request),
            (Some(request), Some(("accept-encoding", value))) => {
                request.accepts_gzip = value.contains("gzip");
            }
            (Some(request), Some(("accept", value))) => value.clone_into(&mut request.accepts),
            (Some(_), _) => {}
        }
    }
}

fn answer_page(
    writer: &mut impl Write,
    shared: &Shared,
    number: usize,
    request: &Request,
) -> std::io::Result<()> {
    let Some(target) = shared.targets.get(number) else { return Ok(()) };
    let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
    let target = &mut *target;
    if shared.rounds.is_none_or(|rounds| target.round < rounds) {
        target.round += 1;
        match &mut target.body {
            Body::Text(page) => page.step(target.round),
            Body::Native(page) => page.step(target.round),
        }
    }
    let (bytes, n_samples) = match &target.body {
        Body::Text(page) => (page.bytes(), page.n_samples()),
        Body::Native(page) => (page.bytes(), page.n_samples()),
    };
    let (media_type, wanted) = match target.profile {
        Profile::OpenMetrics => ("application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"),
        Profile::Native => (
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            "protobuf",
        ),
        _ => ("text/plain; version=0.0.4; charset=utf-8", ""),
    };
    if !request.accepts.contains(wanted) {
        return answer(
            writer,
            "406 Not Acceptable",
            "text/plain",
            "",
            b"this target speaks another format\n",
        );
    }
    shared.n_samples.fetch_add(n_samples, Ordering::Relaxed);
    shared.n_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    if !(shared.gzip && request.accepts_gzip) {
        return answer(writer, "200 OK", media_type, "", bytes);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes)?;
    answer(writer, "200 OK", media_type, "Content-Encoding: gzip\r\n", &packed.finish()?)
}

fn answer(
    writer: &mut impl Write,
    status: &str,
    media_type: &str,
    headers: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let n_bytes = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n{headers}Content-Length: {n_bytes}\r\n\r\n"
    );
    writer.write_all(head.as_bytes())?;
    writer.write_all(body)
}

fn stats(shared: &Shared) -> serde_json::Value {
    let rounds =
        || shared.targets.iter().map(|target| target.lock().unwrap_or_else(PoisonError::into_inner).round);
    json!({
        "targets": shared.targets.len(),
        "samples": shared.n_samples.load(Ordering::Relaxed),
        "bytes": shared.n_bytes.load(Ordering::Relaxed),
        "rounds_min": rounds().min().unwrap_or(0),
        "rounds_max": rounds().max().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn get(address: SocketAddr, path: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end..].to_vec())
    }

    #[test]
    fn each_request_is_the_next_scrape_and_is_counted() {
        let serving = Serving::start(&"app=2;rounds=2".parse().unwrap()).unwrap();
        let page = |path| get(serving.address, path, "").1;
        let (first, second, third) = (page("/t/1"), page("/t/1"), page("/t/1"));
        assert_ne!(first, second);
        assert_eq!(second, third, "the page stands still after its last round");
        let stats: serde_json::Value = serde_json::from_slice(&page("/stats")).unwrap();
        assert_eq!((stats["samples"].as_u64(), stats["rounds_max"].as_u64()), (Some(600), Some(2)));
        assert_eq!(stats["rounds_min"], 0);
        assert!(get(serving.address, "/t/2", "").0.contains("404"));
    }

    #[test]
    fn a_page_is_compressed_for_those_who_accept_it() {
        let plain = Serving::start(&"app=1".parse().unwrap()).unwrap();
        let packed = Serving::start(&"app=1;gzip".parse().unwrap()).unwrap();
        let accept = "Accept-Encoding: gzip\r\n";
        let (_, page) = get(plain.address, "/t/0", accept);
        let (head, body) = get(packed.address, "/t/0", accept);
        assert!(head.contains("Content-Encoding: gzip"));
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, page);
    }

    #[test]
    fn formats_are_served_to_those_who_speak_them() {
        let serving = Serving::start(&"openmetrics=1,native=1".parse().unwrap()).unwrap();
        assert!(get(serving.address, "/t/1", "Accept: text/plain\r\n").0.contains("406"));
        let accept = "Accept: application/vnd.google.protobuf;proto=x,application/openmetrics-text\r\n";
        assert!(get(serving.address, "/t/0", accept).0.contains("openmetrics-text"));
        assert!(get(serving.address, "/t/1", accept).0.contains("delimited"));
    }
}
