//! The HTTP client of everything that scrapes, notifies or forwards.
//!
//! [`HttpClient`] keeps connections alive, speaks HTTP/1.1 and, over TLS, HTTP/2, follows redirects and adds the
//! credentials of its [`ClientOptions`]. Every request has a deadline that covers the body as well; who asks one place again
//! and again, and watches the time himself, keeps a [`Line`] to it.
//!
//! # Invariants
//! - Credentials and headers of the options never reach another host than the one first asked.
//! - Options that are not supported fail [`HttpClient::new`]; none is silently ignored.
//! # Reading order: `options`, `tls`, `credentials`, `oauth2`, `proxy`, `names`, `dial` (connections), `pool`, this file,
//! `body`, `line`, `error`.

mod body;
mod check;
mod credentials;
mod dial;
mod error;
mod line;
mod names;
mod oauth2;
mod options;
mod pool;
mod proxy;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::{Instant, timeout_at};
use url::Url;

use oauth2::Tokens;
use pool::Pool;
use proxy::{Proxies, ProxyKind};

pub use body::DeadlineBody;
pub use check::is_reserved_header;
pub use error::ClientError;
pub use line::{Line, LineBody};
pub use names::NameCache;
pub use options::{
    Authorization, BasicAuth, ClientOptions, HeaderValues, OAuth2, OptionsError, SecretSource, TlsOptions,
    TlsVersion,
};

pub use tls::client_config as tls_client_config;

/// A chain longer than this is a loop.
const REDIRECTS_MAX: usize = 10;

/// A client with its own pool of connections. Clones share it.
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    options: Arc<ClientOptions>,
    proxies: Arc<Proxies>,
    tokens: Option<Tokens>,
    /// For lines; `None` if options ask for more than a line can.
    straight: Option<HttpConnector<NameCache>>,
}

/// What is asked, and on which way.
struct Question<'a> {
    method: Method,
    url: &'a Url,
    body: Bytes,
    /// Connect here, whatever the URL says.
    socket: Option<&'a Path>,
}

impl HttpClient {
    /// Builds a client with a name cache of its own, and reads its certificate files.
    /// # Errors
    /// When options contradict each other, or a certificate cannot be used.
    pub fn new(options: &ClientOptions) -> Result<Self, OptionsError> {
        Self::with_names(options, NameCache::default())
    }

    /// As [`HttpClient::new`], with a name cache that other clients use too.
    /// # Errors
    /// When options contradict each other, or a certificate cannot be used.
    pub fn with_names(options: &ClientOptions, names: NameCache) -> Result<Self, OptionsError> {
        options.validate()?;
        let tokens = options.oauth2.as_ref().map(|oauth2| Tokens::new(oauth2, &names)).transpose()?;
        let proxies = Arc::new(Proxies::new(options, |name| std::env::var(name).ok())?);
        let options = Arc::new(options.clone());
        let pool = Pool::new(Arc::clone(&options), names.clone(), Arc::clone(&proxies))?;
        let is_straight = proxies.spare_plain() && pool.is_settled();
        let straight = is_straight.then(|| dial::tcp_connector(names));
        Ok(Self { inner: Arc::new(Inner { pool, options, proxies, tokens, straight }) })
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
        self.ask(Question { method, url, body, socket: None }, headers, deadline).await
    }

    /// As [`HttpClient::get`], on a Unix socket; the URL names host and path as ever.
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_on_socket(
        &self,
        socket: &Path,
        url: &Url,
        headers: &HeaderMap,
        deadline: std::time::Instant,
    ) -> Result<Response<DeadlineBody>, ClientError> {
        let question = Question { method: Method::GET, url, body: Bytes::new(), socket: Some(socket) };
        self.ask(question, headers, deadline).await
    }

