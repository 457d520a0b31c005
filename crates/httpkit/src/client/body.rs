//! A response body that ends at the request's deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use url::Url;

use super::ClientError;

/// Streams a body until it ends or the deadline passes, whichever comes first.
#[derive(Debug)]
pub struct DeadlineBody {
    incoming: Incoming,
    deadline: Pin<Box<Sleep>>,
    url: Url,
}

impl DeadlineBody {
    pub(super) fn new(incoming: Incoming, url: Url, deadline: Instant) -> Self {
        Self { incoming, deadline: Box::pin(sleep_until(deadline)), url }
    }

    /// Returns the URL that answered, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Appends the body to `buffer`, which the caller may reuse.
    /// # Errors
    /// When the body exceeds `limit_bytes`, breaks off, or the deadline passes.
    pub async fn read_into(mut self, buffer: &mut Vec<u8>, limit_bytes: usize) -> Result<(), ClientError> {
        let mut n_bytes = 0;
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            n_bytes += data.len();
            if n_bytes > limit_bytes {
                return Err(ClientError::BodyTooLarge { url: self.url.clone(), limit_bytes });
            }
            buffer.extend_from_slice(&data);
        }
        Ok(())
    }
}

impl Body for DeadlineBody {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            let url = || self.url.clone();
            return Poll::Ready(frame.map(|result| {
                result.map_err(|source| ClientError::Body { url: url(), source: source.into() })
            }));
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(ClientError::Timeout { url: self.url.clone() }))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
