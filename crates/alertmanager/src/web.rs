//! The HTTP face: the API, health, reload, metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, any, get, post};
use tokio::sync::Semaphore;
use wf_httpkit::assets::Assets;
use wf_httpkit::metrics::Counter;

use crate::api;
use crate::manager::Alertmanager;

impl Alertmanager {
    /// Returns the HTTP face without a web UI, under the route prefix.
    pub fn router(&self) -> Router {
        self.router_with(None)
    }

    /// Returns the HTTP face under the route prefix; `ui` answers for every path that nothing else has.
    pub fn router_with(&self, ui: Option<Assets>) -> Router {
        let options = self.options();
        let slots = match options.get_concurrency {
            0 => std::thread::available_parallelism().map_or(8, usize::from).max(8),
            slots => slots,
        };
        let refused = self.metrics().gets_refused.clone();
        let limit = GetLimit { slots: Arc::new(Semaphore::new(slots)), n_slots: slots, refused };
        let home: MethodRouter<Self> = match ui.clone() {
            Some(assets) => get(move |headers: HeaderMap| async move { assets.respond("", &headers) }),
            None => get(landing_page),
        };
        let router = Router::new()
            .route("/", home.clone())
            .route("/-/healthy", get(|| async { "OK" }))
            .route("/-/ready", get(|| async { "OK" }))
            .route("/-/reload", post(reload))
            .route("/metrics", get(metrics))
            .with_state(self.clone())
            .merge(api::router(self.clone()));
        let router = match ui {
            // Programs ask for profiles: the page would pass for an answer.
            Some(assets) => router
                .route("/debug/{*path}", any(|| async { StatusCode::NOT_FOUND }))
                .fallback_service(assets.router()),
            None => router,
        };
        let router = router.layer(axum::middleware::from_fn_with_state(limit, limit_gets)).layer(
            axum::middleware::from_fn_with_state(
                TimeLimit { limit: options.web_timeout, exceeded: self.metrics().timed_out.clone() },
                limit_time,
            ),
        );
        match options.route_prefix.as_str() {
            "" => router,
            prefix => {
                let front = format!("{prefix}/");
                let redirect = move || async move { Redirect::to(&front).into_response() };
                // `/prefix/` itself is the landing page.
                let with_slash = Router::new().route(&format!("{prefix}/"), home).with_state(self.clone());
                Router::new().route("/", get(redirect)).nest(prefix, router).merge(with_slash)
            }
        }
    }
}

#[derive(Clone)]
struct GetLimit {
    slots: Arc<Semaphore>,
    n_slots: usize,
    refused: Counter,
}

/// Answers 503 when too many GETs run: one slow page must not take the API down.
async fn limit_gets(State(limit): State<GetLimit>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let Ok(_slot) = limit.slots.try_acquire() else {
        limit.refused.inc();
        let n = limit.n_slots;
        let message = format!("Limit of concurrent GET requests reached ({n}), try again later.\n");
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    };
    next.run(request).await
}

#[derive(Clone)]
struct TimeLimit {
    /// Zero for none.
    limit: Duration,
    exceeded: Counter,
}

/// Answers 503 when a request takes too long.
async fn limit_time(State(limit): State<TimeLimit>, request: Request, next: Next) -> Response {
    if limit.limit.is_zero() {
        return next.run(request).await;
    }
    match tokio::time::timeout(limit.limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            limit.exceeded.inc();
            let shown = wf_gotemplate::GoDuration::from_std(limit.limit).to_string();
            let message = format!("Exceeded configured timeout of {shown}.\n");
            (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
        }
    }
}

async fn landing_page() -> Html<&'static str> {
    Html(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Alertmanager</title></head>\
         <body><h1>Alertmanager</h1><ul><li><a href=\"api/v2/alerts/groups\">Alerts</a></li>\
         <li><a href=\"api/v2/silences\">Silences</a></li><li><a href=\"api/v2/status\">Status</a></li>\
         <li><a href=\"metrics\">Metrics</a></li></ul></body></html>",
    )
}

async fn reload(State(alertmanager): State<Alertmanager>) -> Response {
    // Files are read, templates parsed: not work for the runtime's threads.
    let result = tokio::task::spawn_blocking(move || alertmanager.reload()).await;
    let message = match result {
        Ok(Ok(())) => return StatusCode::OK.into_response(),
        Ok(Err(error)) => {
            let source =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("failed to reload config: {error}{source}\n")
        }
        Err(error) => format!("failed to reload config: {error}\n"),
    };
    (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
}

async fn metrics(State(alertmanager): State<Alertmanager>) -> Response {
    let mut page = String::new();
    wf_exposition::text::write_page(&mut page, &alertmanager.registry().gather());
    ([(header::CONTENT_TYPE, wf_exposition::text::CONTENT_TYPE)], page).into_response()
}