    /// As [`HttpClient::get`], for somebody who asks one place again and again: on `line`, if the URL and the options are as
    /// simple as that. The body goes to a buffer that `take_buffer` gives when it begins to arrive.
    ///
    /// The caller drops the future, and the body, at `deadline`: here it only bounds what a line has no part in.
    /// # Errors
    /// See [`ClientError`].
    /// # Cancel safety
    /// Dropping the future closes the connection that was in use.
    pub async fn get_on_line(
        &self,
        line: Line,
        url: &Url,
        headers: &HeaderMap,
        deadline: std::time::Instant,
        take_buffer: impl Fn() -> Vec<u8>,
    ) -> Result<Response<LineBody>, ClientError> {
        let mut is_redirected = line.is_redirected();
        let straight = self.inner.straight.as_ref().filter(|_| Line::reaches(url) && !is_redirected);
        if let Some(connector) = straight {
            let all = self.with_credentials(headers, Instant::from_std(deadline)).await?;
            let response = line.get(connector, url, &all, &take_buffer).await?;
            if self.redirect(&response, url)?.is_none() {
                self.note_status(response.status()).await;
                return Ok(response);
            }
            // The pool asks once more and follows; from now on it does so at once.
            is_redirected = true;
        }
        let line = if is_redirected { Line::redirected() } else { Line::default() };
        let response = self.get(url, headers, deadline).await?;
        Ok(response.map(|body| LineBody::pooled(body, take_buffer(), line)))
    }

    /// A token that is refused is not used again.
    async fn note_status(&self, status: StatusCode) {
        if let (StatusCode::UNAUTHORIZED, Some(tokens)) = (status, &self.inner.tokens) {
            tokens.forget().await;
        }
    }

    async fn ask(
        &self,
        question: Question<'_>,
        headers: &HeaderMap,
        deadline: std::time::Instant,
    ) -> Result<Response<DeadlineBody>, ClientError> {
        let deadline = Instant::from_std(deadline);
        let url = question.url.clone();
        let exchange = self.follow(question, headers, deadline);
        timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(ClientError::Timeout { url }))
    }

    async fn follow(
        &self,
        question: Question<'_>,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<Response<DeadlineBody>, ClientError> {
        let Question { mut method, url: first_url, mut body, socket } = question;
        let mut url = first_url.clone();
        let mut headers = self.with_credentials(headers, deadline).await?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.exchange(&method, &url, &headers, &body, socket).await?;
            self.note_status(response.status()).await;
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
        socket: Option<&Path>,
    ) -> Result<Response<hyper::body::Incoming>, ClientError> {
        let bad_url = |why: String| ClientError::BadUrl { url: url.to_string(), why };
        let mut uri: Uri =
            url.as_str().parse().map_err(|error: http::uri::InvalidUri| bad_url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || uri.host().is_none() {
            return Err(bad_url("only http and https URLs with a host can be asked".to_owned()));
        }
        let mut request = Request::new(Full::new(body.clone()));
        request.headers_mut().clone_from(headers);
        if let Some(socket) = socket {
            let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
            if let Some(host) = host.filter(|_| !headers.contains_key(HOST)) {
                request.headers_mut().insert(HOST, host);
            }
            uri = socket_uri(socket, &uri).map_err(|error| bad_url(error.to_string()))?;
        } else if let Some(value) = self.proxy_authorization(&uri) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        let unusable = |why: Arc<str>| ClientError::Unusable { url: url.clone(), why: why.to_string() };
        let connections = self.inner.pool.get().await.map_err(unusable)?;
        connections.request(request).await.map_err(|error| ClientError::of_pool(url, error))
    }

    /// A proxy that reads requests wants its password in each of them; in a tunnel it has got it with CONNECT.
    fn proxy_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        let proxy = self.inner.proxies.of(uri).filter(|_| uri.scheme_str() == Some("http"))?;
        if proxy.kind == ProxyKind::Socks5 { None } else { proxy.authorization() }
    }

    /// Returns where `response` sends us, if anywhere.
    fn redirect<B>(&self, response: &Response<B>, url: &Url) -> Result<Option<Url>, ClientError> {
        let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else {
            return Ok(None);
        };
        if !self.inner.options.follow_redirects {
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

    async fn with_credentials(
        &self,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<HeaderMap, ClientError> {
        let mut all = credentials::headers_of(&self.inner.options).await?;
        if let Some(tokens) = &self.inner.tokens {
            // Boxed: to get a token is to ask with a client, too.
            let token = Box::pin(tokens.header(deadline)).await?;
            all.insert(AUTHORIZATION, credentials::header_value("Authorization", &token)?);
        }
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
        for name in self.inner.options.http_headers.keys() {
            headers.remove(name.as_str());
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

/// Returns `uri` with the socket in place of its host.
fn socket_uri(socket: &Path, uri: &Uri) -> Result<Uri, http::Error> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Uri::builder().scheme("http").authority(dial::socket_authority(socket)).path_and_query(path).build()
}
