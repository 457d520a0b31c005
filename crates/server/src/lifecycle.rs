//! Health, readiness, reload, quit: what init systems and orchestrators talk to.
//!
//! # Source
//! `spec/prometheus-core.md` §9.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::methods::get_head;
use crate::state::ServerState;

pub(crate) fn router() -> Router<Arc<ServerState>> {
    let only_writes = || async { (StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed") };
    Router::new()
        .route("/-/healthy", get_head(|| async { "Prometheus Server is Healthy.\n" }))
        .route("/-/ready", get_head(ready))
        .route("/-/reload", post(reload).put(reload).fallback(only_writes))
        .route("/-/quit", post(quit).put(quit).fallback(only_writes))
}

async fn ready(State(state): State<Arc<ServerState>>) -> Response {
    if state.is_ready() { "Prometheus Server is Ready.\n".into_response() } else { unavailable(&state) }
}

/// Lets a request through once storage is open.
pub(crate) async fn require_ready(
    State(state): State<Arc<ServerState>>,
    request: Request,
    next: Next,
) -> Response {
    if state.is_ready() { next.run(request).await } else { unavailable(&state) }
}

fn unavailable(state: &ServerState) -> Response {
    let stopping = HeaderValue::from_static(if state.is_stopping() { "true" } else { "false" });
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-prometheus-stopping"), stopping)]);
    (StatusCode::SERVICE_UNAVAILABLE, headers, "Service Unavailable").into_response()
}

fn disabled() -> Response {
    (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.").into_response()
}

async fn reload(State(state): State<Arc<ServerState>>) -> Response {
    if !state.facts().is_lifecycle_enabled {
        return disabled();
    }
    match state.control().reload().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(cause) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {cause}\n")).into_response()
        }
    }
}

async fn quit(State(state): State<Arc<ServerState>>) -> Response {
    if !state.facts().is_lifecycle_enabled {
        return disabled();
    }
    state.control().quit();
    "Requesting termination... Goodbye!".into_response()
}
