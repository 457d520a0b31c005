//! Proxies, tunnels, Unix sockets and rotated certificates.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An HTTP proxy: tunnels by CONNECT, and answers plain requests itself with what it was asked.
async fn http_proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_proxied(stream));
        }
    });
    format!("http://user:pass@{address}")
}

async fn serve_proxied(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let line = head.lines().next().unwrap().to_owned();
    let has = |header: &str| head.to_ascii_lowercase().contains(header);
    let is_known = has("proxy-authorization: basic dxnlcjpwyxnz");
    if let Some(target) = line.strip_prefix("CONNECT ") {
        let target = target.split(' ').next().unwrap();
        if !is_known || !has("x-tunnel: yes") {
            stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
            return;
        }
        let mut target = TcpStream::connect(target).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut target).await;
        return;
    }
    let body = format!("{line} known={is_known}");
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn through(proxy_url: &str) -> ClientOptions {
    let tunnel = [("X-Tunnel".to_owned(), vec!["yes".to_owned().into()])];
    ClientOptions {
        proxy_url: Some(proxy_url.to_owned()),
        proxy_connect_header: tunnel.into(),
        ..ClientOptions::default()
    }
}

#[tokio::test]
async fn a_proxy_is_told_the_whole_url_and_our_password() {
    let client = client(&through(&http_proxy().await));
    let url = Url::parse("http://target.invalid:9100/metrics").unwrap();
    assert_eq!(
        text(&client, &url).await.unwrap(),
        "GET http://target.invalid:9100/metrics HTTP/1.1 known=true"
    );
}

/// A TLS server for `localhost` and what it takes to trust it.
struct TlsSite {
    dir: tempfile::TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl TlsSite {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), ca }
    }

    fn ca_file(&self) -> PathBuf {
        let path = self.dir.path().join("ca.pem");
        std::fs::write(&path, self.ca.pem()).unwrap();
        path
    }

    /// Serves `answer` over TLS; returns the URL.
    async fn serve(&self, answer: &'static str) -> Url {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut head = [0; 1024];
                    let _ = stream.read(&mut head).await;
                    let length = answer.len();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{answer}"
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Url::parse(&format!("https://localhost:{port}/")).unwrap()
    }
}

fn trusting(ca_file: PathBuf) -> TlsOptions {
    TlsOptions { ca_file: Some(ca_file), ..TlsOptions::default() }
}

#[tokio::test]
async fn tls_goes_through_a_tunnel() {
    let site = TlsSite::new();
    let url = site.serve("inside").await;
    let proxy = http_proxy().await;
    let options = ClientOptions { tls_config: trusting(site.ca_file()), ..through(&proxy) };
    assert_eq!(text(&client(&options), &url).await.unwrap(), "inside");
    let stranger = ClientOptions { proxy_url: Some(proxy.replace("user:pass@", "")), ..options };
    let error = text(&client(&stranger), &url).await.unwrap_err();
    let cause = std::iter::successors(error.source(), |error| (*error).source()).last().unwrap().to_string();
    assert!(cause.contains("the proxy refused CONNECT: HTTP/1.1 407"), "{cause}");
}

#[tokio::test]
async fn a_socks5_proxy_resolves_names() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("socks5://u:p@{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello, [5, 2, 0, 2]);
        stream.write_all(&[5, 2]).await.unwrap();
        let mut login = [0; 5];
        stream.read_exact(&mut login).await.unwrap();
        assert_eq!(&login, b"\x01\x01u\x01p");
        stream.write_all(&[1, 0]).await.unwrap();
        let mut request = vec![0; 4 + 1 + "far.invalid".len() + 2];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request, [b"\x05\x01\x00\x03\x0bfar.invalid".as_slice(), &[0, 80]].concat());
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfar").await.unwrap();
    });
    let client = client(&ClientOptions { proxy_url: Some(proxy), ..ClientOptions::default() });
    assert_eq!(text(&client, &Url::parse("http://far.invalid/").unwrap()).await.unwrap(), "far");
}

#[tokio::test]
async fn a_unix_socket_is_asked_under_the_name_of_the_url() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let router = Router::new().route(
        "/metrics",
        get(|headers: HeaderMap| async move { headers["host"].to_str().unwrap().to_owned() }),
    );
    tokio::spawn(axum::serve(listener, router).into_future());
    let client = client(&ClientOptions::default());
    let url = Url::parse("http://app:9100/metrics").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let response = client.get_on_socket(&path, &url, &HeaderMap::new(), deadline).await.unwrap();
    let mut body = Vec::new();
    response.into_body().read_into(&mut body, 1000).await.unwrap();
    assert_eq!(body, b"app:9100");
    let gone = client.get_on_socket(&dir.path().join("gone"), &url, &HeaderMap::new(), deadline).await;
    assert!(matches!(gone.unwrap_err(), ClientError::Connect { .. }));
}

#[tokio::test]
async fn a_certificate_file_that_changes_is_used_without_reload() {
    let (old, new) = (TlsSite::new(), TlsSite::new());
    let url = new.serve("hello").await;
    let ca_file = old.ca_file();
    let client = client(&ClientOptions { tls_config: trusting(ca_file.clone()), ..ClientOptions::default() });
    let error = text(&client, &url).await.unwrap_err();
    assert!(matches!(error, ClientError::Tls { .. }), "{error}");
    std::fs::rename(new.ca_file(), &ca_file).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // Files are looked at once a second.
    let last = loop {
        match text(&client, &url).await {
            Err(_) if Instant::now() < deadline => tokio::task::yield_now().await,
            last => break last,
        }
    };
    assert_eq!(last.unwrap(), "hello");
    std::fs::write(&ca_file, "no certificate").unwrap();
    let last = loop {
        match text(&client, &url).await {
            Ok(_) if Instant::now() < deadline => tokio::task::yield_now().await,
            last => break last,
        }
    };
    let error = last.unwrap_err().to_string();
    assert!(error.contains("tls_config: ca: holds no certificate"), "{error}");
}

#[tokio::test]
async fn versions_that_are_not_spoken_fail_requests_not_the_configuration() {
    let tls = TlsOptions { max_version: Some(TlsVersion::Tls11), ..TlsOptions::default() };
    let options = ClientOptions { tls_config: tls, ..ClientOptions::default() };
    assert!(options.warnings()[0].starts_with("tls_config.max_version: "), "{:?}", options.warnings());
    let client = client(&options);
    let error = text(&client, &Url::parse("https://localhost:1/").unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("tls_config.max_version: TLS 1.0 and 1.1 are not spoken"), "{error}");
    let tls = TlsOptions { min_version: Some(TlsVersion::Tls10), ..TlsOptions::default() };
    let options = ClientOptions { tls_config: tls, ..ClientOptions::default() };
    assert!(options.warnings()[0].starts_with("tls_config.min_version: "));
    assert!(ClientOptions::default().warnings().is_empty());
}
