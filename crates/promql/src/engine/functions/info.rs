//! `info()`
use super::CallSite;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::BoxVector;

pub(crate) fn build(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    at.vector(0, cx)
}
