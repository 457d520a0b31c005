//! The HTTP client of everything that scrapes, notifies or forwards.
//!
//! [`HttpClient`] keeps connections alive, speaks HTTP/1.1 and, over TLS, HTTP/2, follows redirects and adds the
//! credentials of its [`ClientOptions`]. Every request has a deadline that covers the body as well.
//!
//! # Invariants
//! - Credentials and headers of the options never reach another host than the one first asked.
//! - Options that are not supported fail [`HttpClient::new`]; none is silently ignored.
//! # Reading order: `options`, `tls`, `credentials`, this file, `body`, `error`.
//! # Not here: OAuth2, proxies, reloading of rotated certificates.

mod body;
mod credentials;
mod error;
mod options;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::{Client, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;
use tower::util::MapErr;
use url::Url;

pub use body::DeadlineBody;
pub use error::ClientError;
pub use options::{
    Authorization, BasicAuth, ClientOptions, HeaderValues, OAuth2, OptionsError, SecretSource, TlsOptions,
    TlsVersion,
};

pub use tls::client_config as tls_client_config;

/// A chain longer than this is a loop.
const REDIRECTS_MAX: usize = 10;

/// Idle connections are closed after this time; it outlives all usual scrape intervals.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(15);

type Resolver = MapErr<GaiResolver, fn(io::Error) -> ResolveFailure>;
type Pool = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// A client with its own pool of connections. Clones share it.
#[derive(Clone)]
pub struct HttpClient {
    pool: Pool,
    options: Arc<ClientOptions>,
}

impl HttpClient {
    /// Builds a client and reads its certificate files.
    /// # Errors
    /// When options contradict each other, are not supported, or a certificate cannot be used.
    pub fn new(options: &ClientOptions) -> Result<Self, OptionsError> {
        options.validate()?;
        options.refuse_unsupported()?;
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls::client_config(&options.tls_config)?);
        let mut builder = builder.https_or_http();
        if let Some(resolver) = tls::server_name_resolver(&options.tls_config)? {
            builder = builder.with_server_name_resolver(resolver);
        }
        let tcp = tcp_connector();
        let connector = if options.enable_http2 {
            builder.enable_http1().enable_http2().wrap_connector(tcp)
        } else {
            builder.enable_http1().wrap_connector(tcp)
        };
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { pool, options: Arc::new(options.clone()) })
    }

    /// Sends a GET; see [`HttpClient::request`].
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(
        &self,
        url: &Url,
        headers: &HeaderMap,
        deadline: std::time::Instant,
    ) -> Result<Response<DeadlineBody>, ClientError> {
        self.request(Method::GET, url, headers, Bytes::new(), deadline).await
    }

    /// Sends a request and returns the final response, whatever its status. The body stops with
    /// [`ClientError::Timeout`] at `deadline` too. Headers given here win over those of the options.
    /// # Errors
    /// See [`ClientError`].
    /// # Cancel safety
    /// Dropping the future closes the connection that was in use.
    pub async fn request(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
        deadline: std::time::Instant,
    ) -> Result<Response<DeadlineBody>, ClientError> {
        let deadline = Instant::from_std(deadline);
        let timeout = || ClientError::Timeout { url: url.clone() };
        let exchange = self.follow(method, url, headers, body, deadline);
        timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(timeout()))
    }

    async fn follow(
        &self,
        mut method: Method,
        first_url: &Url,
        headers: &HeaderMap,
        mut body: Bytes,
        deadline: Instant,
    ) -> Result<Response<DeadlineBody>, ClientError> {
        let mut url = first_url.clone();
        let mut headers = self.with_credentials(headers).await?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.exchange(&method, &url, &headers, &body).await?;
            let Some(next) = self.redirect(&response, &url)? else {
                return Ok(response.map(|incoming| DeadlineBody::new(incoming, url, deadline)));
            };
            // 307 and 308 repeat the request; the older codes turn everything but HEAD into a GET, as browsers do.
            let repeats =
                matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            if !repeats && method != Method::HEAD {
                (method, body) = (Method::GET, Bytes::new());
            }
            if next.host() != url.host() || next.port_or_known_default() != url.port_or_known_default() {
                self.forget_credentials(&mut headers);
            }
            url = next;
        }
        Err(ClientError::TooManyRedirects { url })
    }

    async fn exchange(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<hyper::body::Incoming>, ClientError> {
        let bad_url = |why: String| ClientError::BadUrl { url: url.to_string(), why };
        let uri: Uri =
            url.as_str().parse().map_err(|error: http::uri::InvalidUri| bad_url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || uri.host().is_none() {
            return Err(bad_url("only http and https URLs with a host can be asked".to_owned()));
        }
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        request.headers_mut().clone_from(headers);
        self.pool.request(request).await.map_err(|error| classify(error, url))
    }

    /// Returns where `response` sends us, if anywhere.
    fn redirect<B>(&self, response: &Response<B>, url: &Url) -> Result<Option<Url>, ClientError> {
        let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else {
            return Ok(None);
        };
        if !self.options.follow_redirects {
            return Ok(None);
        }
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        match url.join(&location) {
            Ok(next) => Ok(Some(next)),
            Err(error) => {
                Err(ClientError::BadUrl { url: location, why: format!("redirected by {url}: {error}") })
            }
        }
    }

    async fn with_credentials(&self, headers: &HeaderMap) -> Result<HeaderMap, ClientError> {
        let mut all = credentials::headers_of(&self.options).await?;
        for name in headers.keys() {
            all.remove(name);
        }
        for (name, value) in headers {
            all.append(name.clone(), value.clone());
        }
        Ok(all)
    }

    fn forget_credentials(&self, headers: &mut HeaderMap) {
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, HOST] {
            headers.remove(name);
        }
        for name in self.options.http_headers.keys() {
            headers.remove(name.as_str());
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Marks an error as one of name resolution, so that it can be told from other connect errors.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ResolveFailure(io::Error);

fn tcp_connector() -> HttpConnector<Resolver> {
    let resolver = GaiResolver::new().map_err(ResolveFailure as fn(io::Error) -> ResolveFailure);
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp
}

/// Sorts an error of the pool by what its user could do about it.
fn classify(error: PoolError, url: &Url) -> ClientError {
    let url = url.clone();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        if let Some(ResolveFailure(why)) = inner.downcast_ref() {
            let source = io::Error::new(why.kind(), why.to_string());
            return ClientError::Resolve { url, source };
        }
        let inside_io = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is::<rustls::Error>() || inside_io.is_some_and(|inside| inside.is::<rustls::Error>()) {
            return ClientError::Tls { url, source: Box::new(error) };
        }
        cause = inner.source();
    }
    if error.is_connect() {
        ClientError::Connect { url, source: Box::new(error) }
    } else {
        ClientError::Exchange { url, source: Box::new(error) }
    }
}
