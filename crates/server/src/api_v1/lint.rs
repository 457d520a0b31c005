//! `/query_lint`: what is wrong with a query, and what is suspicious about it. Our own; editors ask it while somebody types.
//!
//! ```text
//! {"errors": [{"start", "end", "line", "column", "message"}],
//!  "findings": [{"code", "severity", "start", "end", "line", "column", "message", "suggestion", "replacement"?}]}
//! ```
//! Positions are bytes of the query, columns count bytes from 1.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use wf_model::MetricType;
use wf_promql::ast::Pos;
use wf_promql::lint::{Finding, Knowledge, lint};
use wf_promql::parser::{ParseError, line_and_column, parse_leniently};

use super::ApiState;
use super::error::ApiError;
use super::params::Params;
use super::select::{envelope, reply};
use crate::json::JsonWriter;

pub(crate) async fn query_lint(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let query = params.get("query").unwrap_or("");
    let lenient = parse_leniently(query, &super::parse::options(&state.engine()));
    let mut findings = Vec::new();
    if let Some(expr) = lenient.expr.filter(|_| lenient.errors.is_empty()) {
        let types = metric_types(&state);
        let metric_type = |name: &str| types.get(name).copied();
        let interval = state.loaded_config().config.global.scrape_interval;
        let scrape_interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        findings = lint(&expr, &Knowledge { metric_type: &metric_type, scrape_interval_ms });
    }
    Ok(reply(envelope(false, |json| write(json, query, &lenient.errors, &findings))))
}

/// Types that scraped targets declare. Families that disagree are unknown.
fn metric_types(state: &ApiState) -> HashMap<String, MetricType> {
    let mut types = HashMap::new();
    let Ok(scrape) = state.scrape() else { return types };
    for target in scrape.metadata() {
        for family in target.families.iter() {
            let kind = family.metadata.kind;
            let known = types.entry(family.name.to_string()).or_insert(kind);
            if *known != kind {
                *known = MetricType::Unknown;
            }
        }
    }
    types
}

/// Writes the answer.
pub(crate) fn write(json: &mut JsonWriter, query: &str, errors: &[ParseError], findings: &[Finding]) {
    json.raw(r#"{"errors":"#).list(errors, |json, error| {
        json.raw("{");
        write_place(json, query, error.pos);
        json.raw(r#","message":"#).string(&error.message).raw("}");
    });
    json.raw(r#","findings":"#).list(findings, |json, finding| {
        json.raw(r#"{"code":"#).string(finding.code).raw(r#","severity":"#).string(finding.severity.as_str());
        json.raw(",");
        write_place(json, query, finding.pos);
        json.raw(r#","message":"#).string(&finding.message);
        json.raw(r#","suggestion":"#).string(&finding.suggestion);
        if let Some(replacement) = &finding.replacement {
            json.raw(r#","replacement":"#).string(replacement);
        }
        json.raw("}");
    });
    json.raw("}");
}

fn write_place(json: &mut JsonWriter, query: &str, pos: Pos) {
    let (line, column) = line_and_column(query, pos.start);
    json.raw(r#""start":"#).integer(pos.start).raw(r#","end":"#).integer(pos.end);
    json.raw(r#","line":"#).integer(line as i128).raw(r#","column":"#).integer(column as i128);
}
