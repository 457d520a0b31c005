//! Request metrics and the request log.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::metrics::{Counter, CounterVec, Gauge, HistogramVec, Registry, exponential_buckets};

/// Seconds; the buckets of Prometheus's own `http_request_duration_seconds`.
const DURATION_BUCKETS: [f64; 9] = [0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0];

/// `<prefix>_http_requests_total`, `_request_duration_seconds`, `_response_size_bytes` and friends.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: CounterVec<2>,
    durations: HistogramVec<1>,
    sizes: HistogramVec<1>,
    pub(super) panics: Counter,
    in_flight: Gauge,
}

impl HttpMetrics {
    /// Registers the metrics under `prefix`, such as `prometheus`. Listeners of one registry share one set.
    pub fn new(registry: &Registry, prefix: &str) -> Self {
        let name = |rest: &str| format!("{prefix}_http_{rest}");
        Self {
            requests: registry.counter_vec(
                name("requests_total"),
                "HTTP requests by status code and handler.",
                ["code", "handler"],
            ),
            durations: registry.histogram_vec(
                name("request_duration_seconds"),
                "Time from the head of a request to the end of its answer.",
                ["handler"],
                &DURATION_BUCKETS,
            ),
            sizes: registry.histogram_vec(
                name("response_size_bytes"),
                "Size of response bodies as sent.",
                ["handler"],
                &exponential_buckets(100.0, 10.0, 8),
            ),
            panics: registry.counter(name("panics_total"), "Requests whose handler panicked."),
            in_flight: registry.gauge(name("requests_in_flight"), "Answers being written."),
        }
    }

    fn on_answered(&self, facts: &Facts, status: StatusCode, n_bytes: u64) {
        self.requests.with(&[status.as_str(), &facts.handler]).inc();
        self.durations.with(&[&facts.handler]).observe(facts.started.elapsed().as_secs_f64());
        self.sizes.with(&[&facts.handler]).observe(n_bytes as f64);
    }
}

/// What the log and the metrics need to know of a request after it is gone.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) started: Instant,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) handler: String,
}

/// A response body that reports when it has been sent or given up.
pub(super) struct Measured {
    body: Body,
    facts: Facts,
    status: StatusCode,
    n_bytes: u64,
    metrics: Option<HttpMetrics>,
}

impl Measured {
    pub(super) fn new(body: Body, facts: Facts, status: StatusCode, metrics: Option<HttpMetrics>) -> Self {
        if let Some(metrics) = &metrics {
            metrics.in_flight.inc();
        }
        Self { body, facts, status, n_bytes: 0, metrics }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.on_answered(&self.facts, self.status, self.n_bytes);
            metrics.in_flight.dec();
        }
        tracing::debug!(
            method = %self.facts.method,
            path = %self.facts.path,
            status = self.status.as_u16(),
            n_bytes = self.n_bytes,
            elapsed_s = self.facts.started.elapsed().as_secs_f64(),
            "request"
        );
    }
}

impl HttpBody for Measured {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.n_bytes += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
