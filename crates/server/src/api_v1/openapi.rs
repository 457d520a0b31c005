//! `/openapi.yaml`: this API, described for programs.
//!
//! The text is written by hand beside this file. Tests ask every endpoint in it, compare answers with its schemas, and
//! compare its paths with the routes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::ApiState;
use super::error::ApiError;
use super::params::Params;

/// The document in form 3.1.
const DOCUMENT: &str = include_str!("openapi.yaml");

pub(crate) async fn document(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let version = match params.get("openapi_version") {
        None | Some("3.1") => "3.1.0",
        // What is used here means the same in both.
        Some("3.2") => "3.2.0",
        Some(other) => {
            let cause = format!("{} is not one of 3.1 and 3.2", wf_model::quote::GoQuoted(other));
            return Err(ApiError::parameter("openapi_version", cause));
        }
    };
    let text = DOCUMENT.replacen("openapi: 3.1.0", &format!("openapi: {version}"), 1);
    let server = format!("  - url: {}/api/v1\n", state.facts().route_prefix);
    let text = text.replacen("  - url: /api/v1\n", &server, 1);
    Ok(([(CONTENT_TYPE, "application/yaml")], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the paths behind `.route("` in the source of the routes.
    fn routes() -> Vec<&'static str> {
        let parts = include_str!("../api_v1.rs").split(".route(\"").skip(1);
        parts.filter_map(|part| part.split('"').next()).collect()
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let lines = DOCUMENT.lines().filter(|line| line.starts_with("  /"));
        let mut described: Vec<&str> = lines.map(|line| line.trim().trim_end_matches(':')).collect();
        let mut routes = routes();
        described.sort_unstable();
        routes.sort_unstable();
        assert_eq!(described, routes);
    }
}
