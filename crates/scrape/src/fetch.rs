//! Gets a page over HTTP, within its bounds.

use std::fmt;
use std::future::Future;
use std::io::Read;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use http::{Response, StatusCode};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;
use url::Url;
use wf_httpkit::client::{Line, LineBody};
use wf_httpkit::{ClientError, HttpClient};

use crate::error::ScrapeError;

/// Bodies as received, of all targets together, beyond the first megabyte of each.
const BUDGET_BYTES: usize = 256 << 20;
const BUDGET_UNIT: usize = 1 << 20;

/// What to get.
#[derive(Debug)]
pub(crate) struct FetchRequest {
    pub(crate) url: Url,
    /// Connect here, whatever the URL says.
    pub(crate) unix_socket: Option<PathBuf>,
    pub(crate) headers: HeaderMap,
    pub(crate) deadline: Instant,
    /// A body this long is too long, before decompression already.
    pub(crate) limit_bytes: u64,
    /// What the fetch before left: the open connection, usually.
    pub(crate) line: Line,
    pub(crate) bodies: Bodies,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all.
    #[default]
    None,
    Gzip,
    /// Not asked for, as the original does not; some proxies send it all the same.
    Zstd,
}

/// A body as received.
#[derive(Debug, Default)]
pub(crate) struct RawPage {
    pub(crate) body: Vec<u8>,
    pub(crate) packing: Packing,
    pub(crate) content_type: Option<String>,
    /// Its share of the budget, held while the body is.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    /// For the next fetch.
    pub(crate) line: Line,
}

pub(crate) type FetchFuture = Pin<Box<dyn Future<Output = Result<RawPage, ScrapeError>> + Send>>;

/// Where pages come from; tests have their own.
pub(crate) trait Fetch: Send + Sync + fmt::Debug {
    fn fetch(&self, request: FetchRequest) -> FetchFuture;
}

/// Buffers of bodies that nobody reads now. Memory that was used a moment ago is in the caches, and mapped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bodies(Arc<Mutex<Vec<Vec<u8>>>>);

/// Bodies that are kept, and how large they may be.
const KEPT_BODIES_MAX: usize = 8;
const KEPT_BODY_BYTES_MAX: usize = 256 << 10;

impl Bodies {
    fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    /// Gives a buffer back for the next fetch of any target.
    pub(crate) fn give(&self, body: Vec<u8>) {
        let mut kept = self.0.lock();
        if kept.len() < KEPT_BODIES_MAX && (1..=KEPT_BODY_BYTES_MAX).contains(&body.capacity()) {
            kept.push(body);
        }
    }
}

/// Bounds what bodies in flight occupy. A full budget makes large bodies wait, until their timeout at most; bodies up
/// to a megabyte never wait, so a flood from one target does not starve the usual ones.
#[derive(Clone, Debug)]
pub(crate) struct BodyBudget(Arc<Semaphore>);

impl Default for BodyBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_BYTES / BUDGET_UNIT)))
    }
}

/// Fetches over HTTP.
#[derive(Debug)]
pub(crate) struct HttpFetch {
    pub(crate) client: HttpClient,
    pub(crate) budget: BodyBudget,
}

impl Fetch for HttpFetch {
    fn fetch(&self, mut request: FetchRequest) -> FetchFuture {
        let (client, budget) = (self.client.clone(), self.budget.clone());
        Box::pin(async move {
            let line = std::mem::take(&mut request.line);
            // While an answer is awaited, while it is read, and while it waits for the budget.
            let exchange = timeout_at(request.deadline.into(), exchange(&client, &budget, &request, line));
            exchange.await.unwrap_or_else(|_| {
                Err(client_error(&request, &ClientError::Timeout { url: request.url.clone() }))
            })
        })
    }
}

async fn exchange(
    client: &HttpClient,
    budget: &BodyBudget,
    request: &FetchRequest,
    line: Line,
) -> Result<RawPage, ScrapeError> {
    let FetchRequest { url, unix_socket, headers, deadline, bodies, .. } = request;
    let response = match unix_socket {
        Some(socket) => {
            let response = client.get_on_socket(socket, url, headers, *deadline).await;
            response.map(|response| response.map(LineBody::from))
        }
        None => client.get_on_line(line, url, headers, *deadline, || bodies.take()).await,
    };
    let response = response.map_err(|error| client_error(request, &error))?;
    read_response(request, response, budget).await
}

