//! HTTP over a unix socket, both versions, with bounded answers.

use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

use super::{RuntimeError, shown};

/// Thousands of containers with all their labels need less.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// An answer: body, and trailers where they say whether it worked.
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
    pub(super) trailers: HeaderMap,
}

/// A connection that speaks HTTP/2, as gRPC wants.
pub(super) struct Http2 {
    socket: String,
    sender: hyper::client::conn::http2::SendRequest<Full<Bytes>>,
}

async fn connect(socket: &Path) -> Result<TokioIo<UnixStream>, RuntimeError> {
    let stream = UnixStream::connect(socket).await;
    let failed = |why: std::io::Error| RuntimeError::Connect { socket: shown(socket), why: why.to_string() };
    stream.map(TokioIo::new).map_err(failed)
}

impl Http2 {
    /// Connects. The connection ends when this is dropped.
    pub(super) async fn open(socket: &Path) -> Result<Self, RuntimeError> {
        let io = connect(socket).await?;
        let failed =
            |why: hyper::Error| RuntimeError::Connect { socket: shown(socket), why: why.to_string() };
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(failed)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the container runtime ended");
            }
        });
        Ok(Self { socket: shown(socket), sender })
    }

    pub(super) async fn ask(
        &mut self,
        what: &'static str,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, RuntimeError> {
        let failed =
            |why: String| RuntimeError::Answer { socket: self.socket.clone(), what: what.to_owned(), why };
        let response = self.sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
        let headers = response.headers().clone();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|error| failed(error.to_string()))?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Answer { body: body.to_bytes(), headers, trailers })
    }

    pub(super) fn socket(&self) -> &str {
        &self.socket
    }
}

/// Asks once over HTTP/1.1 and returns the body of a good answer.
pub(super) async fn get(socket: &Path, path: &str) -> Result<Bytes, RuntimeError> {
    let failed = |why: String| RuntimeError::Answer { socket: shown(socket), what: path.to_owned(), why };
    let io = connect(socket).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|error| failed(error.to_string()))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the container runtime ended");
        }
    });
    let request = Request::get(path).header("host", "docker").body(Full::new(Bytes::new()));
    let request = request.map_err(|error| failed(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
    if !response.status().is_success() {
        return Err(failed(response.status().to_string()));
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok(body.map_err(|error| failed(error.to_string()))?.to_bytes())
}
