//! Hostile targets, over real connections on loopback.

mod peer;

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wf_httpkit::Registry;
use wf_model::Labels;

use super::*;
use crate::config::{JobConfig, JobSettings, ScrapeLimits, TargetGroup};
use crate::manager::{ScrapeConfig, ScrapeManager, ScrapeOptions};
use crate::target::{Health, TargetStatus};
use crate::testing::FakeSink;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_bomb_is_unpacked_to_the_limit_only() {
    let bomb = gzip(&vec![b'#'; 64 << 20]);
    let mut page = Vec::new();
    assert!(matches!(
        gunzip(&bomb, &mut page, 1 << 20),
        Err(ScrapeError::BodyTooLarge { limit_bytes: 1_048_576 })
    ));
    assert!(page.capacity() <= 4 << 20, "{}", page.capacity());
}

#[test]
fn several_members_are_one_page_and_broken_ones_are_told() {
    let mut page = Vec::new();
    let two = [gzip(b"a 1\n"), gzip(b"b 2\n")].concat();
    gunzip(&two, &mut page, 100).unwrap();
    assert_eq!(page, b"a 1\nb 2\n");
    assert!(matches!(gunzip(&two[..two.len() - 9], &mut page, 100), Err(ScrapeError::Gzip(_))));
    assert!(matches!(gunzip(b"a 1\n", &mut page, 100), Err(ScrapeError::Gzip(_))));
    assert!(matches!(gunzip(&gzip(b"1234"), &mut page, 4), Err(ScrapeError::BodyTooLarge { .. })));
}

/// Serves each connection with `answer` once a request was read; returns the address.
async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            // The scraper may hang up first: that is its right.
            tokio::spawn(answer(stream));
        }
    });
    address
}

/// Serves the same bytes to everybody, then closes.
async fn serve_bytes(bytes: Vec<u8>) -> SocketAddr {
    serve(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
    })
    .await
}

fn http_page(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Scrapes `address` until its health is known. That a whole second was too short says that the machine is busy: the next
/// scrape counts, unless the test has set a time of its own.
async fn scrape(address: SocketAddr, change: impl Fn(&mut JobSettings)) -> (TargetStatus, Arc<FakeSink>) {
    let sink = Arc::new(FakeSink::default());
    let manager = ScrapeManager::new(Arc::clone(&sink) as Arc<_>, &Registry::new(), ScrapeOptions::default());
    let mut settings = JobSettings {
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        ..JobSettings::default()
    };
    change(&mut settings);
    let is_brief = settings.timeout < Duration::from_secs(1);
    let is_late = |status: &TargetStatus| !is_brief && status.last_error.contains("deadline exceeded");
    let groups = vec![TargetGroup::of_addresses([address.to_string()], Labels::empty())];
    let jobs = vec![JobConfig { name: "j".to_owned(), settings, groups }];
    manager.reload(&ScrapeConfig { jobs, external_labels: Labels::empty() }).unwrap();
    let status = || manager.targets().active[0].status.clone();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = status();
        if seen.health != Health::Unknown && !is_late(&seen) {
            return (seen, sink);
        }
        assert!(Instant::now() < deadline, "{address} was not scraped: {seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn check_down(address: SocketAddr, change: impl Fn(&mut JobSettings), want: &str) {
    let (status, sink) = scrape(address, change).await;
    assert!(status.health == Health::Down && status.last_error.contains(want), "{status:?}");
    assert!(sink.samples("up").iter().all(|sample| sample.ends_with("=0")), "{:?}", sink.samples("up"));
}

const TEXT: &str = "Content-Type: text/plain; version=0.0.4\r\n";

#[tokio::test]
async fn a_plain_and_a_compressed_page_are_read() {
    let compressed = format!("{TEXT}Content-Encoding: gzip\r\n");
    for bytes in [http_page(TEXT, b"m 1\n"), http_page(&compressed, &gzip(b"m 1\n"))] {
        let (status, sink) = scrape(serve_bytes(bytes).await, |_| {}).await;
        assert_eq!((status.health, status.last_error.as_str()), (Health::Up, ""));
        assert!(sink.samples("m")[0].ends_with("=1"));
    }
}

#[tokio::test]
async fn zstd_is_read_although_it_is_not_asked_for() {
    let headers = format!("{TEXT}Content-Encoding: zstd\r\n");
    let packed = zstd::encode_all(&b"m 1\n"[..], 3).unwrap();
    let (status, sink) = scrape(serve_bytes(http_page(&headers, &packed)).await, |_| {}).await;
    assert_eq!((status.health, status.last_error.as_str()), (Health::Up, ""));
    assert!(sink.samples("m")[0].ends_with("=1"));
    check_down(serve_bytes(http_page(&headers, b"m 1\n")).await, |_| {}, "zstd: ").await;
}

#[test]
fn a_zstd_bomb_is_unpacked_to_the_limit_only() {
    let bomb = zstd::encode_all(&vec![b'#'; 64 << 20][..], 3).unwrap();
    let mut page = Vec::new();
    assert!(matches!(
        unzstd(&bomb, &mut page, 1 << 20),
        Err(ScrapeError::BodyTooLarge { limit_bytes: 1_048_576 })
    ));
    assert!(page.capacity() <= 4 << 20, "{}", page.capacity());
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let answer =
        b"HTTP/1.1 302 Found\r\nLocation: /metrics\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    check_down(serve_bytes(answer.to_vec()).await, |_| {}, "stopped after 10 redirects").await;
}

#[tokio::test]
async fn garbage_in_names_values_and_families_fails_the_page() {
    let check = async |body: &[u8], want: &str| {
        check_down(serve_bytes(http_page(TEXT, body)).await, |_| {}, want).await;
    };
    check(b"m{a=\"\xff\"} 1\n", "not valid UTF-8").await;
    check(b"\x00\x01\x02", "expected a metric name").await;
    check(b"m{a=\"1\",a=\"2\"} 1\n", "label name \"a\" is not unique").await;
    let protobuf = "Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited\r\n";
    let page = http_page(protobuf, b"\x7fm 1\n");
    check_down(serve_bytes(page).await, |_| {}, "protobuf: metric family 1 at byte 0: the page ends inside")
        .await;
}

#[tokio::test]
async fn an_empty_page_is_fine_whatever_its_type() {
    for headers in ["", "Content-Type: text/html\r\n", "Content-Encoding: gzip\r\n"] {
        let (status, _) = scrape(serve_bytes(http_page(headers, b"")).await, |_| {}).await;
        assert_eq!(status.health, Health::Up, "{}", status.last_error);
    }
}

#[tokio::test]
async fn wrong_answers_are_told_apart() {
    let status = b"HTTP/1.1 503 Nope\r\nContent-Length: 0\r\n\r\n".to_vec();
    check_down(serve_bytes(status).await, |_| {}, "server returned HTTP status 503").await;
    let html = http_page("Content-Type: text/html\r\n", b"<html>");
    check_down(serve_bytes(html.clone()).await, |_| {}, "unsupported Content-Type \"text/html\"").await;
    let fallback = |settings: &mut JobSettings| {
        settings.fallback_protocol = Some(crate::config::ScrapeProtocol::Text0_0_4);
    };
    check_down(serve_bytes(html).await, fallback, "line 1, column 1: expected a metric name").await;
    let brotli = http_page(&format!("{TEXT}Content-Encoding: br\r\n"), b"x");
    check_down(serve_bytes(brotli).await, |_| {}, "unsupported Content-Encoding \"br\"").await;
    let not_gzip = http_page(&format!("{TEXT}Content-Encoding: gzip\r\n"), b"m 1\n");
    check_down(serve_bytes(not_gzip).await, |_| {}, "gzip: ").await;
    check_down(serve_bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()).await, |_| {}, "Get \"http://127.0.0.1").await;
    let half = format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n{TEXT}\r\nm 1\n").into_bytes();
    check_down(serve_bytes(half).await, |_| {}, "read body: ").await;
}

#[tokio::test]
async fn a_target_that_does_not_listen_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    check_down(address, |_| {}, "connect").await;
}

