//! What happens to every request around its handler.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{any::Any, net::SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::Limited;
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::{Sleep, sleep};

use super::guard::{Guard, Refusal};
use super::measure::{Facts, HttpMetrics, Measured};
use super::{ServerOptions, WebPolicy, compress};

/// What the layers of one listener share.
struct Shared {
    guard: Guard,
    web: Option<Arc<WebPolicy>>,
    metrics: Option<HttpMetrics>,
    body_bytes_max: usize,
    stall_timeout: Duration,
    route_prefix: String,
}

/// Puts the layers around every route and the fallback of `router`.
pub(super) fn wrap(router: Router, options: &ServerOptions, listener: SocketAddr) -> Router {
    let shared = Arc::new(Shared {
        guard: Guard::new(options.guard.clone(), listener),
        web: options.web.clone(),
        metrics: options.metrics.clone(),
        body_bytes_max: options.body_bytes_max,
        stall_timeout: options.stall_timeout,
        route_prefix: options.route_prefix.trim_end_matches('/').to_owned(),
    });
    // Inside the router, so that the matched route is known.
    router.layer(DefaultBodyLimit::max(options.body_bytes_max)).layer(from_fn_with_state(shared, around))
}

async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let facts = Facts {
        started: Instant::now(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        handler: handler_label(&request, &shared.route_prefix),
    };
    let encoding = compress::choose(request.headers());
    let is_head = request.method() == Method::HEAD;
    let refused = match &shared.web {
        Some(web) => web.refuse(request.headers()).await,
        None => None,
    };
    let mut response = match refused {
        Some(refused) => refused,
        None => match admit(&shared, request) {
            Ok(request) => isolate(&shared, &facts, next.run(request)).await,
            Err(refusal) => refusal.into_response(),
        },
    };
    set_security_headers(&mut response);
    if let Some(web) = &shared.web {
        web.decorate(response.headers_mut());
    }
    if !is_head {
        response = compress::compress(response, encoding);
    }
    let status = response.status();
    response.map(|body| Body::new(Measured::new(body, facts, status, shared.metrics.clone())))
}

/// Lets a request in with its body limited in size and patience, or says why not.
fn admit(shared: &Shared, request: Request) -> Result<Request, Refusal> {
    shared.guard.check(&request)?;
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared.and_then(|text| text.parse::<u64>().ok()).is_some_and(|n| n > shared.body_bytes_max as u64) {
        let message = format!("the request body exceeds {} bytes\n", shared.body_bytes_max);
        return Err(Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, message });
    }
    let stall_timeout = shared.stall_timeout;
    let limit = shared.body_bytes_max;
    Ok(request.map(|body| Body::new(Limited::new(Patient { body, stall_timeout, sleep: None }, limit))))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, self.message).into_response()
    }
}

/// Runs a handler; its panic becomes a 500, is counted and logged, and harms nobody else.
async fn isolate(shared: &Shared, facts: &Facts, handler: impl Future<Output = Response>) -> Response {
    match (CatchPanic { future: Box::pin(handler) }).await {
        Ok(response) => response,
        Err(panic) => {
            let why = panic_text(panic.as_ref());
            tracing::error!(handler = %facts.handler, %why, "request handler panicked: this is a bug");
            if let Some(metrics) = &shared.metrics {
                metrics.panics.inc();
            }
            (StatusCode::INTERNAL_SERVER_ERROR, "internal error: see the server's log\n").into_response()
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

struct CatchPanic<F> {
    future: Pin<Box<F>>,
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The future is dropped after a panic and its state never seen again.
        match catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// The route as Prometheus labels it: `/api/v1/label/:name/values`. Requests that match none share one value, so that
/// strangers cannot grow the label.
fn handler_label(request: &Request, route_prefix: &str) -> String {
    let Some(matched) = request.extensions().get::<MatchedPath>() else { return "/*other".to_owned() };
    let route = matched.as_str();
    let route = route.strip_prefix(route_prefix).filter(|rest| rest.starts_with('/')).unwrap_or(route);
    route.replace("{*", "*").replace('{', ":").replace('}', "")
}

static FRAME_OPTIONS: HeaderName = header::X_FRAME_OPTIONS;
static REFERRER_POLICY: HeaderName = header::REFERRER_POLICY;

/// Sets headers that are right for every answer; a handler that set one knows better.
fn set_security_headers(response: &mut Response) {
    let is_html =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    let mut set = |name: &HeaderName, value: &'static str| {
        headers.entry(name.clone()).or_insert(HeaderValue::from_static(value));
    };
    set(&X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&REFERRER_POLICY, "same-origin");
    if is_html {
        set(&FRAME_OPTIONS, "SAMEORIGIN");
    }
}

/// A request body whose sender may not stall.
struct Patient {
    body: Body,
    stall_timeout: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Patient {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.sleep = None;
            return Poll::Ready(frame.map(|result| result.map_err(Into::into)));
        }
        let stall_timeout = self.stall_timeout;
        let timer = self.sleep.get_or_insert_with(|| Box::pin(sleep(stall_timeout)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err("the client stopped sending its request".into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
