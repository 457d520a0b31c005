//! A door for benchmarks: a query's answer as JSON, without HTTP.

use wf_promql::engine::QueryResult;

use crate::api_v1::encode::{Around, write_query_answer};
use crate::json::JsonWriter;

/// Writes the whole answer of a query into one string.
pub fn query_answer(result: &QueryResult) -> String {
    let mut json = JsonWriter::collecting();
    write_query_answer(&mut json, result, &Around::default());
    json.finish()
}
