//! The HTTP API, version 2.
//!
//! # Reading order: this file (routes, answers), `query` (parameters), `alerts`, `silences`, `status`, `why` (ours alone).
//! Source: `spec/alertmanager-pushgateway.md` §A11.

mod alerts;
mod query;
mod silences;
mod status;
mod why;

use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, delete, get};
use serde_json::Value as Json;

use crate::manager::Alertmanager;

/// Most bytes of a body that is read; the listener's own limit is the first to hold.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Why a request is refused: `code` and `message`, or a plain JSON text.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// An object with the code of the schema's check.
    Coded { status: StatusCode, code: u32, message: String },
    /// A text in quotes.
    Plain { status: StatusCode, message: String },
    /// Nothing.
    Empty(StatusCode),
}

impl Refusal {
    fn coded(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Coded { status, code: u32::from(status.as_u16()), message: message.into() }
    }

    fn schema(code: u32, message: impl Into<String>) -> Self {
        Self::Coded { status: StatusCode::UNPROCESSABLE_ENTITY, code, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::Plain { status: StatusCode::BAD_REQUEST, message: message.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Coded { status, code, message } => {
                let body = serde_json::json!({"code": code, "message": message});
                (status, json_body(&body)).into_response()
            }
            Self::Plain { status, message } => (status, json_body(&Json::from(message))).into_response(),
            Self::Empty(status) => status.into_response(),
        }
    }
}

type Answer = Result<Response, Refusal>;

/// Returns a JSON answer as Go's encoder writes it.
fn json_body(value: &Json) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], crate::json::to_line(value)).into_response()
}

/// Makes the router below `/api`.
pub(crate) fn router(alertmanager: Alertmanager) -> Router {
    Router::new()
        .route("/api/v2/status", only("GET", get(status::status)))
        .route("/api/v2/receivers", only("GET", get(status::receivers)))
        .route("/api/v2/alerts", only("GET,POST", get(alerts::list).post(alerts::post)))
        .route("/api/v2/alerts/groups", only("GET", get(alerts::groups)))
        .route("/api/v2/silences", only("GET,POST", get(silences::list).post(silences::post)))
        .route("/api/v2/silence/{id}", only("DELETE,GET", delete(silences::expire).get(silences::get)))
        .route("/api/v2/alerts/why", only("GET", get(why::why)))
        .route("/api/v2/receivers/test", only("POST", axum::routing::post(why::test)))
        .route("/api/v2/swagger.json", only("GET", get(status::swagger)))
        .route("/api/v2/{*path}", any(unknown))
        .route("/api/v1/{*path}", any(gone))
        .layer(axum::middleware::map_response(cors))
        .layer(axum::middleware::from_fn(preflight))
        .with_state(alertmanager)
}

/// Answers other methods with 405, and names those that are allowed.
fn only(allowed: &'static str, router: MethodRouter<Alertmanager>) -> MethodRouter<Alertmanager> {
    router.fallback(move |method: Method| async move {
        let message = format!("method {method} is not allowed, but [{allowed}] are");
        let refusal = Refusal::coded(StatusCode::METHOD_NOT_ALLOWED, message);
        ([(header::ALLOW, allowed)], refusal).into_response()
    })
}

async fn unknown(OriginalUri(uri): OriginalUri) -> Refusal {
    Refusal::coded(StatusCode::NOT_FOUND, format!("path {} was not found", uri.path()))
}

async fn gone() -> Response {
    let body = serde_json::json!({
        "status": "deprecated",
        "error": "The Alertmanager v1 API was deprecated in version 0.16.0 and is removed: use /api/v2",
    });
    (StatusCode::GONE, json_body(&body)).into_response()
}

/// Any page may read; those that change state are held back by the listener's guard.
async fn cors(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn preflight(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    if request.method() != Method::OPTIONS {
        return next.run(request).await;
    }
    let wanted =
        request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD).and_then(|value| value.to_str().ok());
    let mut response = StatusCode::NO_CONTENT.into_response();
    if wanted.is_some_and(|wanted| matches!(wanted, "GET" | "HEAD" | "POST")) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
    }
    response
}

/// Reads a body that shall be JSON.
async fn read_body(request: axum::extract::Request<Body>) -> Result<axum::body::Bytes, Refusal> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if media_type != "application/json" {
        let message = format!("unsupported media type {kind:?}, only [application/json] are allowed");
        return Err(Refusal::coded(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
    bytes.map_err(|error| unreadable(&error.to_string()))
}

/// Reads a body of JSON.
async fn read_json(request: axum::extract::Request<Body>) -> Result<Json, Refusal> {
    parse_json(&read_body(request).await?)
}

fn parse_json(bytes: &[u8]) -> Result<Json, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(why: &str) -> Refusal {
    Refusal::coded(StatusCode::BAD_REQUEST, format!("parsing body body from \"\" failed, because {why}"))
}

/// Returns the text at `key` of an object, or what refuses it.
fn text_at(object: &Json, key: &str, path: &str) -> Result<String, Refusal> {
    match &object[key] {
        Json::Null => Ok(String::new()),
        Json::String(text) => Ok(text.clone()),
        _ => {
            let message = format!("parsing body body from \"\" failed, because {path}{key} is no string");
            Err(Refusal::coded(StatusCode::BAD_REQUEST, message))
        }
    }
}

/// Returns the map of texts at `key` of an object.
fn texts_at(
    object: &Json,
    key: &str,
    path: &str,
) -> Result<std::collections::BTreeMap<String, String>, Refusal> {
    let unfit = || {
        let message = format!("parsing body body from \"\" failed, because {path}{key} is no map of strings");
        Refusal::coded(StatusCode::BAD_REQUEST, message)
    };
    match &object[key] {
        Json::Null => Ok(std::collections::BTreeMap::new()),
        Json::Object(entries) => {
            let pair = |(name, value): (&String, &Json)| Some((name.clone(), value.as_str()?.to_owned()));
            entries.iter().map(pair).collect::<Option<_>>().ok_or_else(unfit)
        }
        _ => Err(unfit()),
    }
}

/// Returns the time at `key`, if there is one.
fn time_at(object: &Json, key: &str, path: &str) -> Result<Option<crate::instant::Instant>, Refusal> {
    let text = text_at(object, key, path)?;
    if text.is_empty() {
        return Ok(None);
    }
    match crate::instant::Instant::parse(&text) {
        // Go's zero time stands for none.
        Some(instant) if text.starts_with("0001-01-01T00:00:00") && instant.offset.seconds() == 0 => Ok(None),
        Some(instant) => Ok(Some(instant)),
        None => {
            let message =
                format!("parsing body body from \"\" failed, because {path}{key}: {text:?} is no time");
            Err(Refusal::coded(StatusCode::BAD_REQUEST, message))
        }
    }
}

#[cfg(test)]
mod tests;

type Manager = State<Alertmanager>;
