//! Why a query failed, in the reference's words.

use wf_series::SelectError;

use crate::parser::ParseError;

/// Where a query was when its time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before evaluation proper.
    Execution,
    /// Inside the evaluation of an expression.
    Evaluation,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "query execution",
            Self::Evaluation => "expression evaluation",
        }
    }
}

/// Why a query failed. The API's `errorType` follows from the variant.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not PromQL; rendered with its position. API: `bad_data`.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The query cannot be built: a duration expression without a value, a root of the wrong type. API: `bad_data`.
    #[error("{0}")]
    Invalid(String),
    /// Evaluation failed on the data. API: `execution`.
    #[error("{0}")]
    Execution(String),
    /// The memory bound was hit. API: `execution`.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// Time is up. API: `timeout`.
    #[error("query timed out in {}", .0.as_str())]
    Timeout(Stage),
    /// Somebody asked to stop. API: `canceled`.
    #[error("query was canceled in {}", .0.as_str())]
    Canceled(Stage),
    /// Storage could not be read. API: `internal`.
    #[error(transparent)]
    Storage(#[from] SelectError),
}
