//! `/targets`, `/targets/metadata`, `/scrape_pools` and `/metadata`: what is scraped and what it says about itself.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::ApiState;
use super::error::ApiError;
use super::params::Params;
use super::select::{envelope, reply};

pub(crate) async fn targets(
    State(_state): State<Arc<ApiState>>,
    _params: Params,
) -> Result<Response, ApiError> {
    Ok(reply(envelope(false, |json| {
        json.raw(r#"{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}"#);
    })))
}

pub(crate) async fn target_metadata(
    State(_state): State<Arc<ApiState>>,
    _params: Params,
) -> Result<Response, ApiError> {
    Ok(reply(envelope(false, |json| {
        json.raw("[]");
    })))
}

pub(crate) async fn scrape_pools(State(_state): State<Arc<ApiState>>) -> Response {
    reply(envelope(false, |json| {
        json.raw(r#"{"scrapePools":[]}"#);
    }))
}

pub(crate) async fn metadata(
    State(_state): State<Arc<ApiState>>,
    _params: Params,
) -> Result<Response, ApiError> {
    Ok(reply(envelope(false, |json| {
        json.raw("{}");
    })))
}
