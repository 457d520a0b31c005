//! Methods and spellings of paths as the original's router answers them: who asks with another method is told which there
//! are, and who writes a path in another way is sent to the usual one.
//!
//! # Source
//! Answers of Prometheus 2.42. Its own redirects of `/api/v1/query/` forget what stands before; ours do not.

use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use http::{HeaderValue, Method, StatusCode, header};

/// A route that is read with GET; HEAD is not GET here.
pub(crate) fn get<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    refusing(routing::get(handler), "GET, OPTIONS")
}

/// A route whose parameters come in the URL or in a form.
pub(crate) fn get_post<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    refusing(routing::get(handler.clone()).post(handler), "GET, OPTIONS, POST")
}

/// A route that takes something in.
pub(crate) fn post<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    refusing(routing::post(handler), "OPTIONS, POST")
}

/// A route that changes something.
pub(crate) fn post_put<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    refusing(routing::post(handler.clone()).put(handler), "OPTIONS, POST, PUT")
}

/// A route that load balancers ask with HEAD too.
pub(crate) fn get_head<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    routing::get(handler).fallback(move || refuse("GET, HEAD, OPTIONS"))
}

fn refusing<S>(route: MethodRouter<S>, allowed: &'static str) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    // Without a handler of its own HEAD would be answered by that of GET.
    route.head(move || refuse(allowed)).fallback(move || refuse(allowed))
}

async fn refuse(allowed: &'static str) -> Response {
    let headers = [(header::ALLOW, HeaderValue::from_static(allowed))];
    (StatusCode::METHOD_NOT_ALLOWED, headers, "Method Not Allowed\n").into_response()
}

/// Sends `//metrics` and `/metrics/` to `/metrics`.
pub(crate) async fn tidy_path(request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    if let Some(clean) = cleaned(uri.path()) {
        return moved(&method, &clean, uri.query());
    }
    let response = next.run(request).await;
    match uri.path().strip_suffix('/') {
        Some(without) if !without.is_empty() && response.status() == StatusCode::NOT_FOUND => {
            moved(&method, without, uri.query())
        }
        _ => response,
    }
}

fn moved(method: &Method, path: &str, query: Option<&str>) -> Response {
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let code =
        if *method == Method::GET { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
    (code, [(header::LOCATION, format!("{path}{query}"))]).into_response()
}

/// Returns the path without empty segments, `.` and `..`; `None` when it has none.
fn cleaned(path: &str) -> Option<String> {
    let inner = path.strip_prefix('/')?;
    let (inner, end) = inner.strip_suffix('/').map_or((inner, ""), |inner| (inner, "/"));
    let is_odd = |segment: &str| matches!(segment, "" | "." | "..");
    if !inner.split('/').any(is_odd) || path == "/" {
        return None;
    }
    let mut kept = Vec::new();
    for segment in inner.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    Some(if kept.is_empty() { "/".to_owned() } else { format!("/{}{end}", kept.join("/")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_means_nothing() {
        let check = |path: &str, want: Option<&str>| assert_eq!(cleaned(path).as_deref(), want, "{path}");
        check("/", None);
        check("*", None);
        check("/api/v1/labels", None);
        check("/metrics/", None);
        check("/a..b/.c", None);
        check("//api/v1/labels", Some("/api/v1/labels"));
        check("/api//v1/labels/", Some("/api/v1/labels/"));
        check("/api/v1/../v1/./labels", Some("/api/v1/labels"));
        check("//", Some("/"));
        check("/../..", Some("/"));
        // No other host.
        check("//other.example/x", Some("/other.example/x"));
    }
}
