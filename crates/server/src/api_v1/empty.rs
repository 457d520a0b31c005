//! Endpoints whose subject does not exist here yet: clients ask, and the true answer is "none".

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use wf_model::quote::GoQuoted;

use super::ApiState;
use super::error::ApiError;
use super::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use super::select::{envelope, reply};

fn answer(data: &str) -> Response {
    reply(envelope(false, |json| {
        json.raw(data);
    }))
}

/// No exemplars are stored. A query is required, and one without selectors has no content, as in the original.
pub(crate) async fn exemplars(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let start_ms = params.time_or("start", MIN_TIME_MS)?;
    if params.time_or("end", MAX_TIME_MS)? < start_ms {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let expr = super::parse::expression(&state.engine(), &params)?;
    Ok(if super::parse::has_selector(&expr) { answer("[]") } else { StatusCode::NO_CONTENT.into_response() })
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
