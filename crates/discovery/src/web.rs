//! Requests of the mechanisms that speak HTTP: bounded answers, deadlines, and Unix sockets for Docker.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use url::Url;
use wf_httpkit::client::DeadlineBody;
use wf_httpkit::client::OptionsError;
use wf_httpkit::{ClientOptions, HttpClient};

use crate::source::SdError;

/// Largest answer; ten thousand containers with all their labels are a tenth of it.
const BODY_BYTES_MAX: usize = 64 << 20;

/// An answer that was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Returns the answer if its status is 200.
    pub(crate) fn ok(self, what: &str) -> Result<Self, SdError> {
        if self.status == StatusCode::OK {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        let start: String = text.trim().chars().take(200).collect();
        Err(format!("{what}: server returned HTTP status {}: {start}", self.status).into())
    }

    /// Reads a JSON body.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, what: &str) -> Result<T, SdError> {
        serde_json::from_slice(&self.body).map_err(|error| format!("{what}: {error}").into())
    }
}

/// Talks to one server.
#[derive(Clone, Debug)]
pub(crate) enum Web {
    /// Over TCP.
    Tcp(HttpClient),
    /// Over a socket of this machine, without TLS.
    Unix(PathBuf),
}

impl Web {
    pub(crate) fn new(options: &ClientOptions) -> Result<Self, OptionsError> {
        HttpClient::new(options).map(Self::Tcp)
    }

    /// Sends a GET and reads the answer.
    pub(crate) async fn get(
        &self,
        url: &Url,
        headers: &HeaderMap,
        timeout: Duration,
    ) -> Result<Answer, SdError> {
        self.send(Method::GET, url, headers, Bytes::new(), timeout).await
    }

    /// Sends a request and reads the answer, whatever its status.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, SdError> {
        match self {
            Self::Tcp(_) => {
                let response = self.open(method, url, headers, body, timeout).await?;
                let (parts, streamed) = response.into_parts();
                let mut body = Vec::new();
                streamed.read_into(&mut body, BODY_BYTES_MAX).await?;
                Ok(Answer { status: parts.status, headers: parts.headers, body })
            }
            Self::Unix(path) => {
                let exchange = ask_socket(path, method, url, headers, body);
                tokio::time::timeout(timeout, exchange)
                    .await
                    .map_err(|_| format!("{}: no answer within {timeout:?}", path.display()))?
            }
        }
    }

    /// Sends a request whose answer is read as it comes.
    pub(crate) async fn open(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Response<DeadlineBody>, SdError> {
        let Self::Tcp(client) = self else { return Err("answers over a socket are read whole".into()) };
        let mut headers = headers.clone();
        headers.entry(http::header::USER_AGENT).or_insert(HeaderValue::from_static("Prometheus/watchfire"));
        Ok(client.request(method, url, &headers, body, Instant::now() + timeout).await?)
    }
}

async fn ask_socket(
    path: &PathBuf,
    method: Method,
    url: &Url,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Answer, SdError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what} {}: {error}", path.display());
    let stream = UnixStream::connect(path).await.map_err(|error| failed("connect to", &error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = target.parse()?;
    request.headers_mut().clone_from(headers);
    request.headers_mut().insert(http::header::HOST, HeaderValue::from_static("localhost"));
    let exchange = async move {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes().to_vec();
        Ok::<_, SdError>(Answer { status: parts.status, headers: parts.headers, body })
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended.map_err(|error| failed("ask", &error))?;
            exchange.await
        }
    }
}
