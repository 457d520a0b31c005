//! Errors as clients of the API know them: a type, a text and a status code.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use wf_promql::engine::QueryError;
use wf_series::SelectError;

use crate::json::JsonWriter;

/// The `errorType` of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The request is wrong.
    BadData,
    /// The query failed on the data.
    Execution,
    /// The client, or the server's end, stopped the query.
    Canceled,
    /// The query took too long.
    Timeout,
    /// Something broke here.
    Internal,
    /// Switched off or not there yet.
    Unavailable,
}

impl ErrorKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            // nginx's "client closed request", as in the original.
            Self::Canceled => StatusCode::from_u16(499).expect("499 is in the range of status codes"),
            Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal | Self::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadData, message)
    }

    /// `invalid parameter "name": cause`.
    pub(crate) fn parameter(name: &str, cause: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {}: {cause}", wf_model::quote::GoQuoted(name)))
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let kind = match &error {
            QueryError::Parse(_) | QueryError::Invalid(_) => return Self::parameter("query", error),
            QueryError::Execution(_) | QueryError::TooManySamples => ErrorKind::Execution,
            QueryError::Timeout(_) => ErrorKind::Timeout,
            QueryError::Canceled(_) => ErrorKind::Canceled,
            QueryError::Storage(_) => ErrorKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<SelectError> for ApiError {
    fn from(error: SelectError) -> Self {
        let kind = match &error {
            SelectError::Storage(_) => ErrorKind::Internal,
            SelectError::Limit(_) => ErrorKind::Execution,
        };
        Self::new(kind, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut json = JsonWriter::collecting();
        json.raw(r#"{"status":"error","errorType":"#).string(self.kind.as_str());
        json.raw(r#","error":"#).string(&self.message).raw("}");
        let headers = [(http::header::CONTENT_TYPE, "application/json")];
        (self.kind.status(), headers, json.finish()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use wf_promql::engine::Stage;

    use super::*;

    #[test]
    fn each_failure_has_its_type_and_status() {
        let check = |error: ApiError, kind: &str, status: u16| {
            assert_eq!((error.kind.as_str(), error.kind.status().as_u16()), (kind, status));
        };
        let parse_error =
            wf_promql::parser::parse("a +", &wf_promql::parser::ParseOptions::default()).unwrap_err();
        check(QueryError::Parse(parse_error.clone()).into(), "bad_data", 400);
        check(QueryError::Execution("x".into()).into(), "execution", 422);
        check(QueryError::TooManySamples.into(), "execution", 422);
        check(QueryError::Timeout(Stage::Evaluation).into(), "timeout", 503);
        check(QueryError::Canceled(Stage::Evaluation).into(), "canceled", 499);
        check(SelectError::Storage("x".into()).into(), "internal", 500);
        let error = ApiError::from(QueryError::Parse(parse_error));
        assert_eq!(error.message, "invalid parameter \"query\": 1:4: parse error: unexpected end of input");
    }
}
