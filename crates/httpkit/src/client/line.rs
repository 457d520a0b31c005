//! A connection that one caller keeps to one place: HTTP/1.1 without TLS and without a proxy, and nothing else.
//!
//! The pool serves everybody: a task for each connection, channels between it and whoever asks, a buffer for each answer
//! and for each idle connection. Whoever asks one place every few seconds needs none of it, and asking thousands of places
//! that way costs more than reading their answers. A [`Line`] writes the request, reads the answer into its caller's buffer
//! and keeps nothing in between but the socket. What is not this simple is left to the pool.
//!
//! # Invariants
//! - A socket is kept only after an answer that ended where its head said, and not a byte later; what arrives between two
//!   requests ends it. So no answer is taken for that of another request.
//! - A kept socket that ends before the first byte of an answer was kept for too long: the request is sent once more, on a
//!   new one.
//! - A line knows no time: its caller drops the future at a deadline, which closes the socket.
//! # Reading order: this file (request and answer), `framing` (where a body ends).
//! # Source: RFC 9112.

mod framing;
#[cfg(test)]
mod tests;

use std::io;

use bytes::BufMut;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::Service;
use url::{Position, Url};

use super::body::DeadlineBody;
use super::error::ClientError;
use super::names::NameCache;

use framing::Framing;

/// Longest head of an answer, interim answers included.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Most headers of an answer; as the pool.
const HEADERS_MAX: usize = 100;

/// Room for an answer whose length is not known yet.
const FIRST_READ_BYTES: usize = 16 << 10;

/// Room made at once for the rest of a body.
const READ_BYTES: usize = 64 << 10;

/// What a caller who asks one place again and again keeps between requests.
#[derive(Debug, Default)]
pub struct Line(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Open(Socket),
    /// The place redirects, which only the pool follows.
    Redirected,
}

/// An open connection, and where it leads to.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    authority: Box<str>,
}

impl Line {
    /// A line that leaves all further requests to the pool.
    pub(super) fn redirected() -> Self {
        Self(State::Redirected)
    }

    pub(super) fn is_redirected(&self) -> bool {
        matches!(self.0, State::Redirected)
    }

    /// Returns whether the line can ask for `url` at all.
    pub(super) fn reaches(url: &Url) -> bool {
        url.scheme() == "http" && url.has_host() && url.username().is_empty() && url.password().is_none()
    }

    /// Sends a GET and reads the head of the answer. The buffer for the answer is taken when it begins to arrive: a request
    /// that waits holds none.
    pub(super) async fn get(
        self,
        connector: &HttpConnector<NameCache>,
        url: &Url,
        headers: &HeaderMap,
        take_buffer: impl Fn() -> Vec<u8>,
    ) -> Result<Response<LineBody>, ClientError> {
        let request = request_bytes(url, headers);
        let mut buffer = Vec::new();
        let kept = match self.kept_to(authority(url)) {
            Some(stream) => begin(stream, &request, &mut buffer, &take_buffer).await.ok(),
            None => None,
        };
        let broken = |source: io::Error| ClientError::Exchange { url: url.clone(), source: source.into() };
        let stream = match kept {
            Some(stream) => stream,
            None => {
                let stream = connect(connector, url).await?;
                begin(stream, &request, &mut buffer, &take_buffer).await.map_err(broken)?
            }
        };
        let mut body =
            Direct { url: url.clone(), stream, buffer, framing: Framing::UntilClose, is_persistent: false };
        let response = body.read_head().await.map_err(broken)?;
        Ok(response.map(|()| LineBody(Way::Direct(body))))
    }

    /// Returns the kept socket if it leads to `authority` and nothing has arrived on it.
    fn kept_to(self, authority: &str) -> Option<TcpStream> {
        let State::Open(socket) = self.0 else { return None };
        let is_quiet = match socket.stream.try_read(&mut [0]) {
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            Ok(_) => false,
        };
        (is_quiet && *socket.authority == *authority).then_some(socket.stream)
    }
}

fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

fn request_bytes(url: &Url, headers: &HeaderMap) -> Vec<u8> {
    let mut request = Vec::with_capacity(1024);
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| request.extend_from_slice(part));
    put(&[b"GET ", url[Position::BeforePath..Position::AfterQuery].as_bytes(), b" HTTP/1.1\r\n"]);
    if !headers.contains_key(HOST) {
        put(&[b"host: ", authority(url).as_bytes(), b"\r\n"]);
    }
    for (name, value) in headers {
        put(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
    put(&[b"\r\n"]);
    request
}

async fn connect(connector: &HttpConnector<NameCache>, url: &Url) -> Result<TcpStream, ClientError> {
    let bad_url = |why: String| ClientError::BadUrl { url: url.to_string(), why };
    let uri: Uri = format!("http://{}/", authority(url))
        .parse()
        .map_err(|error: http::uri::InvalidUri| bad_url(error.to_string()))?;
    let connected = connector.clone().call(uri).await;
    connected.map(TokioIo::into_inner).map_err(|error| ClientError::of_connecting(url, error.into()))
}

/// Sends the request, and receives what comes first of its answer.
async fn begin(
    mut stream: TcpStream,
    request: &[u8],
    buffer: &mut Vec<u8>,
    take_buffer: &impl Fn() -> Vec<u8>,
) -> io::Result<TcpStream> {
    stream.write_all(request).await?;
    stream.readable().await?;
    if buffer.capacity() == 0 {
        *buffer = take_buffer();
    }
    buffer.clear();
    buffer.reserve(FIRST_READ_BYTES);
    match stream.read_buf(buffer).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before an answer came")),
        _ => Ok(stream),
    }
}