async fn read_response(
    request: &FetchRequest,
    response: Response<LineBody>,
    budget: &BodyBudget,
) -> Result<RawPage, ScrapeError> {
    if response.status() != StatusCode::OK {
        return Err(ScrapeError::Status(response.status()));
    }
    let header = |name: HeaderName| {
        response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let packing = match header(CONTENT_ENCODING).as_deref() {
        Some("gzip") => Packing::Gzip,
        Some("zstd") => Packing::Zstd,
        None | Some("" | "identity") => Packing::None,
        Some(other) => return Err(ScrapeError::Encoding(other.to_owned())),
    };
    let content_type = header(CONTENT_TYPE);
    // What a body says of its length is a hint; what it is beyond a first megabyte, the budget decides.
    let announced = header(CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let mut body = response.into_body();
    body.reserve(announced.min(BUDGET_UNIT));
    let permit = read_body(request, &mut body, budget).await?;
    let (body, line) = body.finish();
    Ok(RawPage { body, packing, content_type, permit, line })
}

/// Reads the body; returns its share of the budget, if it needs one.
async fn read_body(
    request: &FetchRequest,
    body: &mut LineBody,
    budget: &BodyBudget,
) -> Result<Option<OwnedSemaphorePermit>, ScrapeError> {
    let mut permit: Option<OwnedSemaphorePermit> = None;
    let mut n_covered = BUDGET_UNIT;
    loop {
        let n_bytes = body.bytes().len();
        check_size(n_bytes, request.limit_bytes)?;
        if n_bytes > n_covered {
            let n_units = (n_bytes - n_covered).div_ceil(BUDGET_UNIT);
            let n_permits = u32::try_from(n_units).unwrap_or(u32::MAX);
            let closed = |_| ScrapeError::Body("the body budget is closed".to_owned());
            let more = Arc::clone(&budget.0).acquire_many_owned(n_permits).await.map_err(closed)?;
            match &mut permit {
                Some(permit) => permit.merge(more),
                None => permit = Some(more),
            }
            n_covered += n_units * BUDGET_UNIT;
        }
        if n_bytes >= LARGE_BYTES {
            body.reserve(n_bytes + room_for(n_bytes, request.limit_bytes));
        }
        let goes_on = body.read(n_covered - n_bytes + 1).await;
        if !goes_on.map_err(|error| client_error(request, &error))? {
            return Ok(permit);
        }
    }
}

/// Reaching the limit is too much already, as in the original.
fn check_size(n_bytes: usize, limit_bytes: u64) -> Result<(), ScrapeError> {
    if n_bytes as u64 >= limit_bytes { Err(ScrapeError::BodyTooLarge { limit_bytes }) } else { Ok(()) }
}

/// Beyond this size a page gets room for all that it may become, instead of twice what it has: its bytes are not moved
/// again, and room that is not written to takes no memory.
const LARGE_BYTES: usize = 8 << 20;

/// Returns how much room to make for a page of `n_bytes` that goes on.
fn room_for(n_bytes: usize, limit_bytes: u64) -> usize {
    let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX).min(16 * LARGE_BYTES);
    match limit.checked_sub(n_bytes) {
        Some(left @ 1..) if n_bytes >= LARGE_BYTES => left,
        _ => n_bytes.max(64 << 10),
    }
}

/// Unpacks `packed` into `page`, which is cleared first. Works for as long as the unpacked size allows, not longer.
pub(crate) fn gunzip(packed: &[u8], page: &mut Vec<u8>, limit_bytes: u64) -> Result<(), ScrapeError> {
    let unpacked = read_all(MultiGzDecoder::new(packed), page, limit_bytes);
    unpacked.map_err(|error| ScrapeError::Gzip(error.to_string()))?;
    check_size(page.len(), limit_bytes)
}

/// Reads to the end of `source`, or `limit_bytes`.
fn read_all(source: impl Read, page: &mut Vec<u8>, limit_bytes: u64) -> std::io::Result<()> {
    page.clear();
    let mut source = source.take(limit_bytes);
    loop {
        if page.capacity() == page.len() {
            page.reserve_exact(room_for(page.len(), limit_bytes));
        }
        let room = page.capacity() - page.len();
        if source.by_ref().take(room as u64).read_to_end(page)? == 0 {
            return Ok(());
        }
    }
}

/// Largest window that a zstd body may ask memory for: 8 MiB, what RFC 8878 recommends decoders to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// As [`gunzip`], for zstd.
pub(crate) fn unzstd(packed: &[u8], page: &mut Vec<u8>, limit_bytes: u64) -> Result<(), ScrapeError> {
    let mut read = || {
        let mut decoder = zstd::Decoder::new(packed)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        read_all(decoder, page, limit_bytes)
    };
    read().map_err(|error| ScrapeError::Zstd(error.to_string()))?;
    check_size(page.len(), limit_bytes)
}

fn client_error(request: &FetchRequest, error: &ClientError) -> ScrapeError {
    let url = request.url.to_string();
    match error {
        ClientError::Timeout { .. } => ScrapeError::Timeout { url },
        ClientError::Body { source, .. } => ScrapeError::Body(chain(&**source)),
        error => ScrapeError::Request { url, message: chain(error) },
    }
}

/// Joins an error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Some libraries print their source themselves.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
