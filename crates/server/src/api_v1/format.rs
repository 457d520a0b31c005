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
    let expr = super::parse::expression(&state.engine(), &params)?;
    Ok(reply(envelope(false, |json| {
        json.string(&wf_promql::printer::pretty(&expr));
    })))
}

pub(crate) async fn parse_query(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let expr = super::parse::expression(&state.engine(), &params)?;
    Ok(reply(envelope(false, |json| super::tree::write(json, &expr))))
}