/// The body of an answer, on a line or from the pool.
#[derive(Debug)]
pub struct LineBody(Way);

#[derive(Debug)]
enum Way {
    Direct(Direct),
    Pooled { body: DeadlineBody, buffer: Vec<u8>, line: Line },
}

/// An answer that is being read.
#[derive(Debug)]
struct Direct {
    url: Url,
    stream: TcpStream,
    /// Bytes of the head until it is read, of the body from then on.
    buffer: Vec<u8>,
    framing: Framing,
    /// Whether the peer will take another request.
    is_persistent: bool,
}

impl From<DeadlineBody> for LineBody {
    fn from(body: DeadlineBody) -> Self {
        Self::pooled(body, Vec::new(), Line::default())
    }
}

impl LineBody {
    pub(super) fn pooled(body: DeadlineBody, mut buffer: Vec<u8>, line: Line) -> Self {
        buffer.clear();
        Self(Way::Pooled { body, buffer, line })
    }

    /// Makes room for a body of so many bytes.
    pub fn reserve(&mut self, n_bytes: usize) {
        let buffer = match &mut self.0 {
            Way::Direct(Direct { buffer, .. }) | Way::Pooled { buffer, .. } => buffer,
        };
        // One byte more: see `Direct::read`.
        buffer.reserve((n_bytes + 1).saturating_sub(buffer.len()));
    }

    /// Returns what was read so far.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Way::Direct(Direct { buffer, .. }) | Way::Pooled { buffer, .. } => buffer,
        }
    }

    /// Reads on, some `n_bytes_max` bytes at most; returns whether the body goes on.
    /// # Errors
    /// When the body breaks off.
    pub async fn read(&mut self, n_bytes_max: usize) -> Result<bool, ClientError> {
        match &mut self.0 {
            Way::Direct(direct) => {
                let broken = |url: &Url, error: io::Error| ClientError::Body {
                    url: url.clone(),
                    source: error.into(),
                };
                direct.read(n_bytes_max).await.map_err(|error| broken(&direct.url, error))
            }
            Way::Pooled { body, buffer, .. } => match body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        buffer.extend_from_slice(&data);
                    }
                    Ok(true)
                }
                None => Ok(false),
            },
        }
    }

    /// Returns the body, and the line for the next request: with its socket, if the body was read to its end.
    pub fn finish(self) -> (Vec<u8>, Line) {
        match self.0 {
            Way::Pooled { buffer, line, .. } => (buffer, line),
            Way::Direct(direct) => {
                let state = match direct.is_persistent && direct.framing.is_clean_end() {
                    true => State::Open(Socket {
                        authority: authority(&direct.url).into(),
                        stream: direct.stream,
                    }),
                    false => State::Closed,
                };
                (direct.buffer, Line(state))
            }
        }
    }
}

impl Direct {
    /// Reads until the head is there, and takes it off the buffer; interim answers are skipped.
    async fn read_head(&mut self) -> io::Result<Response<()>> {
        let mut n_skipped = 0;
        loop {
            let parsed = parse_head(&self.buffer)?;
            if let Some((n_bytes, head)) = parsed {
                self.buffer.drain(..n_bytes);
                if !head.status().is_informational() {
                    (self.framing, self.is_persistent) = framing::of(&head)?;
                    self.framing.take(&mut self.buffer, 0)?;
                    return Ok(head);
                }
                if head.status() == StatusCode::SWITCHING_PROTOCOLS {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "an upgrade that nobody asked for",
                    ));
                }
                n_skipped += n_bytes;
                continue;
            }
            if n_skipped + self.buffer.len() > HEAD_BYTES_MAX {
                let why = format!("the head of the answer exceeds {HEAD_BYTES_MAX} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "closed inside the head of an answer",
                ));
            }
        }
    }

    async fn read(&mut self, n_bytes_max: usize) -> io::Result<bool> {
        while !self.framing.is_end() {
            let n_before = self.buffer.len();
            // One byte more than the body has: a read that does not fill its room tells that the socket is empty.
            let room = self.framing.n_bytes_left().saturating_add(1).min(n_bytes_max).clamp(1, READ_BYTES);
            if self.buffer.capacity() - n_before < room {
                self.buffer.reserve(room);
            }
            if self.stream.read_buf(&mut (&mut self.buffer).limit(room)).await? == 0 {
                self.framing.close()?;
            }
            self.framing.take(&mut self.buffer, n_before)?;
            if self.buffer.len() > n_before {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Reads the head of an answer, if all of it is there; returns its length too.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(usize, Response<()>)>> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let n_bytes =
        match head.parse(bytes).map_err(|error| invalid(format!("malformed HTTP response: {error}")))? {
            httparse::Status::Complete(n_bytes) => n_bytes,
            httparse::Status::Partial => return Ok(None),
        };
    let mut response = Response::new(());
    *response.status_mut() = head
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| invalid("the answer has no status".to_owned()))?;
    *response.version_mut() = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    for header in head.headers.iter() {
        let named = |error: &dyn std::fmt::Display| invalid(format!("header {}: {error}", header.name));
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|error| named(&error))?;
        let value = HeaderValue::from_bytes(header.value).map_err(|error| named(&error))?;
        response.headers_mut().append(name, value);
    }
    Ok(Some((n_bytes, response)))
}
