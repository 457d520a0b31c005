//! All routes of the server, and what lies around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{self, MethodRouter, any};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use wf_httpkit::Registry;
use wf_httpkit::assets::{AssetOptions, Assets, AssetsError};
use wf_httpkit::profiles::MemoryParts;

use crate::cors::{self, AllowedOrigins};
use crate::json::JsonWriter;
use crate::methods::{get, tidy_path};
use crate::server::Ui;
use crate::state::ServerState;
use crate::{api_v1, consoles, lifecycle};

/// How the routes are laid out.
pub(crate) struct Options {
    pub(crate) cors: AllowedOrigins,
    pub(crate) route_prefix: String,
    pub(crate) base_path: String,
    pub(crate) page_title: Option<String>,
    pub(crate) ui: Ui,
}

/// Content type of `/metrics`.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

pub(crate) fn build(
    state: &Arc<ServerState>,
    registry: &Registry,
    options: &Options,
) -> Result<Router, AssetsError> {
    let ready = from_fn_with_state(Arc::clone(state), lifecycle::require_ready);
    let api = api_v1::router()
        .route_layer(ready.clone())
        .merge(api_v1::early_router())
        .merge(api_v1::self_metrics_router(registry).route_layer(ready.clone()))
        .fallback(not_here);
    let registry = registry.clone();
    let metrics = move || {
        let families = registry.gather();
        async move {
            let mut page = String::new();
            wf_exposition::text::write_page(&mut page, &families);
            ([(CONTENT_TYPE, TEXT_FORMAT)], page)
        }
    };
    let routes = Router::new()
        .nest("/api/v1", api)
        .merge(lifecycle::router())
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .route("/graph", get(graph))
        .route("/federate", get(crate::federate::federate).route_layer(ready.clone()))
        // Programs ask these: the page that the UI gives for every other path would pass for an answer.
        .merge(wf_httpkit::profiles::router(memory_parts(state)))
        .route("/debug/{*path}", any(not_here))
        .route("/api/", any(not_here))
        .route("/api/{*path}", any(not_here))
        .route("/consoles/{*path}", get(consoles::console).route_layer(ready))
        .route("/user/{*path}", get(consoles::user_asset))
        .with_state(Arc::clone(state));
    let (routes, home_page) = with_ui(routes, options)?;
    let routes = routes.layer(from_fn_with_state(options.cors.clone(), cors::layer));
    if options.route_prefix.is_empty() {
        return Ok(routes.layer(from_fn(tidy_path)));
    }
    let home = options.base_path.clone();
    let redirect = move || async move { Redirect::temporary(&home) };
    // Nesting answers `/prefix` and what lies below `/prefix/`, but not `/prefix/` itself.
    let home = format!("{}/", options.route_prefix);
    let outer = Router::new().nest(&options.route_prefix, routes).route("/", get(redirect));
    Ok(outer.route(&home, home_page).layer(from_fn(tidy_path)))
}

/// Adds the UI to the routes, and returns its first page by itself too.
fn with_ui(routes: Router, options: &Options) -> Result<(Router, MethodRouter), AssetsError> {
    match options.ui {
        Ui::Embedded(files) => {
            let base_path = options.base_path.clone();
            let title = options.page_title.clone();
            let assets = Assets::new(files, &AssetOptions { base_path, title, ..AssetOptions::default() })?;
            let routes = routes.fallback_service(assets.router());
            Ok((routes, routing::get(move |headers: HeaderMap| async move { assets.respond("", &headers) })))
        }
        Ui::Absent(reason) => {
            let home = routing::get(move || async move { without_ui(reason) });
            let routes = routes
                .route("/", home.clone())
                .route("/query", home.clone())
                .route("/targets", home.clone())
                .fallback(not_here);
            Ok((routes, home))
        }
    }
}

fn without_ui(reason: &'static str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Watchfire</title></head><body>\
         <h1>Watchfire</h1><p>This binary was built without the web UI: {reason}</p>\
         <p>The API is there: <a href=\"api/v1/query?query=up\">api/v1/query?query=up</a>, \
         <a href=\"metrics\">metrics</a>.</p></body></html>"
    );
    Html(page).into_response()
}

async fn version(State(state): State<Arc<ServerState>>) -> Response {
    let build = &state.facts().build;
    let mut json = JsonWriter::collecting();
    json.raw(r#"{"version":"#).string(crate::PROMETHEUS_VERSION);
    json.raw(r#","revision":"#).string(&build.revision);
    json.raw(r#","branch":"#).string(&build.branch);
    json.raw(r#","buildUser":"","buildDate":"","goVersion":"#);
    json.string(wf_httpkit::process::GO_VERSION_STAND_IN);
    json.raw(r#","watchfireVersion":"#).string(&build.version).raw("}");
    ([(CONTENT_TYPE, "application/json")], json.finish()).into_response()
}

/// What no route answers, in the original's words.
async fn not_here() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Returns what tells who holds how much memory.
fn memory_parts(state: &Arc<ServerState>) -> MemoryParts {
    let state = Arc::downgrade(state);
    Arc::new(move || {
        let mut parts = Vec::new();
        let Some(state) = state.upgrade() else { return parts };
        if let Ok(tsdb) = state.tsdb() {
            let stats = tsdb.stats();
            let symbols = stats.symbols_bytes.min(stats.memory_bytes);
            parts.push((vec!["storage", "head", "symbols"], symbols));
            parts.push((vec!["storage", "head", "series, chunks, index"], stats.memory_bytes - symbols));
        }
        parts.push((vec!["queries", "kept results"], state.range_queries().kept_bytes()));
        parts
    })
}

/// The address of the expression browser before version 3.
async fn graph(OriginalUri(uri): OriginalUri) -> Response {
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let path = uri.path().trim_end_matches("/graph");
    (StatusCode::FOUND, [(http::header::LOCATION, format!("{path}/query{query}"))]).into_response()
}
