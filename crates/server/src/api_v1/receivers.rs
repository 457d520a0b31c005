//! Receivers of samples, which are off: senders are told so in the original's words.
//!
//! # Source
//! `spec/prometheus-core.md` §8.2 and §8.4.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

pub(crate) async fn remote_write() -> Response {
    off("remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n")
}

pub(crate) async fn otlp() -> Response {
    off("otlp write receiver needs to be enabled with --web.enable-otlp-receiver\n")
}

fn off(hint: &'static str) -> Response {
    (StatusCode::NOT_FOUND, hint).into_response()
}
