//! The task of one Alertmanager: takes from its queue, posts, and tries again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use url::Url;
use wf_httpkit::{ClientError, HttpClient};

use super::queue::AlertQueue;
use super::target::Alertmanager;
use super::{Metrics, NotifierOptions, wire};
use crate::environment::OutgoingAlert;

/// Pause after the first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// An answer longer than this is not read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

pub(super) struct Worker {
    url: String,
    timeout: Duration,
    queue: Arc<AlertQueue>,
    client: HttpClient,
    options: NotifierOptions,
    metrics: Metrics,
}

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("bad response status {0}")]
    Status(StatusCode),
    #[error("{0}: {1}")]
    Url(String, url::ParseError),
}

impl SendError {
    /// Whether the same batch may arrive later.
    fn is_transient(&self) -> bool {
        match self {
            Self::Client(_) => true,
            Self::Status(status) => {
                !status.is_client_error() || matches!(status.as_u16(), 401 | 403 | 404 | 408 | 429)
            }
            Self::Url(..) => false,
        }
    }
}

impl Worker {
    pub(super) fn new(
        target: &Alertmanager,
        queue: Arc<AlertQueue>,
        client: HttpClient,
        options: NotifierOptions,
        metrics: &Metrics,
    ) -> Self {
        let url = [target.url.as_str()];
        // All exist from the start, at zero: alerts about them look for changes.
        for counters in [&metrics.errors, &metrics.sent, &metrics.dropped] {
            counters.with(&url);
        }
        metrics.latency.with(&url);
        #[expect(clippy::cast_precision_loss, reason = "queues are shorter than 2^53")]
        metrics.queue_capacity.with(&url).set(options.capacity as f64);
        Self {
            url: target.url.clone(),
            timeout: target.timeout,
            queue,
            client,
            options,
            metrics: metrics.clone(),
        }
    }

    /// Sends until the Alertmanager is gone, `stop`, or the program ends, `end`; what waits is sent then if that is wanted.
    pub(super) async fn run(self, stop: CancellationToken, end: CancellationToken) {
        let mut pause = PAUSE_MIN;
        let mut is_down = false;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = end.cancelled() => break,
                () = self.queue.wait() => {}
            }
            let outcome = self.send_batch().await;
            if let Err(error) = &outcome
                && error.is_transient()
            {
                if !is_down {
                    warn!(alertmanager = self.url, %error, "sending alerts failed: they wait and are sent again");
                    is_down = true;
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = end.cancelled() => break,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
            if is_down && outcome.is_ok() {
                info!(alertmanager = self.url, "alerts are sent again");
                is_down = false;
            }
            pause = PAUSE_MIN;
        }
        if self.options.drains {
            self.drain().await;
        }
    }

    /// Sends what waits; the first failure ends it.
    async fn drain(&self) {
        while !self.queue.is_empty() {
            if let Err(error) = self.send_batch().await {
                let n_alerts = self.queue.len();
                warn!(alertmanager = self.url, %error, n_alerts, "alerts could not be sent before the end");
                return;
            }
        }
    }

    async fn send_batch(&self) -> Result<(), SendError> {
        let batch = self.queue.take(self.options.batch_size);
        if batch.is_empty() {
            return Ok(());
        }
        let n_alerts = batch.len() as u64;
        let url = [self.url.as_str()];
        let started = Instant::now();
        let outcome = self.post(&batch).await;
        let elapsed_s = started.elapsed().as_secs_f64();
        self.metrics.latency.with(&url).observe(elapsed_s);
        self.metrics.latency_histogram.with(&url).observe(elapsed_s);
        self.metrics.sent.with(&url).add(n_alerts);
        if let Err(cause) = &outcome {
            self.metrics.errors.with(&url).add(n_alerts);
            let n_dropped = if cause.is_transient() {
                self.queue.give_back(batch)
            } else {
                error!(alertmanager = self.url, %cause, n_alerts, "alerts were refused: they are dropped");
                n_alerts
            };
            self.metrics.dropped.with(&url).add(n_dropped);
        }
        #[expect(clippy::cast_precision_loss, reason = "queues are shorter than 2^53")]
        self.metrics.queue_length.with(&url).set(self.queue.len() as f64);
        outcome
    }

    async fn post(&self, batch: &[OutgoingAlert]) -> Result<(), SendError> {
        let url = Url::parse(&self.url).map_err(|cause| SendError::Url(self.url.clone(), cause))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("Watchfire/", env!("CARGO_PKG_VERSION"))));
        let body = Bytes::from(wire::body(batch));
        let deadline = Instant::now() + self.timeout;
        let response = self.client.request(Method::POST, &url, &headers, body, deadline).await?;
        let status = response.status();
        // Read to its end, so that the connection can be used again; what it says is for people with a debugger.
        let _ = response.into_body().read_into(&mut Vec::new(), ANSWER_BYTES_MAX).await;
        if status.is_success() { Ok(()) } else { Err(SendError::Status(status)) }
    }
}
