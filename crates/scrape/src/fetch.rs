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
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;
use wf_httpkit::client::DeadlineBody;
use wf_httpkit::{ClientError, HttpClient};

use crate::error::ScrapeError;

/// Bodies as received, of all targets together, beyond the first megabyte of each.
const BUDGET_BYTES: usize = 256 << 20;
const BUDGET_UNIT: usize = 1 << 20;

/// What to get.
#[derive(Clone, Debug)]
pub(crate) struct FetchRequest {
    pub(crate) url: Url,
    /// Connect here, whatever the URL says.
    pub(crate) unix_socket: Option<PathBuf>,
    pub(crate) headers: HeaderMap,
    pub(crate) deadline: Instant,
    /// A body this long is too long, before decompression already.
    pub(crate) limit_bytes: u64,
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
}

pub(crate) type FetchFuture = Pin<Box<dyn Future<Output = Result<RawPage, ScrapeError>> + Send>>;

/// Where pages come from; tests have their own.
pub(crate) trait Fetch: Send + Sync + fmt::Debug {
    fn fetch(&self, request: FetchRequest) -> FetchFuture;
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
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let (client, budget) = (self.client.clone(), self.budget.clone());
        Box::pin(async move {
            let FetchRequest { url, unix_socket, headers, deadline, .. } = &request;
            let response = match unix_socket {
                Some(socket) => client.get_on_socket(socket, url, headers, *deadline).await,
                None => client.get(url, headers, *deadline).await,
            };
            let response = response.map_err(|error| client_error(&request, &error))?;
            read_response(&request, response, &budget).await
        })
    }
}

async fn read_response(
    request: &FetchRequest,
    response: Response<DeadlineBody>,
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
    // What a body says of its length is a hint; what it is beyond a first megabyte, the budget decides.
    let announced = header(CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let body = Vec::with_capacity(announced.min(BUDGET_UNIT));
    let mut page = RawPage { body, packing, content_type: header(CONTENT_TYPE), ..RawPage::default() };
    let deadline = tokio::time::Instant::from_std(request.deadline);
    let read = read_body(request, response.into_body(), budget, &mut page);
    // The body watches the deadline while it waits for bytes, this one while bytes wait for the budget.
    match tokio::time::timeout_at(deadline, read).await {
        Ok(result) => result.map(|()| page),
        Err(_) => Err(client_error(request, &ClientError::Timeout { url: request.url.clone() })),
    }
}

async fn read_body(
    request: &FetchRequest,
    mut body: DeadlineBody,
    budget: &BodyBudget,
    page: &mut RawPage,
) -> Result<(), ScrapeError> {
    let mut n_covered = BUDGET_UNIT;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| client_error(request, &error))?;
        let Ok(data) = frame.into_data() else { continue };
        let n_bytes = page.body.len() + data.len();
        check_size(n_bytes, request.limit_bytes)?;
        if n_bytes > n_covered {
            let n_units = (n_bytes - n_covered).div_ceil(BUDGET_UNIT);
            let n_permits = u32::try_from(n_units).unwrap_or(u32::MAX);
            let closed = |_| ScrapeError::Body("the body budget is closed".to_owned());
            let more = Arc::clone(&budget.0).acquire_many_owned(n_permits).await.map_err(closed)?;
            match &mut page.permit {
                Some(permit) => permit.merge(more),
                None => page.permit = Some(more),
            }
            n_covered += n_units * BUDGET_UNIT;
        }
        page.body.extend_from_slice(&data);
    }
    Ok(())
}

/// Reaching the limit is too much already, as in the original.
fn check_size(n_bytes: usize, limit_bytes: u64) -> Result<(), ScrapeError> {
    if n_bytes as u64 >= limit_bytes { Err(ScrapeError::BodyTooLarge { limit_bytes }) } else { Ok(()) }
}

/// Unpacks `packed` into `page`, which is cleared first. Works for as long as the unpacked size allows, not longer.
pub(crate) fn gunzip(packed: &[u8], page: &mut Vec<u8>, limit_bytes: u64) -> Result<(), ScrapeError> {
    page.clear();
    MultiGzDecoder::new(packed)
        .take(limit_bytes)
        .read_to_end(page)
        .map_err(|error| ScrapeError::Gzip(error.to_string()))?;
    check_size(page.len(), limit_bytes)
}

/// Largest window that a zstd body may ask memory for: 8 MiB, what RFC 8878 recommends decoders to support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// As [`gunzip`], for zstd.
pub(crate) fn unzstd(packed: &[u8], page: &mut Vec<u8>, limit_bytes: u64) -> Result<(), ScrapeError> {
    page.clear();
    let mut read = || -> std::io::Result<usize> {
        let mut decoder = zstd::Decoder::new(packed)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        decoder.take(limit_bytes).read_to_end(page)
    };
    read().map_err(|error| ScrapeError::Zstd(error.to_string()))?;
    check_size(page.len(), limit_bytes)
}

fn client_error(request: &FetchRequest, error: &ClientError) -> ScrapeError {
    let url = request.url.to_string();
    match error {
        ClientError::Timeout { .. } => ScrapeError::Timeout { url },
        ClientError::Body { source, .. } => ScrapeError::Body(chain(source)),
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
