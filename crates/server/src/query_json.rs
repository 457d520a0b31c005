//! Queries as JSON in the forms of the API, for tools that work without a server.

use wf_promql::ast::Expr;
use wf_promql::engine::{Plan, QueryStats};
use wf_promql::lint::Finding;
use wf_promql::parser::ParseError;

use crate::api_v1::{explain, lint, tree};
use crate::json::JsonWriter;

/// Returns a syntax tree as `/parse_query` has it.
pub fn tree(expr: &Expr) -> String {
    let mut json = JsonWriter::collecting();
    tree::write(&mut json, expr);
    json.finish()
}

/// Returns errors and findings as `/query_lint` has them.
pub fn findings(query: &str, errors: &[ParseError], findings: &[Finding]) -> String {
    let mut json = JsonWriter::collecting();
    lint::write(&mut json, query, errors, findings);
    json.finish()
}

/// Returns a plan as `/query_explain` has it, with what it cost if it ran.
pub fn plan(plan: &Plan, ran: Option<&QueryStats>) -> String {
    let mut json = JsonWriter::collecting();
    explain::write(&mut json, plan, ran.map(|stats| (stats, std::time::Duration::ZERO)));
    json.finish()
}
