//! What every listener promises.

use std::io::Read;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::metrics::Registry;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
    registry: Registry,
}

async fn start(adjust: impl FnOnce(&mut ServerOptions)) -> Running {
    let router = Router::new()
        .route("/big", get(|| async { "metric_name_total 1\n".repeat(10_000) }))
        .route("/panic", get(panics))
        .route("/api/label/{name}/values", get(|Path(name): Path<String>| async move { name }))
        .route("/echo", post(|body: String| async move { body }))
        .route("/never", get(std::future::pending::<&str>));
    let registry = Registry::new();
    let mut options =
        ServerOptions { metrics: Some(HttpMetrics::new(&registry, "test")), ..Default::default() };
    adjust(&mut options);
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr(), CancellationToken::new());
    let task = tokio::spawn(serve(listener, router, stop.clone(), options));
    Running { address, stop, task, registry }
}

async fn panics() -> &'static str {
    panic!("a bug")
}

impl Running {
    /// Sends a raw request and returns the raw answer.
    async fn send(&self, request: &str) -> Vec<u8> {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).await.unwrap();
        answer
    }

    async fn text(&self, method: &str, path: &str, more: &str) -> String {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", self.address);
        String::from_utf8_lossy(&self.send(&request).await).into_owned()
    }

    fn page(&self) -> String {
        let mut page = String::new();
        wf_exposition::text::write_page(&mut page, &self.registry.gather());
        page
    }
}

#[tokio::test]
async fn requests_are_counted_by_code_and_route() {
    let server = start(|options| options.route_prefix = "/api".to_owned()).await;
    assert!(server.text("GET", "/api/label/job/values", "").await.ends_with("job"));
    server.text("GET", "/nowhere", "").await;
    server.stop.cancel();
    server.task.await.unwrap().unwrap();
    let page = Registry::gather(&server.registry);
    assert!(!page.is_empty());
    let mut text = String::new();
    wf_exposition::text::write_page(&mut text, &page);
    assert!(
        text.contains("test_http_requests_total{code=\"200\",handler=\"/label/:name/values\"} 1"),
        "{text}"
    );
    assert!(text.contains("test_http_requests_total{code=\"404\",handler=\"/*other\"} 1"), "{text}");
    assert!(text.contains("test_http_response_size_bytes_sum{handler=\"/label/:name/values\"} 3"), "{text}");
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    let server = start(|_| {}).await;
    assert!(server.text("GET", "/panic", "").await.starts_with("HTTP/1.1 500"));
    assert!(server.text("GET", "/big", "").await.starts_with("HTTP/1.1 200"));
    assert!(server.page().contains("test_http_panics_total 1"));
}

#[tokio::test]
async fn big_answers_are_compressed_on_request() {
    let server = start(|_| {}).await;
    let plain = server.text("GET", "/big", "").await;
    assert!(plain.contains("x-content-type-options: nosniff") && plain.len() > 200_000);
    let request =
        format!("GET /big HTTP/1.0\r\nHost: {}\r\nAccept-Encoding: br, gzip\r\n\r\n", server.address);
    let answer = server.send(&request).await;
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    assert!(String::from_utf8_lossy(&answer[..split]).contains("content-encoding: gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer[split + 4..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "metric_name_total 1\n".repeat(10_000));
}

#[tokio::test]
async fn foreign_pages_and_large_bodies_are_refused() {
    let server = start(|options| options.body_bytes_max = 10).await;
    let refused = server.send("GET /big HTTP/1.0\r\nHost: evil.example\r\n\r\n").await;
    assert!(refused.starts_with(b"HTTP/1.0 403"), "{}", String::from_utf8_lossy(&refused));
    let foreign = "Origin: http://evil.example\r\nContent-Length: 0\r\n";
    assert!(server.text("POST", "/echo", foreign).await.starts_with("HTTP/1.1 403"));
    assert!(server.text("POST", "/echo", "Content-Length: 11\r\n").await.starts_with("HTTP/1.1 413"));
    let chunked = "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n";
    assert!(server.text("POST", "/echo", chunked).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_client_that_stalls_inside_its_body_is_cut() {
    let server = start(|options| options.stall_timeout = Duration::from_millis(20)).await;
    let answer = server.text("POST", "/echo", "Content-Length: 5\r\n").await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_silent_client_is_cut() {
    let server = start(|options| options.read_timeout = Duration::from_millis(20)).await;
    assert_eq!(server.send("").await, b"");
    let answer = server.send("GET /big HTTP/1.1\r\nHost: ").await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn shutdown_waits_for_requests_until_its_deadline_and_is_no_failure() {
    let server = start(|options| options.shutdown_deadline = Duration::from_millis(50)).await;
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // The next answer proves that the server has seen the request before.
    server.text("GET", "/big", "").await;
    server.stop.cancel();
    server.task.await.unwrap().unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"", "the request was cut");
    assert!(TcpStream::connect(server.address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn a_taken_port_names_its_owner_and_the_flag() {
    let first = Listener::bind("127.0.0.1:0").await.unwrap();
    let error = Listener::bind_with_flag(&first.local_addr().to_string(), "--listen").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("(pid {})", std::process::id())) && text.contains("--listen"), "{text}");
}
