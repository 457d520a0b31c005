//! Connections: straight, over a Unix socket, or through a proxy.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::PROXY_AUTHORIZATION;
use http::{HeaderMap, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tower::Service;

use super::names::NameCache;
use super::proxy::{Proxies, Proxy, ProxyKind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Longest head of a proxy's answer to CONNECT.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Ends the host of a URI that stands for a Unix socket; nobody can register below `.invalid` (RFC 2606).
const SOCKET_SUFFIX: &str = ".socket.invalid";

/// Returns the authority under which [`Dialer`] knows a Unix socket.
pub(super) fn socket_authority(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut authority = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        let _ = write!(authority, "{byte:02x}");
    }
    authority + SOCKET_SUFFIX
}

fn socket_of(uri: &Uri) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let hex = uri.host()?.strip_suffix(SOCKET_SUFFIX)?;
    let digits = hex.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    Some(std::ffi::OsString::from_vec(bytes?).into())
}

/// Connects to the place that a URI names, TLS excepted.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    straight: HttpConnector<NameCache>,
    /// Speaks TLS with those proxies that want it.
    to_proxy: HttpsConnector<HttpConnector<NameCache>>,
    proxies: Arc<Proxies>,
}

impl Dialer {
    pub(super) fn new(names: NameCache, proxies: Arc<Proxies>, tls: rustls::ClientConfig) -> Self {
        let straight = tcp_connector(names);
        let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls);
        let to_proxy = builder.https_or_http().enable_http1().wrap_connector(straight.clone());
        Self { straight, to_proxy, proxies }
    }
}

/// Connects without TLS and without a proxy.
pub(super) fn tcp_connector(names: NameCache) -> HttpConnector<NameCache> {
    let mut tcp = HttpConnector::new_with_resolver(names);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Dialer {
    type Response = Conn;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Conn, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Some(path) = socket_of(&uri) {
            return Box::pin(async move {
                let stream = UnixStream::connect(&path).await;
                let named =
                    |error| io::Error::other(format!("connect to socket {}: {error}", path.display()));
                Ok(Conn::new(Plain(TokioIo::new(stream.map_err(named)?)), Way::Straight))
            });
        }
        let Some(proxy) = self.proxies.of(&uri).cloned() else {
            let connecting = self.straight.call(uri);
            return Box::pin(async move { Ok(Conn::new(connecting.await?, Way::Straight)) });
        };
        let mut dialer = self.clone();
        Box::pin(async move { dialer.through(&proxy, &uri).await })
    }
}

impl Dialer {
    async fn through(&mut self, proxy: &Proxy, uri: &Uri) -> Result<Conn, BoxError> {
        let scheme = if proxy.kind == ProxyKind::Https { "https" } else { "http" };
        let proxy_uri: Uri = format!("{scheme}://{}:{}", proxy.host, proxy.port).parse()?;
        let stream = self.to_proxy.call(proxy_uri).await;
        let stream = stream.map_err(|error| format!("proxy {}:{}: {error}", proxy.host, proxy.port))?;
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or("the URI has no host")?;
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tunnel = match proxy.kind {
            ProxyKind::Socks5 => {
                let mut stream = TokioIo::new(stream);
                socks5(&mut stream, proxy, host, port).await?;
                stream
            }
            ProxyKind::Http | ProxyKind::Https if is_tls => {
                let mut stream = TokioIo::new(stream);
                let head = connect_request(proxy, host, port, &self.proxies.connect_headers);
                connect(&mut stream, &head).await?;
                stream
            }
            // The proxy reads the target from the request line.
            ProxyKind::Http | ProxyKind::Https => return Ok(Conn::new(stream, Way::Proxied)),
        };
        Ok(Conn::new(Plain(tunnel.into_inner()), Way::Straight))
    }
}

fn connect_request(proxy: &Proxy, host: &str, port: u16, headers: &HeaderMap) -> Vec<u8> {
    let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    let authorization = proxy.authorization().map(|value| (PROXY_AUTHORIZATION, value));
    let given = headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    for (name, value) in given.chain(authorization) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Asks the proxy for a tunnel.
async fn connect(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), head: &[u8]) -> Result<(), BoxError> {
    stream.write_all(head).await?;
    stream.flush().await?;
    // What follows the head belongs to the tunnel, so not a byte too many is read. Heads are short and rare.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER_BYTES_MAX {
            return Err("the proxy's answer to CONNECT does not end".into());
        }
        answer.push(stream.read_u8().await?);
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if status.len() == 3 && status.first() == Some(&b'2') {
        return Ok(());
    }
    Err(format!("the proxy refused CONNECT: {}", String::from_utf8_lossy(line)).into())
}

/// Asks a SOCKS5 proxy for a tunnel (RFC 1928, passwords by RFC 1929); names are resolved by the proxy.
async fn socks5(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), BoxError> {
    let short = |text: &str| u8::try_from(text.len()).map_err(|_| "a text is too long for SOCKS5");
    let methods: &[u8] = if proxy.credentials.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(methods).await?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await?;
    match (chosen, &proxy.credentials) {
        ([5, 0], _) => {}
        ([5, 2], Some((name, password))) => {
            let mut login = vec![1, short(name)?];
            login.extend_from_slice(name.as_bytes());
            login.push(short(password)?);
            login.extend_from_slice(password.as_bytes());
            stream.write_all(&login).await?;
            let mut verdict = [0; 2];
            stream.read_exact(&mut verdict).await?;
            if verdict != [1, 0] {
                return Err("the SOCKS5 proxy refused name and password".into());
            }
        }
        _ => return Err("the SOCKS5 proxy accepts none of our ways to log in".into()),
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut request = vec![5, 1, 0, 3, short(host)?];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    let [5, 0, _, kind] = answer else {
        let [_, code, ..] = answer;
        return Err(format!("the SOCKS5 proxy reached no target: code {code}").into());
    };
    let n_address = match kind {
        1 => 4,
        4 => 16,
        _ => usize::from(stream.read_u8().await?),
    };
    let mut bound = vec![0; n_address + 2];
    stream.read_exact(&mut bound).await?;
    Ok(())
}

/// How requests are to be written on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As to the target itself.
    Straight,
    /// With the whole URL in the request line.
    Proxied,
}

trait Stream: Read + Write + Connection + Send + Unpin {}
impl<T: Read + Write + Connection + Send + Unpin> Stream for T {}

/// A connection.
pub(super) struct Conn {
    stream: Box<dyn Stream>,
    way: Way,
}

impl Conn {
    fn new(stream: impl Stream + 'static, way: Way) -> Self {
        Self { stream: Box::new(stream), way }
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Conn({:?})", self.way)
    }
}

impl Connection for Conn {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.way == Way::Proxied)
    }
}

impl Read for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(cx, buffer)
    }
}

impl Write for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, slices)
    }
}

/// A stream about which nothing more is known than its bytes.
#[derive(Debug)]
struct Plain<T>(T);

impl<T> Connection for Plain<T> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<T: Read + Unpin> Read for Plain<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for Plain<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
