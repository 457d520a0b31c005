//! Which web pages of other origins may read answers.
//!
//! # Source
//! `spec/prometheus-query.md` §4.1. Requests that change state are guarded by the HTTP kit.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use wf_model::AnchoredRegex;

/// Origins that may read.
#[derive(Clone, Debug)]
pub(crate) enum AllowedOrigins {
    /// All of them: the answer is `*`.
    Any,
    /// Those that match; the answer echoes them.
    Matching(Arc<AnchoredRegex>),
}

impl AllowedOrigins {
    /// Compiles the anchored expression of `--web.cors.origin`.
    pub(crate) fn new(pattern: &str) -> Result<Self, wf_model::RegexError> {
        if pattern == ".*" {
            return Ok(Self::Any);
        }
        Ok(Self::Matching(Arc::new(AnchoredRegex::new(pattern)?)))
    }

    fn answer(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Matching(regex) => {
                origin.to_str().is_ok_and(|origin| regex.is_match(origin)).then(|| origin.clone())
            }
        }
    }
}

/// Adds the headers browsers ask for, and answers preflight requests.
pub(crate) async fn layer(State(allowed): State<AllowedOrigins>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    add_headers(&allowed, origin.as_ref(), response.headers_mut());
    response
}

fn add_headers(allowed: &AllowedOrigins, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return };
    let constant = HeaderValue::from_static;
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        constant("Accept, Authorization, Content-Type, Origin"),
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, constant("GET, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, constant("Date"));
    if let Some(answer) = allowed.answer(origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_answered_when_it_matches() {
        let check = |pattern: &str, origin: &'static str, want: Option<&str>| {
            let mut headers = HeaderMap::new();
            let origin = HeaderValue::from_static(origin);
            add_headers(&AllowedOrigins::new(pattern).unwrap(), Some(&origin), &mut headers);
            let answer =
                headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
            assert_eq!((answer, &headers[header::VARY]), (want, &HeaderValue::from_static("Origin")));
        };
        check(".*", "http://a.example", Some("*"));
        check("https?://a\\.example", "http://a.example", Some("http://a.example"));
        check("https?://a\\.example", "http://a.example.evil", None);
    }
}
