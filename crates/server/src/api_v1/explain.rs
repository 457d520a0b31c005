//! `/query_explain`: the plan of a query with what each node is expected to cost, and with `analyze=true`, which runs the
//! query, what it cost. Our own; parameters are those of `/query`, or those of `/query_range` when `start` is there.
//!
//! ```text
//! {"nodes": [{"id", "parent", "children", "operator", "query", "start", "end", "valueType",
//!             "steps": {"start", "step", "count"}, "stepInvariant", "scan"?, "labels"?,
//!             "estimate": {"series", "samples", "rows", "memoryBytes"},
//!             "actual"?: {"series", "seriesRead", "samples", "rows", "memoryBytes", "time", "selfTime"}}],
//!  "scans": [{"matchers", "start", "end", "readers", "series"}],
//!  "rules": {"name": times}, "work"?: {…}, "stats"?: as /query, "text"}
//! ```
//! Parents stand before their children, the root first. Positions are bytes of the query, times seconds.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use wf_promql::ast::ValueType;
use wf_promql::engine::{Actual, LabelsNeeded, Plan, PlanNode, QueryStats, When};
use wf_promql::explain::{operator_name, text};

use super::ApiState;
use super::encode::write_stats;
use super::error::ApiError;
use super::params::Params;
use super::query::{Evaluation, common, evaluate, plan, range_span};
use super::select::{envelope, reply};
use crate::json::JsonWriter;
use crate::query_log::Origin;

pub(crate) async fn query_explain(
    State(state): State<Arc<ApiState>>,
    origin: Origin,
    params: Params,
) -> Result<Response, ApiError> {
    let when = match params.get("start") {
        Some(_) => When::Range(range_span(&params)?),
        None => When::Instant(params.time_or("time", state.now_ms())?),
    };
    let analyze = match params.get("analyze") {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(other) => {
            return Err(ApiError::parameter("analyze", format!("use true or false, not {other:?}")));
        }
    };
    let common = common(&params, None, &state)?;
    if !analyze {
        let plan = plan(state, common, when).await?;
        return Ok(reply(envelope(false, |json| write(json, &plan, None))));
    }
    let Evaluation { result, slot } = evaluate(state, common, when, origin, true).await?;
    let nothing = Arc::default();
    let plan = result.stats.plan.as_ref().unwrap_or(&nothing);
    let queued = slot.queued;
    Ok(reply(envelope(false, |json| write(json, plan, Some((&result.stats, queued))))))
}

/// Writes a plan, and what running it cost.
pub(crate) fn write(json: &mut JsonWriter, plan: &Plan, ran: Option<(&QueryStats, std::time::Duration)>) {
    json.raw(r#"{"nodes":"#).list(&plan.nodes, |json, node| write_node(json, plan, node));
    json.raw(r#","scans":"#).list(&plan.scans, |json, scan| {
        let matchers: Vec<String> = scan.matchers.iter().map(ToString::to_string).collect();
        json.raw(r#"{"matchers":"#).strings(&matchers);
        json.raw(r#","start":"#).timestamp(scan.range.start_ms);
        json.raw(r#","end":"#).timestamp(scan.range.end_ms);
        json.raw(r#","readers":"#).integer(scan.n_readers as u64);
        json.raw(r#","series":"#).integer(scan.n_series as u64).raw("}");
    });
    json.raw(r#","rules":{"#);
    for (idx, (rule, times)) in plan.applied.iter().enumerate() {
        json.item(idx == 0).key(rule.as_str()).integer(*times);
    }
    json.raw("}");
    if let Some((stats, queued)) = ran {
        let work = stats.work;
        let counts = [
            ("selects", work.selects),
            ("nodes", work.nodes),
            ("steps", work.steps),
            ("seriesDecoded", work.series_decoded),
            ("samplesDecoded", work.samples_decoded),
            ("labelSets", work.label_sets),
            ("seriesHeld", work.series_held),
        ];
        json.raw(r#","work":{"#);
        for (idx, (name, count)) in counts.into_iter().enumerate() {
            json.item(idx == 0).key(name).integer(count);
        }
        json.raw(r#"},"stats":"#);
        write_stats(json, stats, queued);
    }
    json.raw(r#","text":"#).string(&text(plan)).raw("}");
}

fn write_node(json: &mut JsonWriter, plan: &Plan, node: &PlanNode) {
    json.raw(r#"{"id":"#).integer(node.id as u64).raw(r#","parent":"#);
    match node.parent {
        Some(parent) => json.integer(parent as u64),
        None => json.raw("null"),
    };
    json.raw(r#","children":"#).list(&node.children, |json, child| {
        json.integer(*child as u64);
    });
    json.raw(r#","operator":"#).string(&operator_name(&node.operator));
    json.raw(r#","query":"#).string(&node.text);
    json.raw(r#","start":"#).integer(node.pos.start).raw(r#","end":"#).integer(node.pos.end);
    json.raw(r#","valueType":"#).string(type_name(node.value_type));
    json.raw(r#","steps":{"start":"#).timestamp(node.steps.start_ms);
    json.raw(r#","step":"#).timestamp(node.steps.step_ms);
    json.raw(r#","count":"#).integer(node.steps.n_steps as u64);
    json.raw(r#"},"stepInvariant":"#).boolean(node.is_step_invariant);
    if let Some(scan) = node.scan {
        json.raw(r#","scan":"#).integer(scan as u64);
    }
    if let LabelsNeeded::Only(labels) = &node.labels {
        json.raw(r#","labels":"#).strings(labels);
    }
    let estimate = node.estimate;
    json.raw(r#","estimate":{"series":"#).integer(estimate.series);
    json.raw(r#","samples":"#).integer(estimate.samples);
    json.raw(r#","rows":"#).integer(estimate.rows);
    json.raw(r#","memoryBytes":"#).integer(estimate.memory_bytes).raw("}");
    if let Some(actual) = node.actual {
        write_actual(json, actual, plan.self_time(node.id));
    }
    json.raw("}");
}

fn write_actual(json: &mut JsonWriter, actual: Actual, self_time: std::time::Duration) {
    json.raw(r#","actual":{"series":"#).integer(actual.series);
    json.raw(r#","seriesRead":"#).integer(actual.series_read);
    json.raw(r#","samples":"#).integer(actual.samples);
    json.raw(r#","rows":"#).integer(actual.rows);
    json.raw(r#","memoryBytes":"#).integer(actual.memory_bytes);
    json.raw(r#","time":"#).seconds(actual.time);
    json.raw(r#","selfTime":"#).seconds(self_time).raw("}");
}

fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
    }
}