#[tokio::test]
async fn targets_that_hang_before_or_inside_the_page_time_out() {
    let brief = |settings: &mut JobSettings| {
        (settings.interval, settings.timeout) = (Duration::from_millis(300), Duration::from_millis(200));
    };
    let silent = serve(|stream| async move {
        let _held = stream;
        std::future::pending().await
    });
    check_down(silent.await, brief, "context deadline exceeded").await;
    let stuck = serve(|mut stream| async move {
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n{TEXT}\r\nm 1\n").as_bytes())
            .await?;
        std::future::pending().await
    });
    check_down(stuck.await, brief, "context deadline exceeded").await;
    let dripping = serve(|mut stream| async move {
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{TEXT}\r\n").as_bytes()).await?;
        loop {
            stream.write_all(b"#").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    check_down(dripping.await, brief, "context deadline exceeded").await;
}

#[tokio::test]
async fn endless_pages_and_bombs_end_at_the_limit() {
    let small = |settings: &mut JobSettings| {
        settings.limits = ScrapeLimits { body_bytes_max: 1 << 20, ..ScrapeLimits::default() };
    };
    let endless = serve(|mut stream| async move {
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{TEXT}\r\n").as_bytes()).await?;
        loop {
            stream.write_all(&[b'#'; 4096]).await?;
        }
    });
    check_down(endless.await, small, "body size limit exceeded: the uncompressed page reaches 1048576 bytes")
        .await;
    let bomb = http_page(&format!("{TEXT}Content-Encoding: gzip\r\n"), &gzip(&vec![b'#'; 64 << 20]));
    check_down(serve_bytes(bomb).await, small, "body size limit exceeded").await;
}

#[tokio::test]
async fn large_bodies_share_a_budget_and_small_ones_never_wait() {
    let budget = BodyBudget::default();
    let all = u32::try_from(BUDGET_BYTES / BUDGET_UNIT).unwrap();
    let held = Arc::clone(&budget.0).acquire_many_owned(all).await.unwrap();
    let client = HttpClient::new(&wf_httpkit::ClientOptions::default()).unwrap();
    let fetch = HttpFetch { client, budget };
    let get = async |body: Vec<u8>, timeout_ms: u64| {
        let address = serve_bytes(http_page(TEXT, &body)).await;
        let url = Url::parse(&format!("http://{address}/metrics")).unwrap();
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        fetch
            .fetch(FetchRequest {
                url,
                unix_socket: None,
                headers: HeaderMap::new(),
                deadline,
                limit_bytes: 8 << 20,
                line: Line::default(),
                bodies: Bodies::default(),
            })
            .await
    };
    assert!(get(vec![b'#'; 1 << 19], 60_000).await.is_ok());
    assert!(matches!(get(vec![b'#'; 3 << 20], 300).await, Err(ScrapeError::Timeout { .. })));
    drop(held);
    let page = get(vec![b'#'; 3 << 20], 60_000).await.unwrap();
    assert_eq!((page.body.len(), page.permit.unwrap().num_permits()), (3 << 20, 2));
}
