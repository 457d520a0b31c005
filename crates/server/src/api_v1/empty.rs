//! Endpoints whose subject does not exist here yet: clients ask, and the true answer is "none".

use axum::response::Response;
use wf_model::quote::GoQuoted;

use super::error::ApiError;
use super::params::Params;
use super::select::{envelope, reply};

fn answer(data: &str) -> Response {
    reply(envelope(false, |json| {
        json.raw(data);
    }))
}

pub(crate) async fn rules(params: Params) -> Result<Response, ApiError> {
    match params.get("type").map(str::to_ascii_lowercase).as_deref() {
        None | Some("alert" | "record") => Ok(answer(r#"{"groups":[]}"#)),
        Some(other) => Err(ApiError::parameter("type", format!("not supported value {}", GoQuoted(other)))),
    }
}

pub(crate) async fn alerts() -> Response {
    answer(r#"{"alerts":[]}"#)
}

pub(crate) async fn alertmanagers() -> Response {
    answer(r#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#)
}

/// There are no blocks yet: the head is all there is.
pub(crate) async fn blocks() -> Response {
    answer(r#"{"blocks":[]}"#)
}

pub(crate) async fn notifications() -> Response {
    answer("[]")
}
