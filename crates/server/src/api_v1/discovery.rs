//! `/status/discovery`, our own: how the sources of targets go.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use wf_discovery::SourceStatus;

use super::ApiState;
use super::error::ApiError;
use super::select::{envelope, reply};
use crate::json::JsonWriter;

pub(crate) async fn sources(State(state): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let statuses = state.discovery()?.statuses();
    Ok(reply(envelope(false, |json| {
        json.raw(r#"{"sources":"#).list(statuses.iter(), write_source).raw("}");
    })))
}

fn write_source(json: &mut JsonWriter, source: &SourceStatus) {
    json.raw(r#"{"mechanism":"#).string(source.mechanism);
    json.raw(r#","scrapePools":"#).strings(&source.configs);
    json.raw(r#","targets":"#).integer(source.n_targets as u64);
    json.raw(r#","lastError":"#).string(source.error.as_deref().unwrap_or("")).raw("}");
}
