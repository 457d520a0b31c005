//! `/format_query` and `/parse_query`: text to canonical text, text to tree.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::ApiState;
use super::error::ApiError;
use super::params::Params;
use super::select::{envelope, reply};

pub(crate) async fn format_query(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let prepared = super::parse::query(&state.engine(), params.get("query").unwrap_or(""))?;
    Ok(reply(envelope(false, |json| {
        json.string(&prepared.text);
    })))
}

pub(crate) async fn parse_query(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let prepared = super::parse::query(&state.engine(), params.get("query").unwrap_or(""))?;
    Ok(reply(envelope(false, |json| super::tree::write(json, &prepared.expr))))
}
